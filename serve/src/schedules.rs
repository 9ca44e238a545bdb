//! Schedules: each due time of one starts an execution, once, whatever happens to the process or to the clock.
//!
//! The last due time that was handled is stored in the batch that makes the triggers durable. Only later times are due,
//! so a clock that is set back starts nothing again. Times that passed while the server was down, or while the clock
//! jumped, are caught up as the schedule says.

mod cron;
mod expression;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use expression::Expression;

use crate::arn::Place;
use crate::jobs::MACHINE;
use crate::scheduler::{Record, Scheduler};
use crate::settings::{CatchUp, Schedule};
use crate::store::{Batch, KeyWriter, Space, Store, StoreError};
use crate::triggers::{Trigger, Triggers, place_of_event, queue_of_job};

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

/// When a schedule is due, whoever has made it.
pub(crate) struct Timing {
    /// Its name among all schedules.
    pub(crate) key: String,
    /// With another text here it begins anew.
    pub(crate) anew: String,
    pub(crate) expression: Expression,
    pub(crate) zone: TimeZone,
    /// The first moment at which it may be due; by default, when it was made.
    pub(crate) begins: Option<Timestamp>,
    /// The last moment at which it may be due.
    pub(crate) ends: Option<Timestamp>,
    /// A due time is started at some moment of this time after it.
    pub(crate) window: Duration,
    pub(crate) catch_up: CatchUp,
    pub(crate) max_age: Duration,
}

impl Timing {
    fn of(schedule: &Schedule) -> Self {
        let (text, expression) = schedule.cron.clone();
        let zone = schedule.timezone.clone();
        Self {
            key: schedule.name.clone(),
            anew: format!("{text} {}", zone.iana_name().unwrap_or("UTC")),
            expression,
            zone,
            begins: None,
            ends: None,
            window: Duration::ZERO,
            catch_up: schedule.catch_up,
            max_age: schedule.max_age,
        }
    }

    /// The first due time after a moment. `begins` is when the schedule was made, or may begin.
    fn next(&self, after: Timestamp, begins: Timestamp) -> Option<Timestamp> {
        if matches!(self.expression, Expression::At(_)) {
            return self.expression.next(after, &self.zone, begins);
        }
        let before = begins.checked_sub(SignedDuration::from_secs(1)).unwrap_or(begins);
        let next = self.expression.next(after.max(before), &self.zone, begins)?;
        (self.ends.is_none_or(|ends| next <= ends)).then_some(next)
    }

    /// When a due time is started: the same moment of its window, however often it is asked for.
    fn starts_at(&self, time: Timestamp) -> Timestamp {
        let window = i64::try_from(self.window.as_secs()).unwrap_or(0);
        if window == 0 {
            return time;
        }
        let hash = blake3::hash(format!("{} {time}", self.key).as_bytes());
        let drawn = u32::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], 0]);
        let later = SignedDuration::from_secs(i64::from(drawn) % window);
        time.checked_add(later).unwrap_or(time)
    }
}

/// Where a schedule comes from: the settings or the API.
enum Source<'a> {
    Settings(&'a Schedule),
    Api(Box<Record>),
}

/// The schedules of a server.
pub(crate) struct Schedules {
    pub(crate) store: Store,
    pub(crate) place: Place,
    pub(crate) triggers: Triggers,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) scheduler: Scheduler,
}

