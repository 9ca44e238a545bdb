//! Runs to which everything happens that may happen, and what is left of them afterwards: every line once, and nothing paid
//! twice that need not be.
//!
//! `cargo test` runs a few fixed cases. The long forms, and a table of what came of them:
//!
//! ```text
//! cargo test --test endurance -- --ignored --nocapture
//! ```
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod disk;
mod kill;
mod long;
mod store;
mod unknown;
