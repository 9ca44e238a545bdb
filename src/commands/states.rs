//! `throughline states`: any definition on this machine.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use engine::{
    Diagnostic, ErrorOutput, ExecutionType, FieldValidation, History, InspectionLevel, Mock, Outcome,
    Severity, Start, StateConfiguration, Stop, TestError, TestRequest, TestStatus, Verdict,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::args::{Definition, Execute, Graph, Level, Services, States, StatesCommand, Try, Validate};
use crate::exit::{Exit, Wrong};
use crate::home::{Functions, Home, save};
use crate::signals::Signals;
use crate::states::{self, Activities, Endpoints, Http, Machines, Mocks, Wire, World};

pub(super) async fn states(args: States) -> Result<Exit, Wrong> {
    match args.command {
        StatesCommand::Validate(args) => validate(&args),
        StatesCommand::Execute(args) => execute(*args).await,
        StatesCommand::Try(args) => test(*args).await,
        StatesCommand::Graph(args) => graph(&args),
    }
}

fn validate(args: &Validate) -> Result<Exit, Wrong> {
    let Definition { definition: path, json } = &args.definition;
    let found = engine::validate(&states::read(path)?, execution_type(args.express));
    if *json {
        println!("{}", found.to_json(Severity::Warning, 0));
    } else {
        for Diagnostic { severity, code, problem, .. } in &found.diagnostics {
            let word = if *severity == Severity::Error { "error" } else { "warning" };
            let place = if problem.path.is_empty() { "/" } else { &problem.path };
            println!(
                "{}:{}:{}: {word}: {place}: {} ({code})",
                path.display(),
                problem.line,
                problem.column,
                problem.message
            );
        }
        let errors =
            found.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        match errors {
            0 => println!("{} is valid", path.display()),
            1 => println!("1 error"),
            many => println!("{many} errors"),
        }
    }
    Ok(if found.result == Verdict::Ok { Exit::Succeeded } else { Exit::Wrong })
}

fn execution_type(express: bool) -> ExecutionType {
    if express { ExecutionType::Express } else { ExecutionType::Standard }
}

async fn test(args: Try) -> Result<Exit, Wrong> {
    let path = &args.definition.definition;
    let definition = states::read(path)?;
    let text = |flag: &str, given: Option<&String>| {
        given.map(|given| json_of(flag, given).map(|json| json.to_string())).transpose()
    };
    let error_output = args.error.clone().map(|error| ErrorOutput { error, cause: args.cause.clone() });
    let result = text("result", args.result.as_ref())?;
    let mocked = result.is_some() || error_output.is_some();
    let request = TestRequest {
        input: text("input", Some(&args.input))?,
        context: text("context", args.context.as_ref())?,
        variables: text("variables", args.variables.as_ref())?,
        // What is given need not be what AWS's service would give.
        mock: mocked.then_some(Mock { result, error_output, field_validation_mode: FieldValidation::None }),
        state_configuration: StateConfiguration {
            retrier_retry_count: args.retries,
            ..StateConfiguration::default()
        },
        ..TestRequest::default()
    };
    let (world, _served, _home) = world(&args.services).await?;
    let wire = world.wire.clone();
    let tested = match engine::test_state(&definition, args.name.as_deref(), &request, Arc::new(world)).await
    {
        Ok(tested) => tested,
        Err(TestError::Refused(refused)) => return Err(Wrong::at(path, refused)),
        Err(TestError::Stopped(stop)) => return Err(Wrong::new(stop.to_string())),
    };
    let level = match args.level {
        Level::Info => InspectionLevel::Info,
        Level::Debug => InspectionLevel::Debug,
        Level::Trace => InspectionLevel::Trace,
    };
    let mut answer = tested.to_json(level);
    if level == InspectionLevel::Trace
        && let Some(shown) = answer["inspectionData"].as_object_mut()
    {
        shown.extend(wire.seen());
    }
    if args.definition.json {
        println!("{answer}");
    } else {
        show_test(&answer);
    }
    let good = matches!(tested.status, TestStatus::Succeeded | TestStatus::CaughtError);
    Ok(if good { Exit::Succeeded } else { Exit::Failed })
}

/// One line each, the values on the way first.
fn show_test(answer: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in answer["inspectionData"].as_object().into_iter().flatten() {
        println!("{name:<22} {}", text(value));
    }
    for (name, value) in
        answer.as_object().into_iter().flatten().filter(|(name, _)| *name != "inspectionData")
    {
        println!("{name:<22} {}", text(value));
    }
}

fn graph(args: &Graph) -> Result<Exit, Wrong> {
    let text = states::read(&args.definition)?;
    states::compile(&args.definition, &text)?;
    let definition = engine::json::from_str(&text).map_err(|error| Wrong::at(&args.definition, error))?;
    let svg = states::svg(&definition);
    match &args.output {
        Some(path) => save(path, svg.as_bytes()).map_err(|error| Wrong::new(error.to_string()))?,
        None => print!("{svg}"),
    }
    Ok(Exit::Succeeded)
}

