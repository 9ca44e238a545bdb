//! `throughline redrive`: only the lines that failed or were not processed, and then the complete output.

use job::messages::RunRef;
use postprocess::Report;

use super::{run, summary};
use crate::args;
use crate::exit::{Exit, Wrong};
use crate::home::Home;

pub(super) async fn redrive(args: args::Redrive) -> Result<Exit, Wrong> {
    let (home, mut target) = run::open(&args.target, &args.places, "redrive").await?;
    let Some(latest) = latest_generation(&home, &target.run).await? else {
        let command = format!("throughline run {} {}", args.target.job.display(), args.target.input.display());
        return Err(Wrong::new(format!("this job and input have not been run yet: start with `{command}`")));
    };
    target.run.generation = latest;
    match run::finished(&home, &target.run).await? {
        Some(report) if nothing_left(&report, args.include_unknown) => summary::finished(&home, &target, &report, &args.places, true).await,
        Some(_) => {
            target.redrive(latest + 1, args.include_unknown);
            run::go(&home, &target, &args.places).await
        }
        // Cut off: it is continued, as the redrive it was or as the run itself.
        None => {
            if latest > 0 {
                target.redrive(latest, args.include_unknown);
            }
            run::go(&home, &target, &args.places).await
        }
    }
}

fn nothing_left(report: &Report, include_unknown: bool) -> bool {
    let unknown = if include_unknown {
        0
    } else {
        report.errors.iter().filter(|error| error.code == "outcome_unknown").map(|error| error.count).sum()
    };
    report.ok + unknown >= report.lines
}

/// The number of the run's last redrive, 0 without one; `None` when there is no such run.
async fn latest_generation(home: &Home, run: &RunRef) -> Result<Option<u32>, Wrong> {
    let keys = run.keys();
    let claims = home.objects().list(&format!("{}claim", keys.prefix())).await?;
    let generation = |key: &str| (0..=9999).find(|generation| keys.claim(*generation) == key);
    Ok(claims.iter().filter_map(|entry| generation(&entry.key)).max())
}
