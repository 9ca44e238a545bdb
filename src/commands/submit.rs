//! `throughline submit`: a job and a file to a stack on AWS.

use std::time::Duration;

use job::secrets::SecretRef;

use super::watch;
use crate::args;
use crate::cloud::{self, Cloud};
use crate::exit::{Exit, Wrong};
use crate::home::{Outputs, job_name, read_job};

const LONGEST_TIMEOUT: Duration = Duration::from_secs(7 * 60);

pub(super) async fn submit(args: args::Submit) -> Result<Exit, Wrong> {
    let args::Target { job: job_path, input } = &args.target;
    let (text, job) = read_job(job_path)?;
    let name = job_name(job_path)?;
    for (secret, reference) in &job.secrets {
        if let SecretRef::File(_) = reference {
            let message = format!("{reference} cannot be read on AWS: use the SSM parameter /throughline/{name}/{secret}");
            return Err(job.error_at(&format!("secret.{secret}"), message).into());
        }
    }
    if job.request.timeout > LONGEST_TIMEOUT {
        let message = "a function on AWS has 15 minutes, and must have time for what it writes: at most 7m";
        return Err(job.error_at("request.timeout", message.to_owned()).into());
    }
    if let Some(output) = &args.shown.output {
        Outputs::check(output, input)?;
    }
    let cloud = Cloud::connect(&args.stack).await?;
    let run = cloud::upload(&cloud, &name, &text, input).await?;
    if args.shown.json {
        println!("{}", serde_json::json!({ "event": "submitted", "run": watch::name(&run), "bucket": cloud.bucket() }));
    }
    if args.watch {
        if !args.shown.json {
            println!("{}", watch::name(&run));
        }
        return watch::follow(&cloud, &run, &args.shown).await;
    }
    if !args.shown.json {
        println!("uploaded to s3://{}/{}; it starts the run {}", cloud.bucket(), job::keys::input(&run.job, &run.file), watch::name(&run));
        println!("\n  {}", watch::command("watch", &cloud, &run));
    }
    Ok(Exit::Succeeded)
}
