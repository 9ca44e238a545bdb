//! `throughline states`: any definition on this machine.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use engine::{ExecutionType, History, Machine, Outcome, Start, Stop};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::args::{Definition, Execute, Graph, States, StatesCommand};
use crate::exit::{Exit, Wrong};
use crate::home::{Functions, Home};
use crate::states::{self, Activities, Endpoints, Machines, Mocks, World};

pub(super) async fn states(args: States) -> Result<Exit, Wrong> {
    match args.command {
        StatesCommand::Validate(args) => validate(&args),
        StatesCommand::Execute(args) => execute(*args).await,
        StatesCommand::Graph(args) => graph(&args),
    }
}

fn read(path: &Path) -> Result<String, Wrong> {
    std::fs::read_to_string(path).map_err(|error| Wrong::at(path, error))
}

fn compile(path: &Path) -> Result<Machine, Wrong> {
    engine::compile(&read(path)?).map_err(|problems| Wrong::at(path, format!("the definition is wrong:\n{problems}")))
}

fn validate(args: &Definition) -> Result<Exit, Wrong> {
    let text = read(&args.definition)?;
    let found = engine::compile(&text).err();
    let problems = found.as_ref().map(engine::Problems::list).unwrap_or_default();
    if args.json {
        let problems = problems
            .iter()
            .map(|problem| json!({ "location": problem.path, "line": problem.line, "column": problem.column, "message": problem.message }));
        let problems: Vec<Value> = problems.collect();
        println!("{}", json!({ "result": if problems.is_empty() { "OK" } else { "FAIL" }, "diagnostics": problems }));
    } else {
        for problem in problems {
            println!("{}:{}:{}: {}: {}", args.definition.display(), problem.line, problem.column, problem.path, problem.message);
        }
        match problems.len() {
            0 => println!("{} is valid", args.definition.display()),
            1 => println!("1 problem"),
            many => println!("{many} problems"),
        }
    }
    Ok(if problems.is_empty() { Exit::Succeeded } else { Exit::Wrong })
}

fn graph(args: &Graph) -> Result<Exit, Wrong> {
    compile(&args.definition)?;
    let definition: Value = serde_json::from_str(&read(&args.definition)?).map_err(|error| Wrong::at(&args.definition, error))?;
    let svg = states::svg(&definition);
    match &args.output {
        Some(path) => std::fs::write(path, svg).map_err(|error| Wrong::at(path, error))?,
        None => print!("{svg}"),
    }
    Ok(Exit::Succeeded)
}

async fn execute(args: Execute) -> Result<Exit, Wrong> {
    let machine = compile(&args.definition.definition)?;
    let input = input(&args.input)?;
    let mut endpoints = Endpoints::default();
    args.endpoint.iter().try_for_each(|endpoint| endpoints.add(endpoint))?;
    let mut machines = Machines::default();
    for machine in &args.machine {
        let (name, path) = machine.split_once('=').ok_or_else(|| Wrong::new(format!("--machine {machine:?} is not NAME=FILE")))?;
        machines.add(name, path.as_ref())?;
    }
    let home = match endpoints.s3() {
        Some(_) => None,
        None => Some(Home::open(&args.state, "states run")?),
    };
    let mut activities = Activities::default();
    let tokens = engine::TaskTokens::default();
    let _served = match args.port {
        Some(port) => Some(activities.serve(port, &tokens).await?),
        None => None,
    };
    let world = World {
        functions: args.functions.as_deref().map(Functions::at).transpose()?,
        mocks: args.mocks.as_deref().map(|path| Mocks::read(path, args.case.as_deref())).transpose()?,
        s3: match (&home, endpoints.s3()) {
            (Some(home), _) => home.s3().clone(),
            (None, url) => states::s3_at(url.unwrap_or_default()).await,
        },
        endpoints,
        machines,
        activities,
        tokens,
    };
    let lacking = world.check(&machine);
    if !lacking.is_empty() {
        return Err(Wrong::at(&args.definition.definition, format!("nobody here does these tasks:\n{}", lacking.join("\n"))));
    }
    let name = args.definition.definition.file_stem().unwrap_or_default().to_string_lossy().replace([':', ' '], "-");
    let mut start = Start::new(format!("arn:aws:states:local:000000000000:execution:{name}:{}", uuid::Uuid::new_v4()), input);
    if args.express {
        start.execution_type = ExecutionType::Express;
    }
    let history = args.history.then(History::default);
    start.history.clone_from(&history);
    let cancel = CancellationToken::new();
    let interrupt = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.cancel();
        }
    });
    let outcome = match states::run(&Arc::new(world), machine, start, cancel).await {
        Ok(outcome) => outcome,
        Err(Stop::Interrupted) => return Ok(Exit::Interrupted),
        Err(Stop::Fault(fault)) => return Err(Wrong::new(fault.to_string())),
    };
    show(&outcome, history.as_ref(), args.definition.json);
    Ok(if matches!(outcome, Outcome::Succeeded(_)) { Exit::Succeeded } else { Exit::Failed })
}

fn input(given: &str) -> Result<Value, Wrong> {
    if given == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| Wrong::new(format!("the input cannot be read: {error}")))?;
        return serde_json::from_str(&text).map_err(|error| Wrong::new(format!("the input is no JSON: {error}")));
    }
    if let Ok(input) = serde_json::from_str(given) {
        return Ok(input);
    }
    let path = Path::new(given);
    let text = std::fs::read_to_string(path).map_err(|error| Wrong::new(format!("--input {given:?} is no JSON, and no file: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Wrong::at(path, format!("is no JSON: {error}")))
}

fn show(outcome: &Outcome, history: Option<&History>, as_json: bool) {
    let (status, output, error, cause) = match outcome {
        Outcome::Succeeded(output) => ("SUCCEEDED", Some(output), None, None),
        Outcome::Failed { error, cause } => ("FAILED", None, Some(error), Some(cause)),
        Outcome::TimedOut => ("TIMED_OUT", None, None, None),
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
