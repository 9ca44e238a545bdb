//! `throughline serve` from outside: the real binary, signed requests, kills and restarts.

#![allow(clippy::unwrap_used)]

mod access;
mod backup;
mod console;
mod durability;
mod failed_sync;
mod full_disk;
mod functions;
mod machines;
mod parking;
mod rest;
mod runs;
mod schedules;
mod secrets;
mod sequences;
mod server;
mod store;
mod watch;
