//! Limits of network access: the addresses that a request may reach ([`guard`]), and HTTP servers that only
//! programs on this machine may reach (`loopback`).

pub mod guard;
#[cfg(feature = "loopback")]
pub mod loopback;
#[cfg(feature = "loopback")]
pub mod server;
#[cfg(feature = "loopback")]
pub mod tls;
