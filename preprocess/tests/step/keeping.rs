//! What a run keeps of the run before, by the edit of the file or the job.

use std::collections::BTreeMap;

use job::run::{Continues, PreprocessResponse, RunRef};

use crate::workers::{Outcome, said};
use crate::world::{World, job, line};

/// Lines 1 to 25 of two hosts.
fn lines() -> Vec<String> {
    (1..=25).map(line).collect()
}

/// For each new line the old line whose success it keeps.
type Keeps = BTreeMap<u64, u64>;

/// A run of which the first `done` lines have succeeded, then a run of other lines: what is kept of it.
async fn keeps(world: &World, done: u64, lines_after: &[String]) -> (Keeps, RunRef) {
    let event = world.upload(&job("GET", ""), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, |n| if n <= done { Outcome::Success } else { Outcome::Nothing }).await;
    let run = world.begin(&world.upload(&job("GET", ""), lines_after).await).await;
    let found = world.results(&run).await;
    let keeps = found.iter().map(|(n, found)| {
        let value = found.result.clone().unwrap();
        let text = &lines_after[usize::try_from(*n).unwrap() - 1];
        let old = (1..=25).find(|old| value == format!("[\"{}\"]", said(*old, text)));
        (*n, old.unwrap_or_else(|| panic!("line {n} has the response of another request: {value}")))
    });
    (keeps.collect(), run)
}

fn same(lines: impl IntoIterator<Item = u64>) -> Keeps {
    lines.into_iter().map(|n| (n, n)).collect()
}

#[tokio::test]
async fn lines_that_were_added_or_changed_are_sent_and_all_others_are_kept() {
    let mut after = lines();
    after.push(line(26));
    after[3] = line(100);
    let (keeps, run) = keeps(&World::new(), 20, &after).await;
    assert_eq!(keeps, same((1..=20).filter(|n| *n != 4)));
    assert_eq!(run.generation, 0);
}

#[tokio::test]
async fn a_line_that_was_inserted_at_the_top_moves_the_others() {
    let after = [vec![line(100)], lines()].concat();
    let (keeps, _) = keeps(&World::new(), 20, &after).await;
    assert_eq!(keeps, (1..=20).map(|n| (n + 1, n)).collect());
}

#[tokio::test]
async fn a_line_that_was_deleted_takes_its_response_with_it() {
    let mut after = lines();
    after.remove(4);
    let (keeps, _) = keeps(&World::new(), 20, &after).await;
    assert_eq!(keeps, (1..=20).filter(|n| *n != 5).map(|n| (if n > 5 { n - 1 } else { n }, n)).collect());
}

#[tokio::test]
async fn lines_that_were_sorted_keep_their_responses() {
    let mut after = lines();
    after.reverse();
    let (keeps, _) = keeps(&World::new(), 20, &after).await;
    assert_eq!(keeps, (1..=20).map(|n| (26 - n, n)).collect());
}

#[tokio::test]
async fn of_lines_that_were_doubled_each_response_is_kept_once() {
    let after: Vec<String> = lines().into_iter().flat_map(|line| [line.clone(), line]).collect();
    let (keeps, _) = keeps(&World::new(), 20, &after).await;
    assert_eq!(keeps, (1..=20).map(|n| (2 * n - 1, n)).collect());
}

#[tokio::test]
async fn only_batches_that_are_not_complete_are_sent() {
    let world = World::new();
    let event = world.upload(&job("GET", ""), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, |n| if n <= 20 { Outcome::Success } else { Outcome::Nothing }).await;
    let event = world.upload(&job("GET", "# a comment"), &lines()).await;
    let PreprocessResponse::Ready { run, lanes } = world.call(&event).await.unwrap() else { panic!() };
    let mut sent = 0;
    for lane in lanes {
        let manifest = world.json(&lane.manifest).await.unwrap();
        sent +=
            manifest.as_array().unwrap().iter().map(|batch| batch["lines"].as_u64().unwrap()).sum::<u64>();
    }
    assert!((5..25).contains(&sent), "{sent}");
    let continues = world.plan(&run).await.continues;
    let Some(Continues { run: of, kept: 20, unknown: 0, started }) = continues else {
        panic!("{continues:?}")
    };
    assert!(of == before.id && started > 0);
}

