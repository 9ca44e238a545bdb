//! The steps with a store behind a network: megabytes a second when each response begins after a delay, compared with the
//! same steps without one.

use std::time::Duration;

use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use job::Environment;

use crate::process::spent;
use crate::step::{Speed, Store};
use crate::table::Row;
use crate::{Bench, Measured, files, merge};

/// What S3 takes to the first byte: usually, and on a bad day.
const DELAYS: [u64; 2] = [40, 100];
/// What a function's network carries, about 70 MB/s, is the most that can be had on AWS.
const LEAST: f64 = 60.0;

/// Delays each response of a store.
#[derive(Debug, Clone)]
pub(crate) struct Distant {
    pub(crate) inner: SharedHttpClient,
    pub(crate) delay: Duration,
}

impl HttpClient for Distant {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, delay: self.delay })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    delay: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { inner, delay } = self.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(delay).await;
            inner.call(request).await
        })
    }
}

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let lines = if bench.quick { 600_000 } else { 5_000_000 };
    let path = bench.folder.join("distant.csv");
    files::csv(&path, lines)?;
    let bytes = path.metadata()?.len();
    let mut rows = Vec::new();
    let (near_split, near_merge) = once(bench, &path, bytes, Environment::Local, 0)?;
    for delay in DELAYS {
        let (split, merge) = once(bench, &path, bytes, Environment::Aws, delay)?;
        for (step, speed, near) in [("preprocess", split, near_split), ("postprocess", merge, near_merge)] {
            let name = format!("{step}, {delay} ms to the first byte");
            rows.push(Row::new(name, speed, "MB/s").reference(near).at_least(LEAST));
        }
    }
    Ok(rows)
}

/// Megabytes a second of the split and of the merge.
fn once(
    bench: &Bench,
    path: &std::path::Path,
    bytes: u64,
    environment: Environment,
    delay: u64,
) -> Measured<(f64, f64)> {
    let store = Store::distant(bench, merge::JOB, path, environment, Duration::from_millis(delay))?;
    let (mut splitting, mut merging) = (Speed::default(), Speed::default());
    let (run, spent_splitting) = spent(|| store.preprocess())?;
    splitting.add(bytes, spent_splitting);
    merge::write_results(&store, &run)?;
    let (_, spent_merging) = spent(|| store.postprocess(&run))?;
    merging.add(store.output_bytes(&run)?, spent_merging);
    Ok((splitting.medians().1, merging.medians().1))
}
