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
//! Of the language, this version knows the query language JSONPath and the states Task (Lambda),
//! Choice, Wait, Pass, Succeed, Fail, and Map in both modes; a definition that uses more is refused
//! with the place.

mod compile;
mod dataset;
mod error;
mod expr;
mod host;
mod journal;
mod machine;
mod problem;
mod run;
mod syntax;

pub use compile::compile;
pub use error::{Fault, Stop};
pub use host::{Host, NoHost, ObjectError, ObjectInfo, Part, TaskCall, TaskError};
pub use journal::{Journal, JournalError};
pub use machine::Machine;
pub use problem::{Problem, Problems};
pub use run::{Counts, MapRunStatus, Outcome, Phase, Start, run};
