//! What the forms of the pages do: operations of the API, with the key of whoever is signed in.

mod jobs;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::{self, answer as answer_page, encode, refused};
use super::views::inbox::gone;
use super::views::state_test::{self, Written};
use super::{Console, Shared, Who, views};
use crate::api::ApiError;
use crate::jobs::MACHINE;

pub(super) fn router() -> Router<Shared> {
    jobs::router()
        .route("/machines/{machine}/executions", get(page::respond).post(start))
        .route("/executions/{machine}/{name}/stop", get(page::respond).post(stop))
        .route("/executions/{machine}/{name}/redrive", get(page::respond).post(redrive))
        .route("/machines/{machine}/test", get(page::respond).post(test_state))
        .route("/mapruns/{arn}", get(page::respond).post(update_map_run))
        .route("/inbox/{id}", get(page::respond).post(answer))
}

impl Console {
    async fn act(&self, who: &Who, operation: &str, members: Value) -> Result<Value, ApiError> {
        let Value::Object(members) = members else { return Ok(Value::Null) };
        self.api.call_as(&who.key, operation, members).await
    }
}

/// Leads to the page that shows the change, or says why there is none.
fn then(who: &Who, done: Result<String, ApiError>) -> Response {
    match done {
        Ok(path) => Redirect::to(&path).into_response(),
        Err(error) => refused(Some(who), &error),
    }
}

#[derive(Deserialize)]
struct NewExecution {
    input: String,
    name: String,
}

async fn start(
    State(console): State<Shared>,
    who: Who,
    Path(machine): Path<String>,
    Form(new): Form<NewExecution>,
) -> Response {
    if machine == MACHINE {
        let message = "This machine has the runs of jobs: upload a file on the page of a job.";
        return refused(Some(&who), &ApiError::conflict(message));
    }
    let mut members = json!({ "stateMachineArn": console.api.place.machine(&machine), "input": new.input });
    if !new.name.is_empty() {
        members["name"] = new.name.into();
    }
    let started = console.act(&who, "StartExecution", members).await;
    let path = |started: Value| {
        let name =
            started["executionArn"].as_str().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
        views::path_of(&machine, name)
    };
    then(&who, started.map(path))
}

async fn stop(
    State(console): State<Shared>,
    who: Who,
    Path((machine, name)): Path<(String, String)>,
) -> Response {
    let cause = format!("stopped by {} in the console", who.key.id);
    let members = json!({ "executionArn": console.api.place.execution(&machine, &name), "cause": cause });
    then(&who, console.act(&who, "StopExecution", members).await.map(|_| views::path_of(&machine, &name)))
}

async fn redrive(
    State(console): State<Shared>,
    who: Who,
    Path((machine, name)): Path<(String, String)>,
) -> Response {
    let members = json!({ "executionArn": console.api.place.execution(&machine, &name) });
    then(&who, console.act(&who, "RedriveExecution", members).await.map(|_| views::path_of(&machine, &name)))
}

async fn test_state(
    State(console): State<Shared>,
    who: Who,
    Path(machine): Path<String>,
    Form(written): Form<Written>,
) -> Response {
    let tested = async {
        let mut members = json!({
            "definition": state_test::definition(&console, &machine)?,
            "stateName": written.state,
            "input": written.input,
            "inspectionLevel": "INFO",
        });
        if !written.mock.trim().is_empty() {
            members["mock"] = json!({ "result": written.mock });
        }
        let tested = console.act(&who, "TestState", members).await?;
        state_test::page(&console, &machine, &written, Some(&tested))
    };
    match tested.await {
        Ok(page) => answer_page(&who, &page, "machines"),
        Err(error) => refused(Some(&who), &error),
    }
}

#[derive(Deserialize)]
struct NewLimits {
    concurrency: u64,
    count: u64,
    percentage: f64,
}

async fn update_map_run(
    State(console): State<Shared>,
    who: Who,
    Path(arn): Path<String>,
    Form(new): Form<NewLimits>,
) -> Response {
    let members = json!({
        "mapRunArn": arn,
        "maxConcurrency": new.concurrency,
        "toleratedFailureCount": new.count,
        "toleratedFailurePercentage": new.percentage,
    });
    then(&who, console.act(&who, "UpdateMapRun", members).await.map(|_| views::map_run::path_of(&arn)))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choice: String,
    comment: Option<String>,
    output: Option<String>,
    fail: Option<String>,
}

async fn answer(
    State(console): State<Shared>,
    who: Who,
    Path(id): Path<String>,
    Form(answer): Form<Answer>,
) -> Response {
    then(&who, decide(&console, &who, &id, answer).await)
}

async fn decide(console: &Console, who: &Who, id: &str, answer: Answer) -> Result<String, ApiError> {
    let waiting = console.inbox.find(id)?.ok_or_else(gone)?;
    let token = waiting.token.as_str();
    let (operation, members) = if answer.fail.is_some() {
        let cause = answer.comment.unwrap_or_default();
        ("SendTaskFailure", json!({ "taskToken": token, "error": "Rejected", "cause": cause }))
    } else {
        let output = match answer.output {
            Some(output) => output,
            None => {
                let mut chosen = Map::new();
                chosen.insert("choice".into(), answer.choice.into());
                chosen.insert("comment".into(), answer.comment.unwrap_or_default().into());
                chosen.insert("by".into(), who.key.id.as_str().into());
                Value::Object(chosen).to_string()
            }
        };
        ("SendTaskSuccess", json!({ "taskToken": token, "output": output }))
    };
    console.api.allow(&who.key, operation)?;
    if let Some(output) = members["output"].as_str() {
        let checked: Result<Value, _> = serde_json::from_str(output);
        checked
            .map_err(|error| ApiError::new("InvalidOutput", format!("The output is not JSON: {error}")))?;
    }
    if !console.inbox.take(&waiting, &who.key.id) {
        return Err(gone());
    }
    console.act(who, operation, members).await?;
    Ok(format!("/inbox#{}", encode("answered")))
}
