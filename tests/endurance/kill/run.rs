//! A job whose process is killed repeatedly must leave what an uninterrupted run leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use testing::{Api, DEADLINE, JobFile, Output, Running, Scene, records};

use super::moment::{Left, Moment, State};
use super::scenario::Scenario;
use super::tally::Tally;

pub const LINES: usize = 1_200;
/// Bytes that make items and output larger than one part of an upload.
const PAD: usize = 9_000;
const IN_FLIGHT: usize = 20;
const FILES: [&str; 4] = ["kill.toml", "in.csv", "-o", "out.csv"];
const GATE: usize = 150;
/// The request that follows those of a process.
const LAST: &str = "/empty/0";

pub struct Matrix {
    scenario: Scenario,
    api: Api,
    job: JobFile,
    input: String,
    expected: Expected,
}

/// What an uninterrupted run leaves.
struct Expected {
    outputs: Outputs,
    /// Files of the run.
    left_over: BTreeSet<PathBuf>,
    /// How many changes of the state folder were observed.
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
    /// After this number of changes.
    After(u64),
}

impl Matrix {
    /// Two lanes: one of a named provider, one of all other hosts.
    pub fn new(scenario: Scenario) -> Self {
        let api = Api::start();
        let named = api.host();
        let other = format!("localhost:{}", api.port());
        let job = JobFile::get("{{ url }}")
            .limit(&named, format!("rate = \"unlimited\"\nin_flight = {IN_FLIGHT}"))
            .limit("default", format!("rate = \"unlimited\"\nin_flight = {IN_FLIGHT}"))
            .column("twice", "$.twice");
        let line = |n: usize| {
            let host = if n.is_multiple_of(3) { &other } else { &named };
            let kind = scenario.kind(n);
            format!(
                "http://{host}/{kind}/{n},{}\n",
                char::from(b'a' + (n % 26) as u8).to_string().repeat(PAD)
            )
        };
        let input = std::iter::once("url,pad\n".to_owned()).chain((1..=LINES).map(line)).collect();
        let mut matrix = Self {
            scenario,
            api,
            job,
            input,
            expected: Expected { outputs: Outputs::none(), left_over: BTreeSet::new(), events: 0 },
        };
        let (scene, before) = matrix.scene();
        let (mut seen, mut events) = (None, 0);
        let running = matrix.start(&scene);
        let state = matrix.state(&scene, &before);
        matrix.watch(running, |_| {
            let changes = state.changes(&matrix.api);
            events += u64::from(seen.replace(changes.clone()) != Some(changes));
            false
        });
        let outputs = Outputs::of(&scene, matrix.start(&scene).wait());
        let left_over = matrix.left_over(&scene);
        assert!(
            outputs.code != 0 || left_over.iter().all(|file| file.components().count() == 1),
            "{left_over:?}"
        );
        matrix.expected = Expected { outputs, left_over, events };
        matrix
    }

    /// The moments that can be met.
    pub fn moments(&self) -> impl Iterator<Item = Moment> {
        Moment::ALL
            .into_iter()
            .filter(|moment| self.scenario != Scenario::Redriven || !moment.is_of_the_split())
    }

    pub fn survives_at(&self, moments: &[Moment]) -> Tally {
        self.survives(moments.iter().map(|moment| When::At(*moment)))
    }

    /// Kills at random.
    pub fn survives_seed(&self, seed: u64, kills: usize) -> Tally {
        let mut rng = StdRng::seed_from_u64(seed);
        // A process that continues a run has less to do than the first one.
        let most = |nth: usize| self.expected.events / (1 + nth as u64 / 2) + 1;
        self.survives((0..kills).map(|nth| When::After(rng.random_range(0..most(nth)))))
    }

