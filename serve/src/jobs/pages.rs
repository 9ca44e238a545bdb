//! What the pages of jobs and runs ask of the package that knows job files.

use std::time::Duration;

use async_trait::async_trait;

use super::JobsError;

/// Job files, secrets, and what happens in runs.
#[async_trait]
pub trait JobPages: Send + Sync {
    /// The names of the jobs, in order.
    ///
    /// # Errors
    /// When they cannot be listed.
    async fn names(&self) -> Result<Vec<String>, JobsError>;

    /// The job file of a job, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn text(&self, job: &str) -> Result<Option<String>, JobsError>;

    /// The keys of a job file, and what each says.
    fn keys(&self) -> &[(String, String)];

    /// What a run of the file would send, and how long that would take. Nothing is sent.
    ///
    /// # Errors
    /// What is wrong with the job or the file.
    async fn preview(&self, job: &str, text: &str, sample: Sample) -> Result<Preview, JobsError>;

    /// Sends the request of one line now. Nothing is kept.
    ///
    /// # Errors
    /// Why the line makes no request.
    async fn try_line(&self, job: &str, text: &str, sample: Sample) -> Result<Tried, JobsError>;

    /// The names of the secrets of a job: those that are set, and those that its file needs.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn secrets(&self, job: &str, text: &str) -> Result<Vec<SecretName>, JobsError>;

    /// Sets a secret of a job.
    ///
    /// # Errors
    /// When its name or its value cannot be used, or it cannot be written.
    fn set_secret(&self, job: &str, name: &str, value: &str) -> Result<(), JobsError>;

    /// What the lanes of a run that is under way do not tell.
    ///
    /// # Errors
    /// When its plan cannot be read.
    async fn detail(&self, execution: &str) -> Result<Option<RunDetail>, JobsError>;
}

/// Some lines that a person gives to see what a job makes of them.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The name of the file, which says its format.
    pub file: String,
    /// Its content, or the beginning of it.
    pub content: String,
    /// The number of the line that is sent.
    pub line: u64,
}

/// What a run of a file would do. Secrets are masked.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    /// The first requests by their lines, or why a line has none.
    pub requests: Vec<(u64, Result<Exchanged, String>)>,
    /// The lanes.
    pub lanes: Vec<PlannedLane>,
    /// The time of the whole run, in words.
    pub time: String,
    /// What the same run costs on AWS, item by item, in dollars.
    pub cost: Vec<(&'static str, f64)>,
    /// What should be looked at first, in sentences.
    pub hints: Vec<String>,
}

/// A lane of a run that has not begun.
#[derive(Debug, Clone, Default)]
pub struct PlannedLane {
    /// The provider of its lines.
    pub name: String,
    /// Its lines.
    pub lines: u64,
    /// Its limit, in words.
    pub limit: String,
    /// The time that it takes at its limit, in words.
    pub time: String,
}

/// What was sent for one line, and what came back. Secrets are masked.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The requests in their order, each with its response.
    pub exchanges: Vec<(Exchanged, Exchanged)>,
    /// The same request as a command line for curl.
    pub curl: String,
    /// The values of the columns of the output, or the code and the reason of the failure.
    pub outcome: Result<Vec<(String, String)>, String>,
}

/// A request or a response.
#[derive(Debug, Clone, Default)]
pub struct Exchanged {
    /// Its first line.
    pub head: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body; empty if it has none.
    pub body: String,
}

/// A secret of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretName {
    /// Its name.
    pub name: String,
    /// Whether it has a value.
    pub is_set: bool,
    /// Whether the job file names it.
    pub is_needed: bool,
}

/// What the lanes of a run do not tell.
#[derive(Debug, Clone, Default)]
pub struct RunDetail {
    /// The time until the last lane has sent its lines, at the pace of the last half minute.
    pub left: Option<Duration>,
    /// Why lines have failed since the process began, the most frequent first.
    pub failures: Vec<FailedLines>,
    /// The batches of all lanes in order.
    pub batches: BatchStrip,
}

/// Lines that failed with one code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailedLines {
    /// The code.
    pub code: String,
    /// How many.
    pub count: u64,
    /// Some of them: the number of the line, and what was wrong with it.
    pub samples: Vec<(u64, String)>,
}

/// The batches of a run; a cell stands for several if there are many.
#[derive(Debug, Clone, Default)]
pub struct BatchStrip {
    /// All batches.
    pub total: usize,
    /// Batches of which every line has an outcome.
    pub done: usize,
    /// Batches that a worker works on.
    pub working: usize,
    /// The states of the cells.
    pub cells: Vec<Cell>,
}

/// The state of some batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cell {
    /// None of them has begun.
    #[default]
    Waiting,
    /// A worker works on one of them, or some are done.
    Working,
    /// All are done, and no line has failed.
    Done,
    /// Lines have failed.
    Failed,
}
