//! `throughline submit`: uploads a job and a file to a stack on AWS.

use super::{run, watch};
use crate::args;
use crate::aws::{self, AwsStack};
use crate::exit::{CliError, Exit};
use crate::local::{FileRole, Outputs, check_local_path, format_by_name, job_name, read_job};

pub(super) async fn submit(args: args::Submit) -> Result<Exit, CliError> {
    let args::Target { job: job_path, input } = &args.target;
    let (text, job) = read_job(job_path)?;
    let name = job_name(job_path)?;
    job.check_aws(&name)?;
    check_local_path(input, FileRole::Input)?;
    if let Some(output) = &args.watch_options.output {
        check_local_path(output, FileRole::Output)?;
        format_by_name(output, &job)?;
        Outputs::check(output, &run::file_name(input), &run::protected_files(&args.target, &job, None))?;
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
            job::keys::input(&run.job, &run.file),
            watch::run_name(&run)
        );
        println!("\n  {}", watch::command_for("watch", &stack, &run));
    }
    Ok(Exit::Succeeded)
}