    fn survives(&self, kills: impl IntoIterator<Item = When>) -> Tally {
        let (scene, before) = self.scene();
        let (mut attempts, mut tally) = (Attempts::default(), Tally::default());
        for when in kills {
            let state = self.state(&scene, &before);
            let running = self.start_gated(&scene, &when);
            let killed = self.kill(running, &state, &when);
            self.api.respond_all();
            let met = match when {
                When::At(moment) => Some((moment, killed && moment.is_now(&state, &self.api))),
                When::After(_) => None,
            };
            tally.kill(killed, met);
            attempts.ended(&self.api, stored(&state));
        }
        let ran = self.start(&scene).wait();
        let outputs = Outputs::of(&scene, ran);
        assert_eq!(outputs.differs(&self.expected.outputs), None, "after {tally:?}");
        attempts.check(self.scenario.lines_sent(), &self.api, &mut tally);

        let total = self.api.count();
        let again = self.start(&scene).wait();
        assert!(again.stdout.contains("no request was made"), "{}{}", again.stdout, again.stderr);
        assert_eq!(
            Outputs::of(&scene, again).differs(&self.expected.outputs),
            None,
            "the same command once more, after {tally:?}"
        );
        assert_eq!(self.api.count(), total);
        assert_eq!(self.state(&scene, &before).journal(), None, "the journal is left over");
        if self.expected.outputs.code == 0 {
            assert_eq!(self.left_over(&scene), self.expected.left_over);
        }
        tally.lines(LINES, &records(&scene.read("out.csv")));
        tally
    }

    /// A folder for the command, and what it already contains.
    fn scene(&self) -> (Scene, Left) {
        let scene = Scene::named("kill", &self.job, "in.csv", &self.input);
        let mut before = Left::default();
        if self.scenario == Scenario::Redriven {
            self.api.set_broken(true);
            Self::command(&scene, "run").wait().expect(2);
            self.api.set_broken(false);
            before = self.state(&scene, &before).left();
        }
        self.api.forget();
        (scene, before)
    }

    /// Files of the run, without the results, which stay for the next run of the job and file.
    fn left_over(&self, scene: &Scene) -> BTreeSet<PathBuf> {
        let run = self.state(scene, &Left::default()).run().unwrap();
        let files = scene.files();
        let files = files.iter().filter_map(|file| file.strip_prefix(&run).ok());
        files.filter(|file| !file.starts_with("results")).map(Path::to_owned).collect()
    }

    fn state(&self, scene: &Scene, before: &Left) -> State {
        State::new(scene.path(".throughline"), before, &self.api)
    }

    fn start(&self, scene: &Scene) -> Running {
        Self::command(scene, self.scenario.command())
    }

    fn command(scene: &Scene, command: &str) -> Running {
        scene.start(&[&[command], &FILES[..]].concat())
    }

    fn start_gated(&self, scene: &Scene, when: &When) -> Running {
        match when {
            When::At(
                Moment::Started | Moment::Claimed | Moment::Splitting | Moment::Split | Moment::FirstRequest,
            ) => self.api.respond_only(0),
            When::At(Moment::Flushes(_)) => self.api.respond_only(GATE),
            _ => {}
        }
        self.start(scene)
    }

    /// Returns whether the process was still running.
    fn kill(&self, running: Running, state: &State, when: &When) -> bool {
        let (mut seen, mut events, mut commits, mut segments) = (None, 0, 0, 0);
        self.watch(running, |api| match when {
            When::At(Moment::Commits(count)) => {
                let (journal, _) = state.changes(api);
                commits += u64::from(
                    seen.replace((journal, Vec::new())).is_some_and(|(before, _)| before != journal),
                );
                commits >= *count
            }
            When::At(moment) => {
                // The next flush needs responses.
                let now = state.new_segments();
                if now > std::mem::replace(&mut segments, now) && !moment.is_now(state, api) {
                    api.respond_more(GATE);
                }
                // A moment that was missed does not come again.
                moment.is_now(state, api) || (moment.is_before_responses() && state.requests(api) > 0)
            }
            When::After(count) => {
                let changes = state.changes(api);
                events += u64::from(seen.replace(changes.clone()) != Some(changes));
                events > *count
            }
        })
    }

