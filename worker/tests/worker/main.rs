//! The worker as a whole: a batch in a store, real servers on loopback, and the results that it writes.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bodies;
mod failures;
mod faults;
mod identity;
mod intents;
mod late_bytes;
mod observer;
mod pauses;
mod redirects;
mod responses;
mod retries;
mod secrets;
mod stops;
mod storage;
mod store;
mod twice;
mod wire;
mod world;
