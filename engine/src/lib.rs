//! An interpreter of the Amazon States Language.
//!
//! Text becomes a [`Machine`] by [`compile`], which reports every [`Problem`] of a definition
//! together; [`run`] takes a machine, an input and a [`Host`] (tasks, objects, clock, dice) to an
//! [`Outcome`], keeping its progress in a [`Journal`], from which an execution that was cut off
//! goes on.
//!
//! ```
//! # use std::sync::Arc;
//! # use serde_json::{Value, json};
//! let machine = engine::compile(r#"{
//!     "StartAt": "Greet",
//!     "States": {
//!         "Greet": {
//!             "Type": "Pass",
//!             "Parameters": { "text.$": "States.Format('Hello, {}', $.name)" },
//!             "End": true
//!         }
//!     }
//! }"#)?;
//! # let host: Arc<dyn engine::Host> = Arc::new(engine::NoHost);
//! let start = engine::Start::new("arn:aws:states:local:0:execution:greet:1", json!({"name": "you"}));
//! let done = engine::run(Arc::new(machine), start, host, engine::Journal::in_memory()?, Default::default());
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let outcome = runtime.block_on(done)?;
//! assert_eq!(outcome, engine::Outcome::Succeeded(json!({"text": "Hello, you"})));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where this differs from AWS:
//!
//! - JSONata computes in 64-bit floating point, and so do we, but a number that only passes through
//!   an evaluation is changed as well: `1.0` becomes `1`, and 9007199254740993 loses its last digit.
//!   Names after a variable alone (`{% $states.input.total %}`) leave numbers as they are written.
//! - An evaluation is stopped after a second of the machine's time, not of AWS's.
//! - A Distributed Map starts its items in their order, and writes result files of 8 MiB, not of
//!   5 GB; a reader finds all of them in the manifest. The fields of an item from a CSV file are in
//!   the order of the header.
//! - Datasets in Parquet need the cargo feature `parquet`, which adds about a minute to the first
//!   build.

mod compile;
mod dataset;
mod error;
mod expr;
mod history;
mod host;
mod journal;
mod machine;
mod problem;
mod resource;
mod run;
mod syntax;
mod tokens;

pub use compile::compile;
pub use error::{Fault, Stop};
pub use history::{Event, History};
pub use host::{Host, NoHost, ObjectError, ObjectInfo, Part, TaskCall, TaskError};
pub use journal::{Journal, JournalError};
pub use machine::Machine;
pub use problem::{Problem, Problems};
pub use resource::{Pattern, Resource};
pub use run::{Counts, ExecutionType, MapRunStatus, Outcome, Phase, Start, run};
pub use tokens::{TaskTokens, UnknownToken};
