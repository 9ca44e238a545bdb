//! The engine from outside: a definition and an input in, an outcome out.
#![allow(clippy::unwrap_used)]

mod abort;
mod conformance;
mod corners;
mod crash;
#[path = "../support/database.rs"]
mod database;
mod definition;
mod fake;
mod folders;
mod history;
mod hosted;
mod hostile;
mod jsonata;
mod limits;
mod machines;
mod map;
mod parallel;
mod parked;
mod redrive;
mod refused;
mod rules;
mod streaming;
mod tasks;
mod test_state;
mod tokens;
mod validation;
mod variables;
