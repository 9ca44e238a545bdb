//! The permission table of the stack against the calls of the functions, in both directions: no call is refused,
//! and no grant is without a call. The store answers as S3 does to a role: 403 for what the role may not do, and
//! for a key that does not exist and that the role may not list.

mod cloud;
mod table;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use job::run::{Again, FORMAT, LeaseHolder, PostprocessResponse, PreprocessResponse};
use job::{ErrorName, keys};
use serde_json::Value;
use testing::{Api, JobFile};

use cloud::{Cloud, FILE, JOB};

fn job(method: &str) -> JobFile {
    JobFile::with_method(method, "{{ line }}").column("twice", "$.twice").unlimited("default")
}

fn lines(api: &Api, numbers: std::ops::Range<u32>) -> String {
    let path = |n: u32| format!("/{}/{n}", if n.is_multiple_of(5) { "flaky" } else { "ok" });
    numbers.map(|n| api.url(&path(n)) + "\n").collect()
}

/// Lines so long that items and outputs have several parts.
fn wide_lines(api: &Api) -> String {
    let wide = "x".repeat(200_000);
    (0..60).fold("line,wide\n".to_owned(), |text, n| text + &api.url(&format!("/ok/{n},{wide}\n")))
}

fn is_success(ended: &PostprocessResponse) -> bool {
    matches!(ended, PostprocessResponse::Succeeded { failed: 0, .. })
}

/// A run with failed lines, its redrive, an edit that continues it, and the same file once more. `n` is a multiple
/// of five.
async fn edits(cloud: &Cloud, api: &Api, method: &str, n: u32) {
    api.set_broken(true);
    let job = job(method);
    let event = cloud.upload(&job, lines(api, 0..2 * n)).await;
    let (run, ended) = cloud.run(&event, "one").await;
    assert!(matches!(ended, PostprocessResponse::Succeeded { failed, .. } if failed == u64::from(n) * 2 / 5));
    let (redriven, _) = cloud.run(&Cloud::redrive(&event, &run), "two").await;
    assert_eq!(redriven.generation, 1);
    let mut edited = cloud.upload(&job, lines(api, n..3 * n)).await;
    edited.again = Some(Again::Continue);
    api.set_broken(false);
    let before = api.count();
    let sent = |lines: u32| before + usize::try_from(lines).unwrap();
    let (_, ended) = cloud.run(&edited, "three").await;
    assert!(is_success(&ended), "{ended:?}");
    assert_eq!(api.count(), sent(n / 5 + n), "those that failed and those that are new");
    let refused = cloud.preprocess(&Cloud::redrive(&event, &redriven), "late", Value::Null).await;
    assert_eq!(refused.unwrap_err().name, ErrorName::RunDoubtful, "another run continues it");
    let mut again = cloud.upload(&job, lines(api, n..3 * n + 1)).await;
    again.again = Some(Again::Continue);
    let (run, ended) = cloud.run(&again, "four").await;
    assert!(is_success(&ended), "{ended:?}");
    assert_eq!(api.count(), sent(n / 5 + n + 1));
    // A call that is repeated after its response was lost.
    assert!(is_success(&cloud.end(&run, "four").await));
}

/// An execution of the first version that was aborted.
async fn earlier_lease(cloud: &Cloud, api: &Api) {
    let lease = r#"{"run":"00000000000000000000","execution":"aborted"}"#;
    cloud.objects.put(&keys::earlier_lease(JOB), lease).await.unwrap();
    let mut event = cloud.upload(&job("GET"), lines(api, 0..5)).await;
    event.again = Some(Again::Fresh);
    assert!(is_success(&cloud.run(&event, "after an earlier version").await.1));
    assert_eq!(cloud.objects.find(&keys::earlier_lease(JOB)).await.unwrap(), None);
}

/// An execution that was aborted, whose lease the next one takes over.
async fn aborted(cloud: &Cloud, api: &Api) {
    let event = cloud.upload(&job("GET"), lines(api, 0..30)).await;
    cloud.begin(&event, "aborted").await;
    let mut next = cloud.upload(&job("GET"), lines(api, 0..31)).await;
    next.again = Some(Again::Fresh);
    let (_, ended) = cloud.run(&next, "five").await;
    assert!(is_success(&ended), "{ended:?}");
}

