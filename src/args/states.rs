//! Arguments of `throughline states` and its commands.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
    Run(Box<Run>),
    /// Test one state, or run a file of test cases. Shows the state's outcome and every intermediate value, as AWS's
    /// TestState does. Exit code 0 if the state succeeded or its error was caught, or if all cases passed, 3 otherwise.
    Test(Box<Test>),
    /// Draw a definition as SVG.
    Graph(Graph),
}

/// The definition and the form of the output.
#[derive(Debug, Args)]
pub struct Definition {
    /// The file with the definition: the Amazon States Language in JSON or YAML, or a CloudFormation, SAM or CDK
    /// template. FILE#ID is the state machine with this logical ID, if the template has several.
    #[arg(value_name = "FILE")]
    pub definition: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub values: Values,
}

/// The values of placeholders such as ${FunctionArn}.
#[derive(Debug, Args)]
pub struct Values {
    /// The value of the placeholder ${NAME}.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// A file with the values of placeholders: an object in JSON or YAML, or a CloudFormation parameter file.
    #[arg(long, value_name = "FILE")]
    pub values: Option<PathBuf>,
}

/// `throughline states validate`
#[derive(Debug, Args)]
pub struct Validate {
    #[command(flatten)]
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
    /// The folder of the embedded S3, which is opened only if something needs it. Each bucket is a folder in
    /// .s3/buckets.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub store: PathBuf,
}

/// `throughline states run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub definition: Definition,
    /// The input: JSON, a JSON file, or - for standard input.
    #[arg(short, long, value_name = "JSON_OR_FILE", default_value = "{}")]
    pub input: String,
    #[command(flatten)]
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
pub struct Test {
    #[command(flatten)]
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
    /// A file of test cases in JSON or YAML, which are run instead. Also shows the states and branches that no case
    /// reaches.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "context", "variables", "result", "error", "retries"])]
    pub suite: Option<PathBuf>,
    /// With --suite: write the results as JUnit XML.
    #[arg(long, value_name = "FILE", requires = "suite")]
    pub junit: Option<PathBuf>,
    /// With --suite: the speed of the clock for waits, retries and timeouts. 1 is real time.
    #[arg(long, value_name = "FACTOR", requires = "suite", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub speed: u32,
    #[command(flatten)]
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
    /// The file with the definition: the Amazon States Language in JSON or YAML, or a CloudFormation, SAM or CDK
    /// template. FILE#ID is the state machine with this logical ID, if the template has several.
    #[arg(value_name = "FILE")]
    pub definition: PathBuf,
    #[command(flatten)]
    pub values: Values,
    /// The SVG file. Default: the picture is printed.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
}
