//! Reads, writes, copies and deletes single objects.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use s3::BUCKET;

use crate::{Store, code, everything, get, pattern, put};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn ranges_are_exact_at_every_chunk_boundary() {
    let store = Store::new();
    let bytes = pattern(3 * MIB + 7);
    store.put("a.bin", bytes.clone()).await;
    assert!(store.get("a.bin").await == bytes);
    let end = bytes.len();
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=5-".to_owned(), 5, end),
        (format!("bytes={}-{}", MIB - 1, MIB), MIB - 1, MIB + 1),
        (format!("bytes={}-{}", MIB, 2 * MIB - 1), MIB, 2 * MIB),
        (format!("bytes=17-{}", 2 * MIB + 17), 17, 2 * MIB + 18),
        (format!("bytes={}-99999999", end - 1), end - 1, end),
        ("bytes=-10".to_owned(), end - 10, end),
    ] {
        let got = store.client.get_object().bucket(BUCKET).key("a.bin").range(&range).send().await.unwrap();
        assert_eq!(got.content_length, Some((to - from) as i64), "{range}");
        assert_eq!(got.content_range, Some(format!("bytes {from}-{}/{end}", to - 1)));
        assert!(got.body.collect().await.unwrap().to_vec() == bytes[from..to], "{range}");
    }
    let beyond =
        store.client.get_object().bucket(BUCKET).key("a.bin").range(format!("bytes={end}-")).send().await;
    assert_eq!(code(beyond), "InvalidRange");
}

#[tokio::test]
async fn reading_a_range_does_not_read_the_whole_object() {
    let store = Store::new();
    let target = store.folder.path().join("sparse.bin");
    fs::File::create(&target).unwrap().set_len(1 << 42).unwrap();
    s3::link_object(&store.root(), BUCKET, "big.bin", &target).unwrap();
    let range = format!("bytes={}-{}", 1u64 << 41, (1u64 << 41) + 65535);
    let got = store.client.get_object().bucket(BUCKET).key("big.bin").range(range).send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), vec![0; 65536]);
}

#[tokio::test]
async fn etags_are_consistent_and_change_with_every_write() {
    let store = Store::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        let etag = store.put("same.txt", "same").await;
        let head = store.client.head_object().bucket(BUCKET).key("same.txt").send().await.unwrap();
        let listed = store.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        assert_eq!(head.e_tag.as_ref(), Some(&etag));
        assert_eq!(listed.contents()[0].e_tag.as_ref(), Some(&etag));
        assert_eq!((head.content_length, listed.contents()[0].size), (Some(4), Some(4)));
        assert!(seen.insert(etag));
    }
}

