//! Schedules: each due time of one starts an execution, once, whatever happens to the process or to the clock.
//!
//! The last due time that was handled is stored in the batch that makes the triggers durable. Only later times are due,
//! so a clock that is set back starts nothing again. Times that passed while the server was down, or while the clock
//! jumped, are caught up as the schedule says.

mod cron;
mod expression;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use expression::Expression;

use crate::jobs::MACHINE;
use crate::settings::{CatchUp, Schedule};
use crate::store::{Batch, KeyWriter, Space, Store, StoreError};
use crate::triggers::{Trigger, Triggers, queue_of_job};

/// The keys of the schedules among those of triggers begin with this.
const SCHEDULE: u8 = b's';
/// The longest sleep: the wall clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A time that is handled within this time after it is not late.
const ON_TIME: SignedDuration = SignedDuration::from_mins(5);
/// The most times of a schedule that are caught up at once.
const MOST: usize = 100;

/// What is known of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Its expression and its time zone: with others it begins anew.
    expression: String,
    begins: Timestamp,
    /// The last due time that was handled.
    last: Timestamp,
}

/// The schedules of a server.
pub(crate) struct Schedules {
    pub(crate) store: Store,
    pub(crate) triggers: Triggers,
    pub(crate) schedules: Vec<Schedule>,
}

impl Schedules {
    /// Starts what is due until the server stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            let now = Timestamp::now();
            let mut next = None::<Timestamp>;
            for schedule in &self.schedules {
                match self.look(schedule, now).await {
                    Ok(due) => next = next.into_iter().chain(due).min(),
                    // The store has failed, and with it the server.
                    Err(_) => return,
                }
            }
            let wait = next.map_or(LOOK_EVERY, |next| {
                Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
            });
            tokio::select! {
                () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Starts what is due of a schedule. Returns when it is due next.
    async fn look(&self, schedule: &Schedule, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let key = KeyWriter::default().byte(SCHEDULE).text(&schedule.name).done();
        let (text, expression) = &schedule.cron;
        let zone = schedule.timezone.iana_name().unwrap_or("UTC");
        let named = format!("{text} {zone}");
        let found: Option<State> = self.store.get_json(Space::Triggers, &key)?;
        let known = found.clone().filter(|state| state.expression == named);
        // A schedule of whole minutes begins with a whole minute.
        let begins = Timestamp::from_second(now.as_second() / 60 * 60).unwrap_or(now);
        let mut state = known.unwrap_or(State { expression: named, begins, last: now });
        let due = due(schedule, expression, &state, now);
        let (mut batch, mut queues) = (Batch::default(), Vec::new());
        if let Some(last) = due.last {
            state.last = last;
        }
        for time in &due.starts {
            queues.push(self.triggers.put(&mut batch, trigger(schedule, *time)));
        }
        if found.as_ref() != Some(&state) {
            batch.put_json(Space::Triggers, key, &state);
            self.store.commit(batch).await?;
            queues.into_iter().for_each(|queue| self.triggers.work(queue));
        }
        Ok(expression.next(state.last.max(now), &schedule.timezone, state.begins))
    }
}

/// What is due of a schedule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    /// The times that are started, oldest first.
    starts: Vec<Timestamp>,
    /// The last time that has passed.
    last: Option<Timestamp>,
}

