//! One LocalStack for all tests of this process, with the stack of cdk/ in it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::config::Credentials;
use serde_json::Value;
use testing::{Output, Running, Scene};
use tokio::runtime::Runtime;

pub struct Stack {
    pub bucket: String,
    pub machine: String,
    pub endpoint: String,
    pub runtime: Runtime,
    pub s3: aws_sdk_s3::Client,
    pub states: aws_sdk_sfn::Client,
    name: String,
}

/// A LocalStack, and the Python with which a stack is deployed to it.
struct LocalStack {
    endpoint: String,
    python: PathBuf,
    /// Ends when its standard input is closed, which is when this process ends.
    _process: Option<Child>,
}

/// The stack that most tests share.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::deploy(&functions()))
}

/// What `cargo lambda build --release` built.
pub fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lambda")
}

fn localstack() -> &'static LocalStack {
    static LOCALSTACK: OnceLock<LocalStack> = OnceLock::new();
    LOCALSTACK.get_or_init(LocalStack::start)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/localstack")
}

impl LocalStack {
    fn start() -> Self {
        let start = folder().join("start");
        let prepared = Command::new(&start).arg("--prepare").stderr(Stdio::inherit()).output().unwrap();
        assert!(prepared.status.success(), "LocalStack could not be installed");
        let python = PathBuf::from(String::from_utf8(prepared.stdout).unwrap().trim());
        if let Ok(endpoint) = std::env::var("LOCALSTACK_ENDPOINT") {
            return Self { endpoint, python, _process: None };
        }
        let mut child =
            Command::new(start).arg("0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| line.unwrap().strip_prefix("ready ").map(str::to_owned));
        // The pipe stays open for whatever it says later.
        std::thread::spawn(move || lines.for_each(drop));
        Self { endpoint: ready.expect("LocalStack starts"), python, _process: Some(child) }
    }

    /// Deploys these functions as the stack of this name, which may exist. Returns the outputs.
    fn deploy(&self, name: &str, functions: &Path) -> Value {
        let deployed = Command::new(&self.python)
            .arg(folder().join("deploy"))
            .args([&self.endpoint, "--name", name, "--functions"])
            .arg(functions)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(
            deployed.status.success(),
            "the stack could not be deployed: run `cargo lambda build --release`, and `npm ci` in cdk/, first"
        );
        serde_json::from_slice(&deployed.stdout).unwrap()
    }
}

impl Stack {
    /// A new stack with these functions.
    pub fn deploy(functions: &Path) -> Self {
        let name = format!("throughline-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let deployed = localstack().deploy(&name, functions);
        let endpoint = localstack().endpoint.clone();
        let runtime = Runtime::new().unwrap();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(deployed["region"].as_str().unwrap().to_owned()))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .endpoint_url(&endpoint);
        let aws = runtime.block_on(loader.load());
        let s3 = aws_sdk_s3::config::Builder::from(&aws).force_path_style(true).build();
        Self {
            bucket: deployed["bucket"].as_str().unwrap().to_owned(),
            machine: deployed["machine"].as_str().unwrap().to_owned(),
            s3: aws_sdk_s3::Client::from_conf(s3),
            states: aws_sdk_sfn::Client::new(&aws),
            endpoint,
            runtime,
            name,
        }
    }

    /// Deploys other functions to the same stack.
    pub fn update(&self, functions: &Path) {
        localstack().deploy(&self.name, functions);
    }

    /// The real binary, pointed at this stack.
    pub fn run(&self, scene: &Scene, args: &[&str]) -> Output {
        self.spawn(scene, args).wait()
    }

    pub fn spawn(&self, scene: &Scene, args: &[&str]) -> Running {
        self.spawn_with(scene, args, |_| ())
    }

    pub fn spawn_with(&self, scene: &Scene, args: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        scene.start_with(args, |command| {
            command.args([
                "--bucket",
                &self.bucket,
                "--endpoint-url",
                &self.endpoint,
                "--region",
                "us-east-1",
            ]);
            command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
            change(command);
        })
    }

    /// Submits, and returns the run.
    pub fn submit(&self, scene: &Scene, job: &str, input: &str) -> String {
        let submitted = self.run(scene, &["submit", job, input, "--json"]).expect(0);
        let submitted: Value = serde_json::from_str(&submitted.stdout).unwrap();
        submitted["run"].as_str().unwrap().to_owned()
    }

    pub fn put(&self, key: &str, body: &str) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key).body(body.as_bytes().to_vec().into());
        self.runtime.block_on(put.send()).unwrap();
    }

    pub fn find(&self, key: &str) -> Option<String> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        let found = self.runtime.block_on(get.send()).ok()?;
        let body = self.runtime.block_on(found.body.collect()).unwrap();
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    /// The keys below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let found = self.runtime.block_on(list.send()).unwrap();
        found.contents().iter().filter_map(|object| Some(object.key()?.to_owned())).collect()
    }

    /// The execution that has claimed a run, once one has.
    pub fn execution(&self, run: &str) -> Option<String> {
        let claim: Value = serde_json::from_str(&self.find(&format!("runs/{run}/claim.json"))?).unwrap();
        Some(claim["execution"].as_str().unwrap().to_owned())
    }

    pub fn describe(
        &self,
        execution: &str,
    ) -> aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput {
        self.runtime.block_on(self.states.describe_execution().execution_arn(execution).send()).unwrap()
    }

    /// The executions of the state machine whose input names this key.
    pub fn executions_of(
        &self,
        key: &str,
    ) -> Vec<aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput> {
        let list = self.states.list_executions().state_machine_arn(&self.machine).max_results(1000);
        let all = self.runtime.block_on(list.send()).unwrap();
        let described = all.executions().iter().map(|execution| self.describe(execution.execution_arn()));
        described.filter(|execution| execution.input().is_some_and(|input| input.contains(key))).collect()
    }
}