#[tokio::test]
async fn missing_objects_and_buckets_have_the_codes_of_s3() {
    let store = Store::new();
    let client = &store.client;
    assert_eq!(code(client.get_object().bucket(BUCKET).key("no").send().await), "NoSuchKey");
    assert!(
        client
            .head_object()
            .bucket(BUCKET)
            .key("no")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
    assert_eq!(code(client.get_object().bucket("no-bucket").key("no").send().await), "NoSuchBucket");
    assert_eq!(code(client.put_object().bucket("no-bucket").key("a").send().await), "NoSuchBucket");
    assert_eq!(code(client.list_objects_v2().bucket("no-bucket").send().await), "NoSuchBucket");
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert!(
        client
            .head_bucket()
            .bucket("no-bucket")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
    client.create_bucket().bucket("other.bucket").send().await.unwrap();
    client.create_bucket().bucket("other.bucket").send().await.unwrap();
    client.head_bucket().bucket("other.bucket").send().await.unwrap();
    client.put_object().bucket("other.bucket").key("a").send().await.unwrap();
    assert_eq!(
        buckets(client.list_buckets()).await,
        (vec!["other.bucket", BUCKET].into_iter().map(String::from).collect(), None)
    );
    assert_eq!(buckets(client.list_buckets().prefix("thr")).await.0, [BUCKET]);
    let (first, token) = buckets(client.list_buckets().max_buckets(1)).await;
    assert_eq!(first, ["other.bucket"]);
    let second = client.list_buckets().set_continuation_token(token);
    assert_eq!(buckets(second).await, (vec![BUCKET.to_owned()], None));
    let location = client.get_bucket_location().bucket(BUCKET).send().await.unwrap().location_constraint;
    assert!(location.is_none_or(|location| location.as_str().is_empty()), "as in us-east-1");
    assert_eq!(code(client.get_bucket_location().bucket("no-bucket").send().await), "NoSuchBucket");
    assert_eq!(code(client.get_object().bucket(BUCKET).key("a").send().await), "NoSuchKey");
    // Deleting a missing object is not an error.
    client.delete_object().bucket(BUCKET).key("no/such/thing").send().await.unwrap();
}

/// The names of a page of buckets, and the token of the next page.
async fn buckets(
    list: aws_sdk_s3::operation::list_buckets::builders::ListBucketsFluentBuilder,
) -> (Vec<String>, Option<String>) {
    let page = list.send().await.unwrap();
    assert!(page.buckets().iter().all(|bucket| bucket.creation_date().is_some()));
    let names = page.buckets().iter().map(|bucket| bucket.name().unwrap().to_owned()).collect();
    (names, page.continuation_token)
}

#[tokio::test]
async fn readers_see_the_old_or_the_new_object_never_a_mixture() {
    let store = Store::new();
    let sizes = [3 * MIB, 5 * MIB + 1];
    store.put("a/b.bin", vec![0; sizes[0]]).await;
    let writer = {
        let client = store.client.clone();
        tokio::spawn(async move {
            for round in 1u8..=20 {
                put(&client, "a/b.bin", vec![round; sizes[usize::from(round % 2)]]).await;
            }
        })
    };
    let readers = (0..4).map(|_| {
        let client = store.client.clone();
        tokio::spawn(async move {
            let mut last = 0;
            while last < 20 {
                let bytes = get(&client, "a/b.bin").await;
                assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                assert_eq!(bytes.len(), sizes[usize::from(bytes[0] % 2)]);
                assert!(bytes[0] >= last, "an older object came back");
                last = bytes[0];
            }
        })
    });
    for task in readers.chain([writer]).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_linked_file_is_read_in_place_and_never_written() {
    let store = Store::new();
    let target = store.folder.path().join("input.csv");
    fs::write(&target, "address\n").unwrap();
    let key = "jobs/places/input/input.csv";
    s3::link_object(&store.root(), BUCKET, key, &target).unwrap();
    s3::link_object(&store.root(), BUCKET, key, &target).unwrap();
    let head = store.client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(head.content_length, Some(8));
    let listed = store.client.list_objects_v2().bucket(BUCKET).prefix("jobs/").send().await.unwrap();
    assert_eq!((listed.contents()[0].key(), listed.contents()[0].e_tag()), (Some(key), head.e_tag()));

    fs::write(&target, "address\n1 Main St\n").unwrap();
    assert_eq!(store.get(key).await, b"address\n1 Main St\n");
    let stale = store.client.get_object().bucket(BUCKET).key(key).if_match(head.e_tag.unwrap()).send().await;
    assert_eq!(code(stale), "PreconditionFailed");

    store.put(key, "other").await;
    assert_eq!(store.get(key).await, b"other");
    s3::link_object(&store.root(), BUCKET, key, &target).unwrap();
    store.client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"address\n1 Main St\n");
    assert_eq!(code(store.client.get_object().bucket(BUCKET).key(key).send().await), "NoSuchKey");

    s3::link_object(&store.root(), BUCKET, key, &target).unwrap();
    fs::remove_file(&target).unwrap();
    assert_eq!(code(store.client.get_object().bucket(BUCKET).key(key).send().await), "NoSuchKey");
    assert!(s3::link_object(&store.root(), BUCKET, key, store.folder.path()).is_err(), "a folder");
}

#[tokio::test]
async fn copies_are_whole_and_independent() {
    let store = Store::new();
    store.put("from ä/a.txt", "one").await;
    let source = format!("{BUCKET}/from%20%C3%A4/a.txt");
    let copied =
        store.client.copy_object().bucket(BUCKET).key("to.txt").copy_source(&source).send().await.unwrap();
    store.put("from ä/a.txt", "two").await;
    assert_eq!(store.get("to.txt").await, b"one");
    let head = store.client.head_object().bucket(BUCKET).key("to.txt").send().await.unwrap();
    assert_eq!(copied.copy_object_result.unwrap().e_tag, head.e_tag);
    let missing =
        store.client.copy_object().bucket(BUCKET).key("x").copy_source(format!("{BUCKET}/no")).send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

#[tokio::test]
async fn many_objects_are_deleted_at_once_with_their_empty_folders() {
    let store = Store::new();
    for n in 0..10 {
        store.put(&format!("a/b{}/{n}.txt", n % 3), "x").await;
    }
    let ids =
        (0..12).map(|n| ObjectIdentifier::builder().key(format!("a/b{}/{n}.txt", n % 3)).build().unwrap());
    let delete = Delete::builder().set_objects(Some(ids.collect())).build().unwrap();
    let done = store.client.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
    assert_eq!((done.deleted().len(), done.errors().len()), (12, 0));
    assert!(!store.root().join("a").exists());
    assert!(store.root().exists());
}

#[tokio::test]
async fn writes_survive_the_removal_of_their_folder_by_a_delete() {
    let store = Store::new();
    for round in 0..40 {
        let put = store.put("a/b/c/d/new.txt", format!("{round}"));
        let delete = store.client.delete_object().bucket(BUCKET).key("a/b/c/d/old.txt").send();
        let (_, deleted) = tokio::join!(put, delete);
        deleted.unwrap();
        assert_eq!(store.get("a/b/c/d/new.txt").await, format!("{round}").into_bytes());
        store.client.delete_object().bucket(BUCKET).key("a/b/c/d/new.txt").send().await.unwrap();
    }
}

#[tokio::test]
async fn bodies_with_a_wrong_length_or_checksum_are_refused_and_removed() {
    let store = Store::new();
    let put = || store.client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"hello"));
    assert_eq!(code(put().checksum_crc32("AAAAAA==").send().await), "BadDigest");
    assert_eq!(code(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await), "BadDigest");
    assert_eq!(code(store.client.get_object().bucket(BUCKET).key("a").send().await), "NoSuchKey");
    put().checksum_crc32("NhCmhg==").content_md5("XUFAKrxLKna5cZ2REBfFkg==").send().await.unwrap();
    put().checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256).send().await.unwrap();
    assert_eq!(store.get("a").await, b"hello");
    let left = everything(&store.root().join(".s3/tmp"));
    assert!(left.iter().all(|path| path.is_dir() || path.extension().is_some()), "{left:?}");
}

