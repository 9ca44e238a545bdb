//! `throughline stop`: ends a run on AWS early, with everything that was paid for.

use super::watch;
use crate::args;
use crate::cloud::{Cloud, Status};
use crate::exit::{Exit, Wrong};

pub(super) async fn stop(args: args::Stop) -> Result<Exit, Wrong> {
    let cloud = Cloud::connect(&args.stack).await?;
    let (run, execution) = cloud.find(&args.run).await?;
    if execution.status != Status::Running {
        return Err(Wrong::new(format!("the run {} has already ended", watch::name(&run))));
    }
    cloud.stop(&run, "stopped by `throughline stop`").await?;
    println!(
        "{} is stopping: workers see it within ten seconds, then what was answered is merged",
        watch::name(&run)
    );
    println!("\n  {}", watch::command("watch", &cloud, &run));
    Ok(Exit::Succeeded)
}
