//! Clients of AWS services, by the environment's usual variables.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;

/// Credentials, Region and endpoints as the environment gives them.
pub async fn aws() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
}

/// Attempts of one call, the first included: S3 answers 503 SlowDown while it makes room for more requests
/// (S3 User Guide, "Optimizing Amazon S3 performance").
const ATTEMPTS: u32 = 6;
/// By itself the client would wait for an answer for ever. Long enough to send a part.
const ANSWER: Duration = Duration::from_secs(60);

/// The store. With an endpoint of one's own (LocalStack) buckets are parts of the path, since its name has no subdomains.
pub fn s3(aws: &SdkConfig) -> aws_sdk_s3::Client {
    let own_endpoint = aws.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(aws)
        .force_path_style(own_endpoint)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().read_timeout(ANSWER).build());
    aws_sdk_s3::Client::from_conf(config.build())
}
