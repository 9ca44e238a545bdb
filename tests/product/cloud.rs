//! The home on AWS in this process: the definition on the engine, the three steps with the settings of the
//! functions, and one bucket. Executions go on side by side, and can be aborted; as on AWS, the functions that
//! an aborted execution has called go on. The clock is fast.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::{Machine, Outcome, Resource, Start, Stop, TaskCall, TaskError};
use job::run::lease::Executions;
use job::run::{Event, Redrive, RunRef, WorkerRequest, messages};
use job::{Environment, Objects, StepError, keys};
use serde::Serialize;
use serde_json::{Value, json};
use states::{Clock, FastClock, Host, Service, Support};
use testing::DEADLINE;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::SharedLimits;

use crate::functions::NoSecrets;

/// How fast the clock is: a function's 15 minutes are 18 seconds.
const SPEED: u32 = 50;

pub(crate) struct Cloud {
    pub(crate) objects: Objects,
    host: Host,
    machine: Arc<Machine>,
    running: Arc<Running>,
    uploads: AtomicU64,
    _folder: tempfile::TempDir,
}

/// An execution that was started.
pub(crate) struct Execution {
    pub(crate) run: RunRef,
    event: Event,
    cancel: CancellationToken,
    ended: JoinHandle<Result<Outcome, Stop>>,
}

/// The executions that have not ended.
#[derive(Default)]
struct Running(Mutex<BTreeSet<String>>);

#[async_trait::async_trait]
impl Executions for Running {
    async fn ended(&self, execution: &str) -> Result<bool, StepError> {
        Ok(!self.0.lock().unwrap().contains(execution))
    }
}

