//! `throughline stop`: ends a run on AWS early and keeps every response that it has received.

use super::watch;
use crate::args;
use crate::aws::{AwsStack, Status};
use crate::exit::{CliError, Exit};

pub(super) async fn stop(args: args::Stop) -> Result<Exit, CliError> {
    let stack = AwsStack::connect(&args.stack).await?;
    let (run, execution) = stack.find(&args.run).await?;
    if execution.status != Status::Running {
        return Err(CliError::new(format!("the run {} has already ended", watch::run_name(&run))));
    }
    stack.stop(&run, "somebody ran `throughline stop`").await?;
    println!(
        "{} is stopping: the workers notice it within ten seconds, then all responses so far are merged",
        watch::run_name(&run)
    );
    println!("\n  {}", watch::command_for("watch", &stack, &run));
    Ok(Exit::Succeeded)
}
