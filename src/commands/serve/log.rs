//! The log of a server, on standard error: its runs, and what went wrong.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::LogForm;

/// The packages whose events are logged from the level of information on; of others, only warnings.
const OURS: [&str; 6] = ["throughline", "serve", "worker", "preprocess", "postprocess", "net"];

pub(super) fn start(form: LogForm) {
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_targets(OURS.map(|package| (package, LevelFilter::INFO)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match form {
        LogForm::Text => lines.with_target(false).boxed(),
        LogForm::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A second log would be a bug of the caller; the first one stays.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
