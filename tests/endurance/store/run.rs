//! Whole runs in this process (the steps, the engine, the embedded store), with [`Faults`] before the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::config::retry::RetryConfig;
use job::LineResult;
use job::run::Again;
use postprocess::Report;
use states::Clock;
use tempfile::TempDir;
use testing::{Action, Api, Call, Fault, Faults, HttpServer, JobFile};
use throughline::exit::CliError;
use throughline::local::{ExecutionEnd, StateDir, Target, execute, job_name, read_job};
use throughline::progress::Progress;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub const LINES: usize = 700;
/// Bytes that make items and output larger than one part of an upload.
const PAD: usize = 10_500;

/// A job, an input, and the output of a run without faults.
pub struct TestBed {
    api: Api,
    folder: TempDir,
    expected: String,
    /// Requests that must not be sent twice.
    post: bool,
    /// Calls of the store in a run without faults.
    pub calls: u64,
}

/// What a run has survived.
#[derive(Debug, Default)]
pub struct Survived {
    pub commands: usize,
    /// The errors of commands that did not finish the run.
    pub stops: Vec<String>,
    pub faults: BTreeMap<Fault, usize>,
    pub repeated: usize,
    /// Lines whose outcome is unknown.
    pub unknown: usize,
    pub lines_out: usize,
    pub lost: usize,
    pub duplicated: usize,
}

/// The files of a command.
pub struct Files {
    pub job: PathBuf,
    pub input: PathBuf,
    /// What the user says of the responses of the run before.
    pub again: Option<Again>,
}

/// A stored result segment: the number of requests that the API had received by then, and the content.
pub type Segment = (usize, Vec<u8>);

/// How a command ended.
pub enum End {
    Finished(Box<Report>),
    /// With an error message.
    Stopped(String),
    Died,
}

impl TestBed {
    pub fn new() -> Self {
        Self::asking("GET")
    }

    /// With a job whose requests must not be sent twice.
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
        std::fs::write(folder.path().join("faults.toml"), job.to_string()).unwrap();
        std::fs::write(folder.path().join("in.csv"), input).unwrap();
        let mut bed = Self { api, folder, expected: String::new(), post: method == "POST", calls: 0 };
        let (faults, _) = observed(&bed.api, |_| Action::Proceed);
        let state = tempfile::tempdir().unwrap();
        let end = command(&bed.files(), &state.path().join("state"), &faults, None);
        assert!(matches!(&end, End::Finished(report) if report.complete()));
        bed.expected = std::fs::read_to_string(output(&state)).unwrap();
        bed.calls = faults.calls();
        bed
    }

    /// A run whose commands meet one plan each. Commands after the last plan meet no fault.
    pub fn survives<P>(&self, plans: impl IntoIterator<Item = P>) -> Survived
    where
        P: FnMut(&Call) -> Action + Send + 'static,
    {
        self.api.forget();
        let state = tempfile::tempdir().unwrap();
        let (mut survived, mut stored) = (Survived::default(), Vec::new());
        let mut plans = plans.into_iter();
        let mut redrive = None;
        loop {
            let (faults, segments) = match plans.next() {
                Some(plan) => observed(&self.api, plan),
                None => observed(&self.api, |_| Action::Proceed),
            };
            let end = command(&self.files(), &state.path().join("state"), &faults, redrive);
            survived.commands += 1;
            stored.append(&mut segments.lock().unwrap());
            for (fault, count) in faults.injected() {
                *survived.faults.entry(fault).or_default() += count;
            }
            match end {
                End::Finished(report) if report.complete() || self.post && report.not_processed == 0 => {
                    survived.unknown = usize::try_from(report.failed).unwrap();
                    assert_eq!((report.lines, report.ok + report.failed), (LINES as u64, LINES as u64));
                    break;
                }
                End::Finished(report) => {
                    survived.stops.push(format!("finished: {}", report.message));
                    redrive = Some(report.generation + 1);
                }
                End::Stopped(message) => survived.stops.push(message),
                End::Died => survived.stops.push("died".to_owned()),
            }
            assert!(survived.commands < 30, "it comes to no end: {:#?}", survived.stops);
        }
        let out = std::fs::read_to_string(output(&state)).unwrap();
        self.compare(&out, &survived);
        self.check(&stored, &mut survived);
        let rows: Vec<_> = out.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
        let different: BTreeSet<_> = rows.iter().collect();
        (survived.lines_out, survived.lost, survived.duplicated) =
            (rows.len(), LINES - different.len(), rows.len() - different.len());
        survived
    }

    fn files(&self) -> Files {
        let path = |name: &str| self.folder.path().join(name);
        Files { job: path("faults.toml"), input: path("in.csv"), again: None }
    }

    /// The output equals that of a run without faults, except for lines whose outcome is unknown.
    fn compare(&self, out: &str, survived: &Survived) {
        let (mut rows, mut expected, mut unknown) = (out.lines(), self.expected.lines(), 0);
        loop {
            match (rows.next(), expected.next()) {
                (None, None) => break,
                (Some(row), Some(expected)) if row == expected => {}
                (Some(row), Some(expected)) => {
                    let line = |row: &str| row.split(',').next().unwrap().to_owned();
                    assert!(
                        self.post && line(row) == line(expected) && row.contains(",outcome_unknown,"),
                        "{:?}: {survived:#?}",
                        line(row)
                    );
                    unknown += 1;
                }
                other => panic!("{other:?}, after {survived:#?}"),
            }
        }
        assert_eq!(unknown, survived.unknown);
    }

    /// No line is sent again once its response is stored, unless a listing did not show it.
    fn check(&self, stored: &[Segment], survived: &mut Survived) {
        let mut since: BTreeMap<u64, usize> = BTreeMap::new();
        for (requests, body) in stored {
            for result in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let n = LineResult::parse(result).unwrap().n.number();
                since.entry(n).or_insert(*requests);
            }
        }
        let seen = self.api.requests();
        let line = |uri: &str| uri.rsplit('/').next().unwrap().parse::<u64>().unwrap();
        let asked: BTreeSet<_> = seen.iter().map(|seen| line(&seen.uri)).collect();
        survived.repeated = seen.len() - asked.len();
        if self.post {
            assert_eq!(survived.repeated, 0, "sent twice, after {survived:#?}");
            return;
        }
        assert_eq!(asked.len(), LINES);
        if survived.faults.contains_key(&Fault::Stale) {
            return;
        }
        for (index, seen) in seen.iter().enumerate() {
            let n = line(&seen.uri);
            // A result that was stored just as the process died is not known here.
            let stored = since.get(&n).copied().unwrap_or(usize::MAX);
            assert!(index < stored, "line {n} had a stored response and was sent again, after {survived:#?}");
        }
    }
}

