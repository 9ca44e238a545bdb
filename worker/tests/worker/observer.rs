//! What an observer of a call is told while the call goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testing::{HttpServer, JobFile, response};
use worker::Observer;

use crate::world::Setup;

/// Counts lines, and keeps the count of each time that results were written.
#[derive(Default)]
struct Counts {
    lines: AtomicUsize,
    at_each_write: Mutex<Vec<usize>>,
}

impl Observer for Counts {
    fn finished(&self, _lane: &str, _ok: bool) {
        self.lines.fetch_add(1, Ordering::SeqCst);
    }

    fn written(&self, _lane: &str) {
        self.at_each_write.lock().unwrap().push(self.lines.load(Ordering::SeqCst));
    }
}

/// An alarm looks at the lines of five minutes, and a call takes up to fifteen.
#[tokio::test]
async fn observer_hears_of_each_write_of_results_during_a_call() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let job = JobFile::get(server.url("/")).limit("default", "rate = \"100/s\"").to_string();
    let mut setup = Setup::numbered(&job, 60);
    setup.settings.flush_every = Duration::from_millis(20);
    let counts = Arc::new(Counts::default());
    let mut world = setup.build().await;
    world.context.observer = counts.clone();
    assert_eq!(world.done().await.len(), 60);
    let at_each_write = counts.at_each_write.lock().unwrap();
    assert!(at_each_write.is_sorted());
    let during = at_each_write.iter().filter(|lines| (1..60).contains(*lines)).count();
    assert!(during > 1, "lines at each write: {at_each_write:?}");
}
