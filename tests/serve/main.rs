//! `throughline serve` from outside: the real binary, signed requests, kills and restarts.

#![allow(clippy::unwrap_used)]

mod access;
mod commands;
mod console;
mod durability;
mod functions;
mod machines;
mod rest;
mod runs;
mod schedules;
mod secrets;
mod sequences;
mod server;
mod watch;
