//! How fast a limit key may be asked: the limiter, the breaker, and the instants both reckon with.

mod breaker;
mod pacer;
mod wall;

pub(crate) use breaker::{Breaker, Health, Permit};
pub(crate) use pacer::{Pacer, Start};
pub(crate) use wall::{Now, Wall};
