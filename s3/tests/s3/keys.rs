//! Every legal key is a separate object inside the folder.

use s3::BUCKET;

use crate::{Store, everything};

#[tokio::test]
async fn unusual_keys_do_not_collide_and_stay_inside_the_folder() {
    let store = Store::new();
    let long = [
        "k".repeat(1024),
        "é".repeat(512),
        "k".repeat(200),
        format!("{}/x", "k".repeat(200)),
        "\u{1}".repeat(600),
    ];
    let odd = [
        "x",
        "x/",
        "x/y",
        "x.y",
        "x.y/z",
        "x//y",
        "/x",
        "//",
        "/",
        ".",
        "..",
        "./x",
        "../x",
        "../../../x",
        "a/../b",
        "%",
        "%41",
        "A",
        "x%",
        "x%%",
        "x%-",
        ".s3",
        ".s3/lock",
        ".s3/tmp/x",
        "a b+c&d=e?f#g",
        "größe/ключ.csv",
        "back\\slash",
        "new\nline",
        "nul\0",
        "tab\t",
        "con:1*\"<>|",
        "?versionId=1",
        "~",
        " x ",
    ];
    let keys: Vec<&str> = long.iter().map(String::as_str).chain(odd).collect();
    for key in &keys {
        store.put(key, *key).await;
    }
    for key in &keys {
        assert_eq!(store.get(key).await, key.as_bytes(), "{key:?}");
    }
    let outside = everything(store.folder.path());
    assert!(outside.iter().all(|path| path.starts_with(store.root())));
    for key in &keys {
        store.client.delete_object().bucket(BUCKET).key(*key).send().await.unwrap();
    }
    let listed = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents(), []);
    let left = std::fs::read_dir(store.root()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), [".s3"]);
}

#[tokio::test]
async fn ordinary_keys_are_paths_in_the_folder() {
    let store = Store::new();
    for key in
        ["jobs/places/output/addresses.csv", "runs/places/0f3a/results/l1/000000000001/a-1-o5-f0.jsonl"]
    {
        store.put(key, "here").await;
        assert_eq!(std::fs::read(store.root().join(key)).unwrap(), b"here");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused() {
    let store = Store::new();
    let put = store.client.put_object().bucket(BUCKET).key("k".repeat(1025)).send().await;
    assert_eq!(crate::code(put), "KeyTooLongError");
}
