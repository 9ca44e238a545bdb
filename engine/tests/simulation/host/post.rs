//! The workers of tasks with tokens. They outlive the process, and send outcomes and heartbeats in time to
//! the process that is then running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Host, Journal, TaskCall, TaskError, TaskTokens, TokenError};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::Simulated;
use crate::generator::{CAUSE, ENDLESS, ERROR};
use crate::rng::Rng;

#[derive(Default)]
pub(crate) struct Post {
    letters: BTreeMap<u64, Letter>,
    posted: u64,
    /// The token and the required outcome, by state, id and attempt.
    tasks: BTreeMap<String, (String, Fate)>,
    /// By token.
    owners: BTreeMap<String, String>,
    attempts: BTreeMap<String, Vec<u8>>,
    pub(crate) taken: u64,
    pub(crate) early: u64,
    pub(crate) again: u64,
    pub(crate) by_another: u64,
    pub(crate) after_crash: u64,
    pub(crate) silent: u64,
    pub(crate) refused: u64,
    pub(crate) heartbeats: u64,
    /// Outcomes that were sent while no process ran.
    pub(crate) to_parked: u64,
    pub(crate) wrong: Vec<String>,
}

/// The required outcome of a task with a token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    /// The signal that is sent.
    Success,
    Failure,
    /// The response of the service.
    Answer,
    /// No signal is sent in time.
    TimeOut,
}

#[derive(Clone)]
struct Letter {
    task: String,
    token: String,
    due: OffsetDateTime,
    what: What,
    /// The process that handed the task over, and the process that took the outcome.
    begun_in: u64,
    taken_in: Option<u64>,
}

#[derive(Clone, Debug)]
enum What {
    Heartbeat,
    Outcome {
        outcome: Result<Value, ()>,
        /// Whether it is sent once more as soon as it was taken.
        twice: bool,
    },
    /// Whether the outcome comes after the task has ended.
    TooLate,
}

/// The number of times that an outcome is sent if nobody takes it, each time after twice the delay.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// The time in which a new process waits for its tokens again.
const RESUMED: Duration = Duration::from_millis(100);
/// Timeouts below this are shorter than any work.
const SHORT: Duration = Duration::from_secs(100);

impl Simulated {
    /// The service's response to a task that is handed over, or to a job.
    pub(super) async fn with_token(
        &self,
        call: &TaskCall,
        name: &str,
        token: &str,
    ) -> Result<Value, TaskError> {
        let (waits, is_endless) = (call.resource.waits_for_token(), call.state.starts_with(ENDLESS));
        let mut rng = Rng::new((self.seed, "token", name, call.payload()["n"].to_string()));
        let answer = Duration::from_millis(rng.below(3_000) + 2);
        let (refused, gives_up) = (waits && rng.percent(12) && !is_endless, rng.percent(50));
        let sent = self.letters(call, answer, refused, &mut rng);
        self.hand_over(name, token, sent.fate, sent.letters);
        tokio::select! {
            biased;
            () = tokio::time::sleep(answer) => {}
            () = call.cancel.cancelled(), if gives_up => return Err(TaskError::Interrupted),
        }
        self.event().await;
        if refused || (!waits && rng.percent(18)) {
            Err(TaskError::Error { error: ERROR.into(), cause: CAUSE.into() })
        } else {
            Ok(json!({"id": call.payload()["id"], "n": rng.below(100)}))
        }
    }

