//! `throughline serve` from outside: the real binary, signed requests, kills and restarts.

#![allow(clippy::unwrap_used)]

mod access;
mod attacks;
mod check;
mod console;
mod console_jobs;
mod durability;
mod functions;
mod limits;
mod machines;
mod notify;
mod remote;
mod rest;
mod runs;
mod scheduler;
mod schedules;
mod secrets;
mod sequences;
mod server;
mod tls;
mod watch;
