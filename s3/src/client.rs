//! SDK clients whose requests stay in the process.

use std::io;
use std::path::Path;

use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use s3s::service::S3ServiceBuilder;

use crate::Service;
use crate::connector::Connector;

/// A client for the objects in `root`, which is created, private to the user, if it is missing.
///
/// Clones share one service. Several clients of one folder, even in several processes, see each other's
/// objects, but a write with `If-Match` is race-free only among clones of one client.
///
/// # Errors
/// When the folder or its `.s3/` cannot be created, read or locked.
pub fn client(root: &Path) -> io::Result<aws_sdk_s3::Client> {
    Ok(client_of(Service::open(root)?))
}

/// A client of an existing service.
pub fn client_of(service: Service) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(config_of(service).build())
}

/// The configuration of [`client`], to which callers can add, for example, an interceptor or a retry policy.
///
/// # Errors
/// As [`client`].
pub fn config(root: &Path) -> io::Result<Builder> {
    Ok(config_of(Service::open(root)?))
}

fn config_of(service: Service) -> Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://localhost")
        .force_path_style(true)
        .allow_no_auth()
        // Bytes cannot be damaged between two functions of one process.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // A slow disk must not fail a request.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Connector(S3ServiceBuilder::new(service).build()))
}