    /// Observes the process until it is time to kill it, or it has ended.
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
    /// By process: the number of requests, its own and those of earlier ones, and the lines whose responses were
    /// stored, when it was dead.
    ended: Vec<(usize, BTreeSet<u64>)>,
}

impl Attempts {
    /// The server has read what a dead process has sent before it reads what is sent now.
    fn ended(&mut self, api: &Api, stored: BTreeSet<u64>) {
        let mut stream = TcpStream::connect(("127.0.0.1", api.port())).unwrap();
        let request = format!("GET {LAST} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        self.ended.push((api.count(), stored));
    }

    /// No process sends a line whose response was stored before it began, and none sends a line twice: a line that is
    /// sent again was in flight, or not yet flushed.
    fn check(&self, lines: usize, api: &Api, tally: &mut Tally) {
        let mut sent_by: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (nth, seen) in api.requests().into_iter().enumerate().filter(|(_, seen)| seen.uri != LAST) {
            let attempt = self.ended.partition_point(|(requests, _)| *requests <= nth) + 1;
            let line = seen.uri.rsplit('/').next().unwrap().parse().unwrap();
            sent_by.entry(line).or_default().push(attempt);
        }
        assert_eq!(sent_by.len(), lines, "every line was sent, and in a redrive no other");
        for (line, attempts) in &sent_by {
            let once: BTreeSet<_> = attempts.iter().collect();
            assert_eq!(once.len(), attempts.len(), "line {line} was sent twice by one process: {attempts:?}");
            for attempt in attempts {
                let before = &self.ended[..attempt - 1];
                assert!(
                    !before.iter().any(|(_, stored)| stored.contains(line)),
                    "line {line} had a stored response and was sent again: {attempts:?}"
                );
            }
        }
        tally.requests(sent_by.values().map(Vec::len).sum(), lines);
    }
}

/// Lines whose responses are in the store.
fn stored(state: &State) -> BTreeSet<u64> {
    let mut lines = BTreeSet::new();
    for segment in state.segments() {
        for result in std::fs::read_to_string(segment).unwrap().lines() {
            let result: Value = serde_json::from_str(result).unwrap();
            lines.insert(result["n"].as_u64().unwrap());
        }
    }
    lines
}

impl Outputs {
    fn none() -> Self {
        Self { code: -1, output: String::new(), failed: None, counts: Vec::new() }
    }

    fn of(scene: &Scene, ran: Output) -> Self {
        assert!(matches!(ran.code, 0 | 2), "{}{}", ran.stdout, ran.stderr);
        let report: Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
        let counts =
            ["verdict", "lines", "ok", "failed", "not_processed", "blank", "requests", "throttled", "errors"]
                .map(|name| report[name].clone());
        let lanes = report["lanes"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|lane| ["name", "lines", "ok", "failed"].map(|name| lane[name].clone()));
        let failed = scene.exists("out.failed.csv").then(|| scene.read("out.failed.csv"));
        Self {
            code: ran.code,
            output: scene.read("out.csv"),
            failed,
            counts: counts.into_iter().chain(lanes).collect(),
        }
    }

    /// The differences in short, without the contents.
    fn differs(&self, other: &Self) -> Option<String> {
        let texts: HashMap<_, _> =
            [("output", self.output == other.output), ("failed file", self.failed == other.failed)].into();
        let wrong: Vec<_> = texts.into_iter().filter_map(|(name, same)| (!same).then_some(name)).collect();
        (self.code != other.code || self.counts != other.counts || !wrong.is_empty()).then(|| {
            format!(
                "{wrong:?} differ; {:?}, not {:?}",
                (self.code, &self.counts),
                (other.code, &other.counts)
            )
        })
    }
}
