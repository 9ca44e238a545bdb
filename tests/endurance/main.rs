//! Runs under kills, store failures and full disks: every line comes out once, and no request is repeated without need.
//!
//! `cargo test` runs a few fixed cases. This command runs many, and prints a table of the results:
//!
//! ```text
//! cargo test --test endurance -- --ignored --nocapture
//! ```
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod edited;
mod full_disk;
mod kill;
mod long;
mod store;
mod unknown_outcomes;
