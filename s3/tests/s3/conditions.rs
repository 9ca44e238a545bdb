//! Of several conditional writes, exactly one succeeds.

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use s3::BUCKET;

use crate::{Store, code, get};

const WRITERS: usize = 16;
const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_sixteen_writers_creates_the_object() {
    let store = Store::new();
    // Half of them use a client that shares no locks with the other half.
    let clients = [store.client.clone(), store.other()];
    for round in 0..ROUNDS {
        let key = format!("runs/{round}/claim.json");
        let writers = (0..WRITERS).map(|writer| {
            let put = clients[writer % 2].put_object().bucket(BUCKET).key(&key).if_none_match("*");
            tokio::spawn(put.body(vec![writer as u8; 100].into()).send())
        });
        let results = join_all(writers).await;
        let mut winners = Vec::new();
        for (writer, result) in results.into_iter().enumerate() {
            match result.unwrap() {
                Ok(_) => winners.push(writer as u8),
                lost => assert_eq!(code(lost), "PreconditionFailed"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.get(&key).await, vec![winners[0]; 100]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_of_sixteen_writers_replaces_a_known_object() {
    let store = Store::new();
    let mut etag = store.put("turn.json", "first").await;
    for _ in 0..ROUNDS {
        let writers = (0..WRITERS).map(|writer| {
            let put = store.client.put_object().bucket(BUCKET).key("turn.json").if_match(&etag);
            tokio::spawn(put.body(vec![writer as u8].into()).send())
        });
        let results = join_all(writers).await.into_iter().map(Result::unwrap);
        let (won, lost): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.into_iter().all(|lost| code(lost) == "PreconditionFailed"));
        etag = won.into_iter().next().unwrap().unwrap().e_tag.unwrap();
    }
}

#[tokio::test]
async fn conditions_apply_to_existing_and_missing_objects() {
    let store = Store::new();
    let put = || store.client.put_object().bucket(BUCKET).key("a");
    assert_eq!(code(put().if_match("\"x\"").send().await), "NoSuchKey");
    let etag = store.put("a", "1").await;
    assert_eq!(code(put().if_match("\"x\"").send().await), "PreconditionFailed");
    assert_eq!(code(put().if_none_match("*").send().await), "PreconditionFailed");
    let etag = put().if_match(etag).send().await.unwrap().e_tag.unwrap();

    let get = || store.client.get_object().bucket(BUCKET).key("a");
    get().if_match(&etag).send().await.unwrap();
    assert_eq!(code(get().if_match("\"x\"").send().await), "PreconditionFailed");
    get().if_none_match("\"x\"").send().await.unwrap();
    let unchanged = get().if_none_match(&etag).send().await.unwrap_err();
    assert_eq!(unchanged.raw_response().unwrap().status().as_u16(), 304);

    let delete = || store.client.delete_object().bucket(BUCKET).key("a");
    assert_eq!(code(delete().if_match("\"x\"").send().await), "PreconditionFailed");
    delete().if_match(&etag).send().await.unwrap();
    assert_eq!(code(get().send().await), "NoSuchKey");
    put().if_none_match("*").send().await.unwrap();
}

const STEPS: u32 = 100;

/// Each of two processes reads a number and replaces it by the next one, if it is still the number that was
/// read.
#[tokio::test]
async fn processes_that_replace_an_object_under_a_condition_lose_no_step() {
    let store = Store::new();
    store.put("number.txt", "0").await;
    let counting = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "conditions::counts", "--ignored"]);
        command.env("THROUGHLINE_TEST_ROOT", store.root()).spawn().unwrap()
    };
    for mut child in [counting(), counting()] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(store.get("number.txt").await, (2 * STEPS).to_string().into_bytes());
}

/// The child process of the test above.
#[tokio::test]
#[ignore = "started by another test"]
async fn counts() {
    let Ok(root) = std::env::var("THROUGHLINE_TEST_ROOT") else { return };
    let client = s3::client(Path::new(&root)).unwrap();
    let mut steps = 0;
    while steps < STEPS {
        let head = client.head_object().bucket(BUCKET).key("number.txt").send().await.unwrap();
        let number = String::from_utf8(get(&client, "number.txt").await).unwrap();
        let next = (number.parse::<u32>().unwrap() + 1).to_string();
        let put = client.put_object().bucket(BUCKET).key("number.txt").if_match(head.e_tag.unwrap());
        match put.body(next.into_bytes().into()).send().await {
            Ok(_) => steps += 1,
            lost => assert_eq!(code(lost), "PreconditionFailed"),
        }
    }
}
