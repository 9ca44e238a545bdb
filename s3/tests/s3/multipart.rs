//! Multipart uploads: the parts that they accept, and that completing is idempotent.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use s3::BUCKET;

use crate::{Store, code, everything, pattern};

/// The size in bytes of the smallest part that may be followed by another.
const PART: usize = 5 << 20;

pub(crate) async fn begin(client: &Client, key: &str) -> String {
    client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap().upload_id.unwrap()
}

pub(crate) async fn part(client: &Client, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let part =
        client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number).body(body.into());
    completed(number, part.send().await.unwrap().e_tag.unwrap())
}

pub(crate) fn completed(number: i32, etag: String) -> CompletedPart {
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

pub(crate) type Completed = Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>>;

pub(crate) async fn complete(client: &Client, key: &str, id: &str, parts: &[CompletedPart]) -> Completed {
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    client
        .complete_multipart_upload()
        .bucket(BUCKET)
        .key(key)
        .upload_id(id)
        .multipart_upload(parts)
        .send()
        .await
}

#[tokio::test]
async fn parts_are_joined_by_number_in_whatever_order_they_arrive() {
    let store = Store::new();
    let client = &store.client;
    let bytes = pattern(2 * PART + 11);
    let id = begin(client, "a/out.csv").await;
    let last = part(client, "a/out.csv", &id, 10_000, bytes[2 * PART..].to_vec()).await;
    let first = part(client, "a/out.csv", &id, 1, vec![0; PART]).await;
    assert_eq!(code(client.get_object().bucket(BUCKET).key("a/out.csv").send().await), "NoSuchKey");
    let middle = part(client, "a/out.csv", &id, 7, bytes[PART..2 * PART].to_vec()).await;
    let replaced = part(client, "a/out.csv", &id, 1, bytes[..PART].to_vec()).await;
    assert_ne!(first.e_tag(), replaced.e_tag());

    let listed =
        client.list_parts().bucket(BUCKET).key("a/out.csv").upload_id(&id).max_parts(2).send().await.unwrap();
    assert_eq!((listed.is_truncated, listed.next_part_number_marker.as_deref()), (Some(true), Some("7")));
    let rest = client.list_parts().bucket(BUCKET).key("a/out.csv").upload_id(&id).part_number_marker("7");
    let listed = [listed.parts(), rest.send().await.unwrap().parts()].concat();
    let found: Vec<_> = listed.iter().map(|part| (part.part_number, part.size, part.e_tag())).collect();
    assert_eq!(
        found,
        [
            (Some(1), Some(PART as i64), replaced.e_tag()),
            (Some(7), Some(PART as i64), middle.e_tag()),
            (Some(10_000), Some(11), last.e_tag()),
        ]
    );

    let done = complete(client, "a/out.csv", &id, &[replaced, middle, last]).await.unwrap();
    assert!(store.get("a/out.csv").await == bytes);
    let head = client.head_object().bucket(BUCKET).key("a/out.csv").send().await.unwrap();
    assert_eq!(done.e_tag, head.e_tag);
    // Only two small records of the upload are left.
    assert_eq!(everything(&store.root().join(".s3/uploads")).len(), 3);
}

#[tokio::test]
async fn completing_again_has_the_same_response_and_changes_nothing() {
    let store = Store::new();
    for parts in [1, 2] {
        let key = format!("{parts}.bin");
        let id = begin(&store.client, &key).await;
        let mut done = Vec::new();
        for number in 1..=parts {
            done.push(part(&store.client, &key, &id, number, vec![number as u8; PART]).await);
        }
        let first = complete(&store.client, &key, &id, &done).await.unwrap();
        for client in [store.client.clone(), store.other()] {
            assert_eq!(complete(&client, &key, &id, &done).await.unwrap().e_tag, first.e_tag);
        }
        store.put(&key, "newer").await;
        assert_eq!(complete(&store.client, &key, &id, &done).await.unwrap().e_tag, first.e_tag);
        assert_eq!(store.get(&key).await, b"newer");

        let upload = store.client.upload_part().bucket(BUCKET).key(&key).upload_id(&id).part_number(1);
        assert_eq!(code(upload.send().await), "NoSuchUpload");
        let abort = store.client.abort_multipart_upload().bucket(BUCKET).key(&key).upload_id(&id);
        assert_eq!(code(abort.send().await), "NoSuchUpload");
    }
}

#[tokio::test]
async fn wrong_parts_are_refused_and_can_be_corrected() {
    let store = Store::new();
    let client = &store.client;
    let id = begin(client, "k").await;
    let one = part(client, "k", &id, 1, vec![1; PART]).await;
    let two = part(client, "k", &id, 2, vec![2; 10]).await;
    let three = part(client, "k", &id, 3, vec![3; 10]).await;
    let refused = [
        (vec![], "MalformedXML"),
        (vec![two.clone(), one.clone()], "EntityTooSmall InvalidPartOrder"),
        (vec![one.clone(), one.clone()], "InvalidPartOrder"),
        (vec![one.clone(), completed(2, "\"wrong\"".to_owned())], "InvalidPart"),
        (vec![one.clone(), completed(9, "\"missing\"".to_owned())], "InvalidPart"),
        (vec![one.clone(), two.clone(), three.clone()], "EntityTooSmall"),
    ];
    for (parts, expected) in refused {
        let got = code(complete(client, "k", &id, &parts).await);
        assert!(expected.contains(&got), "{got}, not {expected}");
    }
    assert_eq!(code(complete(client, "other", &id, std::slice::from_ref(&one)).await), "NoSuchUpload");
    assert_eq!(code(complete(client, "k", "0123", std::slice::from_ref(&one)).await), "NoSuchUpload");
    assert_eq!(code(complete(client, "k", "../uploads", std::slice::from_ref(&one)).await), "NoSuchUpload");
    complete(client, "k", &id, &[one, three]).await.unwrap();
    assert_eq!(store.get("k").await.len(), PART + 10);
}

#[tokio::test]
async fn parts_are_copied_from_ranges() {
    let store = Store::new();
    let bytes = pattern(2 * PART);
    store.put("from.bin", bytes.clone()).await;
    let id = begin(&store.client, "to.bin").await;
    let mut parts = Vec::new();
    for (number, range) in [(1, format!("bytes=10-{}", PART + 9)), (2, "bytes=0-4".to_owned())] {
        let copy =
            store.client.upload_part_copy().bucket(BUCKET).key("to.bin").upload_id(&id).part_number(number);
        let copy =
            copy.copy_source(format!("{BUCKET}/from.bin")).copy_source_range(range).send().await.unwrap();
        parts.push(completed(number, copy.copy_part_result.unwrap().e_tag.unwrap()));
    }
    complete(&store.client, "to.bin", &id, &parts).await.unwrap();
    assert!(store.get("to.bin").await == [&bytes[10..PART + 10], &bytes[..5]].concat());
    let copy = store.client.upload_part_copy().bucket(BUCKET).key("to.bin").upload_id(&id).part_number(1);
    let copy = copy.copy_source(format!("{BUCKET}/from.bin")).copy_source_range("bytes=0-99999999");
    assert_eq!(code(copy.send().await), "NoSuchUpload");
}

#[tokio::test]
async fn a_completion_can_require_a_new_object() {
    let store = Store::new();
    store.put("k", "old").await;
    let id = begin(&store.client, "k").await;
    let one = part(&store.client, "k", &id, 1, b"new".to_vec()).await;
    let parts = CompletedMultipartUpload::builder().parts(one).build();
    let complete = || {
        let complete = store.client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id);
        complete.multipart_upload(parts.clone()).if_none_match("*").send()
    };
    assert_eq!(code(complete().await), "PreconditionFailed");
    assert_eq!(store.get("k").await, b"old");
    store.client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    complete().await.unwrap();
    complete().await.unwrap();
    assert_eq!(store.get("k").await, b"new");
}

#[tokio::test]
async fn uploads_are_listed_until_they_end() {
    let store = Store::new();
    let client = &store.client;
    let keys = ["a/1", "a/2", "b"];
    let mut ids = Vec::new();
    for key in keys {
        ids.push(begin(client, key).await);
    }
    let listed = async |prefix: &str, after: &str| {
        let list =
            client.list_multipart_uploads().bucket(BUCKET).prefix(prefix).key_marker(after).send().await;
        list.unwrap().uploads().iter().map(|upload| upload.key.clone().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(listed("", "").await, keys);
    assert_eq!(listed("a/", "").await, keys[..2]);
    assert_eq!(listed("", "a/1").await, keys[1..]);
    client.abort_multipart_upload().bucket(BUCKET).key("a/1").upload_id(&ids[0]).send().await.unwrap();
    let only = part(client, "b", &ids[2], 3, b"x".to_vec()).await;
    complete(client, "b", &ids[2], &[only]).await.unwrap();
    assert_eq!(listed("", "").await, ["a/2"]);
    let parts = client.list_parts().bucket(BUCKET).key("a/1").upload_id(&ids[0]).send().await;
    assert_eq!(code(parts), "NoSuchUpload");
}