fn due(schedule: &Schedule, expression: &Expression, state: &State, now: Timestamp) -> Due {
    let age = SignedDuration::try_from(schedule.max_age).unwrap_or(SignedDuration::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let on_time = |time: &Timestamp| now.duration_since(*time) <= ON_TIME;
    let mut found = Due::default();
    // Older times are not started anyway.
    let mut at = state.last.max(oldest.checked_sub(ON_TIME).unwrap_or(oldest));
    while let Some(time) = expression.next(at, &schedule.timezone, state.begins).filter(|time| *time <= now) {
        at = time;
        found.last = Some(time);
        if on_time(&time) || schedule.catch_up != CatchUp::None && time >= oldest {
            found.starts.push(time);
        }
    }
    let late = found.starts.iter().filter(|time| !on_time(time)).count();
    if schedule.catch_up == CatchUp::Once || late > MOST {
        // Those that are on time are started, and else the last one.
        let keep = (found.starts.len() - late).max(1).min(found.starts.len());
        found.starts.drain(..found.starts.len() - keep);
    }
    found
}

/// The queue and the trigger of a due time, with the input that `cdk/lib/schedules.ts` gives a job on AWS.
fn trigger(schedule: &Schedule, time: Timestamp) -> (String, Trigger) {
    let shown = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let name = format!("sched-{}-{}", schedule.name, time.strftime("%Y%m%dT%H%MZ"));
    if let (Some(job), Some(file)) = (&schedule.job, &schedule.file) {
        let input = json!({
            "detail": {
                "bucket": { "name": s3::BUCKET },
                "object": { "key": format!("jobs/{job}/input/{file}") },
            },
            "nonce": format!("{} {shown}", schedule.name),
        });
        let trigger = Trigger { machine: MACHINE.into(), name, input: input.to_string(), in_order: true };
        return (queue_of_job(job), trigger);
    }
    let input = match &schedule.input {
        Some(Value::String(text)) => text.clone(),
        Some(input) => input.to_string(),
        None => "{}".into(),
    };
    let input = input.replace("<aws.scheduler.scheduled-time>", &shown);
    let machine = schedule.machine.clone().unwrap_or_default();
    (format!("schedule/{name}"), Trigger { machine, name, input, in_order: false })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}:00Z").parse().unwrap()
    }

    /// The times that a schedule of every hour starts, which was handled until `last`.
    fn starts(more: &str, last: &str, now: &str) -> (Vec<String>, Option<Timestamp>) {
        let text = format!("name = \"s\"\nmachine = \"m\"\ncron = \"0 * * * ? *\"\n{more}");
        let schedule: Schedule = toml::from_str(&text).unwrap();
        let state = State { expression: String::new(), begins: at("01T00:00"), last: at(last) };
        let due = due(&schedule, &schedule.cron.1, &state, at(now));
        let shown = due.starts.iter().map(|time| time.strftime("%dT%H:%M").to_string()).collect();
        (shown, due.last)
    }

    #[test]
    fn times_that_were_missed_are_caught_up_as_the_schedule_says() {
        let none = Vec::<String>::new();
        assert_eq!(starts("", "10T08:00", "10T08:59"), (none.clone(), None));
        assert_eq!(starts("", "10T08:00", "10T09:00").0, ["10T09:00"], "on time");
        assert_eq!(starts("", "10T08:00", "10T12:30").0, ["10T12:00"], "the last one");
        assert_eq!(
            starts("catch_up = \"all\"", "10T08:00", "10T11:30").0,
            ["10T09:00", "10T10:00", "10T11:00"]
        );
        let (missed, last) = starts("catch_up = \"none\"", "10T08:00", "10T12:30");
        assert_eq!((missed, last), (none.clone(), Some(at("10T12:00"))), "they count as handled");
        assert_eq!(starts("catch_up = \"none\"", "10T08:00", "10T12:02").0, ["10T12:00"], "on time");
        assert_eq!(starts("max_age = \"10m\"", "10T08:00", "10T12:30").0, none, "too old");
        let all = "catch_up = \"all\"\nmax_age = \"35d\"";
        assert_eq!(starts(all, "10T08:00", "14T12:00").0.len(), MOST);
        assert_eq!(starts(all, "10T08:00", "20T12:30").0, ["20T12:00"], "too many: the last one");
    }

    #[test]
    fn a_clock_that_is_set_back_starts_nothing_again() {
        assert_eq!(starts("catch_up = \"all\"", "10T12:00", "10T09:30"), (Vec::new(), None));
    }
}
