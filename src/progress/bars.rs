//! Progress as bars on a terminal.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::show::Rates;
use super::{Now, Phase, plain};
use crate::text;

pub(super) struct Bars {
    all: MultiProgress,
    status: ProgressBar,
    lanes: HashMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Self {
        let all = MultiProgress::new();
        let status = all.add(ProgressBar::new_spinner());
        Self { all, status, lanes: HashMap::new() }
    }

    pub(super) fn draw(&mut self, now: &Now, rates: &Rates) {
        let width = now.lanes.iter().map(|lane| lane.name.chars().count()).max().unwrap_or(0).min(40);
        for lane in &now.lanes {
            let bar = self.lanes.entry(lane.name.clone()).or_insert_with(|| {
                let template = format!("{{prefix:{width}}} {{bar:24}} {{pos}}/{{len}} {{wide_msg}}");
                let style = ProgressStyle::with_template(&template).expect("the template is well formed").progress_chars("━╸─");
                let bar = self.all.insert_before(&self.status, ProgressBar::new(lane.lines).with_style(style));
                bar.set_prefix(lane.name.clone());
                bar
            });
            bar.set_message(plain::figures(lane, rates));
            bar.set_position(lane.done);
        }
        self.status.set_message(match now.phase {
            _ if now.stopping => "stopping: requests under way may end; Ctrl-C again stops at once".to_owned(),
            Phase::Starting => "starting".to_owned(),
            Phase::Queued => "waiting: another run of this job has its turn".to_owned(),
            Phase::Splitting if now.elsewhere => "splitting the input".to_owned(),
            Phase::Merging if now.elsewhere => "merging the output".to_owned(),
            Phase::Sending if now.elsewhere => format!("sending{}; Ctrl-C leaves the run alone", plain::batches(now)),
            Phase::Splitting => format!("splitting the input: {}", text::lines(now.split_lines)),
            Phase::Sending => "sending; Ctrl-C stops, the same command continues".to_owned(),
            Phase::Merging => format!("merging the output: {}", text::lines(now.merged_lines)),
        });
        self.status.tick();
    }

    pub(super) fn clear(self) {
        for bar in self.lanes.values() {
            bar.abandon();
        }
        self.status.finish_and_clear();
    }
}
