//! Clients of AWS services, configured by the usual variables of the environment.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;

/// The configuration of the environment: credentials, Region and endpoints.
pub async fn aws() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
}

/// Attempts of one call, including the first. S3 responds with 503 SlowDown while it scales (S3 User Guide,
/// "Optimizing Amazon S3 performance").
const MAX_ATTEMPTS: u32 = 6;
/// The time in which a response must arrive, which includes sending a part. Without it the client would wait
/// forever.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The client of the store. With a custom endpoint, such as LocalStack, the bucket is part of the path,
/// because the host has no subdomains.
pub fn s3(aws: &SdkConfig) -> aws_sdk_s3::Client {
    let custom_endpoint = aws.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(aws)
        .force_path_style(custom_endpoint)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(TimeoutConfig::builder().read_timeout(RESPONSE_TIMEOUT).build());
    aws_sdk_s3::Client::from_conf(config.build())
}
