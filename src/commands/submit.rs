//! `throughline submit`: uploads a job and a file to a stack on AWS.

use std::io;
use std::path::Path;
use std::sync::Arc;

use job::file::Limit;
use job::{Job, keys};

use super::{run, watch};
use crate::args;
use crate::aws::{self, AwsStack};
use crate::exit::{CliError, Exit};
use crate::local::{
    FileRole, Input, Outputs, check_local_path, format_by_name, input_name, job_name, read_job_with,
    with_input_path,
};

pub(super) async fn submit(args: args::Submit) -> Result<Exit, CliError> {
    let args::Target { job: job_path, input, vars } = &args.target;
    let (text, job) = read_job_with(job_path, vars)?;
    let name = job_name(job_path)?;
    if args.stack.server.server.is_none() {
        job.check_aws(&name)?;
    }
    check_local_path(input, FileRole::Input)?;
    if args.watch_options.output.is_some() && !args.watch {
        return Err(CliError::new(
            "-o needs --watch: without it the command ends after the upload, and `throughline watch … -o FILE` fetches the output",
        ));
    }
    if let Some(output) = &args.watch_options.output {
        check_local_path(output, FileRole::Output)?;
        format_by_name(output, &job)?;
        Outputs::check(output, &input_name(input), &run::protected_files(&args.target, &job, None))?;
    }
    if args.stack.server.server.is_none() {
        check_input(Arc::new(job), input).await?;
    }
    let stack = AwsStack::connect(&args.stack).await?;
    let run = aws::upload(&stack, &name, &text, input, args.again.said()).await?;
    if args.watch_options.json {
        let mut event = serde_json::json!({ "event": "submitted", "run": watch::run_name(&run), "bucket": stack.bucket() });
        if !args.watch {
            event["exit_code"] = Exit::Succeeded.code().into();
            event["requests_sent"] = false.into();
        }
        println!("{event}");
    }
    if args.watch {
        if !args.watch_options.json {
            println!("{}", watch::run_name(&run));
        }
        return watch::follow(&stack, &run, &args.watch_options).await;
    }
    if !args.watch_options.json {
        println!(
            "uploaded to s3://{}/{}; it starts the run {}",
            stack.bucket(),
            keys::input(&run.job, &run.file),
            watch::run_name(&run)
        );
        println!("\n  {}", watch::command_for("watch", &stack, &run));
    }
    Ok(Exit::Succeeded)
}

/// How many bytes a compressed byte may be at most.
const EXPANSION: u64 = 1000;

/// Checks that the upload starts a run, and that the run ends before its results expire, as the pre-process step
/// does after the upload.
async fn check_input(job: Arc<Job>, path: &Path) -> Result<(), CliError> {
    let Input { name, file, is_stream } = Input::open(path)?;
    let size = file.metadata().map_or(0, |facts| facts.len());
    if !is_stream && !keys::starts_run(&name, size) {
        let endings = keys::ENDINGS_OF_EMPTY.join(", ");
        return Err(CliError::new(format!(
            "{} is empty, and an empty file starts a run only if its name ends in one of {endings}",
            path.display()
        )));
    }
    if is_stream || !may_take_long(&job, &name, size) {
        return Ok(());
    }
    let split_name = name.clone();
    let split = move || preprocess::split(file, &job, &split_name, &mut Discarded);
    let plan = tokio::task::spawn_blocking(split).await.expect("splitting does not panic");
    let plan = plan.map_err(|error| CliError::new(with_input_path(&error.message, &name, path)))?;
    plan.check_duration_on_aws().map_err(|error| CliError::new(error.message))
}

/// Whether a file of this size could have more lines than the slowest limit allows in a month. Only such a
/// file is read before the upload.
fn may_take_long(job: &Job, name: &str, size: u64) -> bool {
    let limits = job.limits.providers.iter().map(|provider| provider.limit).chain([job.limits.default]);
    let slowest = limits.filter_map(|limit: Limit| limit.rate.per_second()).fold(f64::INFINITY, f64::min);
    let compressed = [".gz", ".zst", ".bz2"].iter().any(|ending| name.ends_with(ending));
    let lines = if compressed { size.saturating_mul(EXPANSION) } else { size };
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = lines as f64 / slowest;
    seconds > 30.0 * 86_400.0
}

/// Takes the items of a split that is only for its plan.
struct Discarded;

impl preprocess::Sink for Discarded {
    fn items(&mut self, _lane: &str, _items: Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}
