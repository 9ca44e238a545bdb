//! `throughline serve` from outside: the real binary, signed requests, kills and restarts.

#![allow(clippy::unwrap_used)]

mod access;
mod attacks;
mod backup;
mod check;
mod commands;
mod console;
mod console_jobs;
mod durability;
mod failed_sync;
mod functions;
mod limits;
mod machines;
mod notify;
mod parking;
mod remote;
mod rest;
mod runs;
mod scheduler;
mod schedules;
mod secrets;
mod sequences;
mod server;
mod store;
mod tls;
mod watch;
