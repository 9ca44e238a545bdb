//! Which run a run continues, and what is asked first.

use job::ErrorName;
use job::run::{Again, Redrive};
use job::{StepError, keys};

use crate::workers::Outcome;
use crate::world::{FILE, JOB, World, job, line};

fn lines(last: u32) -> Vec<String> {
    (1..=last).map(line).collect()
}

async fn doubt(world: &World, event: &job::run::Event) -> StepError {
    let error = world.call(event).await.unwrap_err();
    assert_eq!(error.name, ErrorName::RunDoubtful, "{error}");
    error
}

/// A run of 20 lines; `done` of them have succeeded.
async fn first_run(world: &World, done: u64) -> job::run::RunRef {
    let run = world.begin(&world.upload(&job("GET", ""), &lines(20)).await).await;
    world.work(&run, |n| if n <= done { Outcome::Success } else { Outcome::Nothing }).await;
    if done == 20 {
        world.finish(&run).await;
    }
    run
}

#[tokio::test]
async fn the_first_run_is_recorded_as_the_latest() {
    let world = World::new();
    let event = world.upload(&job("GET", ""), &lines(3)).await;
    let run = world.begin(&event).await;
    let start = world.json(&run.keys().start()).await.unwrap();
    assert_eq!(start["content"], event.detail.object.version_id.as_deref().unwrap());
    assert_eq!((&start["continues"], start.get("previous")), (&false.into(), None));
    assert_eq!(world.json(&keys::latest(JOB, FILE)).await.unwrap()["run"], run.id.as_str());
    assert_eq!(world.begin(&event).await, run, "a call that is repeated");
}

#[tokio::test]
async fn an_edit_after_an_interruption_continues() {
    let world = World::new();
    let before = first_run(&world, 8).await;
    let edited = job("GET", "timeout = \"5s\"");
    let run = world.begin(&world.upload(&edited, &lines(21)).await).await;
    let start = world.json(&run.keys().start()).await.unwrap();
    assert_eq!((&start["previous"], &start["continues"]), (&before.id.as_str().into(), &true.into()));
    assert_eq!(world.results(&run).await.len(), 8);
    assert_eq!(world.json(&keys::latest(JOB, FILE)).await.unwrap()["run"], run.id.as_str());
}

