//! A job, what comes of it when nothing happens, and what comes of it when its process is killed again and again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::moment::{Moment, State};
use super::tally::Tally;
use crate::api::Api;
use crate::support::{DEADLINE, Ran, Running, Scene, csv};

const LINES: usize = 1_200;
/// Bytes that make items and output larger than one part of an upload.
const PAD: usize = 9_000;
const IN_FLIGHT: usize = 20;
const RUN: [&str; 5] = ["run", "kill.toml", "in.csv", "-o", "out.csv"];
const GATE: usize = 150;

pub struct Matrix {
    api: Api,
    job: String,
    input: String,
    expected: Expected,
}

/// What an uninterrupted run leaves.
struct Expected {
    outputs: Outputs,
    /// How often something had changed when one looked.
    events: u64,
}

#[derive(Debug, PartialEq)]
struct Outputs {
    code: i32,
    output: String,
    failed: Option<String>,
    counts: Vec<Value>,
}

/// When to kill.
enum When {
    At(Moment),
    /// After so many changes.
    After(u64),
}

impl Matrix {
    /// Two lanes: of a named provider, and of all other hosts. `complete`: every line succeeds; else a few fail, and the run's
    /// folder stays.
    pub fn new(complete: bool) -> Self {
        let api = Api::start();
        let named = api.host();
        let other = format!("localhost:{}", api.address.port());
        let job = format!(
            "[request]\nurl = \"{{{{ url }}}}\"\nheaders = {{ x-attempt = \"{{{{ secret.ATTEMPT }}}}\" }}\n\
             secret_hosts = [\"127.0.0.1\", \"localhost\"]\nallow = [\"127.0.0.1\"]\n[limits.\"{named}\"]\nrate = \"unlimited\"\n\
             in_flight = {IN_FLIGHT}\n[limits.default]\nrate = \"unlimited\"\nin_flight = {IN_FLIGHT}\n[output]\ncolumns = {{ twice = \"$.twice\" }}\n"
        );
        let line = |n: usize| {
            let host = if n.is_multiple_of(3) { &other } else { &named };
            let kind = if !complete && n.is_multiple_of(100) { "missing" } else { "ok" };
            format!("http://{host}/{kind}/{n},{}\n", char::from(b'a' + (n % 26) as u8).to_string().repeat(PAD))
        };
        let input = std::iter::once("url,pad\n".to_owned()).chain((1..=LINES).map(line)).collect();
        let mut matrix = Self { api, job, input, expected: Expected { outputs: Outputs::none(), events: 0 } };
        let scene = matrix.scene();
        let mut attempts = Attempts::default();
        let (mut seen, mut events) = (None, 0);
        let running = matrix.start(&scene, &mut attempts);
        let state = matrix.state(&scene);
        matrix.watch(running, |_| {
            let changes = state.changes(&matrix.api);
            events += u64::from(seen.replace(changes.clone()) != Some(changes));
            false
        });
        matrix.expected =
            Expected { outputs: Outputs::of(&scene, scene.run_with(&RUN, |command| _ = command.env("ATTEMPT", "again"))), events };
        matrix
    }

    pub fn survives_at(&self, moments: &[Moment]) -> Tally {
        self.survives(moments.iter().map(|moment| When::At(*moment)))
    }

    /// Kills at random.
    pub fn survives_seed(&self, seed: u64, kills: usize) -> Tally {
        let mut dice = StdRng::seed_from_u64(seed);
        // A process that goes on has less to do than one that begins.
        let most = |nth: usize| self.expected.events / (1 + nth as u64 / 2) + 1;
        self.survives((0..kills).map(|nth| When::After(dice.random_range(0..most(nth)))))
    }

    fn survives(&self, kills: impl IntoIterator<Item = When>) -> Tally {
        self.api.forget();
        let scene = self.scene();
        let (mut attempts, mut tally) = (Attempts::default(), Tally::default());
        for when in kills {
            let state = self.state(&scene);
            let running = self.start_gated(&scene, &mut attempts, &when);
            let killed = self.kill(running, &state, &when);
            self.api.answer_all();
            let met = match when {
                When::At(moment) => Some((moment, killed && moment.is_now(&state, &self.api))),
                When::After(_) => None,
            };
            tally.kill(killed, met);
            attempts.stored.push(stored(&state));
        }
        let ran = self.start(&scene, &mut attempts).wait();
        let outputs = Outputs::of(&scene, ran);
        assert_eq!(outputs.differs(&self.expected.outputs), None, "after {tally:?}");
        attempts.check(&self.api, &mut tally);

        let total = self.api.total();
        let again = self.start(&scene, &mut attempts).wait();
        assert!(again.stdout.contains("no request was made"), "{}{}", again.stdout, again.stderr);
        assert_eq!(Outputs::of(&scene, again).differs(&self.expected.outputs), None, "the same command once more, after {tally:?}");
        assert_eq!(self.api.total(), total);
        let state = self.state(&scene);
        assert_eq!(state.journal(), None, "the journal is left over");
        let run = state.run().unwrap();
        let left: Vec<_> = scene.files().into_iter().filter(|file| file.starts_with(&run)).collect();
        assert!(self.expected.outputs.code != 0 || left.len() == 3, "{left:?} are left over");
        tally.lines(LINES, &csv(&scene.read("out.csv")));
        tally
    }

    fn scene(&self) -> Scene {
        let scene = Scene::new("", "in.csv", &self.input);
        scene.write("kill.toml", &self.job);
        scene
    }