#[tokio::test]
async fn a_finished_run_with_a_comment_more_is_kept_as_a_whole() {
    let world = World::new();
    let event = world.upload(&job("POST", ""), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, |_| Outcome::Success).await;
    world.finish(&before).await;
    let event = world.upload(&job("POST", "# a comment"), &lines()).await;
    let PreprocessResponse::Ready { run, lanes } = world.call(&event).await.unwrap() else { panic!() };
    assert_eq!(lanes, []);
    assert_eq!(world.results(&run).await.len(), 25);
}

#[tokio::test]
async fn after_the_plan_the_run_before_is_marked_and_removed() {
    let world = World::new();
    let event = world.upload(&job("GET", ""), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, |_| Outcome::Success).await;
    let run = world.begin(&world.upload(&job("GET", "# a comment"), &lines()).await).await;
    assert_eq!(world.json(&before.keys().continued()).await.unwrap()["by"], run.id.as_str());
    for folder in ["results/", "items/", "manifest/"] {
        let key = format!("{}{folder}", before.keys().prefix());
        assert_eq!(world.objects.list(&key).await.unwrap(), [], "{folder}");
    }
    let left = format!("{}checkpoint/", run.keys().prefix());
    assert_eq!(world.objects.list(&left).await.unwrap(), []);
}

#[tokio::test]
async fn requests_that_may_have_been_sent_are_not_sent_again() {
    let world = World::new();
    let outcome = |n| match n % 6 {
        0 => Outcome::Success,
        1 => Outcome::Failed("outcome_unknown"),
        2 => Outcome::Failed("bad_response"),
        3 => Outcome::Intent,
        4 => Outcome::Failed("http_500"),
        _ => Outcome::Nothing,
    };
    let event = world.upload(&job("POST", ""), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, outcome).await;
    let mut after = lines();
    after.reverse();
    let mut event = world.upload(&job("POST", ""), &after).await;
    let run = world.begin(&event).await;
    let found = world.results(&run).await;
    for n in 1..=25 {
        let code = found.get(&(26 - n)).map(|found| found.result.clone().err().unwrap_or_default());
        let expected = match n % 6 {
            0 => Some(""),
            1 | 3 => Some("outcome_unknown"),
            2 => Some("bad_response"),
            _ => None,
        };
        assert_eq!(code.as_deref(), expected, "line {n}");
    }
    assert_eq!(world.plan(&run).await.continues.unwrap().unknown, 13);
    assert_eq!(world.origins(&run).await, BTreeMap::new());

    // A run with `include_unknown` sends them.
    event = world.upload(&job("POST", "# a comment"), &after).await;
    event.include_unknown = true;
    let run = world.begin(&event).await;
    assert_eq!(world.results(&run).await.len(), 4);
    assert!(world.results(&run).await.values().all(|found| found.result.is_ok()));
}

#[tokio::test]
async fn a_line_that_is_sent_again_has_the_key_that_it_was_first_sent_with() {
    let world = World::new();
    let outcome = |n| match n % 3 {
        0 => Outcome::Success,
        1 => Outcome::Failed("http_500"),
        _ => Outcome::Nothing,
    };
    let first = world.begin(&world.upload(&job("POST", "idempotent = true"), &lines()).await).await;
    world.work(&first, outcome).await;
    let mut after = lines();
    after.reverse();
    after.push(line(100));
    let second = world.begin(&world.upload(&job("POST", "idempotent = true"), &after).await).await;
    let origins = world.origins(&second).await;
    let expected = (1..=25).filter(|n| n % 3 != 0).map(|n| (26 - n, (first.id.clone(), n)));
    assert_eq!(origins, expected.collect());

    // The run after that still has the key of the first run, and for the line that was added its own.
    let third = world.begin(&world.upload(&job("POST", "idempotent = true # more"), &after).await).await;
    let mut expected = origins;
    expected.insert(26, (second.id.clone(), 26));
    assert_eq!(world.origins(&third).await, expected);
}

#[tokio::test]
async fn keys_are_not_taken_over_by_a_job_without_keys() {
    let world = World::new();
    let first = world.begin(&world.upload(&job("POST", "idempotent = true"), &lines()).await).await;
    world.work(&first, |n| if n <= 10 { Outcome::Success } else { Outcome::Nothing }).await;
    let second = world.begin(&world.upload(&job("POST", ""), &lines()).await).await;
    assert_eq!((world.results(&second).await.len(), world.origins(&second).await), (10, BTreeMap::new()));
}

