//! Builds the report from the counts of the merge.

use job::run::{RunRef, note_version, noted_versions};
use job::{Code, LaneKind, StepError};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::limited::limited_by;
use super::message::message;
use super::{ErrorCount, LaneReport, Latency, Outputs, Report, Verdict};
use crate::context::Context;
use crate::merge::{CLASSES, Histogram, Merged, Tally};
use crate::names::{failed_key, output_key, report_key};
use crate::run::Run;

/// Builds the report of a complete merge.
///
/// # Errors
/// Errors of the store.
pub(crate) async fn build(context: &Context, run: &Run, merged: &Merged) -> Result<Report, StepError> {
    let mut total = Tally::default();
    merged.lanes.iter().for_each(|lane| total.add(lane));
    let complete = merged.codes.is_empty();
    let stopped = if complete { Vec::new() } else { run.stop_reasons().await? };
    let finished = (context.now)();
    let RunRef { job, file, id, generation, .. } = run.run.clone();
    note_version(&run.objects, &run.run, "postprocess").await?;
    let versions = noted_versions(&run.objects, &run.run).await?;
    let kept = run.plan.continues.as_ref().filter(|kept| kept.kept > 0);
    let mut report = Report {
        verdict: verdict(&total, merged.codes.count(Code::Stopped), run.failure.tolerated),
        message: String::new(),
        run: id,
        versions,
        job,
        file,
        generation,
        home: context.settings.environment,
        started: run.started.map(rfc3339),
        finished: rfc3339(finished),
        duration_seconds: run.started.map(|started| finished.saturating_sub(started) as f64 / 1000.0),
        lines: total.lines(),
        ok: total.ok,
        failed: total.failed,
        not_processed: total.not_processed,
        skipped: total.skipped,
        kept: kept.map_or(0, |kept| kept.kept),
        kept_from: kept.filter(|kept| kept.started > 0).map(|kept| rfc3339(kept.started)),
        limited: run.plan.input.limited,
        blank: run.plan.input.blank,
        encoding: run.plan.input.encoding.clone(),
        requests: total.spent.requests,
        throttled: total.throttled,
        requests_per_second: hundredths(total.rate()),
        latency_ms: latency(&total.latency),
        latency_by_class: total
            .classes
            .iter()
            .filter_map(|(class, all)| Some((CLASSES[usize::from(*class)].to_owned(), latency(all)?)))
            .collect(),
        errors: errors(merged),
        warnings: run.warnings.clone(),
        lanes: lanes(run, merged, stopped),
        outputs: Outputs {
            output: output_key(&run.run, &run.plan),
            failed: (!complete).then(|| failed_key(&run.run, &run.plan)),
            report: report_key(&run.run),
        },
    };
    report.message = message(&report, run.failure.tolerated);
    Ok(report)
}

fn verdict(total: &Tally, stopped: u64, tolerated: f64) -> Verdict {
    // A share like 0.29 is not exact as a double, and 29 of 100 lines must not count as more than 29%.
    let most = total.lines() as f64 * (tolerated + 1e-12);
    if total.not_processed > 0 || stopped > 0 || total.failed as f64 > most {
        Verdict::Failed
    } else if total.failed > 0 {
        Verdict::SomeFailed
    } else {
        Verdict::Succeeded
    }
}

fn lanes(run: &Run, merged: &Merged, stopped: Vec<Option<String>>) -> Vec<LaneReport> {
    let stopped = stopped.into_iter().chain(std::iter::repeat(None));
    let lane = |((lane, tally), stopped): ((&job::PlannedLane, &Tally), Option<String>)| {
        let report = LaneReport {
            name: lane.name.clone(),
            provider: match &lane.kind {
                LaneKind::Named { provider } => Some(provider.clone()),
                LaneKind::Hashed => None,
            },
            lines: tally.lines(),
            ok: tally.ok,
            failed: tally.failed,
            not_processed: tally.not_processed,
            skipped: tally.skipped,
            requests: tally.spent.requests,
            throttled: tally.throttled,
            requests_per_second: hundredths(tally.rate()),
            latency_ms: latency(&tally.latency),
            stopped,
            ..LaneReport::default()
        };
        let (limited_by, advice) = run
            .limit_of(lane)
            .map_or((None, None), |limit| limited_by(&report, &limit, tally.latency.mean()));
        LaneReport { limited_by, advice, ..report }
    };
    run.plan.lanes.iter().zip(&merged.lanes).zip(stopped).map(lane).collect()
}

fn errors(merged: &Merged) -> Vec<ErrorCount> {
    let count = |(code, cause, failures): (&str, Option<&str>, &crate::merge::Failures)| ErrorCount {
        code: code.to_owned(),
        cause: cause.map(str::to_owned),
        count: failures.count,
        lines: failures.lines.clone(),
        detail: failures.detail.clone(),
    };
    merged.codes.by_frequency().into_iter().map(count).collect()
}

fn latency(all: &Histogram) -> Option<Latency> {
    let max = all.max();
    (!all.is_empty()).then(|| Latency {
        p50: all.percentile(50),
        p90: all.percentile(90),
        p99: all.percentile(99),
        max,
    })
}

fn hundredths(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}

fn rfc3339(millis: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).expect("a time in UTC can be written")
}
