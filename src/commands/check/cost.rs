//! The estimated cost of the run on AWS.

use job::{Job, Plan};

use super::limit;
use crate::cost::{self, Charge, Usage};
use crate::text;

/// Prints the bill, and a warning if the account's quota slows the run down.
pub(super) fn print(job: &Job, plan: &Plan, concurrency: u32) {
    let usage = Usage::of(plan, job.repeatable(), |kind| limit(job, kind).in_flight);
    let charges = usage.charges();
    println!("\n{:36} {:>14}  {:>10}", "cost on AWS", "amount", "dollars");
    for Charge { what, amount, dollars } in &charges {
        println!("{what:36} {:>14}  {dollars:>10.4}", text::amount(*amount));
    }
    let total: f64 = charges.iter().map(|charge| charge.dollars).sum();
    println!("{:36} {:>14}  {total:>10.4}", "total", "");
    println!(
        "prices of {}, {}, without the free tier and without data transfer out of AWS; a response is assumed to take {} ms in lanes without a rate limit",
        cost::REGION,
        cost::AS_OF,
        cost::RESPONSE_SECONDS * 1000.0
    );
    let workers: u32 = plan.lanes.iter().map(|lane| lane.workers).sum();
    if workers > concurrency {
        println!(
            "\nwarning: the lanes have {workers} workers, but the account runs only {concurrency} functions at a time: the run will be slower than its limits. \
             Ask AWS for a higher quota, or set a smaller in_flight in the limits."
        );
    }
}
