//! Code that the tests of several packages share. It is only a development dependency.
//!
//! - [`HttpServer`]: a server on loopback that responds as a test says, also with bytes that are not HTTP.
//!   [`Api`] is such a server with responses by path, which can be held back.
//! - [`Faults`]: failures of a store, between the SDK's client and the store.
//! - [`Grants`]: the permissions of a role on AWS, at the same place.
//! - [`Proxy`]: a proxy that makes tunnels.
//! - [`JobFile`]: the text of a job file.
//! - [`Scene`]: a folder with a job, an input and the real binary.
#![allow(clippy::unwrap_used, reason = "a test whose setup fails has failed")]

mod api;
mod csv;
mod faults;
mod grants;
mod http_server;
mod job_file;
mod process;
mod proxy;
mod scene;

pub use api::Api;
pub use csv::{column, records};
pub use faults::{Action, Call, Fault, Faults, Operation};
pub use grants::{Access, Grants};
pub use http_server::{HttpServer, Raw, ReceivedRequest, closed_port, full_port, response, response_with};
pub use job_file::JobFile;
pub use process::{DEADLINE, Output, Running, wait_until};
pub use proxy::Proxy;
pub use scene::{Scene, binary};
