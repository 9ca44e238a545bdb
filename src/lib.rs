//! The command line: arguments, commands, exit codes, runs on this machine ([`local`]) and runs on AWS
//! ([`aws`]).

#[macro_use]
pub mod print;

pub mod args;
pub mod aws;
pub mod commands;
pub mod cost;
pub mod exit;
pub mod local;
pub mod log;
pub mod progress;
pub mod signals;
pub use serve::text;
