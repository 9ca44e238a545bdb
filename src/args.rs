//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One network request per line of a file, never faster than the APIs allow, one output file in input order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 every line succeeded; 1 the command or the job was wrong, and nothing was sent; 2 finished, \
some lines failed, within what the job tolerates; 3 stopped, failed, over tolerance, or lines not processed; 4 busy: another \
process uses the state folder, and nothing was sent; 130 interrupted: the same command continues; 141 nobody reads any more what \
is printed: the same command continues.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over a file; the same command again continues after an interruption.
    Run(Run),
    /// Validate a job, and show its first requests, its lanes and how long the run will take.
    Check(Check),
    /// Send again only the lines that failed or were not processed, and write the complete output.
    Redrive(Redrive),
    /// Upload a job and a file to a stack on AWS; the upload starts the run.
    Submit(Submit),
    /// Show a run on AWS until it ends.
    Watch(Watch),
    /// End a run on AWS early: what was answered by then is merged into its output.
    Stop(Stop),
    /// Run, validate, test and draw any Amazon States Language definition on this machine.
    States(States),
    /// Write a commented job file to start from.
    Init(Init),
    /// See it work: a sample API with limits on this machine, some thousand lines, under a minute.
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

/// What every run needs.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The job file.
    pub job: PathBuf,
    /// The input file: text, CSV, TSV or JSONL, also as .gz, .zst or .bz2.
    pub input: PathBuf,
}

/// Where a run keeps what it knows, and where its outputs go.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The output file; failed lines and report go to the same folder, as OUTPUT.failed.… and OUTPUT.report.json. With - the
    /// output goes to standard output, and everything else that is printed to standard error. Default: jobs/JOB/output/ in
    /// the state folder.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// Print progress and summary as JSON, one object a line.
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
    /// Start over, even if this file was run before: every request is made again.
    #[arg(long)]
    pub fresh: bool,
    /// Call the functions preprocess, worker and postprocess there, over Lambda's Invoke API, and not in this process; for
    /// example at http://127.0.0.1:9000, where `cargo lambda watch` has them.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// With --functions: the port of 127.0.0.1 where they find the store.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub s3_port: u16,
}

/// `throughline check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    /// How many requests to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub lines: usize,
    /// Look at every line, however long that takes. Default: at as many as ten seconds allow.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Also show what the run would cost on AWS, line by line of the bill.
    #[arg(long)]
    pub cost: bool,
    /// With --cost: how many Lambda functions the account may run at a time; a new account has 10.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub concurrency: u32,
}

/// `throughline redrive`
#[derive(Debug, Args)]
pub struct Redrive {
    /// The job file; or, without INPUT, a run on AWS, as `throughline submit` prints it.
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
    /// Also send the lines whose outcome is unknown because a crash cut their request off. They may then be sent twice.
    #[arg(long)]
    pub include_unknown: bool,
}

/// How AWS is reached; by default as the AWS command line reaches it.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// A profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The stack's Region.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Another endpoint for every service, for example a LocalStack's.
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

/// How a run on AWS is shown.
#[derive(Debug, Clone, Args)]
pub struct Shown {
    /// Where to save the output when the run has ended; failed lines and report go to the same folder. With - the output goes
    /// to standard output, and everything else that is printed to standard error. Default: they stay in the bucket.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Print progress and summary as JSON, one object a line.
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
    /// Show the run until it ends, and exit as it ends.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub shown: Shown,
}

/// `throughline watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// The run, JOB/ID, as `throughline submit` prints it.
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
    /// The run, JOB/ID, as `throughline submit` prints it.
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub stack: Stack,
}

/// `throughline init`
#[derive(Debug, Args)]
pub struct Init {
    /// The job's name; the file is NAME.toml in this folder.
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
    /// What to do.
    #[command(subcommand)]
    pub command: StatesCommand,
}

/// The commands of `throughline states`.
#[derive(Debug, Subcommand)]
pub enum StatesCommand {
    /// Say everything that is wrong with a definition.
    Validate(Validate),
    /// Run a definition to its end. Exit code 0 when it succeeded, 3 otherwise.
    #[command(name = "run")]
    Execute(Box<Execute>),
    /// Test one state: its outcome, and every value on the way, as AWS's TestState shows them. Exit code 0 when the state
    /// succeeded or its error was caught, 3 otherwise.
    #[command(name = "test")]
    Try(Box<Try>),
    /// Draw a definition as SVG.
    Graph(Graph),
}

/// A definition.
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
    /// For a machine of the type EXPRESS.
    #[arg(long)]
    pub express: bool,
}

/// Who does the tasks.
#[derive(Debug, Args)]
pub struct Services {
    /// Answers in place of services, in Step Functions Local's MockConfigFile format.
    #[arg(long, value_name = "FILE")]
    pub mocks: Option<PathBuf>,
    /// With --mocks: the test case, where the file has several.
    #[arg(long, value_name = "MACHINE#CASE", requires = "mocks")]
    pub case: Option<String>,
    /// Where Lambda functions are called, over Lambda's Invoke API.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// Where another service is, such as dynamodb=http://127.0.0.1:8000; s3=URL in place of the embedded S3.
    #[arg(long, value_name = "SERVICE=URL")]
    pub endpoint: Vec<String>,
    /// Private addresses that http:invoke may reach: host names (also *.domain), addresses and networks (10.0.0.0/8).
    #[arg(long, value_name = "HOST_OR_NETWORK")]
    pub allow: Vec<String>,
    /// A state machine that states:startExecution can start, by the name that ends its ARN.
    #[arg(long, value_name = "NAME=FILE")]
    pub machine: Vec<String>,
    /// Serve GetActivityTask and SendTask… for workers and task tokens, at this port of 127.0.0.1.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The folder of the embedded S3: each bucket is a folder in .s3/buckets.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub store: PathBuf,
}

/// `throughline states run`
#[derive(Debug, Args)]
pub struct Execute {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub definition: Definition,
    /// The input: JSON, or a file with it, or - for what is typed or piped in.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub services: Services,
    /// An Express execution: five minutes at most, and no limit of events.
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
    /// The state, also one inside a Map or Parallel. Without it the definition is that of one state.
    #[arg(long = "state", value_name = "NAME")]
    pub name: Option<String>,
    /// The state's input: JSON, or a file with it, or -.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    /// The context object, as far as it matters.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub context: Option<String>,
    /// The variables.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub variables: Option<String>,
    /// What a Task, Map or Parallel comes to, in place of its work.
    #[arg(long, value_name = "JSON_OR_FILE")]
    pub result: Option<String>,
    /// The error that it fails with instead.
    #[arg(long, value_name = "NAME", conflicts_with = "result")]
    pub error: Option<String>,
    /// With --error: its cause.
    #[arg(long, requires = "error", default_value = "")]
    pub cause: String,
    /// Retries that were made before.
    #[arg(long, value_name = "COUNT")]
    pub retries: Option<u32>,
    /// How much is shown.
    #[arg(long, value_enum, default_value = "trace")]
    pub level: Level,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub services: Services,
}

/// How much `throughline states test` shows.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Level {
    /// The outcome.
    Info,
    /// Every intermediate value.
    Debug,
    /// The same, and the raw request and answer of an HTTP task.
    Trace,
}

/// `throughline states graph`
#[derive(Debug, Args)]
pub struct Graph {
    /// The file with the definition.
    pub definition: PathBuf,
    /// The picture; without it, it is printed.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}
