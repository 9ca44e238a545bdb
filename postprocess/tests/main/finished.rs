//! What a run leaves when every line has succeeded, and what it removes of the runs before it.

use job::run::{FORMAT, Finished, Start};

use crate::again::{good, half, run_folder};
use crate::world::{FINISHED, Fixture, World};

const ID: &str = "0123456789abcdef0123";

/// A fixture of a run that began after another one.
fn begun_after(mut fixture: Fixture, id: &str, previous: Option<&str>) -> Fixture {
    let start = Start {
        format: FORMAT,
        content: "tag".to_owned(),
        previous: previous.map(str::to_owned),
        continues: false,
        secrets: Default::default(),
    };
    fixture.run.id = id.to_owned();
    fixture.objects.push(("start.json".to_owned(), serde_json::to_string(&start).unwrap()));
    fixture.objects.push(("checkpoint/split/1/state.json".to_owned(), "{}".to_owned()));
    fixture
}

fn folders(names: &[String]) -> Vec<&str> {
    let mut folders: Vec<_> = names.iter().map(|name| name.split('/').next().unwrap()).collect();
    folders.dedup();
    folders
}

#[tokio::test]
async fn a_finished_run_keeps_its_results_for_the_next_run() {
    let (world, mut run) = (World::new(), begun_after(good(), ID, None));
    let first = world.merge(&mut run).await;
    let left = run_folder(&world, &run).await;
    assert_eq!(
        folders(&left),
        ["claim.json", "finished.json", "job.toml", "plan.json", "results", "start.json"]
    );
    let finished = world.text(&run.run.keys().finished()).await.unwrap();
    let finished: Finished = serde_json::from_str(&finished).unwrap();
    assert_eq!(finished, Finished { format: FORMAT, at: FINISHED });

    let response = world.call(&run).await.unwrap();
    assert_eq!(world.left(&run, response).await, first, "a repeated call finds the report");
    assert_eq!(run_folder(&world, &run).await, left);
}

#[tokio::test]
async fn a_run_with_failed_lines_removes_nothing() {
    let world = World::new();
    let mut first = begun_after(good(), "first", None);
    world.merge(&mut first).await;
    let before = run_folder(&world, &first).await;
    world.merge(&mut begun_after(half(), "second", Some("first"))).await;
    assert_eq!(run_folder(&world, &first).await, before);
    assert_eq!(world.text("runs/places/second/finished.json").await, None);
}

#[tokio::test]
async fn a_finished_run_removes_what_the_runs_before_it_have_left() {
    let world = World::new();
    let mut oldest = begun_after(good(), "oldest", None);
    world.merge(&mut oldest).await;
    // One run ended with failed lines, and another died before its input was split.
    let mut failed = begun_after(half(), "failed", Some("oldest"));
    world.merge(&mut failed).await;
    let died = begun_after(half(), "died", Some("failed"));
    for (key, body) in &died.objects {
        world.objects.put(&format!("{}{key}", died.run.keys().prefix()), body.clone()).await.unwrap();
    }
    let mut last = begun_after(good(), ID, Some("died"));
    world.merge(&mut last).await;
    assert!(folders(&run_folder(&world, &last).await).contains(&"results"));
    for before in [&oldest, &failed, &died] {
        let left = run_folder(&world, before).await;
        let emptied = ["items", "results", "manifest", "stop", "checkpoint"];
        assert!(!folders(&left).iter().any(|folder| emptied.contains(folder)), "{left:?}");
        assert!(folders(&left).contains(&"start.json"), "{left:?}");
    }
}

#[tokio::test]
async fn runs_that_name_each_other_do_not_keep_the_step_from_ending() {
    let world = World::new();
    let mut other = begun_after(half(), "other", Some(ID));
    world.merge(&mut other).await;
    let mut last = begun_after(good(), ID, Some("other"));
    world.merge(&mut last).await;
    assert!(folders(&run_folder(&world, &last).await).contains(&"results"));
}
