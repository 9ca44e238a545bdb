//! `throughline serve` from outside: the real binary, signed requests, kills and restarts.

#![allow(clippy::unwrap_used)]

mod access;
mod console;
mod durability;
mod machines;
mod sequences;
mod server;