#[tokio::test]
async fn results_without_identities_are_identified_by_their_items() {
    let world = World::new();
    let event = world.upload(&job("POST", ""), &lines()).await;
    let before = world.begin(&event).await;
    let outcome = |n| match n {
        1..=8 => Outcome::Success,
        9 => Outcome::Intent,
        10 => Outcome::Failed("outcome_unknown"),
        _ => Outcome::Nothing,
    };
    world.work_as(&before, outcome, false).await;
    // As the version before left it.
    world.objects.delete(&before.keys().start()).await.unwrap();
    world.objects.delete(&job::keys::latest(crate::world::JOB, crate::world::FILE)).await.unwrap();
    let mut after = lines();
    after.reverse();
    let run = world.begin(&world.upload(&job("POST", ""), &after).await).await;
    let found = world.results(&run).await;
    let codes: BTreeMap<u64, bool> = found.iter().map(|(n, found)| (26 - n, found.result.is_ok())).collect();
    let expected: BTreeMap<u64, bool> = (1..=10).map(|n| (n, n <= 8)).collect();
    assert_eq!(codes, expected);
    assert!(found.values().all(|found| found.identity.is_some()));
}

#[tokio::test]
async fn results_that_are_too_long_to_sort_are_kept() {
    let world = World::new();
    let job = job("POST", "body = \"{{ line }}\"")
        .replace("\"{{ line }}\"\nbody", "\"https://a.example.com\"\nbody");
    // The first line is short, since the kind of a file is recognised by its first 64 KiB.
    let long = (2..=4).map(|n| format!("{}?{}", line(n), "x".repeat(70_000)));
    let long: Vec<String> = std::iter::once(line(1)).chain(long).collect();
    let before = world.begin(&world.upload(&job, &long).await).await;
    world.work(&before, |_| Outcome::Success).await;
    let after: Vec<String> = [0, 3, 2, 1].map(|index: usize| long[index].clone()).to_vec();
    let run = world.begin(&world.upload(&job, &after).await).await;
    let found = world.results(&run).await;
    assert_eq!((found.len(), world.plan(&run).await.continues.unwrap().kept), (4, 4));
    for (n, old) in [(1, 1), (2, 4), (3, 3), (4, 2)] {
        let text = &after[usize::try_from(n).unwrap() - 1];
        assert_eq!(found[&n].result, Ok(format!("[\"{}\"]", said(old, text))));
    }
}

#[tokio::test]
async fn columns_are_renamed_and_taken_out_without_a_request() {
    let world = World::new();
    let columns = |columns: &str| job("GET", "").replace("{ x = \"$.x\" }", columns);
    let event = world.upload(&columns("{ x = \"$.x\" }"), &lines()).await;
    let before = world.begin(&event).await;
    world.work(&before, |_| Outcome::Success).await;
    let text = columns("{ status = \"status\", renamed = \"$.x\" }");
    let run = world.begin(&world.upload(&text, &lines()).await).await;
    let found = world.results(&run).await;
    assert_eq!(found[&7].result, Ok(format!("[200,\"{}\"]", said(7, &line(7)))));
    assert_eq!(found.len(), 25);
}

#[tokio::test]
async fn a_join_in_many_calls_equals_one_in_a_single_call() {
    let states = [Outcome::Success, Outcome::Failed("http_500"), Outcome::Intent, Outcome::Nothing];
    let mut after: Vec<String> = lines().into_iter().chain(lines()).collect();
    after.sort();
    let prepare = async || {
        let world = World::new();
        let before = world.begin(&world.upload(&job("POST", ""), &lines()).await).await;
        world.work(&before, |n| states[usize::try_from(n).unwrap() % 4]).await;
        let event = world.upload(&job("POST", "# edited"), &after).await;
        (world, event)
    };
    let (whole, event) = prepare().await;
    let one = whole.begin(&event).await;
    let (paused, event) = prepare().await;
    let (many, calls) = paused.begin_in_calls(&event).await;
    assert!(calls > 50, "{calls}");
    assert_eq!(paused.results(&many).await, whole.results(&one).await);
    assert_eq!(paused.plan(&many).await.continues, whole.plan(&one).await.continues);
}
