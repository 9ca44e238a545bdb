//! The process's file descriptors, as a budget of its sockets: a host is never blamed for their end.

use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Descriptors for everything but requests: the store, the journal, results, the terminal.
const RESERVED: u64 = 128;
/// More descriptors than this are never needed.
const MOST: u64 = 1 << 17;

/// How many requests may be under way, and how many connections open, in the whole process.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// A request whose host is new looks its name up, which takes a descriptor, too.
    requests: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

/// One request under way, or one open connection.
pub(crate) type Socket = OwnedSemaphorePermit;

impl Sockets {
    /// A budget for a process that may have this many descriptors.
    pub(crate) fn new(descriptors: u64) -> Self {
        let half = descriptors.saturating_sub(RESERVED).max(descriptors / 2) / 2;
        let half = usize::try_from(half.clamp(1, MOST)).unwrap_or(1);
        Self { requests: Arc::new(Semaphore::new(half)), connections: Arc::new(Semaphore::new(half)) }
    }

    /// Room for one more request; `None` when as many as possible are under way.
    pub(crate) fn request(&self) -> Option<Socket> {
        self.requests.clone().try_acquire_owned().ok()
    }

    /// Room for one more connection. If there is none, `close_idle` is to make some.
    pub(crate) async fn connection(&self, close_idle: impl FnOnce()) -> Socket {
        if let Ok(socket) = self.connections.clone().try_acquire_owned() {
            return socket;
        }
        close_idle();
        self.connections.clone().acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// How many file descriptors the process may have.
pub(crate) fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(MOST)
}

/// Raises the number of file descriptors that the process may have as far as the system allows. Many shells
/// allow 1,024 at first, which is a limit of `select` and not of the system.
pub fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(MOST, |maximum| maximum.min(MOST));
    if current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
    {
        tracing::debug!(%error, "the number of file descriptors stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_waits_until_another_is_closed() {
        let sockets = Sockets::new(2);
        let mut held = Some(sockets.connection(|| panic!("there is room")).await);
        let second = sockets.connection(|| drop(held.take())).await;
        assert!(sockets.request().is_some(), "requests have a budget of their own");
        drop(second);
    }

    #[test]
    fn a_function_on_aws_sends_as_many_requests_as_one_call_may() {
        let sockets = Sockets::new(1024);
        assert_eq!(
            (sockets.requests.available_permits(), sockets.connections.available_permits()),
            (448, 448)
        );
    }
}
