//! Command-line arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Sends one network request per line of a file, within the limits of each API, and writes one output file in
/// input order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 every line succeeded; 1 the command or the job was wrong, and nothing was \
sent; 2 finished, some lines failed, within what the job tolerates; 3 stopped, failed, over tolerance, or lines not \
processed; 4 busy: another process uses the state folder, and nothing was sent; 130 interrupted: the same command \
continues; 141 the reader of the output has gone: the same command continues.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over a file. After an interruption the same command continues.
    Run(Run),
    /// Validate a job. Shows its first requests, its lanes and the expected time of the run; sends nothing.
    Check(Check),
    /// Send again only the lines that failed or were not processed, and write the complete output.
    Redrive(Redrive),
    /// Upload a job and a file to a stack on AWS; the upload starts the run.
    Submit(Submit),
    /// Show a run on AWS until it ends.
    Watch(Watch),
    /// End a run on AWS early. The results so far are merged into its output.
    Stop(Stop),
    /// Run, validate, test and draw any Amazon States Language definition on this machine.
    States(States),
    /// Write a commented job file to start from.
    Init(Init),
    /// Show a run against a sample API with limits on this machine: some thousand lines, under a minute.
    Demo(Demo),
}

impl Command {
    /// Whether the command prints JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.places.json,
            Self::Check(args) => args.json,
            Self::Redrive(args) => args.places.json,
            Self::Submit(args) => args.shown.json,
            Self::Watch(args) => args.shown.json,
            Self::States(args) => match &args.command {
                StatesCommand::Validate(args) => args.definition.json,
                StatesCommand::Execute(args) => args.definition.json,
                StatesCommand::Try(args) => args.definition.json,
                StatesCommand::Graph(_) => false,
            },
            Self::Stop(_) | Self::Init(_) | Self::Demo(_) => false,
        }
    }
}

/// The arguments of every run.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The job file.
    pub job: PathBuf,
    /// The input file: text, CSV, TSV or JSONL, also as .gz, .zst or .bz2.
    pub input: PathBuf,
}

/// The locations of a run's outputs and state.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The output file. Failed lines and report are written to the same folder, as OUTPUT.failed.… and
    /// OUTPUT.report.json. With - the output goes to standard output, and all messages go to standard error.
    /// Default: a file in jobs/JOB/output/ of the state folder.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// Print progress and summary as JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

/// `throughline run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: Places,
    /// Start over, even if this file was run before. Every request is sent again.
    #[arg(long)]
    pub fresh: bool,
    /// Call the functions preprocess, worker and postprocess at this URL, over Lambda's Invoke API, instead of in
    /// this process. `cargo lambda watch` serves them at http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// With --functions: the port of 127.0.0.1 at which the functions reach the store.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub s3_port: u16,
}

/// `throughline check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    /// The number of requests to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub lines: usize,
    /// Check every line, however long that takes. Default: as many lines as ten seconds allow.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Also show the estimated bill of the run on AWS, item by item.
    #[arg(long)]
    pub cost: bool,
    /// With --cost: the account's limit of concurrent Lambda functions. A new account may have 10.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub concurrency: u32,
}

/// `throughline redrive`
#[derive(Debug, Args)]
pub struct Redrive {
    /// The job file; or, without INPUT, the id of a run on AWS, as printed by `throughline submit`.
    #[arg(value_name = "JOB|RUN")]
    pub job: PathBuf,
    /// The input file of the run on this machine.
    pub input: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: Places,
    /// The bucket of the stack, for a run on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub account: Account,
    /// Also send the lines whose outcome is unknown because a crash interrupted their request. Their requests may
    /// then be sent twice.
    #[arg(long)]
    pub include_unknown: bool,
}

/// The AWS account. Defaults are those of the AWS command line.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// A profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The stack's Region.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// The endpoint of all services, for example of a LocalStack.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// A stack on AWS.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// The stack's bucket.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub account: Account,
}

/// The output of a command that watches a run on AWS.
#[derive(Debug, Clone, Args)]
pub struct Shown {
    /// The file for the output when the run has ended. Failed lines and report are written to the same folder. With -
    /// the output goes to standard output, and all messages go to standard error. Default: the files stay in the
    /// bucket.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Print progress and summary as JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

/// `throughline submit`
#[derive(Debug, Args)]
pub struct Submit {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub stack: Stack,
    /// Show the run until it ends, and exit with the run's exit code.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub shown: Shown,
}

/// `throughline watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// The run id, JOB/ID, as printed by `throughline submit`.
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub stack: Stack,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub shown: Shown,
}

/// `throughline stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// The run id, JOB/ID, as printed by `throughline submit`.
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub stack: Stack,
}

