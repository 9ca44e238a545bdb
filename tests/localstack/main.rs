//! The unchanged definition on a LocalStack, with the functions as they are deployed: `cargo lambda build --release`
//! first, then `cargo test --test localstack -- --ignored`.
//!
//! Uses the LocalStack at `LOCALSTACK_ENDPOINT`, or starts one in host mode, see README.md in this folder.
//!
//! What stock LocalStack cannot show: it does not enforce a Map Run's tolerance (a batch that failed counts as done), and
//! writes no result files. Both are tested on the embedded engine.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod edits;
mod errors;
mod runs;
mod stack;
mod versions;
