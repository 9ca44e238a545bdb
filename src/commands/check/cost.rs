//! What the run would cost on AWS.

use job::{Job, Plan};

use super::limit;
use crate::cost::{self, Charge, Usage};
use crate::text;

/// Prints the bill, and what the account's quota does to the run.
pub(super) fn print(job: &Job, plan: &Plan, concurrency: u32) {
    let usage = Usage::of(plan, job.repeatable(), |kind| limit(job, kind).in_flight);
    let charges = usage.charges();
    println!("\n{:36} {:>14}  {:>10}", "cost on AWS", "amount", "dollars");
    for Charge { what, amount, dollars } in &charges {
        println!("{what:36} {:>14}  {dollars:>10.4}", text::amount(*amount));
    }
    let total: f64 = charges.iter().map(|charge| charge.dollars).sum();
    println!("{:36} {:>14}  {total:>10.4}", "in all", "");
    println!(
        "prices of {}, {}, without the free tier and what leaves AWS; an answer is taken to last {} ms where no limit says how long a lane lasts",
        cost::REGION,
        cost::AS_OF,
        cost::ANSWER_SECONDS * 1000.0
    );
    let workers: u32 = plan.lanes.iter().map(|lane| lane.workers).sum();
    if workers > concurrency {
        println!(
            "\nwarning: the lanes have {workers} workers, the account runs {concurrency} functions at a time: the run will be slower than its limits. \
             Ask AWS for a higher quota, or give the limits a smaller in_flight."
        );
    }
}