/// `throughline init`
#[derive(Debug, Args)]
pub struct Init {
    /// The job's name. The file is NAME.toml in the current folder.
    pub name: String,
}

/// `throughline demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder for the demo's job, input, output and state.
    #[arg(long, value_name = "DIR", default_value = "throughline-demo")]
    pub folder: PathBuf,
}

/// `throughline states`
#[derive(Debug, Args)]
pub struct States {
    /// The command.
    #[command(subcommand)]
    pub command: StatesCommand,
}

/// The commands of `throughline states`.
#[derive(Debug, Subcommand)]
pub enum StatesCommand {
    /// Report every problem of a definition.
    Validate(Validate),
    /// Run a definition to its end. Exit code 0 if it succeeded, 3 otherwise.
    #[command(name = "run")]
    Execute(Box<Execute>),
    /// Test one state. Shows its outcome and every intermediate value, as AWS's TestState does. Exit code 0 if the
    /// state succeeded or its error was caught, 3 otherwise.
    #[command(name = "test")]
    Try(Box<Try>),
    /// Draw a definition as SVG.
    Graph(Graph),
}

/// The definition and the form of the output.
#[derive(Debug, Args)]
pub struct Definition {
    /// The file with the definition, in the Amazon States Language.
    pub definition: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `throughline states validate`
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub definition: Definition,
    /// Validate it as a machine of the type EXPRESS.
    #[arg(long)]
    pub express: bool,
}

/// How tasks are executed.
#[derive(Debug, Args)]
pub struct Services {
    /// A file with mocked responses of services, in the MockConfigFile format of Step Functions Local.
    #[arg(long, value_name = "FILE")]
    pub mocks: Option<PathBuf>,
    /// With --mocks: the test case, if the file has several.
    #[arg(long, value_name = "MACHINE#CASE", requires = "mocks")]
    pub case: Option<String>,
    /// The URL at which Lambda functions are called, over Lambda's Invoke API.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// The URL of another service, such as dynamodb=http://127.0.0.1:8000. s3=URL replaces the embedded S3.
    #[arg(long, value_name = "SERVICE=URL")]
    pub endpoint: Vec<String>,
    /// Private addresses that http:invoke may reach: host names (also *.domain), addresses and networks (10.0.0.0/8).
    #[arg(long, value_name = "HOST_OR_NETWORK")]
    pub allow: Vec<String>,
    /// A state machine that states:startExecution can start. NAME is the end of its ARN.
    #[arg(long, value_name = "NAME=FILE")]
    pub machine: Vec<String>,
    /// Serve GetActivityTask and SendTask… for activity workers and task tokens at this port of 127.0.0.1.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The folder of the embedded S3. Each bucket is a folder in .s3/buckets.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub store: PathBuf,
}

/// `throughline states run`
#[derive(Debug, Args)]
pub struct Execute {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub definition: Definition,
    /// The input: JSON, a JSON file, or - for standard input.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub services: Services,
    /// Run an Express execution: at most five minutes, without a limit of events.
    #[arg(long)]
    pub express: bool,
    /// Show the execution's history.
    #[arg(long)]
    pub history: bool,
}

/// `throughline states test`
#[derive(Debug, Args)]
pub struct Try {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub definition: Definition,
    /// The state's name, also of a state inside a Map or Parallel. Without it the definition is that of a single
    /// state.
    #[arg(long = "state", value_name = "NAME")]
    pub name: Option<String>,
    /// The state's input: JSON, a JSON file, or - for standard input.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    /// The context object. Fields that the state does not use may be left out.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub context: Option<String>,
    /// The values of variables, by name.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub variables: Option<String>,
    /// The result of a Task, Map or Parallel, which replaces its work.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub result: Option<String>,
    /// The error of a Task, Map or Parallel, which replaces its work.
    #[arg(long, value_name = "NAME", conflicts_with = "result")]
    pub error: Option<String>,
    /// With --error: the cause of the error.
    #[arg(long, requires = "error", default_value = "")]
    pub cause: String,
    /// The number of earlier retries.
    #[arg(long, value_name = "COUNT")]
    pub retries: Option<u32>,
    /// The level of detail.
    #[arg(long, value_enum, default_value = "trace")]
    pub level: Level,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub services: Services,
}

/// The level of detail of `throughline states test`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Level {
    /// The outcome.
    Info,
    /// Every intermediate value.
    Debug,
    /// Every intermediate value, and the raw request and response of an HTTP task.
    Trace,
}

/// `throughline states graph`
#[derive(Debug, Args)]
pub struct Graph {
    /// The file with the definition.
    pub definition: PathBuf,
    /// The SVG file. Default: the picture is printed.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}
