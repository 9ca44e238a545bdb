//! The command line: arguments, commands, exit codes; and the home of a run on one machine, with its embedded S3.

#[macro_use]
pub mod print;

pub mod args;
pub mod cloud;
pub mod commands;
pub mod cost;
pub mod exit;
pub mod home;
mod loopback;
pub mod progress;
pub mod s3;
pub mod signals;
pub mod states;
pub mod text;