#[tokio::test]
async fn a_streamed_file_is_uploaded() {
    let store = Store::new();
    let path = store.folder.path().join("upload.bin");
    let bytes = pattern(2 * MIB + 3);
    fs::write(&path, &bytes).unwrap();
    let body = ByteStream::from_path(&path).await.unwrap();
    store.client.put_object().bucket(BUCKET).key("a.bin").body(body).send().await.unwrap();
    assert!(store.get("a.bin").await == bytes);
}

#[tokio::test]
async fn all_files_are_private_to_the_user() {
    let store = Store::new();
    store.put("jobs/a/input/b.csv", "x").await;
    store.client.create_multipart_upload().bucket(BUCKET).key("k").send().await.unwrap();
    for path in [everything(&store.root()), vec![store.root()]].concat() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
    }
}

#[tokio::test]
async fn a_disk_error_names_the_file_and_the_cause() {
    let store = Store::new();
    let config = s3::config(&store.root()).unwrap().retry_config(RetryConfig::disabled());
    let client = aws_sdk_s3::Client::from_conf(config.build());
    fs::remove_dir_all(store.root().join(".s3/tmp")).unwrap();
    let failed = client.put_object().bucket(BUCKET).key("a").send().await.unwrap_err();
    assert_eq!(failed.code(), Some("InternalError"));
    let text = DisplayErrorContext(&failed).to_string();
    assert!(text.contains(".s3/tmp/") && text.contains("No such file"), "{text}");
}
