//! `throughline stop`: ends a run on AWS early, with everything that was paid for.

use super::watch;
use crate::args;
use crate::aws::{AwsStack, Status};
use crate::exit::{CliError, Exit};

pub(super) async fn stop(args: args::Stop) -> Result<Exit, CliError> {
    let stack = AwsStack::connect(&args.stack).await?;
    let (run, execution) = stack.find(&args.run).await?;
    if execution.status != Status::Running {
        return Err(CliError::new(format!("the run {} has already ended", watch::name(&run))));
    }
    stack.stop(&run, "stopped by `throughline stop`").await?;
    println!(
        "{} is stopping: workers see it within ten seconds, then what was answered is merged",
        watch::name(&run)
    );
    println!("\n  {}", watch::command("watch", &stack, &run));
    Ok(Exit::Succeeded)
}