    /// The signal, and its delay after the call.
    fn letters(&self, call: &TaskCall, answer: Duration, refused: bool, rng: &mut Rng) -> Sent {
        let is_short = call.timeout.is_some_and(|timeout| timeout < SHORT);
        let beats = call.heartbeat.filter(|_| is_short || rng.percent(60));
        let early = Duration::from_millis(rng.below(answer.as_millis() as u64));
        let soon = Duration::from_millis(1);
        let later = answer + soon + beats.unwrap_or_default() + Duration::from_millis(rng.below(8_000));
        let outcome = if rng.percent(15) {
            Err(())
        } else {
            Ok(json!({"id": call.payload()["id"], "n": rng.below(100)}))
        };
        let fate = if outcome.is_ok() { Fate::Success } else { Fate::Failure };
        let outcome = What::Outcome { outcome, twice: rng.percent(30) };
        let heartbeats = |until: Duration| {
            let every = beats.unwrap_or(until) / 3;
            (1_u32..)
                .map(move |number| (every * number, What::Heartbeat))
                .take_while(move |(due, _)| beats.is_some() && *due < until)
        };
        let sent = |fate, letters| Sent { fate, letters };
        if !call.resource.waits_for_token() {
            return if rng.percent(50) {
                sent(fate, vec![(early, outcome)])
            } else {
                sent(Fate::Answer, vec![(answer + soon, What::TooLate)])
            };
        }
        let comes = !is_short && (call.heartbeat.is_none() || beats.is_some());
        match () {
            () if call.state.starts_with(ENDLESS) => sent(Fate::TimeOut, Vec::new()),
            () if refused => sent(Fate::Answer, vec![(answer + soon, What::TooLate)]),
            () if !comes => {
                let end =
                    answer + call.timeout.filter(|_| is_short).or(call.heartbeat).expect("it ends somehow");
                // A process that continues waits for a heartbeat as long as a new one.
                let late =
                    (is_short && rng.percent(60)).then_some((end + Duration::from_secs(1), What::TooLate));
                sent(Fate::TimeOut, heartbeats(end).chain(late).collect())
            }
            () if rng.percent(25) => sent(fate, vec![(early, outcome)]),
            () => sent(fate, heartbeats(later).chain([(later, outcome)]).collect()),
        }
    }

    /// The worker begins again with a task that is handed over once more.
    fn hand_over(&self, task: &str, token: &str, fate: Fate, letters: Vec<(Duration, What)>) {
        let mut post = self.post.lock().unwrap();
        if let Some((before, _)) =
            post.tasks.insert(task.to_owned(), (token.to_owned(), fate)).filter(|(before, _)| before != token)
        {
            post.wrong.push(format!("{task} has another token than {before}: {token}"));
        }
        if let Some(other) =
            post.owners.insert(token.to_owned(), task.to_owned()).filter(|other| other != task)
        {
            post.wrong.push(format!("{task} has the token of {other}: {token}"));
        }
        if post.letters.values().any(|letter| letter.token == token && letter.taken_in.is_some()) {
            post.wrong.push(format!("{task} was handed over again, although its outcome had been taken"));
        }
        post.letters.retain(|_, letter| letter.token != token);
        post.silent += u64::from(fate == Fate::TimeOut);
        let (now, begun_in) = (self.now(), self.lives());
        for (after, what) in letters {
            post.posted += 1;
            let number = post.posted;
            post.letters.insert(
                number,
                Letter {
                    task: task.to_owned(),
                    token: token.to_owned(),
                    due: now + after,
                    what,
                    begun_in,
                    taken_in: None,
                },
            );
            tokio::spawn(self.me.upgrade().unwrap().carry(number, Duration::ZERO));
        }
    }

    /// Called when a process begins: sends it all outcomes, also those that a process before it has taken.
    pub(super) fn carry_all(&self) {
        let numbers: Vec<u64> = self.post.lock().unwrap().letters.keys().copied().collect();
        for number in numbers {
            tokio::spawn(self.me.upgrade().unwrap().carry(number, RESUMED));
        }
    }

    async fn carry(self: Arc<Self>, number: u64, soonest: Duration) {
        let Some(letter) = self.letter(number) else { return };
        let left: Duration = (letter.due - self.now()).try_into().unwrap_or_default();
        tokio::time::sleep(left.max(soonest)).await;
        self.event().await;
        for pause in (0..TRIES).map(|tries| PAUSE * 2_u32.pow(tries)) {
            let Some(letter) = self.letter(number) else { return };
            let taken = self.send(&letter).await;
            self.count(number, &letter, taken);
            match letter.what {
                What::Outcome { twice, .. } if taken => {
                    // The outcome is durable, and the task has not gone on with it.
                    self.event().await;
                    if twice && self.send(&letter).await {
                        self.post
                            .lock()
                            .unwrap()
                            .wrong
                            .push(format!("a second outcome of {} was taken", letter.task));
                    }
                    self.post.lock().unwrap().again += u64::from(twice);
                    return;
                }
                What::Outcome { .. } => tokio::time::sleep(pause).await,
                What::TooLate if taken => {
                    return self
                        .post
                        .lock()
                        .unwrap()
                        .wrong
                        .push(format!("an outcome of {} was taken when it had ended", letter.task));
                }
                _ => return,
            }
        }
    }

