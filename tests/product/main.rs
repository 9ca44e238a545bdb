//! The whole product from outside: the real binary, a real HTTP server on loopback, real files.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod aws_profiles;
mod check;
mod commands;
mod crash;
mod damaged_results;
mod edits;
mod failures;
mod formats;
mod functions;
mod history;
mod http2;
mod idempotence;
mod inputs;
mod job_files;
mod jobs;
mod leases;
mod long_calls;
mod loopback_servers;
mod many_hosts;
mod outputs;
mod permissions;
mod redrive;
mod request_counts;
mod runs;
mod shared_folder;
mod state_folder;
mod states;
mod terminal;
mod tls;
mod uploads;
mod versions;
mod workspace;
