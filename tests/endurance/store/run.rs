//! Whole runs in this process (the steps, the engine, the embedded store), with [`Faults`] before the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::config::retry::RetryConfig;
use job::Record;
use postprocess::Report;
use states::Clock;
use tempfile::TempDir;
use testing::{Action, Api, Call, Fault, Faults, JobFile};
use throughline::exit::CliError;
use throughline::local::{ExecutionEnd, StateDir, Target, execute, job_name, read_job};
use throughline::progress::Progress;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub const LINES: usize = 700;
/// Bytes that make items and output larger than one part of an upload.
const PAD: usize = 10_500;

/// A job and an input, and what comes of them.
pub struct Yard {
    api: Api,
    folder: TempDir,
    expected: String,
    /// Requests that must not be sent twice.
    post: bool,
    /// Calls of the store in a run to which nothing happens.
    pub calls: u64,
}

/// How a run came to its end.
#[derive(Debug, Default)]
pub struct Endured {
    pub commands: usize,
    /// What commands ended with that did not end the run.
    pub stops: Vec<String>,
    pub faults: BTreeMap<Fault, usize>,
    pub repeated: usize,
    /// Lines of which it is not known whether they were sent.
    pub unknown: usize,
    pub lines_out: usize,
    pub lost: usize,
    pub duplicated: usize,
}

/// A segment of results that was stored: how many requests the API had had by then, and the records.
type Segment = (usize, Vec<u8>);

/// How a command ended.
enum End {
    Finished(Box<Report>),
    /// With an error in words.
    Stopped(String),
    Died,
}

impl Yard {
    pub fn new() -> Self {
        Self::asking("GET")
    }

    /// Of a job whose requests must not be sent twice.
    pub fn posting() -> Self {
        Self::asking("POST")
    }

