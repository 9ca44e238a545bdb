//! `throughline states run`: runs a definition.

use engine::{Abort, History, Outcome, Start, Stop};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use states::Definition;

use super::services::{Services, mocks};
use super::{execution_type, json_of, values_of};
use crate::args::states::Run;
use crate::exit::{CliError, Exit};
use crate::signals::Signals;

pub(super) async fn run(args: Run) -> Result<Exit, CliError> {
    let path = &args.definition.definition;
    let values = values_of(&args.definition.values)?;
    let definition = Definition::read(path, &values)?;
    let machine = definition.compile()?;
    let input = json_of("input", &args.input)?;
    let services = Services::open(&args.services, &definition, &values, mocks(&args.services)?).await?;
    let mut missing = services.host.missing(&machine);
    missing.extend(definition.unbound_maps().iter().map(|(state, names)| {
        let shown: Vec<String> = names.iter().map(|name| format!("${{{name}}}")).collect();
        format!("{state}: no value for {}: give it with --set {}=VALUE", shown.join(", "), names[0])
    }));
    if !missing.is_empty() {
        return Err(CliError::at(path, format!("no handler for these tasks:\n{}", missing.join("\n"))));
    }
    services.open_store_for(&machine)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().replace([':', ' '], "-");
    let mut start = Start::new(
        format!("arn:aws:states:local:000000000000:execution:{name}:{}", uuid::Uuid::new_v4()),
        input,
    );
    start.execution_type = definition.execution_type(execution_type(args.express));
    let history = args.history.then(History::default);
    start.history.clone_from(&history);
    let abort = Abort::default();
    start.abort = Some(abort.clone());
    tokio::spawn(async move {
        Signals::listen().next().await;
        abort.abort("", "").await;
    });
    let outcome = match states::run(&services.host, machine, start, CancellationToken::new()).await {
        Ok(outcome) => outcome,
        Err(Stop::Interrupted | Stop::Parked { .. }) => return Ok(Exit::Interrupted),
        Err(Stop::Fault(fault)) => return Err(CliError::new(fault.to_string())),
    };
    show(&outcome, history.as_ref(), args.definition.json);
    Ok(match outcome {
        Outcome::Succeeded(_) => Exit::Succeeded,
        Outcome::Failed { .. } | Outcome::TimedOut => Exit::Failed,
        Outcome::Aborted { .. } => Exit::Interrupted,
    })
}

/// Prints the outcome of an execution.
fn show(outcome: &Outcome, history: Option<&History>, as_json: bool) {
    let (status, output, error, cause) = match outcome {
        Outcome::Succeeded(output) => ("SUCCEEDED", Some(output), None, None),
        Outcome::Failed { error, cause } => ("FAILED", None, Some(error), Some(cause)),
        Outcome::TimedOut => ("TIMED_OUT", None, None, None),
        // An interruption gives neither an error nor a cause.
        Outcome::Aborted { .. } => ("ABORTED", None, None, None),
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
