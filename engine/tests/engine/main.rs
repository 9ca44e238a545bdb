//! The engine from outside: a definition and an input in, an outcome out.
#![allow(clippy::unwrap_used)]

mod conformance;
mod crash;
mod definition;
mod fake;
mod map;
mod refused;
mod rules;
mod streaming;
