//! The findings as one JSON object.

use job::{Job, LaneKind, Plan};
use serde_json::{Value, json};

use super::cost;
use super::findings::Findings;
use super::hints::Hint;
use super::limit;
use crate::args;
use crate::exit::Exit;

/// `{"event": "check", …}`
pub(super) fn object(
    args: &args::Check,
    job: &Job,
    plan: &Plan,
    findings: &Findings,
    hints: &[Hint],
    exit: Exit,
) -> Value {
    let lanes = plan.lanes.iter().map(|lane| {
        let limit = limit(job, &lane.kind);
        let provider = match &lane.kind {
            LaneKind::Named { provider } => Some(provider),
            LaneKind::Hashed => None,
        };
        json!({
            "name": lane.name, "provider": provider, "lines": lane.lines, "requests_per_second": limit.rate.per_second(),
            "in_flight": limit.in_flight, "seconds": lane.seconds,
        })
    });
    let mut object = json!({
        "event": "check", "exit_code": exit.code(), "requests_sent": false,
        "job": args.target.job.display().to_string(), "input": args.target.input.display().to_string(),
        "lines": plan.input.lines, "bytes": plan.input.bytes, "columns": plan.input.columns,
        "encoding": plan.input.encoding, "notes": plan.input.notes,
        "lines_looked_at": findings.checked(plan.input.lines), "failing": findings.failing(), "errors": findings.by_frequency(),
        "bodies_not_json": findings.bodies(), "hints": hints.iter().map(|hint| &hint.text).collect::<Vec<_>>(),
        "lanes": lanes.collect::<Vec<_>>(), "seconds": plan.lanes.iter().map(|lane| lane.seconds).fold(0.0, f64::max),
    });
    if args.cost {
        let charges = cost::charges(job, plan, findings, args.nat);
        object["dollars"] = charges.iter().map(|charge| charge.dollars).sum::<f64>().into();
    }
    object
}
