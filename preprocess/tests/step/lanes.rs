//! The lanes of a redrive, and of a job with very many limits.

use job::ErrorName;
use job::run::{Batch, Event, Lane, PreprocessResponse, Redrive};
use serde_json::Value;

use crate::workers::Outcome;
use crate::world::{World, job, line};

const LINES: u32 = 200;

async fn split(world: &World) -> (Event, job::run::RunRef) {
    let lines: Vec<String> = (1..=LINES).map(line).collect();
    let event = world.upload(&job("GET", ""), &lines).await;
    let run = world.begin(&event).await;
    (event, run)
}

fn redrive(event: &Event, run: &job::run::RunRef, generation: u32) -> Event {
    let redrive = Redrive { run: run.id.clone(), generation, include_unknown: false, only: Vec::new() };
    Event { redrive: Some(redrive), ..event.clone() }
}

async fn manifests(world: &World, lanes: &[Lane]) -> Vec<(String, Vec<Batch>)> {
    let mut all = Vec::new();
    for lane in lanes {
        let batches = serde_json::from_slice(&world.objects.get(&lane.manifest).await.unwrap()).unwrap();
        all.push((lane.name.clone(), batches));
    }
    all
}

#[tokio::test]
async fn redrive_that_needs_several_calls_has_the_batches_of_one_call() {
    let world = World::on_aws();
    let (event, run) = split(&world).await;
    world.release_lease().await;
    // Two calls have worked on each batch. Together they have every line of all batches but some.
    let half = |even: u64| {
        move |n: u64| {
            if n % 4 / 2 == even && !n.is_multiple_of(50) { Outcome::Success } else { Outcome::Nothing }
        }
    };
    world.work(&run, half(0)).await;
    world.work(&run, half(1)).await;
    world.work(&run, half(1)).await;

    let PreprocessResponse::Ready { lanes, .. } = world.call(&redrive(&event, &run, 1)).await.unwrap() else {
        panic!("a redrive is ready in one call")
    };
    world.release_lease().await;
    let in_one = manifests(&world, &lanes).await;
    let batches: Vec<&Batch> = in_one.iter().flat_map(|(_, batches)| batches).collect();
    assert_eq!(batches.len(), 4, "those with the lines 50, 100, 150 and 200: {in_one:?}");

    let again = redrive(&event, &run, 2);
    let (mut previous, mut calls) = (Value::Null, 0);
    let in_many = loop {
        let context = world.context(world.client.clone());
        context.pause.cancel();
        calls += 1;
        match world.call_in(&context, &again, previous).await.unwrap() {
            PreprocessResponse::Ready { lanes, .. } => break manifests(&world, &lanes).await,
            paused @ PreprocessResponse::Paused { .. } => previous = serde_json::to_value(&paused).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(in_many, in_one);
    assert!(calls > 10, "each call looks at one batch: {calls}");
}

#[tokio::test]
async fn lanes_that_do_not_fit_into_a_message_are_refused_by_name() {
    let world = World::new();
    let limits = (0..1500).map(|n| format!("[limits.\"host-{n}.example.com\"]\nrate = \"1/s\"\n"));
    let job = format!("[request]\nurl = \"{{{{ line }}}}\"\n{}", limits.collect::<String>());
    let lines: Vec<String> = (0..1500).map(|n| format!("https://host-{n}.example.com/")).collect();
    let event = world.upload(&job, &lines).await;
    let error = world.call(&event).await.unwrap_err();
    assert_eq!(error.name, ErrorName::JobInvalid);
    assert!(error.message.contains("1500 lanes") && error.message.contains("name fewer limits"), "{error}");
}
