//! How fast requests of a limit key may go out: the rate limiter, the circuit breaker, and the clock of both.

mod breaker;
mod pacer;
mod wall;

pub(crate) use breaker::{Breaker, Health, Permit};
pub(crate) use pacer::{Pacer, Start};
pub(crate) use wall::{Now, Wall};
