//! What is kept with an object beside its bytes.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    MetadataDirective, ObjectAttributes, StorageClass,
};
use s3::BUCKET;

use crate::{Store, code, pattern};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn headers_and_metadata_come_back_and_disappear_with_the_object() {
    let store = Store::new();
    let at = DateTime::from_secs(4_000_000_000);
    let put = store.client.put_object().bucket(BUCKET).key("a.html").body(ByteStream::from_static(b"<p>"));
    let put = put.content_type("text/html").cache_control("max-age=60").content_disposition("inline");
    let put = put.content_language("de").content_encoding("identity").expires(at);
    put.metadata("mtime", "12.5").metadata("owner", "Grün & Co").send().await.unwrap();
    for client in [store.client.clone(), store.other()] {
        let head = client.head_object().bucket(BUCKET).key("a.html").send().await.unwrap();
        assert_eq!(head.content_type(), Some("text/html"));
        assert_eq!(head.cache_control(), Some("max-age=60"));
        assert_eq!(head.content_disposition(), Some("inline"));
        assert_eq!(head.content_language(), Some("de"));
        assert_eq!(head.content_encoding(), Some("identity"));
        assert_eq!(head.expires_string(), Some("Tue, 02 Oct 2096 07:06:40 GMT"));
        let metadata = head.metadata().unwrap();
        assert_eq!(metadata.get("mtime").map(String::as_str), Some("12.5"));
        assert_eq!(metadata.len(), 2, "{metadata:?}");
    }
    store.put("a.html", "new").await;
    let head = store.client.head_object().bucket(BUCKET).key("a.html").send().await.unwrap();
    assert_eq!(head.content_type(), Some("binary/octet-stream"));
    assert!(head.metadata().unwrap().is_empty() && head.cache_control().is_none());
}

#[tokio::test]
async fn a_file_that_another_program_has_changed_has_no_checksum_any_more() {
    let store = Store::new();
    let put = store.client.put_object().bucket(BUCKET).key("a.txt").body(ByteStream::from_static(b"one"));
    put.checksum_crc32("emyG8Q==").metadata("k", "v").send().await.unwrap();
    let head = || store.client.head_object().bucket(BUCKET).key("a.txt").checksum_mode(ChecksumMode::Enabled);
    assert!(head().send().await.unwrap().checksum_crc32().is_some());
    std::fs::write(store.root().join("a.txt"), "two").unwrap();
    let changed = head().send().await.unwrap();
    assert!(changed.checksum_crc32().is_none() && changed.metadata().unwrap().is_empty());
}

#[tokio::test]
async fn a_copy_has_the_metadata_of_its_source_or_that_of_its_request() {
    let store = Store::new();
    let put = store.client.put_object().bucket(BUCKET).key("a.txt").body(ByteStream::from_static(b"one"));
    put.metadata("k", "old").content_type("text/plain").send().await.unwrap();
    let copy = || store.client.copy_object().bucket(BUCKET).copy_source(format!("{BUCKET}/a.txt"));
    copy().key("b.txt").send().await.unwrap();
    copy()
        .key("c.txt")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("k", "new")
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .send()
        .await
        .unwrap();
    for (key, value, kind) in [("b.txt", "old", "text/plain"), ("c.txt", "new", "binary/octet-stream")] {
        let got = store.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(got.metadata().unwrap().get("k").map(String::as_str), Some(value), "{key}");
        assert_eq!(got.content_type(), Some(kind), "{key}");
    }
    let head = store.client.head_object().bucket(BUCKET).key("c.txt").checksum_mode(ChecksumMode::Enabled);
    assert_eq!(
        head.send().await.unwrap().checksum_sha256(),
        Some("dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=")
    );
    let itself = copy().key("a.txt").send().await;
    assert_eq!(code(itself), "InvalidRequest");
    let itself = copy().key("a.txt").metadata_directive(MetadataDirective::Replace).metadata("k", "x");
    itself.send().await.unwrap();
}

#[tokio::test]
async fn too_much_metadata_and_what_the_store_does_not_have_are_refused_by_name() {
    let store = Store::new();
    let put = || store.client.put_object().bucket(BUCKET).key("a.txt").body(ByteStream::from_static(b"one"));
    assert_eq!(code(put().metadata("k", "v".repeat(2048)).send().await), "MetadataTooLarge");
    assert_eq!(code(put().tagging("a=b").send().await), "NotImplemented");
    assert_eq!(code(put().sse_customer_algorithm("AES256").send().await), "NotImplemented");
    assert_eq!(code(put().storage_class(StorageClass::Glacier).send().await), "InvalidStorageClass");
    let public = put().acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead);
    assert_eq!(code(public.send().await), "AccessControlListNotSupported");
    let nothing = store.client.head_object().bucket(BUCKET).key("a.txt").send().await;
    assert_eq!(code(nothing), "NotFound");
    put().acl(aws_sdk_s3::types::ObjectCannedAcl::Private).send().await.unwrap();
}