impl Schedules {
    /// Starts what is due until the server stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        loop {
            // The store has failed, and with it the server.
            let Ok(next) = self.look_at_all(Timestamp::now()).await else { return };
            let wait = next.map_or(LOOK_EVERY, |next| {
                Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
            });
            tokio::select! {
                () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
                () = self.scheduler.changed() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Starts what is due. Returns when something is due next.
    async fn look_at_all(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let mut next = None::<Timestamp>;
        for schedule in &self.schedules {
            let due = self.look(&Timing::of(schedule), &Source::Settings(schedule), now).await?;
            next = next.into_iter().chain(due).min();
        }
        for record in self.scheduler.all()? {
            let Some(timing) = record.timing() else { continue };
            let due = self.look(&timing, &Source::Api(Box::new(record)), now).await?;
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// Starts what is due of a schedule. Returns when it is due next.
    async fn look(
        &self,
        timing: &Timing,
        source: &Source<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let key = state_key(&timing.key);
        let found: Option<State> = self.store.get_json(Space::Triggers, &key)?;
        let known = found.clone().filter(|state| state.expression == timing.anew);
        // A schedule of whole minutes begins with a whole minute.
        let minute = Timestamp::from_second(now.as_second() / 60 * 60).unwrap_or(now);
        let begins = timing.begins.unwrap_or(minute);
        let mut state = known.unwrap_or(State { expression: timing.anew.clone(), begins, last: now });
        let due = due(timing, &state, now);
        let (mut batch, mut queues) = (Batch::default(), Vec::new());
        if let Some(last) = due.last {
            state.last = last;
        }
        for time in &due.starts {
            queues.push(self.triggers.put(&mut batch, self.trigger(source, *time)));
        }
        let next = timing.next(state.last, state.begins);
        match source {
            Source::Api(record) if next.is_none() && record.is_deleted_after_its_end() => {
                record.remove(&mut batch)
            }
            _ if found.as_ref() != Some(&state) => batch.put_json(Space::Triggers, key, &state),
            _ => return Ok(next.map(|next| timing.starts_at(next))),
        }
        self.store.commit(batch).await?;
        queues.into_iter().for_each(|queue| self.triggers.work(queue));
        Ok(next.map(|next| timing.starts_at(next)))
    }

    /// The queue and the trigger of a due time.
    fn trigger(&self, source: &Source<'_>, time: Timestamp) -> (String, Trigger) {
        let shown = time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let short = time.strftime("%Y%m%dT%H%MZ");
        match source {
            Source::Settings(schedule) => {
                trigger(schedule, &shown, format!("sched-{}-{short}", schedule.name))
            }
            Source::Api(record) => {
                let name = format!("sched-{}-{short}", record.execution_prefix());
                let (machine, input) = record.start(&self.place, &shown, &name);
                let job = place_of_event(&input).filter(|_| machine == self.place.machine(MACHINE));
                match job {
                    Some((job, _)) => {
                        let trigger = Trigger { machine: MACHINE.into(), name, input, in_order: true };
                        (queue_of_job(&job), trigger)
                    }
                    None => (format!("schedule/{name}"), Trigger { machine, name, input, in_order: false }),
                }
            }
        }
    }
}

/// The key of what is known of a schedule.
pub(crate) fn state_key(schedule: &str) -> Vec<u8> {
    KeyWriter::default().byte(SCHEDULE).text(schedule).done()
}

/// What is due of a schedule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    /// The times that are started, oldest first.
    starts: Vec<Timestamp>,
    /// The last time that has passed.
    last: Option<Timestamp>,
}

fn due(timing: &Timing, state: &State, now: Timestamp) -> Due {
    let age = SignedDuration::try_from(timing.max_age).unwrap_or(SignedDuration::MAX);
    let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    let on_time = |time: &Timestamp| now.duration_since(timing.starts_at(*time)) <= ON_TIME;
    let mut found = Due::default();
    // Older times are not started anyway.
    let window = SignedDuration::try_from(timing.window).unwrap_or_default();
    let mut at = state.last.max(oldest.checked_sub(ON_TIME + window).unwrap_or(oldest));
    while let Some(time) = timing.next(at, state.begins).filter(|time| timing.starts_at(*time) <= now) {
        at = time;
        found.last = Some(time);
        if on_time(&time) || timing.catch_up != CatchUp::None && time >= oldest {
            found.starts.push(time);
        }
    }
    let late = found.starts.iter().filter(|time| !on_time(time)).count();
    if timing.catch_up == CatchUp::Once || late > MOST {
        // Those that are on time are started, and else the last one.
        let keep = (found.starts.len() - late).max(1).min(found.starts.len());
        found.starts.drain(..found.starts.len() - keep);
    }
    found
}

/// The queue and the trigger of a due time, with the input that `cdk/lib/schedules.ts` gives a job on AWS.
fn trigger(schedule: &Schedule, shown: &str, name: String) -> (String, Trigger) {
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
    let input = input.replace("<aws.scheduler.scheduled-time>", shown);
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
        let due = due(&Timing::of(&schedule), &state, at(now));
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
