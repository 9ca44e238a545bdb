//! The inline Map: its iterations belong to the execution.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::child::Crew;
use super::frame::{self, Done, Frame, Running};
use crate::error::{Failure, Halt};
use crate::journal::{self, Change, Kind as Entry};
use crate::machine::{Map, Scope, State};

impl Running {
    pub(super) async fn inline(&mut self, state: &State, map: &Map, input: &Value) -> Result<Value, Halt> {
        let items = self.items(state, map, input)?;
        let limit = match self.whole(state, "MaxConcurrency", &map.max_concurrency, input)? {
            None | Some(0) => usize::MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        self.save_moved().await?;
        let visit = self.frame.key.visit(self.at.step);
        // The Map has started, and so has the iteration.
        let events = self.at.events + 2;
        let mut outputs = vec![Value::Null; items.len()];
        let mut crew = Crew::new();
        let mut waiting = items.into_iter().enumerate();
        let mut failed: Option<Failure> = None;
        loop {
            while failed.is_none() && crew.len() < limit {
                let Some((index, value)) = waiting.next() else { break };
                let item = json!({"Index": index, "Value": value});
                let (input, by_chance) = match self.select(state, map, input, &item) {
                    Ok(selected) => selected,
                    Err(failure) => {
                        failed = Some(failure);
                        break;
                    }
                };
                let frame =
                    Frame { key: visit.child(index as u64), identity: self.frame.identity.clone(), item: Some(item), events, by_chance };
                let done = iteration(self.world.clone(), map.processor.clone(), frame, input);
                crew.spawn(async move { (index, done.await) });
            }
            if let Some(failure) = failed {
                crew.abort().await;
                return Err(failure.into());
            }
            match crew.next().await? {
                None => break,
                Some((index, Ok(done))) => {
                    self.at.events += done.events - events + 2;
                    outputs[index] = done.output;
                }
                Some((_, Err(Halt::Failed(failure)))) => failed = Some(failure),
                Some((_, Err(Halt::Stopped(stop)))) => return Err(crew.wind_down(&self.world, stop).await),
            }
        }
        self.at.events += 2;
        Ok(Value::Array(outputs))
    }
}

/// Runs one iteration and records its output in place of everything it has recorded itself.
async fn iteration(world: Arc<World>, scope: Arc<Scope>, frame: Frame, input: Value) -> Result<Done, Halt> {
    let key = frame.key.clone();
    if let Some(journal::Frame::Done(output, events)) = world.journal.get(Entry::Frame, &key)? {
        return Ok(Done { output, events });
    }
    let done = frame::run(world.clone(), scope, frame, input).await?;
    let entry = journal::Frame::Done(done.output.clone(), done.events);
    world.journal.commit(vec![Change::Clear(key.clone()), Change::put(Entry::Frame, &key, &entry)?]).await?;
    Ok(done)
}