    /// Lets the time pass until a parked execution is to be continued: until then, or until something was sent to
    /// it.
    pub(crate) async fn parked(&self, until: OffsetDateTime, journal: &Journal) {
        let due = |letter: &Letter| letter.due <= until && letter.taken_in.is_none();
        let next = {
            let post = self.post.lock().unwrap();
            let next =
                post.letters.iter().filter(|(_, letter)| due(letter)).min_by_key(|(_, letter)| letter.due);
            next.map(|(number, letter)| (*number, letter.clone(), post.attempts[&letter.token].clone()))
        };
        let Some((number, letter, attempt)) = next else { return self.sleep_to(until) };
        self.sleep_to(letter.due);
        let outcome = match &letter.what {
            What::Outcome { outcome, .. } => {
                outcome.clone().map_err(|()| (ERROR.to_owned(), CAUSE.to_owned()))
            }
            What::TooLate => Ok(json!("too late")),
            What::Heartbeat => {
                self.post.lock().unwrap().letters.remove(&number);
                return;
            }
        };
        let taken = journal.send_outcome(&attempt, outcome).await.is_ok();
        self.post.lock().unwrap().to_parked += u64::from(taken);
        self.count(number, &letter, taken);
        if !taken {
            self.post.lock().unwrap().letters.remove(&number);
        } else if matches!(letter.what, What::TooLate) {
            let wrong = format!("an outcome of {} was taken when it had ended", letter.task);
            self.post.lock().unwrap().wrong.push(wrong);
        }
    }

    fn letter(&self, number: u64) -> Option<Letter> {
        self.post.lock().unwrap().letters.get(&number).cloned()
    }

    async fn send(&self, letter: &Letter) -> bool {
        let tokens = self.tokens();
        let sent: Result<(), TokenError> = match &letter.what {
            What::Heartbeat => tokens.heartbeat(&letter.token),
            What::Outcome { outcome: Ok(output), .. } => tokens.succeed(&letter.token, output.clone()).await,
            What::Outcome { outcome: Err(()), .. } => tokens.fail(&letter.token, ERROR, CAUSE).await,
            What::TooLate => tokens.succeed(&letter.token, json!("too late")).await,
        };
        sent.is_ok()
    }

    fn count(&self, number: u64, letter: &Letter, taken: bool) {
        let life = self.lives();
        let answered = self.calls.lock().unwrap().has_succeeded(&letter.task);
        let mut post = self.post.lock().unwrap();
        match letter.what {
            What::Heartbeat => {
                post.heartbeats += u64::from(taken);
                post.letters.remove(&number);
            }
            What::TooLate => {
                post.refused += u64::from(!taken);
                post.letters.remove(&number);
            }
            What::Outcome { .. } if taken => {
                post.taken += 1;
                post.early += u64::from(!answered);
                post.by_another += u64::from(life > letter.begun_in);
                let before = post.letters.get_mut(&number).and_then(|letter| letter.taken_in.replace(life));
                if let Some(before) = before {
                    let task = &letter.task;
                    post.wrong.push(format!("an outcome of {task} was taken in process {before}, and again"));
                }
            }
            What::Outcome { .. } => {
                post.after_crash += u64::from(letter.taken_in.is_some_and(|in_| in_ < life))
            }
        }
    }

    pub(crate) fn tokens(&self) -> TaskTokens {
        self.life.lock().unwrap().as_ref().unwrap().tokens.clone()
    }
}

struct Sent {
    fate: Fate,
    letters: Vec<(Duration, What)>,
}

impl Post {
    pub(super) fn give(&mut self, token: &str, attempt: &[u8]) {
        self.attempts.insert(token.to_owned(), attempt.to_vec());
    }

    pub(super) fn forget(&mut self) {
        self.letters.clear();
        self.tasks.clear();
        self.owners.clear();
    }

    /// The required outcome of the task, if it has a token.
    pub(crate) fn fate(&self, task: &str) -> Option<Fate> {
        self.tasks.get(task).map(|(_, fate)| *fate)
    }
}
