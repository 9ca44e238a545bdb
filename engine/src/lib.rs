//! An interpreter of the Amazon States Language with both its query languages, JSONPath and JSONata.
//!
//! [`compile`] turns a definition into a [`Machine`], or reports every [`Problem`] of the definition at once.
//! [`run`] executes a machine with an input and a [`Host`] (tasks, objects, clock, randomness) and returns an
//! [`Outcome`]. It keeps the progress of the execution in a [`Journal`], from which an interrupted execution
//! is continued.
//!
//! ```
//! use std::sync::Arc;
//! use engine::{History, Journal, Outcome, Start, TaskCall, Tasks};
//! use serde_json::json;
//!
//! let machine = engine::compile(r#"{
//!     "QueryLanguage": "JSONata",
//!     "StartAt": "Double",
//!     "States": {
//!         "Double": {
//!             "Type": "Task",
//!             "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:double",
//!             "Arguments": { "n": "{% $states.input.number %}" },
//!             "Assign": { "doubled": "{% $states.result %}" },
//!             "Next": "Say"
//!         },
//!         "Say": { "Type": "Pass", "Output": "{% 'Twice is ' & $doubled %}", "End": true }
//!     }
//! }"#)?;
//! let host = Tasks(|call: TaskCall| Ok(json!(call.payload()["n"].as_i64().unwrap_or(0) * 2)));
//! let mut start = Start::new("arn:aws:states:local:0:execution:double:1", json!({"number": 21}));
//! let history = History::default();
//! start.history = Some(history.clone());
//! let done = engine::run(Arc::new(machine), start, Arc::new(host), Journal::in_memory()?, Default::default());
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let outcome = runtime.block_on(done)?;
//! assert_eq!(outcome, Outcome::Succeeded(json!("Twice is 42")));
//! assert_eq!(history.events()[2].kind, "LambdaFunctionScheduled");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A task reaches the host as its [`Resource`] with its evaluated parameters, whatever the service.
//! [`Machine::tasks`] lists what a machine needs from its host. Outcomes that are sent by token (activities,
//! `.waitForTaskToken`) arrive through [`TaskTokens`]. The engine itself enforces time limits and heartbeats,
//! by the host's clock.
//!
//! A server keeps the journals and the histories of its executions in a store of its own ([`JournalStore`]). What
//! is sent to an execution is durable before it is acknowledged: the end of one that is aborted ([`Abort`]), outcomes
//! by token, and the limits of a Map Run ([`MapRunStatus::update`]). An execution that only waits can be parked
//! ([`Start::park_after`]), and one that ended without success can be redriven ([`Journal::redrive`]).
//!
//! [`validate`] finds the diagnostics of AWS in a definition, in AWS's words. [`test_state`] runs one state
//! by itself and shows its intermediate values.
//!
//! # Differences from AWS
//!
//! - A number that only passes through an evaluation of JSONata keeps its digits, as on AWS (`1.0` stays `1.0`),
//!   unless the expression uses a function of JSONata as a value or without its argument, as in
//!   `$map($states.input.list, $abs)`.
//! - A definition is refused for everything that AWS is known to refuse, and for everything that could not be
//!   run. The message is AWS's where that is known. [`test_state`] does not require a role, and does not show
//!   the raw requests of HTTP tasks.
//! - An evaluation is stopped after a second on this machine, not on AWS's. Its memory is counted otherwise, so
//!   that AWS may stop it earlier or later.
//! - The values that one evaluation of a state makes, and the outputs of a Map or Parallel with more than 256
//!   branches, take at most 64 MiB together; then the state fails with `States.DataLimitExceeded`. A JSONPath that
//!   finds more than 16 million values and bytes fails with `States.Runtime`.
//! - A regular expression with look-around or back references is stopped after a million steps back.
//!   `^` and `$` with the flag `m` know only LF as the end of a line.
//! - `States.MathRandom` with a seed always gives the same number, but perhaps not the number that AWS gives.
//! - When an execution is continued after a crash, the time limit of a running task begins anew, unless the
//!   task's outcome comes by token.
//! - A redrive also runs the Pass, Choice and Succeed states between the last Task, Map, Parallel or Wait and a
//!   failed state of these types again. A redriven Map Run reads its items again, and does not find out whether they
//!   are the same.
//! - A Distributed Map starts its items in their order, and writes result files of 8 MiB, not of 5 GB; a
//!   reader finds all of them in the manifest. The fields of an item from a CSV file are in the order of the
//!   header.
//! - The LastModified of a listed object is written as 1668699881 and not as 1.668699881E9.
//! - Datasets in Parquet need the crate's feature `parquet`.

mod abort;
mod compile;
mod dataset;
mod diagnostic;
mod digest;
mod error;
mod execution;
mod expr;
mod failure;
mod history;
mod host;
mod journal;
pub mod json;
mod language;
mod machine;
mod map_run;
mod outcome;
mod quotas;
mod resource;
mod retry;
mod rule_violation;
mod run;
mod syntax;
mod test_state;
mod tokens;
mod validation;

pub use abort::Abort;
pub use compile::compile;
pub use diagnostic::{Diagnostic, Problem, Problems, Severity};
pub use error::{Fault, Stop};
pub use execution::{ExecutionType, Start};
pub use history::{Event, History};
pub use host::{Host, NoHost, ObjectError, ObjectInfo, Part, TaskCall, TaskError, Tasks};
pub use journal::{Batch, Ended, Journal, JournalError, JournalStore, KeyValue, MapRunLimits, StoreChange};
pub use machine::Machine;
pub use map_run::{Counts, MapRunStatus, MapRunUpdate, Phase, UpdateError};
pub use outcome::Outcome;
pub use resource::{Pattern, Resource};
pub use run::{RedriveError, beginning, run};
pub use test_state::{
    ErrorOutput, FieldValidation, InspectionLevel, Mock, StateConfiguration, TestError, TestRequest,
    TestResult, TestStatus, test_state,
};
pub use tokens::{TaskTokens, TokenError};
pub use validation::{ApiError, Validation, Verdict, validate};
