//! The leftovers of a killed process are completed or swept, and never visible.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::types::CompletedPart;
use s3::BUCKET;

use crate::multipart::{begin, complete, completed, part};
use crate::{Store, code, everything, pattern};

const PART: usize = 5 << 20;

#[tokio::test]
async fn only_leftovers_of_dead_processes_are_swept() {
    let store = Store::new();
    store.put("a.txt", "kept").await;
    let tmp = store.root().join(".s3/tmp");
    let live =
        fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    fs::write(live.join("being-written"), "half").unwrap();
    fs::create_dir(tmp.join("dead")).unwrap();
    for left in ["dead/half", "dead.lock", "unfinished-link", "older.lock"] {
        fs::write(tmp.join(left), "half").unwrap();
    }

    let other = store.other();
    assert!(live.join("being-written").exists());
    for left in ["dead", "dead.lock", "unfinished-link", "older.lock"] {
        assert!(!tmp.join(left).exists(), "{left}");
    }
    assert_eq!(crate::get(&other, "a.txt").await, b"kept");
    let listed = other.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents().len(), 1);

    // Dropping the last clone of a client removes its own temporary files.
    let Store { folder, client } = store;
    drop((client, other));
    assert_eq!(everything(&tmp), Vec::<std::path::PathBuf>::new());
    drop(folder);
}

#[tokio::test]
async fn uploads_without_a_change_for_a_week_are_swept() {
    let store = Store::new();
    let (old, new) = (begin(&store.client, "old").await, begin(&store.client, "new").await);
    let folder = store.root().join(".s3/uploads").join(&old);
    let week = Duration::from_secs(8 * 24 * 60 * 60);
    fs::File::open(&folder).unwrap().set_modified(SystemTime::now() - week).unwrap();
    let listed = store.other().list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.uploads().iter().map(|upload| upload.upload_id().unwrap()).collect::<Vec<_>>(), [&new]);
}

/// Creates each state of the folder in which a completion can be cut off.
#[tokio::test]
async fn a_completion_continues_from_every_state() {
    let store = Store::new();
    let client = &store.client;
    let bytes = pattern(PART + 5);
    let upload = async |key: &str| {
        let id = begin(client, key).await;
        let first = part(client, key, &id, 1, bytes[..PART].to_vec()).await;
        let second = part(client, key, &id, 2, bytes[PART..].to_vec()).await;
        (store.root().join(".s3/uploads").join(&id), id, [first, second])
    };

    // The parts are partly joined.
    let (folder, id, parts) = upload("1.bin").await;
    fs::write(folder.join("joined"), &bytes[..100]).unwrap();
    complete(client, "1.bin", &id, &parts).await.unwrap();
    assert!(store.get("1.bin").await == bytes);

    // The parts are joined, and the object is not published.
    let (folder, id, parts) = upload("2.bin").await;
    let etag = complete(client, "2.bin", &id, &parts).await.unwrap().e_tag;
    fs::rename(store.root().join("2.bin"), folder.join("joined")).unwrap();
    assert_eq!(code(client.get_object().bucket(BUCKET).key("2.bin").send().await), "NoSuchKey");
    assert_eq!(complete(client, "2.bin", &id, &parts).await.unwrap().e_tag, etag);
    assert!(store.get("2.bin").await == bytes);

    // The object is linked to its key and not yet removed from the upload. Its own condition must not prevent
    // the completion.
    let (folder, id, parts) = upload("3.bin").await;
    let etag = complete(client, "3.bin", &id, &parts).await.unwrap().e_tag;
    fs::hard_link(store.root().join("3.bin"), folder.join("joined")).unwrap();
    let parts =
        aws_sdk_s3::types::CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
    let again =
        client.complete_multipart_upload().bucket(BUCKET).key("3.bin").upload_id(&id).multipart_upload(parts);
    assert_eq!(again.if_none_match("*").send().await.unwrap().e_tag, etag);
    assert!(store.get("3.bin").await == bytes && !folder.join("joined").exists());

    // The object is published, and the parts are not removed.
    let (folder, id, parts) = upload("4.bin").await;
    let etag = complete(client, "4.bin", &id, &parts).await.unwrap().e_tag;
    fs::write(folder.join("00001"), "left").unwrap();
    assert_eq!(complete(client, "4.bin", &id, &parts).await.unwrap().e_tag, etag);
    assert!(!folder.join("00001").exists());
}

/// Kills a real process at every stage of a real completion.
#[tokio::test]
async fn a_process_killed_while_completing_loses_nothing() {
    let store = Store::new();
    let bytes = pattern(PART + 5);
    for round in 0..10 {
        let key = format!("out/{round}.bin");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::killed_while_completing", "--ignored", "--nocapture"])
            .envs([("THROUGHLINE_TEST_ROOT", store.root().to_str().unwrap()), ("THROUGHLINE_TEST_KEY", &key)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find_map(|line| line.strip_prefix("completing ").map(str::to_owned)).unwrap();
        let [id, first, second] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let folder = store.root().join(".s3/uploads").join(id);
        let stages: [&dyn Fn() -> bool; 5] = [
            &|| true,
            &|| folder.join("joined").exists(),
            &|| folder.join("complete.json").exists(),
            &|| store.root().join(&key).exists(),
            &|| !folder.join("00001").exists(),
        ];
        while !stages[round % 5]() && folder.join("00001").exists() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let client = store.other();
        let parts = [completed(1, first.to_owned()), completed(2, second.to_owned())];
        let etag = complete(&client, &key, id, &parts).await.unwrap().e_tag;
        assert!(crate::get(&client, &key).await == bytes);
        assert_eq!(complete(&client, &key, id, &parts).await.unwrap().e_tag, etag);
        assert_eq!(names(&folder), ["complete.json", "upload.json"]);
    }
}

/// The child process of the test above.
#[tokio::test]
#[ignore = "killed by another test"]
async fn killed_while_completing() {
    let Ok(root) = std::env::var("THROUGHLINE_TEST_ROOT") else { return };
    let key = std::env::var("THROUGHLINE_TEST_KEY").unwrap();
    let client = s3::client(Path::new(&root)).unwrap();
    let bytes = pattern(PART + 5);
    let id = begin(&client, &key).await;
    let mut parts: Vec<CompletedPart> = Vec::new();
    for (number, body) in [(1, &bytes[..PART]), (2, &bytes[PART..])] {
        parts.push(part(&client, &key, &id, number, body.to_vec()).await);
    }
    println!("\ncompleting {id} {} {}", parts[0].e_tag().unwrap(), parts[1].e_tag().unwrap());
    complete(&client, &key, &id, &parts).await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