/// Two runs of a job, and a limit that a lane of another job has.
async fn queues(cloud: &Cloud, api: &Api) {
    let limited = JobFile::get("{{ line }}").unlimited(api.host());
    let mut first = cloud.upload(&limited, lines(api, 0..5)).await;
    first.again = Some(Again::Fresh);
    let (run, lanes) = cloud.begin(&first, "first").await;
    let mut second = cloud.upload(&limited, lines(api, 0..6)).await;
    second.again = Some(Again::Fresh);
    let waits = cloud.preprocess(&second, "second", Value::Null).await.unwrap();
    assert!(matches!(waits, PreprocessResponse::Leased { .. }), "{waits:?}");
    let other = LeaseHolder {
        format: FORMAT,
        job: "other".to_owned(),
        run: "00000000000000000000".to_owned(),
        generation: 0,
        execution: "other".to_owned(),
        not_before: 0,
        drain_seconds: 0,
    };
    cloud.objects.put(&keys::limit_lease(&api.host()), serde_json::to_vec(&other).unwrap()).await.unwrap();
    let ended = cloud.finish(&run, lanes, "first").await;
    assert!(is_success(&ended), "{ended:?}");
    let (_, ended) = cloud.run(&second, "second").await;
    assert!(is_success(&ended), "{ended:?}");
}

/// A key that is refused, which stops the lane, and then a redrive of it.
async fn refused_key(cloud: &Cloud, api: &Api) {
    let refused = JobFile::get(api.url("/status/401?q={{ line }}")).unlimited("default");
    let mut event = cloud.upload(&refused, lines(api, 0..300)).await;
    event.again = Some(Again::Fresh);
    let (run, ended) = cloud.run(&event, "six").await;
    assert!(matches!(ended, PostprocessResponse::Failed { .. }), "{ended:?}");
    let report: Value =
        serde_json::from_slice(&cloud.objects.get(&keys::report(JOB, FILE)).await.unwrap()).unwrap();
    assert!(report["message"].as_str().unwrap().contains("401"), "{report}");
    cloud.run(&Cloud::redrive(&event, &run), "seven").await;
}

/// Uploads that cannot run.
async fn wrong_uploads(cloud: &Cloud) {
    let misplaced = cloud.put_input("jobs/places/a/input/b.txt", "x\n".to_owned()).await;
    let ignored = cloud.preprocess(&misplaced, "eight", Value::Null).await.unwrap();
    assert!(matches!(ignored, PreprocessResponse::Ignored { .. }));
    let no_job = cloud.put_input("jobs/nothing/input/b.txt", "x\n".to_owned()).await;
    let error = cloud.preprocess(&no_job, "nine", Value::Null).await.unwrap_err();
    assert_eq!(error.name, ErrorName::JobNotFound, "and not {error}");
    assert!(cloud.objects.find(&keys::report("nothing", "b.txt")).await.unwrap().is_some());
    let wrong = "[request]\nurl = \"http://a.example/{{ nothing }}\"\n";
    cloud.objects.put(&keys::job_file("wrong"), wrong).await.unwrap();
    let event = cloud.put_input(&keys::input("wrong", "b.txt"), "x\n".to_owned()).await;
    let error = cloud.preprocess(&event, "aborted-ten", Value::Null).await.unwrap_err();
    assert_eq!(error.name, ErrorName::JobInvalid);
    cloud.objects.put(&keys::job_file("gone"), "[request]\nurl = \"http://a.example/\"\n").await.unwrap();
    let event = cloud.put_input(&keys::input("gone", "b.txt"), "x\n".to_owned()).await;
    cloud.objects.delete(&keys::input("gone", "b.txt")).await.unwrap();
    let error = cloud.preprocess(&event, "aborted-eleven", Value::Null).await.unwrap_err();
    assert_eq!(error.name, ErrorName::InputNotFound, "and not {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_have_the_permissions_that_they_use_and_no_other() {
    let (cloud, api) = (Cloud::new(), Api::start());
    for (hurried, method, n) in [(false, "POST", 20), (true, "GET", 10)] {
        cloud.hurried.store(hurried, Ordering::SeqCst);
        Box::pin(edits(&cloud, &api, method, n)).await;
    }
    cloud.hurried.store(false, Ordering::SeqCst);
    Box::pin(earlier_lease(&cloud, &api)).await;
    let wide = cloud.put_input(&keys::input(JOB, "wide.csv"), wide_lines(&api)).await;
    let (_, ended) = cloud.run(&wide, "wide").await;
    assert!(is_success(&ended), "{ended:?}");
    Box::pin(aborted(&cloud, &api)).await;
    Box::pin(queues(&cloud, &api)).await;
    Box::pin(refused_key(&cloud, &api)).await;
    Box::pin(wrong_uploads(&cloud)).await;

    let mut unused = BTreeSet::new();
    for (step, grants) in &cloud.grants {
        assert_eq!(grants.refused(), Vec::<String>::new(), "{step} has too few permissions");
        unused.extend(grants.unused().into_iter().map(|grant| format!("{step} {grant}")));
    }
    assert_eq!(unused, BTreeSet::new(), "permissions that no call uses");
}
