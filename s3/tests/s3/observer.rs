//! An observer knows every object that a client writes, before and after it is there.

use std::io;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use s3::{BUCKET, Observer, Service, Written};

#[derive(Default)]
struct Recorder {
    calls: Mutex<Vec<(bool, Written)>>,
    refuses: bool,
}

impl Observer for Recorder {
    fn before(&self, object: &Written) -> io::Result<()> {
        self.calls.lock().unwrap().push((true, object.clone()));
        if self.refuses { Err(io::Error::other("not now")) } else { Ok(()) }
    }

    fn after(&self, object: &Written) -> io::Result<()> {
        self.calls.lock().unwrap().push((false, object.clone()));
        Ok(())
    }
}

#[tokio::test]
async fn an_observer_is_told_of_every_way_to_write_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::open(folder.path()).unwrap();
    let recorder = Arc::new(Recorder::default());
    service.observe(recorder.clone());
    let client = s3::client_of(service.clone());
    let put = client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"one")).send();
    let etag = put.await.unwrap().e_tag.unwrap();
    client.copy_object().bucket(BUCKET).key("b").copy_source(format!("{BUCKET}/a")).send().await.unwrap();
    let upload = client.create_multipart_upload().bucket(BUCKET).key("c").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let part = client.upload_part().bucket(BUCKET).key("c").upload_id(&id).part_number(1);
    let part = part.body(ByteStream::from_static(b"three")).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(part.e_tag.unwrap()).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    for _ in 0..2 {
        let complete = client.complete_multipart_upload().bucket(BUCKET).key("c").upload_id(&id);
        complete.multipart_upload(parts.clone()).send().await.unwrap();
    }
    let calls = recorder.calls.lock().unwrap().clone();
    let told: Vec<_> =
        calls.iter().map(|(before, object)| (*before, object.key.as_str(), object.size)).collect();
    let each = [("a", 3), ("b", 3), ("c", 5)].map(|(key, size)| [(true, key, size), (false, key, size)]);
    assert_eq!(told, each.concat(), "a completion that is repeated writes nothing");
    assert_eq!(format!("\"{}\"", calls[0].1.etag), etag);
    assert_eq!(service.written(BUCKET, "a").unwrap().as_ref(), Some(&calls[0].1));
    assert_eq!(service.written(BUCKET, "z").unwrap(), None);
}

#[tokio::test]
async fn what_an_observer_refuses_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::open(folder.path()).unwrap();
    service.observe(Arc::new(Recorder { refuses: true, ..Recorder::default() }));
    let client = s3::client_of(service.clone());
    let put = client.put_object().bucket(BUCKET).key("a").body(ByteStream::from_static(b"one")).send().await;
    assert!(put.is_err());
    assert_eq!(service.written(BUCKET, "a").unwrap(), None);
}