    fn state(&self, scene: &Scene) -> State {
        State::new(scene.path(".throughline"), &self.api)
    }

    fn start(&self, scene: &Scene, attempts: &mut Attempts) -> Running {
        attempts.count += 1;
        scene.start_with(&RUN, |command| _ = command.env("ATTEMPT", format!("attempt-{}", attempts.count)))
    }

    fn start_gated(&self, scene: &Scene, attempts: &mut Attempts, when: &When) -> Running {
        match when {
            When::At(Moment::Started | Moment::Claimed | Moment::Splitting | Moment::Split | Moment::FirstRequest) => {
                self.api.answer_only(0)
            }
            When::At(Moment::Flushes(_)) => self.api.answer_only(GATE),
            _ => {}
        }
        self.start(scene, attempts)
    }

    /// Whether the process was still there to be killed.
    fn kill(&self, running: Running, state: &State, when: &When) -> bool {
        let (mut seen, mut events, mut commits, mut flushes) = (None, 0, 0, 0);
        self.watch(running, |api| match when {
            When::At(Moment::Commits(count)) => {
                let (journal, _) = state.changes(api);
                commits += u64::from(seen.replace((journal, Vec::new())).is_some_and(|(before, _)| before != journal));
                commits >= *count
            }
            When::At(moment) => {
                // The next flush needs answers.
                let now = state.new_flushes();
                if now > std::mem::replace(&mut flushes, now) && !moment.is_now(state, api) {
                    api.answer_more(GATE);
                }
                // One that went by unseen does not come again.
                moment.is_now(state, api) || (moment.is_before_answers() && state.requests(api) > 0)
            }
            When::After(count) => {
                let changes = state.changes(api);
                events += u64::from(seen.replace(changes.clone()) != Some(changes));
                events > *count
            }
        })
    }

    /// Looks again and again, until it is time to kill the process, or it has ended.
    fn watch(&self, mut running: Running, mut now: impl FnMut(&Api) -> bool) -> bool {
        let begun = Instant::now();
        loop {
            if now(&self.api) {
                running.kill();
                return true;
            }
            if running.has_ended() {
                return false;
            }
            assert!(begun.elapsed() < DEADLINE, "neither was the moment met, nor has the process ended");
            std::thread::yield_now();
        }
    }
}

/// The processes of one run.
#[derive(Default)]
struct Attempts {
    count: usize,
    /// The lines that had an answer in the store when each process was dead.
    stored: Vec<BTreeSet<u64>>,
}

impl Attempts {
    /// No line is asked about that had a stored answer when the process began, and none twice by one process: what is
    /// sent again was in flight, or not yet flushed.
    fn check(&self, api: &Api, tally: &mut Tally) {
        let mut asked: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for seen in api.seen() {
            let attempt = seen.headers["x-attempt"].to_str().unwrap().strip_prefix("attempt-").unwrap().parse().unwrap();
            let line = seen.uri.rsplit('/').next().unwrap().parse().unwrap();
            asked.entry(line).or_default().push(attempt);
        }
        assert_eq!(asked.len(), LINES, "every line was asked about");
        for (line, attempts) in &asked {
            let once: BTreeSet<_> = attempts.iter().collect();
            assert_eq!(once.len(), attempts.len(), "line {line} was sent twice by one process: {attempts:?}");
            for attempt in attempts {
                let before = &self.stored[..attempt - 1];
                assert!(
                    !before.iter().any(|stored| stored.contains(line)),
                    "line {line} had a stored answer and was asked again: {attempts:?}"
                );
            }
        }
        tally.requests(asked.values().map(Vec::len).sum(), LINES);
    }
}

/// Lines whose answers are in the store.
fn stored(state: &State) -> BTreeSet<u64> {
    let mut lines = BTreeSet::new();
    for flush in state.flushes() {
        for record in std::fs::read_to_string(flush).unwrap().lines() {
            let record: Value = serde_json::from_str(record).unwrap();
            lines.insert(record["n"].as_u64().unwrap());
        }
    }
    lines
}

impl Outputs {
    fn none() -> Self {
        Self { code: -1, output: String::new(), failed: None, counts: Vec::new() }
    }

    fn of(scene: &Scene, ran: Ran) -> Self {
        assert!(matches!(ran.code, 0 | 2), "{}{}", ran.stdout, ran.stderr);
        let report: Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
        let counts = ["verdict", "lines", "ok", "failed", "not_processed", "blank", "requests", "throttled", "errors"]
            .map(|name| report[name].clone());
        let lanes =
            report["lanes"].as_array().unwrap().iter().flat_map(|lane| ["name", "lines", "ok", "failed"].map(|name| lane[name].clone()));
        let failed = scene.exists("out.failed.csv").then(|| scene.read("out.failed.csv"));
        Self { code: ran.code, output: scene.read("out.csv"), failed, counts: counts.into_iter().chain(lanes).collect() }
    }

    /// How these are not those, without a megabyte of text.
    fn differs(&self, other: &Self) -> Option<String> {
        let texts: HashMap<_, _> = [("output", self.output == other.output), ("failed file", self.failed == other.failed)].into();
        let wrong: Vec<_> = texts.into_iter().filter_map(|(name, same)| (!same).then_some(name)).collect();
        (self.code != other.code || self.counts != other.counts || !wrong.is_empty())
            .then(|| format!("{wrong:?} differ; {:?}, not {:?}", (self.code, &self.counts), (other.code, &other.counts)))
    }
}
