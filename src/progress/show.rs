//! Shows a run's progress until it ends: bars on a terminal, otherwise lines from time to time, or JSON.

use std::collections::{HashMap, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::{log, text};

use super::{Phase, Progress, Snapshot, bars::Bars, json, plain};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars on standard error if it is a terminal, otherwise lines.
    Text,
    /// JSON on standard output.
    Json,
    /// Nothing.
    Quiet,
}

/// Shows progress until `done` is cancelled.
pub async fn show(progress: Arc<Progress>, style: Style, done: CancellationToken) {
    let terminal = std::io::stderr().is_terminal() && can_redraw();
    let mut bars = (style == Style::Text && terminal).then(Bars::new);
    let every = match (style, terminal) {
        (Style::Json, _) => Duration::from_secs(1),
        (Style::Text, true) => Duration::from_millis(200),
        (Style::Text, false) | (Style::Quiet, _) => Duration::from_secs(10),
    };
    let mut rates = Rates::default();
    let mut ticks = tokio::time::interval(SAMPLE);
    let (mut shown, mut phase) = (Instant::now(), Phase::Starting);
    let mut logged = (Instant::now(), Phase::Starting);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = progress.news.notified() => {
                if let Some(shown) = bars.take() {
                    shown.clear();
                    bars = Some(Bars::new());
                }
                say(&progress, style);
                continue;
            }
            () = done.cancelled() => break,
        }
        let now = progress.snapshot();
        rates.add(&now, Instant::now());
        if log::is_open() && (logged.0.elapsed() >= LOGGED || logged.1 != now.phase) {
            logged = (Instant::now(), now.phase);
            log::event(&json::total(&now, &rates));
        }
        // Programs learn of a new phase at once.
        let new_phase = style == Style::Json && now.phase != phase;
        if shown.elapsed() < every && !new_phase {
            continue;
        }
        (shown, phase) = (Instant::now(), now.phase);
        match (&mut bars, style) {
            (Some(bars), _) => bars.draw(&now, &rates),
            (None, Style::Json) => println!("{}", json::progress(&now, &rates)),
            (None, Style::Text) => eprint!("{}", plain::progress(&now, &rates)),
            (None, Style::Quiet) => {}
        }
    }
    if let Some(bars) = bars {
        bars.clear();
    }
    // The run may have ended before anything was shown.
    if progress.news.notified().now_or_never().is_some() {
        say(&progress, style);
    }
}

/// Says what the run has taken over from another one.
fn say(progress: &Progress, style: Style) {
    let Some(taken_over) = progress.taken_over.get() else { return };
    log::event(&json::taken_over(taken_over));
    match style {
        Style::Json => println!("{}", json::taken_over(taken_over)),
        Style::Text => eprintln!("{}", plain::taken_over(taken_over)),
        Style::Quiet => {}
    }
}

/// Whether the terminal can redraw lines.
fn can_redraw() -> bool {
    std::env::var("TERM").is_ok_and(|terminal| !terminal.is_empty() && terminal != "dumb")
}

/// The rates of each lane and of all lanes together, over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Rates {
    lanes: HashMap<String, VecDeque<Sample>>,
    /// The time left of the lane that ends last, when it is known for all lanes.
    longest: Option<Duration>,
    /// The run is on AWS, where no new line for some seconds means nothing.
    remote: bool,
}

/// The time between two samples of the counts.
const SAMPLE: Duration = Duration::from_millis(200);

/// The time of the sample, requests sent, lines done.
type Sample = (Instant, u64, u64);

/// The log gets the counts this often, and when a phase begins.
const LOGGED: Duration = Duration::from_secs(10);

/// Rates are measured over this time. Functions on AWS write their results every ten seconds.
const WINDOW: Duration = Duration::from_secs(10);
const REMOTE_WINDOW: Duration = Duration::from_secs(30);

impl Rates {
    fn add(&mut self, now: &Snapshot, at: Instant) {
        // Otherwise the lines that were done before would count as done now.
        if now.lanes.is_empty() {
            return;
        }
        self.remote = now.remote;
        let window = if now.remote { REMOTE_WINDOW } else { WINDOW };
        for lane in now.lanes.iter().chain([&now.total()]) {
            let samples = self.lanes.entry(lane.name.clone()).or_default();
            samples.push_back((at, lane.sent, lane.done));
            while samples.len() > 2 && samples.front().is_some_and(|(first, ..)| at - *first > window) {
                samples.pop_front();
            }
        }
        let open = now.lanes.iter().filter(|lane| lane.done < lane.lines);
        let left: Option<Vec<Duration>> = open.map(|lane| self.time_left(lane)).collect();
        self.longest = left.and_then(|left| left.into_iter().max());
    }

    /// Rates in which these lanes send.
    #[cfg(test)]
    pub(super) fn of_test(lanes: &[&str]) -> Self {
        let (before, now) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let samples = || VecDeque::from([(before, 0, 0), (now, 10, 10)]);
        Self {
            lanes: lanes.iter().map(|lane| ((*lane).to_owned(), samples())).collect(),
            longest: None,
            remote: false,
        }
    }

    /// Requests a second.
    pub(super) fn requests(&self, lane: &str) -> f64 {
        self.per_second(lane, |(_, sent, _)| *sent)
    }

    /// [`Rates::requests`] in words, where the rate is known.
    pub(super) fn in_words(&self, lane: &str) -> Option<String> {
        let rate = self.requests(lane);
        (rate > 0.0 || !self.remote).then(|| text::rate(rate))
    }

    /// The time left at the present rate, if there is one.
    pub(super) fn time_left(&self, lane: &super::LaneSnapshot) -> Option<Duration> {
        if lane.name == super::snapshot::ALL {
            return self.longest;
        }
        let done = self.per_second(&lane.name, |(.., done)| *done);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = (lane.lines - lane.done) as f64 / done;
        Duration::try_from_secs_f64(seconds).ok().filter(|_| done > 0.0)
    }

    fn per_second(&self, lane: &str, count: impl Fn(&Sample) -> u64) -> f64 {
        let Some((first, last)) =
            self.lanes.get(lane).and_then(|samples| Some((samples.front()?, samples.back()?)))
        else {
            return 0.0;
        };
        let seconds = (last.0 - first.0).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let more = count(last).saturating_sub(count(first)) as f64;
        if seconds > 0.0 { more / seconds } else { 0.0 }
    }
}
