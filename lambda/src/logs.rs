//! Logs: one JSON object in each line, with the fields of its span (job, run, lane, batch).

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates whose `INFO` lines are logged. Other crates log only warnings, because each line costs money.
const OURS: [&str; 5] = ["job", "lambda", "preprocess", "worker", "postprocess"];

pub(crate) fn start() {
    let filter =
        Targets::new().with_default(Level::WARN).with_targets(OURS.map(|target| (target, Level::INFO)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
}
