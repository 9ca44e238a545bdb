//! A stack on AWS: its bucket and its executions. A server of this program is one too.

mod execution;
mod follow;
mod profile;
mod server;
mod unreachable;
mod upload;
mod versions;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::ProvideCredentials;
use job::Objects;
use job::run::RunRef;

use crate::args;
use crate::exit::CliError;

pub use execution::{Execution, Status, latest_generation};
pub use follow::follow;
use unreachable::NameUnreachable;
pub use upload::upload;

/// A stack: its bucket, and Step Functions in its Region.
#[derive(Debug, Clone)]
pub struct AwsStack {
    bucket: String,
    account: args::Account,
    /// The URL of a server, if it is not on AWS.
    server: Option<String>,
    s3: aws_sdk_s3::Client,
    states: aws_sdk_sfn::Client,
}

impl AwsStack {
    /// Connects with the usual AWS profile, Region, credentials and endpoints.
    ///
    /// # Errors
    /// When the profile does not exist, or no Region or no credentials are known.
    pub async fn connect(args: &args::Stack) -> Result<Self, CliError> {
        if let Some(server) = &args.server.server {
            return server::connect(server, args).await;
        }
        profile::check(args.account.profile.as_deref()).await?;
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(profile) = &args.account.profile {
            loader = loader.profile_name(profile).credentials_provider(profile::credentials(profile).await);
        }
        if let Some(region) = &args.account.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &args.account.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        let aws = loader.load().await;
        if aws.region().is_none() {
            return Err(CliError::new(
                "no AWS Region: give --region, set AWS_REGION, or set it in the profile",
            ));
        }
        let credentials = match aws.credentials_provider() {
            Some(provider) => {
                provider.provide_credentials().await.map(drop).map_err(|error| job::in_words(&error))
            }
            None => Err("no source of credentials is configured".to_owned()),
        };
        credentials.map_err(|why| {
            CliError::new(format!("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in with the AWS command line ({why})"))
        })?;
        let bucket = args.bucket.clone().unwrap_or_default();
        Ok(Self::of_config(&aws, bucket, args))
    }

    fn of_config(aws: &SdkConfig, bucket: String, args: &args::Stack) -> Self {
        // A custom endpoint, such as LocalStack, has no subdomains for buckets.
        let paths = aws.endpoint_url().is_some();
        let s3 = aws_sdk_s3::config::Builder::from(aws)
            .force_path_style(paths)
            .interceptor(NameUnreachable::default());
        let states = aws_sdk_sfn::config::Builder::from(aws).interceptor(NameUnreachable::default());
        Self {
            bucket,
            account: args.account.clone(),
            server: args.server.server.clone(),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            states: aws_sdk_sfn::Client::from_conf(states.build()),
        }
    }

    /// The client of S3.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The options with which another command finds this stack.
    pub fn options(&self) -> String {
        if let Some(server) = &self.server {
            return format!("--server {server}");
        }
        let args::Account { profile, region, endpoint_url } = &self.account;
        let options =
            [("bucket", Some(&self.bucket)), ("profile", profile.as_ref()), ("region", region.as_ref())];
        let options = options.into_iter().chain([("endpoint-url", endpoint_url.as_ref())]);
        options.filter_map(|(name, value)| Some(format!("--{name} {}", value?))).collect::<Vec<_>>().join(" ")
    }

    /// The objects of the bucket.
    pub fn objects(&self) -> Objects {
        Objects::new(self.s3.clone(), &self.bucket)
    }

    /// The run with this id, `JOB/ID`, in its latest generation. Only its execution knows its file.
    ///
    /// # Errors
    /// When it is not the id of a run, or the bucket cannot be listed.
    pub async fn run(&self, name: &str) -> Result<RunRef, CliError> {
        let Some((job, id)) =
            name.split_once('/').filter(|(job, id)| !job.is_empty() && !id.is_empty() && !id.contains('/'))
        else {
            return Err(CliError::new(format!(
                "{name:?} is not a run id; expected JOB/ID as printed by `throughline submit`"
            )));
        };
        let mut run = RunRef {
            format: job::run::FORMAT,
            bucket: self.bucket.clone(),
            job: job.to_owned(),
            file: String::new(),
            id: id.to_owned(),
            generation: 0,
        };
        run.generation = latest_generation(&self.objects(), &run).await?.unwrap_or(0);
        Ok(run)
    }

    /// The run with this id and the execution that owns it.
    ///
    /// # Errors
    /// As [`AwsStack::run`], and when no execution has claimed such a run.
    pub async fn find(&self, name: &str) -> Result<(RunRef, Execution), CliError> {
        let mut run = self.run(name).await?;
        let execution = self.execution(&run).await?;
        let execution = execution
            .ok_or_else(|| CliError::new(format!("there is no run {name} in the bucket {}", self.bucket)))?;
        run.file.clone_from(&execution.file);
        Ok((run, execution))
    }
}