/// Uploads two parts, and returns the upload's id and the parts.
async fn two_parts(
    store: &Store,
    algorithm: ChecksumAlgorithm,
    kind: Option<ChecksumType>,
) -> (String, Vec<CompletedPart>) {
    let created = store.client.create_multipart_upload().bucket(BUCKET).key("big.bin").metadata("k", "v");
    let created = created.checksum_algorithm(algorithm.clone()).set_checksum_type(kind).send().await.unwrap();
    let id = created.upload_id.unwrap();
    let (bytes, mut parts) = (pattern(6 * MIB), Vec::new());
    for (number, part) in [(1, &bytes[..5 * MIB]), (2, &bytes[5 * MIB..])] {
        let sent = store.client.upload_part().bucket(BUCKET).key("big.bin").upload_id(&id);
        let sent = sent.part_number(number).body(ByteStream::from(part.to_vec()));
        let sent = sent.checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        let part = part.set_checksum_crc32(sent.checksum_crc32).set_checksum_sha256(sent.checksum_sha256);
        parts.push(part.build());
    }
    (id, parts)
}

#[tokio::test]
async fn an_object_in_parts_has_a_checksum_of_its_type_and_its_parts_can_be_read() {
    let bytes = pattern(6 * MIB);
    for (algorithm, kind, whole) in [
        (ChecksumAlgorithm::Sha256, None, false),
        (ChecksumAlgorithm::Crc32, None, false),
        (ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject), true),
    ] {
        let store = Store::new();
        let (id, parts) = two_parts(&store, algorithm.clone(), kind).await;
        let complete = |parts: Vec<CompletedPart>| {
            let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let complete = store.client.complete_multipart_upload().bucket(BUCKET).key("big.bin");
            complete.upload_id(&id).multipart_upload(upload)
        };
        let wrong =
            complete(parts.clone()).checksum_crc32("AAAAAA==").checksum_type(ChecksumType::FullObject);
        if algorithm == ChecksumAlgorithm::Crc32 {
            assert_eq!(code(wrong.send().await), "BadDigest");
        }
        let done = complete(parts.clone()).send().await.unwrap();
        let again = complete(parts.clone()).send().await.unwrap();
        assert_eq!((done.e_tag(), done.checksum_crc32()), (again.e_tag(), again.checksum_crc32()));
        let head =
            store.client.head_object().bucket(BUCKET).key("big.bin").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        let sum = head.checksum_crc32().or(head.checksum_sha256()).unwrap();
        assert_eq!(sum.ends_with("-2"), !whole, "{sum}");
        if whole {
            // The same bytes in one piece have the same checksum.
            let put = store.client.put_object().bucket(BUCKET).key("one.bin").body(bytes.clone().into());
            let put = put.checksum_crc32(sum).send().await.unwrap();
            assert_eq!(put.checksum_crc32(), Some(sum), "a wrong one would be refused");
        }
        assert_eq!(head.metadata().unwrap().get("k").map(String::as_str), Some("v"));
        let second = store.client.get_object().bucket(BUCKET).key("big.bin").part_number(2);
        let second = second.send().await.unwrap();
        assert_eq!(second.parts_count(), Some(2));
        assert_eq!(second.content_range(), Some("bytes 5242880-6291455/6291456"));
        assert!(second.body.collect().await.unwrap().to_vec() == bytes[5 * MIB..]);
        let third = store.client.get_object().bucket(BUCKET).key("big.bin").part_number(3).send().await;
        assert_eq!(code(third), "InvalidPartNumber");
        let asked = store.client.get_object_attributes().bucket(BUCKET).key("big.bin");
        let asked = asked.object_attributes(ObjectAttributes::ObjectParts);
        let shown = asked.object_attributes(ObjectAttributes::Checksum).send().await.unwrap();
        let of_parts = shown.object_parts().unwrap();
        assert_eq!(of_parts.total_parts_count(), Some(2));
        let sizes: Vec<_> = of_parts.parts().iter().map(|part| part.size().unwrap()).collect();
        assert_eq!(sizes, [5 << 20, 1 << 20]);
        assert!(of_parts.parts()[0].checksum_crc32().or(of_parts.parts()[0].checksum_sha256()).is_some());
        assert!(shown.checksum().unwrap().checksum_type().is_some());
    }
}

#[tokio::test]
async fn a_part_with_another_checksum_than_stated_is_refused() {
    let store = Store::new();
    let (id, parts) = two_parts(&store, ChecksumAlgorithm::Crc32, None).await;
    let wrong = CompletedPart::builder().part_number(1).set_e_tag(parts[0].e_tag.clone());
    let wrong = wrong.checksum_crc32("AAAAAA==").build();
    let upload = CompletedMultipartUpload::builder().parts(wrong).parts(parts[1].clone()).build();
    let complete = store.client.complete_multipart_upload().bucket(BUCKET).key("big.bin").upload_id(&id);
    assert_eq!(code(complete.multipart_upload(upload).send().await), "InvalidPart");
    let other = store.client.upload_part().bucket(BUCKET).key("big.bin").upload_id(&id).part_number(3);
    let other = other.body(ByteStream::from_static(b"x")).checksum_sha1("EfatjsUqKYSmqrfxlhuH+Q6cnRA=");
    assert_eq!(code(other.send().await), "InvalidRequest");
}