/// Faults that meet this plan, and the result segments that are stored.
pub fn observed(
    server: &HttpServer,
    plan: impl FnMut(&Call) -> Action + Send + 'static,
) -> (Faults, Arc<Mutex<Vec<Segment>>>) {
    let segments = Arc::<Mutex<Vec<Segment>>>::default();
    let (server, stored) = (server.clone(), segments.clone());
    let faults = Faults::observed(plan, move |key, body| {
        if let (Some(body), true) = (body, key.contains("/results/") && key.ends_with(".jsonl")) {
            stored.lock().unwrap().push((server.count(), body.to_owned()));
        }
    });
    (faults, segments)
}

/// Does what `throughline run` or `throughline redrive` does, in a separate runtime, which ends with the command.
pub fn command(files: &Files, state: &Path, faults: &Faults, redrive: Option<u32>) -> End {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let end = runtime.block_on(async {
        tokio::select! {
            ended = run(files, state, faults, redrive) => ended.unwrap_or_else(|wrong| End::Stopped(wrong.to_string())),
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

async fn run(files: &Files, state: &Path, faults: &Faults, redrive: Option<u32>) -> Result<End, CliError> {
    let name = job_name(&files.job)?;
    let state = StateDir::open(state, &name, "endurance", |_| ()).await?;
    let clean = state.objects();
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let client = faults.client(state.s3().config(), retries);
    let state = state.with(client, Arc::new(Fast::default()));
    let (text, job) = read_job(&files.job)?;
    let mut target = Target::install(&state, &name, text, job, &files.input).await?;
    target.event.again = files.again;
    match redrive {
        Some(generation) => target.redrive(generation, false),
        None => state.follow_latest(&mut target).await?,
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
        ExecutionEnd::DiskFull { message } => End::Stopped(message),
        ExecutionEnd::Interrupted => End::Stopped("the store was left alone".to_owned()),
    })
}

fn output(state: &TempDir) -> PathBuf {
    state.path().join("state/jobs/faults/output/in.csv")
}

/// A clock that moves forward when somebody sleeps, so that no wait takes time. The time limits of a call and
/// of an execution do not move it.
#[derive(Debug, Default)]
struct Fast(Mutex<time::Duration>);

#[async_trait]
impl Clock for Fast {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, moment: OffsetDateTime) {
        let left = moment - self.now();
        if left > time::Duration::minutes(10) {
            std::future::pending().await
        }
        if left.is_positive() {
            *self.0.lock().unwrap() += left;
        }
        tokio::task::yield_now().await;
    }
}
