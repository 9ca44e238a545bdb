//! The split without the store: any bytes may come, and every record is one item, in its lane and in order.
#![allow(clippy::unwrap_used, missing_docs)]

mod case;
mod csv;
mod detection;
mod json;
mod lanes;
mod limits;
mod properties;
