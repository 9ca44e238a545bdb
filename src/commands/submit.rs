//! `throughline submit`: a job and a file to a stack on AWS.

use super::{run, watch};
use crate::args;
use crate::cloud::{self, Cloud};
use crate::exit::{Exit, Wrong};
use crate::home::{Outputs, Role, check_here, format_by_name, job_name, read_job};

pub(super) async fn submit(args: args::Submit) -> Result<Exit, Wrong> {
    let args::Target { job: job_path, input } = &args.target;
    let (text, job) = read_job(job_path)?;
    let name = job_name(job_path)?;
    job.check_aws(&name)?;
    check_here(input, Role::Input)?;
    if let Some(output) = &args.shown.output {
        check_here(output, Role::Output)?;
        format_by_name(output, &job)?;
        Outputs::check(output, &run::file_name(input), &run::kept(&args.target, &job, None))?;
    }
    let cloud = Cloud::connect(&args.stack).await?;
    let run = cloud::upload(&cloud, &name, &text, input).await?;
    if args.shown.json {
        let mut event =
            serde_json::json!({ "event": "submitted", "run": watch::name(&run), "bucket": cloud.bucket() });
        if !args.watch {
            event["exit_code"] = Exit::Succeeded.code().into();
            event["requests_sent"] = false.into();
        }
        println!("{event}");
    }
    if args.watch {
        if !args.shown.json {
            println!("{}", watch::name(&run));
        }
        return watch::follow(&cloud, &run, &args.shown).await;
    }
    if !args.shown.json {
        println!(
            "uploaded to s3://{}/{}; it starts the run {}",
            cloud.bucket(),
            job::keys::input(&run.job, &run.file),
            watch::name(&run)
        );
        println!("\n  {}", watch::command("watch", &cloud, &run));
    }
    Ok(Exit::Succeeded)
}
