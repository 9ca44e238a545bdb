//! Clients of AWS services, by the environment's usual variables.

use aws_config::{BehaviorVersion, SdkConfig};

/// Credentials, Region and endpoints as the environment gives them.
pub async fn aws() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await
}

/// The store. With an endpoint of one's own (LocalStack) buckets are parts of the path, since its name has no subdomains.
pub fn s3(aws: &SdkConfig) -> aws_sdk_s3::Client {
    let own_endpoint = aws.endpoint_url().is_some();
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(aws).force_path_style(own_endpoint).build())
}
