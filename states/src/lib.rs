//! Step Functions on this machine.
//!
//! [`Host`] connects the engine to this machine by a store, a clock, and a list of [`services`]. Each task
//! goes to the first service that supports it. [`Host::missing`] finds the tasks that no service supports
//! before the execution starts. [`api`] is the part of the Step Functions API that other programs may call.
//! [`Definition`] reads definitions from files. [`svg`] draws them.

pub mod api;
mod clock;
mod definition;
mod error;
mod graph;
mod host;
pub mod services;
mod store;

pub use clock::{Clock, FastClock, WallClock};
pub use definition::{Definition, Values, read_document};
pub use error::{Error, task_error};
pub use graph::{svg, svg_of_page};
pub use host::{DiskFull, Host, MapRunListener, WaitListener, run};
pub use services::{Service, Support};
pub use store::Store;
