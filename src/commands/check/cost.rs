//! The estimated cost of the run on AWS.

use job::{Job, Plan};

use super::findings::Findings;
use super::limit;
use crate::args;
use crate::cost::{self, Charge, Terms, Usage};
use crate::text;

/// The bill. `findings` has the size of the requests.
pub(in crate::commands) fn charges(job: &Job, plan: &Plan, findings: &Findings, nat: bool) -> Vec<Charge> {
    let terms = Terms {
        repeatable: job.repeatable(),
        request_bytes: findings.mean_request(),
        many_hosts: job.request.fixed_host.is_none(),
        nat,
        in_flight: &|kind| limit(job, kind).in_flight,
    };
    Usage::of(plan, &terms).charges()
}

/// Prints the bill, and a warning if the account's quota slows the run down.
pub(super) fn print(job: &Job, plan: &Plan, findings: &Findings, args: &args::Check) {
    let charges = charges(job, plan, findings, args.nat);
    let concurrency = args.concurrency;
    println!("\n{:36} {:>14}  {:>10}", "cost on AWS", "amount", "dollars");
    for Charge { what, amount, dollars } in &charges {
        println!("{what:36} {:>14}  {dollars:>10.4}", text::amount(*amount));
    }
    let total: f64 = charges.iter().map(|charge| charge.dollars).sum();
    println!("{:36} {:>14}  {total:>10.4}", "total", "");
    println!(
        "prices of {}, {}, without the free tier, such as 100 GB of data out a month; a response is assumed to take {} ms in lanes without a rate limit{}; what stays in jobs/ is not included",
        cost::REGION,
        cost::AS_OF,
        cost::RESPONSE_SECONDS * 1000.0,
        if args.nat { format!(", and to have {} bytes", cost::RESPONSE_BYTES) } else { String::new() }
    );
    let workers: u32 = plan.lanes.iter().map(|lane| lane.workers).sum();
    if workers > concurrency {
        println!(
            "\nwarning: the lanes have {workers} workers, but the account runs only {concurrency} functions at a time: the run will be slower than its limits. \
             Ask AWS for a higher quota, or set a smaller in_flight in the limits."
        );
    }
}
