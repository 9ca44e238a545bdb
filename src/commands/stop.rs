//! `throughline stop`: ends a run early and keeps every response that it has received.

use job::run::StopMarker;

use super::runs::Home;
use super::{watch, which};
use crate::args;
use crate::aws::Status;
use crate::exit::{CliError, Exit};

const REASON: &str = "somebody ran `throughline stop`";

pub(super) async fn stop(args: &args::Stop) -> Result<Exit, CliError> {
    let found = which::find(&args.of, "stop").await?;
    let (run, name) = (&found.run, found.name());
    let ended = || CliError::new(format!("the run {name} has already ended"));
    match &found.home {
        Home::Aws(stack) => {
            let (run, execution) = stack.find(&name).await?;
            if execution.status != Status::Running {
                return Err(ended());
            }
            stack.stop(&run, REASON).await?;
            println!(
                "{name} is stopping: the workers notice it within ten seconds, then all responses so far are merged"
            );
            println!("\n  {}", watch::command_for("watch", stack, &run));
        }
        Home::Local(state) => {
            if !(state.is_busy(&run.job)? && state.is_under_way(run)) {
                return Err(ended());
            }
            StopMarker::place(&found.objects(), &run.keys().stop_run(run.generation), REASON).await?;
            println!(
                "{name} is stopping: it notices it within seconds, and writes the output of all responses so far"
            );
        }
    }
    Ok(Exit::Succeeded)
}