/// The three functions.
#[derive(Clone)]
struct Functions {
    preprocess: preprocess::Context,
    worker: Arc<worker::Context>,
    postprocess: postprocess::Context,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let s3 = s3::client(folder.path()).unwrap();
        let clock = FastClock::new(SPEED);
        let now: Arc<dyn Fn() -> u64 + Send + Sync> =
            Arc::new(move || u64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000).unwrap());
        let running = Arc::new(Running::default());
        let stop = CancellationToken::new();
        let preprocess = preprocess::Context {
            s3: s3.clone(),
            executions: running.clone(),
            progress: Arc::new(|_, _| {}),
            now: now.clone(),
            lease_wait: Duration::from_secs(2),
            environment: Environment::Aws,
            interactive: false,
            check: None,
            held: preprocess::HeldSplits::default(),
            stop: stop.clone(),
            pause: stop.clone(),
        };
        let settings =
            worker::Settings { flush_every: Duration::from_secs(10) / SPEED, ..worker::Settings::default() };
        let worker = worker::Context::new(
            s3.clone(),
            Arc::new(NoSecrets),
            Arc::new(worker::Silent),
            settings,
            stop.clone(),
        );
        let shared = SharedLimits {
            executions: running.clone(),
            now: now.clone(),
            lease_wait: Duration::from_secs(2),
        };
        let postprocess = postprocess::Context {
            s3: s3.clone(),
            settings: postprocess::Settings::FUNCTION,
            stop: stop.clone(),
            pause: stop,
            progress: None,
            now,
        };
        let worker = Arc::new(worker.with_shared_limits(shared));
        let functions = Functions { preprocess, worker, postprocess };
        let names = [("Preprocess", "preprocess"), ("Worker", "worker"), ("Postprocess", "postprocess")];
        let definition = names
            .iter()
            .fold(include_str!("../../definition.asl.json").to_owned(), |text, (name, function)| {
                text.replace(&format!("${{{name}FunctionArn}}"), function)
            });
        Self {
            objects: Objects::new(s3.clone(), s3::BUCKET),
            host: Host::new(s3, vec![Arc::new(functions)]).with_clock(Arc::new(clock)),
            machine: Arc::new(engine::compile(&definition).unwrap()),
            running,
            uploads: AtomicU64::new(0),
            _folder: folder,
        }
    }

    pub(crate) async fn put_job(&self, job: &str, text: impl ToString) {
        self.objects.put(&keys::job_file(job), text.to_string()).await.unwrap();
    }

    /// Uploads a file, which starts an execution. The event says that it happened at this second of an hour.
    pub(crate) async fn upload(&self, job: &str, file: &str, text: &str, second: u64) -> Execution {
        let key = keys::input(job, file);
        let stored = self.objects.put(&key, text.to_owned()).await.unwrap();
        let version = self.uploads.fetch_add(1, Ordering::SeqCst).to_string();
        let mut event =
            Event::object_created(s3::BUCKET, &key, text.len() as u64, Some(stored.etag), &version);
        event.time = Some(format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60));
        self.start(event).await
    }

    /// Redrives the run of an execution that has ended.
    pub(crate) async fn redrive(&self, execution: &Execution) -> Execution {
        let Execution { run, event, .. } = execution;
        let redrive = Redrive {
            run: run.id.clone(),
            generation: run.generation + 1,
            include_unknown: false,
            only: Vec::new(),
        };
        self.start(Event { redrive: Some(redrive), ..event.clone() }).await
    }

    async fn start(&self, event: Event) -> Execution {
        let (job, _) = keys::parse_input(&event.detail.object.key).unwrap();
        let run = event.run(&self.objects.get(&keys::job_file(job)).await.unwrap()).unwrap();
        let id = format!("arn:aws:states:us-east-1:0:execution:throughline:{}-{}", run.id, run.generation);
        let mut input = serde_json::to_value(&event).unwrap();
        // EventBridge's event has more fields than are read.
        input["source"] = json!("aws.s3");
        let start = Start::new(id.clone(), input);
        assert!(self.running.0.lock().unwrap().insert(id.clone()), "{id} is a new execution");
        let (host, machine, running) = (self.host.clone(), self.machine.clone(), self.running.clone());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let ended = tokio::spawn(async move {
            let outcome = states::run(&host, machine, start, stop).await;
            running.0.lock().unwrap().remove(&id);
            outcome
        });
        Execution { run, event, cancel, ended }
    }

    /// Waits for an object below this prefix, and returns all keys there.
    pub(crate) async fn wait_for(&self, prefix: &str, count: usize) -> Vec<String> {
        let since = Instant::now();
        loop {
            let found = self.keys(prefix).await;
            if found.len() >= count {
                return found;
            }
            assert!(since.elapsed() < DEADLINE, "{count} objects in {prefix}, not only {found:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        self.objects.list(prefix).await.unwrap().into_iter().map(|entry| entry.key).collect()
    }

    pub(crate) async fn output(&self, run: &RunRef) -> String {
        let output = self.objects.get(&keys::output(&run.job, &run.file)).await.unwrap();
        String::from_utf8(output.to_vec()).unwrap()
    }
}

impl Execution {
    /// Waits for its end, and returns what it says of the run.
    pub(crate) async fn ended(&mut self) -> Value {
        let ended = tokio::time::timeout(DEADLINE, &mut self.ended).await;
        match ended.expect("the execution ends").unwrap().unwrap() {
            Outcome::Succeeded(output) => output,
            Outcome::Failed { error, cause } => json!({ "status": "failed", "error": error, "cause": cause }),
            ended @ (Outcome::TimedOut | Outcome::Aborted { .. }) => panic!("{ended:?}"),
        }
    }

    pub(crate) async fn succeeded(&mut self) {
        let output = self.ended().await;
        assert_eq!(output["status"], "succeeded", "{output}");
    }

    /// Stops it from outside, as the console does.
    pub(crate) async fn abort(&mut self) {
        self.cancel.cancel();
        assert!(matches!((&mut self.ended).await.unwrap(), Err(Stop::Interrupted)));
    }
}

#[async_trait::async_trait]
impl Service for Functions {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if resource.is("lambda", "invoke") { Support::Yes } else { Support::No }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let (functions, name, payload) = (self.clone(), call.function().to_owned(), call.payload().clone());
        // A call goes on when its execution is aborted.
        let called = tokio::spawn(async move { functions.invoke(&name, payload).await });
        match called.await.unwrap() {
            Ok(response) => Ok(call.function_result(response, "request")),
            Err(StepError { name, message }) => {
                Err(TaskError::Error { error: name.to_string(), cause: message })
            }
        }
    }
}

impl Functions {
    async fn invoke(&self, name: &str, payload: Value) -> Result<Value, StepError> {
        match name {
            "preprocess" => json(preprocess::preprocess(&self.preprocess, messages::request(payload)?).await),
            "worker" => match messages::request(payload)? {
                WorkerRequest::Work(request) => json(worker::work(&self.worker, request).await),
                WorkerRequest::Stop(request) => json(worker::stop(&self.worker, request).await),
                WorkerRequest::EndLane(request) => json(worker::end_lane(&self.worker, request).await),
            },
            _ => json(postprocess::postprocess(&self.postprocess, messages::request(payload)?).await),
        }
    }
}

fn json(response: Result<impl Serialize, StepError>) -> Result<Value, StepError> {
    response.map(|response| serde_json::to_value(response).unwrap())
}
