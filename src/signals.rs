//! The signals that ask a process to stop.

use std::fs;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, SIGTERM, and SIGHUP: a terminal that was closed, or a connection to it that was lost.
#[derive(Debug)]
pub struct Signals(Vec<Signal>);

impl Signals {
    /// Starts to listen. SIGHUP stays ignored if it was ignored before, as under `nohup`.
    pub fn listen() -> Self {
        let hangup = (!is_ignored(SignalKind::hangup())).then(SignalKind::hangup);
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hangup);
        Self(kinds.filter_map(|kind| signal(kind).ok()).collect())
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        let mut any: FuturesUnordered<_> = self.0.iter_mut().map(Signal::recv).collect();
        if any.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether this process was started with a signal ignored. Source: proc_pid_status(5), `SigIgn`.
fn is_ignored(kind: SignalKind) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask & (1 << (kind.as_raw_value() - 1)) != 0
}
