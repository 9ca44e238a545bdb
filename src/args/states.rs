//! Arguments of `throughline states` and its commands.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    Run(Box<Run>),
    /// Test one state: its outcome, and every value on the way, as AWS's TestState shows them. Exit code 0 when the state
    /// succeeded or its error was caught, 3 otherwise.
    Test(Box<Test>),
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
pub struct Run {
    #[command(flatten)]
    pub definition: Definition,
    /// The input: JSON, or a file with it, or - for what is typed or piped in.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    #[command(flatten)]
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
pub struct Test {
    #[command(flatten)]
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