/// The world, and what must be kept while it is used.
async fn world(args: &Services) -> Result<(World, Option<AbortOnDropHandle<()>>, Option<Home>), Wrong> {
    let mut endpoints = Endpoints::default();
    args.endpoint.iter().try_for_each(|endpoint| endpoints.add(endpoint))?;
    let mut machines = Machines::default();
    for machine in &args.machine {
        let (name, path) = machine
            .split_once('=')
            .ok_or_else(|| Wrong::new(format!("--machine {machine:?} is not NAME=FILE")))?;
        machines.add(name, path.as_ref())?;
    }
    let (home, s3) = match endpoints.s3() {
        Some(url) => (None, states::s3_at(url).await),
        None => {
            let home = Home::open(&args.store, "states")?;
            let s3 = home.s3().clone();
            (Some(home), s3)
        }
    };
    let mut activities = Activities::default();
    let tokens = engine::TaskTokens::default();
    let served = match args.port {
        Some(port) => Some(activities.serve(port, &tokens).await?),
        None => None,
    };
    let functions = args.functions.as_deref().map(Functions::at).transpose()?;
    let mocks = args.mocks.as_deref().map(|path| Mocks::read(path, args.case.as_deref())).transpose()?;
    Ok((
        World {
            functions,
            mocks,
            s3,
            http: Http::new(&args.allow),
            wire: Wire::default(),
            endpoints,
            machines,
            activities,
            tokens,
        },
        served,
        home,
    ))
}

async fn execute(args: Execute) -> Result<Exit, Wrong> {
    let path = &args.definition.definition;
    let machine = states::compile(path, &states::read(path)?)?;
    let input = json_of("input", &args.input)?;
    let (world, _served, _home) = world(&args.services).await?;
    let lacking = world.check(&machine);
    if !lacking.is_empty() {
        return Err(Wrong::at(path, format!("nobody here does these tasks:\n{}", lacking.join("\n"))));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().replace([':', ' '], "-");
    let mut start = Start::new(
        format!("arn:aws:states:local:000000000000:execution:{name}:{}", uuid::Uuid::new_v4()),
        input,
    );
    start.execution_type = execution_type(args.express);
    let history = args.history.then(History::default);
    start.history.clone_from(&history);
    let cancel = CancellationToken::new();
    let interrupt = cancel.clone();
    tokio::spawn(async move {
        Signals::listen().next().await;
        interrupt.cancel();
    });
    let (outcome, exit) = match states::run(&Arc::new(world), machine, start, cancel).await {
        Ok(outcome @ Outcome::Succeeded(_)) => (Some(outcome), Exit::Succeeded),
        Ok(outcome) => (Some(outcome), Exit::Failed),
        Err(Stop::Interrupted) => (None, Exit::Interrupted),
        Err(Stop::Fault(fault)) => return Err(Wrong::new(fault.to_string())),
    };
    if let (None, Some(history)) = (&outcome, &history) {
        history.abort(OffsetDateTime::now_utc());
    }
    show(outcome.as_ref(), history.as_ref(), args.definition.json);
    Ok(exit)
}

/// What a flag gives: JSON, a file with it, or what is piped in.
fn json_of(flag: &str, given: &str) -> Result<Value, Wrong> {
    if given == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| Wrong::new(format!("what is piped in cannot be read: {error}")))?;
        return engine::json::from_str(&text)
            .map_err(|error| Wrong::new(format!("what is piped in is no JSON: {error}")));
    }
    if let Ok(input) = engine::json::from_str(given) {
        return Ok(input);
    }
    let path = Path::new(given);
    let text = std::fs::read_to_string(path)
        .map_err(|error| Wrong::new(format!("--{flag} {given:?} is no JSON, and no file: {error}")))?;
    engine::json::from_str(&text).map_err(|error| Wrong::at(path, format!("is no JSON: {error}")))
}

/// Without an outcome the execution was aborted.
fn show(outcome: Option<&Outcome>, history: Option<&History>, as_json: bool) {
    let (status, output, error, cause) = match outcome {
        Some(Outcome::Succeeded(output)) => ("SUCCEEDED", Some(output), None, None),
        Some(Outcome::Failed { error, cause }) => ("FAILED", None, Some(error), Some(cause)),
        Some(Outcome::TimedOut) => ("TIMED_OUT", None, None, None),
        None => ("ABORTED", None, None, None),
    };
    let events = history.map(|history| {
        let mut events = history.events();
        events.sort_by_key(|event| event.id);
        events
    });
    if as_json {
        let mut object = json!({ "status": status, "output": output, "error": error, "cause": cause });
        if let Some(events) = events {
            object["history"] = events.iter().map(engine::Event::to_json).collect();
        }
        println!("{object}");
        return;
    }
    for event in events.into_iter().flatten() {
        let details = event.details.map(|(_, details)| details.to_string()).unwrap_or_default();
        println!("{:>5} {:<28} {details}", event.id, event.kind);
    }
    println!("{status}");
    if let Some(output) = output {
        println!("{output:#}");
    }
    for text in [error, cause].into_iter().flatten().filter(|text| !text.is_empty()) {
        println!("{text}");
    }
}