    fn asking(method: &str) -> Self {
        let api = Api::start();
        let (named, other) = (api.host(), format!("localhost:{}", api.port()));
        // Four workers of one lane, one of the other.
        let job = JobFile::with_method(method, "{{ url }}")
            .limit(&named, "rate = \"unlimited\"\nin_flight = 400")
            .limit("default", "rate = \"unlimited\"\nin_flight = 20")
            .column("twice", "$.twice");
        let line = |n: usize| {
            let host = if n.is_multiple_of(5) { &other } else { &named };
            format!("http://{host}/ok/{n},{}\n", char::from(b'a' + (n % 26) as u8).to_string().repeat(PAD))
        };
        let input: String = std::iter::once("url,pad\n".to_owned()).chain((1..=LINES).map(line)).collect();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("yard.toml"), job.to_string()).unwrap();
        std::fs::write(folder.path().join("in.csv"), input).unwrap();
        let mut yard = Self { api, folder, expected: String::new(), post: method == "POST", calls: 0 };
        let (faults, _) = yard.faults(|_| Action::Proceed);
        let state = tempfile::tempdir().unwrap();
        let end = yard.command(&state.path().join("state"), &faults, None);
        assert!(matches!(&end, End::Finished(report) if report.complete()));
        yard.expected = std::fs::read_to_string(output(&state)).unwrap();
        yard.calls = faults.calls();
        yard
    }

    /// A run whose commands meet what the plans say; when there are no more plans, nothing happens to it any more.
    pub fn endures<P>(&self, plans: impl IntoIterator<Item = P>) -> Endured
    where
        P: FnMut(&Call) -> Action + Send + 'static,
    {
        self.api.forget();
        let state = tempfile::tempdir().unwrap();
        let (mut endured, mut stored) = (Endured::default(), Vec::new());
        let mut plans = plans.into_iter();
        let mut redrive = None;
        loop {
            let (faults, segments) = match plans.next() {
                Some(plan) => self.faults(plan),
                None => self.faults(|_| Action::Proceed),
            };
            let end = self.command(&state.path().join("state"), &faults, redrive);
            endured.commands += 1;
            stored.append(&mut segments.lock().unwrap());
            for (fault, count) in faults.injected() {
                *endured.faults.entry(fault).or_default() += count;
            }
            match end {
                End::Finished(report) if report.complete() || self.post && report.not_processed == 0 => {
                    endured.unknown = usize::try_from(report.failed).unwrap();
                    assert_eq!((report.lines, report.ok + report.failed), (LINES as u64, LINES as u64));
                    break;
                }
                End::Finished(report) => {
                    endured.stops.push(format!("finished: {}", report.message));
                    redrive = Some(report.generation + 1);
                }
                End::Stopped(message) => endured.stops.push(message),
                End::Died => endured.stops.push("died".to_owned()),
            }
            assert!(endured.commands < 30, "it comes to no end: {:#?}", endured.stops);
        }
        let out = std::fs::read_to_string(output(&state)).unwrap();
        self.compare(&out, &endured);
        self.check(&stored, &mut endured);
        let rows: Vec<_> = out.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
        let different: BTreeSet<_> = rows.iter().collect();
        (endured.lines_out, endured.lost, endured.duplicated) =
            (rows.len(), LINES - different.len(), rows.len() - different.len());
        endured
    }

    /// The output is that of a run to which nothing happens, but for lines whose outcome is unknown.
    fn compare(&self, out: &str, endured: &Endured) {
        let (mut rows, mut expected, mut unknown) = (out.lines(), self.expected.lines(), 0);
        loop {
            match (rows.next(), expected.next()) {
                (None, None) => break,
                (Some(row), Some(expected)) if row == expected => {}
                (Some(row), Some(expected)) => {
                    let line = |row: &str| row.split(',').next().unwrap().to_owned();
                    assert!(
                        self.post && line(row) == line(expected) && row.contains(",outcome_unknown,"),
                        "{:?}: {endured:#?}",
                        line(row)
                    );
                    unknown += 1;
                }
                other => panic!("{other:?}, after {endured:#?}"),
            }
        }
        assert_eq!(unknown, endured.unknown);
    }

    /// No line is asked about again when its answer is stored, unless a listing lacked it.
    fn check(&self, stored: &[Segment], endured: &mut Endured) {
        let mut since: BTreeMap<u64, usize> = BTreeMap::new();
        for (requests, records) in stored {
            for record in records.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let n = Record::parse(record).unwrap().n;
                since.entry(n).or_insert(*requests);
            }
        }
        let seen = self.api.requests();
        let line = |uri: &str| uri.rsplit('/').next().unwrap().parse::<u64>().unwrap();
        let asked: BTreeSet<_> = seen.iter().map(|seen| line(&seen.uri)).collect();
        endured.repeated = seen.len() - asked.len();
        if self.post {
            assert_eq!(endured.repeated, 0, "sent twice, after {endured:#?}");
            return;
        }
        assert_eq!(asked.len(), LINES);
        if endured.faults.contains_key(&Fault::Stale) {
            return;
        }
        for (index, seen) in seen.iter().enumerate() {
            let n = line(&seen.uri);
            // One that was stored just as the process died is not known here.
            let stored = since.get(&n).copied().unwrap_or(usize::MAX);
            assert!(index < stored, "line {n} had a stored answer and was asked again, after {endured:#?}");
        }
    }

    fn faults(
        &self,
        plan: impl FnMut(&Call) -> Action + Send + 'static,
    ) -> (Faults, Arc<Mutex<Vec<Segment>>>) {
        let segments = Arc::<Mutex<Vec<Segment>>>::default();
        let (server, stored) = ((*self.api).clone(), segments.clone());
        let faults = Faults::observed(plan, move |key, body| {
            if let (Some(body), true) = (body, key.contains("/results/") && key.ends_with(".jsonl")) {
                stored.lock().unwrap().push((server.count(), body.to_owned()));
            }
        });
        (faults, segments)
    }

    /// What `throughline run` does, or `throughline redrive`. A process of its own, as far as it goes: its runtime ends with it.
    fn command(&self, state: &std::path::Path, faults: &Faults, redrive: Option<u32>) -> End {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let end = runtime.block_on(async {
            tokio::select! {
                ended = self.run(state, faults, redrive) => ended.unwrap_or_else(|wrong| End::Stopped(wrong.to_string())),
                () = faults.died() => End::Died,
            }
        });
        runtime.shutdown_timeout(testing::DEADLINE);
        if let End::Stopped(message) = &end {
            assert!(
                ["s3://", "store", ".redb"].iter().any(|word| message.contains(word)),
                "not a clear error: {message}"
            );
        }
        end
    }

    async fn run(
        &self,
        state: &std::path::Path,
        faults: &Faults,
        redrive: Option<u32>,
    ) -> Result<End, CliError> {
        let state = StateDir::open(state, "endurance")?;
        let clean = state.objects();
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let client = faults.client(state.s3().config(), retries);
        let state = state.with(client, Arc::new(Fast::default()));
        let path = |name: &str| self.folder.path().join(name);
        let (text, job) = read_job(&path("yard.toml"))?;
        let mut target =
            Target::install(&state, &job_name(&path("yard.toml"))?, text, job, &path("in.csv")).await?;
        if let Some(generation) = redrive {
            target.redrive(generation, false);
        }
        let ended =
            execute(&state, &target, None, &Arc::new(Progress::default()), CancellationToken::new()).await?;
        Ok(match ended {
            ExecutionEnd::Finished => {
                let report = clean.get(&postprocess::report_key(&target.run)).await?;
                End::Finished(serde_json::from_slice(&report).unwrap())
            }
            ExecutionEnd::Failed { error, message } => {
                assert!(error.starts_with("Storage."), "{error}: {message}");
                End::Stopped(message)
            }
            ExecutionEnd::NoRoom { message } => End::Stopped(message),
            ExecutionEnd::Interrupted => End::Stopped("the store was left alone".to_owned()),
        })
    }
}

fn output(state: &TempDir) -> PathBuf {
    state.path().join("state/jobs/yard/output/in.csv")
}

/// A clock that needs no waiting: whoever sleeps puts it forward, but for the year that an execution has.
#[derive(Debug, Default)]
struct Fast(Mutex<time::Duration>);

#[async_trait]
impl Clock for Fast {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        if left > time::Duration::days(300) {
            std::future::pending().await
        }
        if left.is_positive() {
            *self.0.lock().unwrap() += left;
        }
        tokio::task::yield_now().await;
    }
}