#[tokio::test]
async fn other_content_after_a_success_is_asked_about_before_anything_is_written() {
    let world = World::new();
    let before = first_run(&world, 20).await;
    world.objects.put(&keys::report(JOB, FILE), "the report of the run before").await.unwrap();
    let mut event = world.upload(&job("GET", ""), &lines(21)).await;
    let error = doubt(&world, &event).await;
    for part in
        ["2025-11-21T", "the content of the file has changed", "20 responses", "--continue", "--fresh"]
    {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    let run = event.run(job("GET", "").as_bytes()).unwrap();
    for key in [run.keys().start(), run.keys().plan(), before.keys().continued()] {
        assert!(world.objects.find(&key).await.unwrap().is_none(), "{key}");
    }
    assert_eq!(world.json(&keys::latest(JOB, FILE)).await.unwrap()["run"], before.id.as_str());
    let report = world.objects.get(&keys::report(JOB, FILE)).await.unwrap();
    assert_eq!(report, "the report of the run before");

    event.again = Some(Again::Continue);
    let run = world.begin(&event).await;
    assert_eq!(world.results(&run).await.len(), 20);
}

#[tokio::test]
async fn a_run_that_starts_over_keeps_nothing_and_knows_the_run_before() {
    let world = World::new();
    let before = first_run(&world, 20).await;
    let mut event = world.upload(&job("GET", ""), &lines(21)).await;
    event.again = Some(Again::Fresh);
    let run = world.begin(&event).await;
    let start = world.json(&run.keys().start()).await.unwrap();
    assert_eq!((&start["previous"], &start["continues"]), (&before.id.as_str().into(), &false.into()));
    assert_eq!((world.results(&run).await.len(), world.plan(&run).await.continues), (0, None));
    assert_eq!(world.results(&before).await.len(), 20, "it is removed when the new run has succeeded");
}

#[tokio::test]
async fn the_job_file_decides_for_a_run_that_has_succeeded() {
    for (again, kept) in [("continue", 20), ("fresh", 0)] {
        let world = World::new();
        first_run(&world, 20).await;
        let text = format!("{}\n[run]\nagain = \"{again}\"\n", job("GET", ""));
        let run = world.begin(&world.upload(&text, &lines(21)).await).await;
        assert_eq!(world.results(&run).await.len(), kept, "{again}");
    }
}

#[tokio::test]
async fn a_column_that_was_not_kept_is_asked_about() {
    let world = World::new();
    first_run(&world, 8).await;
    let text = job("GET", "").replace("x = \"$.x\"", "x = \"$.x\", y = \"$.y\"");
    let mut event = world.upload(&text, &lines(20)).await;
    event.again = Some(Again::Continue);
    let error = doubt(&world, &event).await;
    assert!(error.message.contains("\"y\"") && error.message.contains("8 responses"), "{error}");
    event.again = Some(Again::Fresh);
    assert_eq!(world.results(&world.begin(&event).await).await.len(), 0);
}

#[tokio::test]
async fn another_value_of_a_secret_is_asked_about() {
    let world = World::new();
    let text = |more: &str| {
        let hosts = "secret_hosts = [\"a.example.com\", \"b.example.com\"]";
        let header = format!("{hosts}\nheaders = {{ key = \"{{{{ secret.KEY }}}}\" }}\n{more}");
        format!("{}\n[secrets]\nKEY = \"env:KEY\"\n", job("GET", &header))
    };
    let mut event = world.upload(&text(""), &lines(20)).await;
    event.secrets.insert("KEY".to_owned(), "one".to_owned());
    let before = world.begin(&event).await;
    world.work(&before, |n| if n < 9 { Outcome::Success } else { Outcome::Nothing }).await;

    let mut event = world.upload(&text("# edited"), &lines(20)).await;
    event.secrets.insert("KEY".to_owned(), "two".to_owned());
    let error = doubt(&world, &event).await;
    assert!(error.message.contains("the secret KEY"), "{error}");
    event.secrets.insert("KEY".to_owned(), "one".to_owned());
    assert_eq!(world.results(&world.begin(&event).await).await.len(), 8);
}

#[tokio::test]
async fn on_aws_an_upload_of_new_content_is_a_run_of_its_own() {
    for (again, kept) in [("", 0), ("[run]\nagain = \"continue\"\n", 8)] {
        let world = World::on_aws();
        first_run(&world, 8).await;
        let text = format!("{}\n{again}", job("GET", ""));
        let run = begin_after_lease(&world, &world.upload(&text, &lines(21)).await).await;
        assert_eq!(world.results(&run).await.len(), kept, "{again}");
    }
}

#[tokio::test]
async fn on_aws_a_schedule_sends_an_unchanged_file_again() {
    let world = World::on_aws();
    first_run(&world, 20).await;
    let mut event = world.upload(&job("GET", ""), &lines(20)).await;
    event.nonce = Some("daily 2026-11-29T06:00:00Z".to_owned());
    let run = begin_after_lease(&world, &event).await;
    assert_eq!(world.results(&run).await.len(), 0);
}

#[tokio::test]
async fn on_aws_a_doubt_is_in_the_report() {
    let world = World::on_aws();
    first_run(&world, 20).await;
    // The URL has changed, and the content has not: the same bytes, uploaded again.
    let mut event = world.upload(&job("GET", "").replace("{{ line }}", "{{ line }}?a"), &lines(20)).await;
    let first = world.json(&format!("runs/{JOB}/latest/{FILE}.json")).await.unwrap();
    let start =
        world.json(&format!("runs/{JOB}/{}/start.json", first["run"].as_str().unwrap())).await.unwrap();
    event.detail.object.etag = Some(start["content"].as_str().unwrap().to_owned());
    event.detail.object.version_id = Some("another".to_owned());
    world.release_lease().await;
    let error = doubt(&world, &event).await;
    let report = world.json(&keys::report(JOB, FILE)).await.unwrap();
    assert_eq!((&report["verdict"], &report["error"]), (&"not_started".into(), &"Run.Doubtful".into()));
    assert_eq!(report["message"], error.message);
}

#[tokio::test]
async fn a_run_that_was_continued_can_be_neither_started_nor_redriven() {
    let world = World::new();
    let event = world.upload(&job("GET", ""), &lines(20)).await;
    let before = world.begin(&event).await;
    world.work(&before, |n| if n <= 8 { Outcome::Success } else { Outcome::Failed("timeout") }).await;
    let run = world.begin(&world.upload(&job("GET", "# edited"), &lines(20)).await).await;
    let mut redrive = event.clone();
    redrive.redrive =
        Some(Redrive { run: before.id.clone(), generation: 1, include_unknown: false, only: Vec::new() });
    for event in [event, redrive] {
        world.objects.put(&keys::job_file(JOB), job("GET", "")).await.unwrap();
        let error = doubt(&world, &event).await;
        assert!(error.message.contains(&run.id) && error.message.contains(&before.id), "{error}");
    }
    assert!(world.objects.find(&before.keys().claim(1)).await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_that_was_never_split_gives_way_to_the_next_one() {
    let world = World::new();
    let before = first_run(&world, 8).await;
    let pause = async |more: &str| {
        let event = world.upload(&job("GET", more), &lines(20)).await;
        let context = world.context(world.client.clone());
        context.pause.cancel();
        world.call_in(&context, &event, serde_json::Value::Null).await.unwrap();
        event
    };
    let second = pause("# a").await;
    pause("# b").await;
    let run = world.begin(&world.upload(&job("GET", "# c"), &lines(20)).await).await;
    let start = world.json(&run.keys().start()).await.unwrap();
    assert_eq!(start["previous"], before.id.as_str());
    assert_eq!(world.results(&run).await.len(), 8);

    // The run that gave way is not split any more.
    world.objects.put(&keys::job_file(JOB), job("GET", "# a")).await.unwrap();
    let error = doubt(&world, &second).await;
    assert!(error.message.contains(&run.id), "{error}");
}

#[tokio::test]
async fn a_run_of_the_version_before_that_has_succeeded_is_not_paid_again_unasked() {
    let world = World::new();
    let before = first_run(&world, 20).await;
    world.objects.delete_prefix(&before.keys().results()).await.unwrap();
    for key in [before.keys().start(), before.keys().finished(), keys::latest(JOB, FILE)] {
        world.objects.delete(&key).await.unwrap();
    }
    let mut event = world.upload(&job("GET", "# a comment"), &lines(20)).await;
    event.again = Some(Again::Continue);
    let error = doubt(&world, &event).await;
    assert!(error.message.contains("responses were not kept"), "{error}");
    event.again = Some(Again::Fresh);
    world.begin(&event).await;
}

/// On AWS the workers of the run before have a time to end.
async fn begin_after_lease(world: &World, event: &job::run::Event) -> job::run::RunRef {
    world.release_lease().await;
    world.begin(event).await
}
