//! `throughline try`: sends the request of one line now, and shows what happens. Nothing is kept.

use std::sync::Arc;

use job::Job;
use job::file::secrets::Secrets;
use serde_json::{Value, json};
use worker::request;
use worker::trial::{End, Exchange, Trial};

use super::exchange::{ShownRequest, print_response, print_values, response_json};
use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::{InputLine, LocalSecrets, job_name, read_job_with};

pub(super) async fn try_line(args: &args::Try) -> Result<Exit, CliError> {
    let args::Target { job: job_path, input, vars } = &args.target;
    let (_, job) = read_job_with(job_path, vars)?;
    let (job, name) = (Arc::new(job), job_name(job_path)?);
    LocalSecrets::check(&name, &job).await?;
    let line = InputLine::read(input, &job, args.line).await?;
    let no_request =
        |why: String| CliError::new(format!("line {} fails without a request: {why}", args.line));
    let row = line.row_alone(&job, args.line).map_err(no_request)?;
    let masked = Arc::new(Secrets::masked(job.secrets.keys().cloned()));
    let failed = |failure: worker::Failure| no_request(format!("{}: {}", failure.code, failure.detail));
    let request = ShownRequest::new(&request::render(&job, &row, &masked, None).map_err(failed)?);
    let trial = Trial::new(job.clone(), &name, line.output_format(&job)?, Arc::new(LocalSecrets)).await?;
    let exchanges = trial.send(&row).await.map_err(failed)?;
    let succeeded = exchanges.last().is_some_and(|last| last.end.is_ok());
    let exit = if succeeded { Exit::Succeeded } else { Exit::SomeFailed };
    if args.json {
        let exchanges: Vec<Value> = exchanges.iter().map(|exchange| as_json(exchange, &job)).collect();
        println!(
            "{}",
            json!({
                "event": "try", "exit_code": exit.code(), "line": args.line, "request": request.json(), "exchanges": exchanges,
            })
        );
        return Ok(exit);
    }
    request.print();
    for exchange in &exchanges {
        print(exchange, &job);
    }
    Ok(exit)
}

fn print(exchange: &Exchange, job: &Job) {
    let Exchange { method, url, millis, response, end } = exchange;
    println!("\n{method} {url}");
    match (response, end) {
        (Some(response), _) => {
            println!("  {} after {millis} ms", response.status);
            print_response(response);
        }
        (None, _) => println!("  no response, after {millis} ms"),
    }
    match end {
        Ok(End::Values(values)) => {
            println!("\nsucceeded");
            print_values(job.output.columns.names().zip(values.iter().map(|value| value.as_str().into())));
        }
        Ok(End::Again) => {}
        Err(failure) => println!("\nfailed with {}: {}", failure.code, failure.detail),
    }
}

fn as_json(exchange: &Exchange, job: &Job) -> Value {
    let Exchange { method, url, millis, response, end } = exchange;
    let mut object = json!({
        "method": method, "url": url, "ms": millis, "response": response.as_ref().map(response_json),
    });
    match end {
        Ok(End::Values(values)) => {
            let value = |value: &String| serde_json::from_str(value).unwrap_or(Value::Null);
            let columns = job.output.columns.names().map(str::to_owned).zip(values.iter().map(value));
            object["columns"] = Value::Object(columns.collect());
        }
        Ok(End::Again) => {}
        Err(failure) => {
            object["error"] = failure.code.to_string().into();
            object["error_detail"] = failure.detail.as_str().into();
        }
    }
    object
}
