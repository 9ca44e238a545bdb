//! Journals in a database of the host, which many executions share.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use engine::{Outcome, Start};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::definition::{definition, event, host, script};
use crate::fake::{Fake, block_on, start};

/// Runs the executions until all have ended, or nothing is written any more. None means a crash.
fn life(database: &Database, executions: &[u64], definition: &str, host: &Arc<Fake>) -> Option<Vec<Outcome>> {
    let machine = Arc::new(engine::compile(definition).unwrap());
    let run = |number: u64| {
        let mut start: Start = start(event());
        start.id = format!("{}-{number}", start.id);
        engine::run(machine.clone(), start, host.clone(), database.journal(number), CancellationToken::new())
    };
    let ended = block_on(async {
        let all = futures_util::future::join_all(executions.iter().copied().map(run));
        tokio::select! {
            biased;
            ended = all => Some(ended.into_iter().map(Result::unwrap).collect()),
            () = database.hung() => None,
        }
    });
    database.crash();
    ended
}

#[test]
fn executions_in_one_database_crashed_at_every_batch_reach_their_ends() {
    let database = Database::default();
    let answered = Arc::new(Mutex::new(HashSet::new()));
    let seen = answered.clone();
    let host = host(move |call| {
        let answer = script(call);
        if answer.is_ok() {
            let name = json!([call.function(), call.execution, call.payload()]).to_string();
            seen.lock().unwrap().insert(name);
        }
        answer
    });
    let mut crashes = 0;
    let outcomes = loop {
        // Every process writes one batch more.
        database.write_only(Some(1));
        match life(&database, &[1, 2, 3], &definition(), &host) {
            Some(outcomes) => break outcomes,
            None => crashes += 1,
        }
        assert!(crashes < 2_000, "no end");
    };
    let expected = Outcome::Succeeded(json!({"status": "succeeded", "lines": 12}));
    assert_eq!(outcomes, vec![expected; 3]);
    assert!(crashes > 60, "{crashes}");
    // The three executions did the same work, each its own.
    assert_eq!(answered.lock().unwrap().len() % 3, 0);
    // Nothing but the outcomes is left, although some sweeps were lost.
    assert_eq!([1, 2, 3].map(|execution| database.entries(execution)), [1; 3]);
}
