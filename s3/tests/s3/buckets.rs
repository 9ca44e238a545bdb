//! Buckets other than the folder itself.

use s3::BUCKET;

use crate::{Store, code, get};

#[tokio::test]
async fn a_bucket_is_deleted_when_it_is_empty() {
    let store = Store::new();
    store.client.create_bucket().bucket("other").send().await.unwrap();
    let put = store.client.put_object().bucket("other").key("a/b.txt").body("x".as_bytes().to_vec().into());
    put.send().await.unwrap();
    let delete = || store.client.delete_bucket().bucket("other");
    assert_eq!(code(delete().send().await), "BucketNotEmpty");
    let versions = store.client.list_object_versions().bucket("other").send().await.unwrap();
    let version = &versions.versions()[0];
    assert_eq!((version.key(), version.version_id()), (Some("a/b.txt"), Some("null")));
    let gone = store.client.delete_object().bucket("other").key("a/b.txt").version_id("null");
    gone.send().await.unwrap();
    delete().send().await.unwrap();
    assert_eq!(code(delete().send().await), "NoSuchBucket");
    let names = store.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = names.buckets().iter().map(|bucket| bucket.name().unwrap()).collect();
    assert_eq!(names, [BUCKET]);
}

#[tokio::test]
async fn the_bucket_that_is_the_folder_stays() {
    let store = Store::new();
    let refused = store.client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(code(refused), "AccessDenied");
    store.put("a.txt", "x").await;
    assert_eq!(get(&store.client, "a.txt").await, b"x");
    let refused = store.client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(code(refused), "BucketNotEmpty");
}

#[tokio::test]
async fn versioning_tags_and_acls_have_the_responses_of_a_plain_bucket() {
    let store = Store::new();
    store.put("a.txt", "x").await;
    assert!(store.client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap().status().is_none());
    let tags = store.client.get_object_tagging().bucket(BUCKET).key("a.txt").send().await.unwrap();
    assert!(tags.tag_set().is_empty());
    let acl = store.client.get_object_acl().bucket(BUCKET).key("a.txt").send().await.unwrap();
    assert_eq!(acl.grants().len(), 1);
    let missing = store.client.get_object_tagging().bucket(BUCKET).key("b.txt").send().await;
    assert_eq!(code(missing), "NoSuchKey");
}
