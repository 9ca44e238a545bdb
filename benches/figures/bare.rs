//! The loop that anyone would write with reqwest and csv, over the same requests and in a separate process.

use std::path::Path;
use std::process::Command;

use csv::{StringRecord, Writer};
use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::{Bench, Measured, files, process, product, server};

/// Makes this program the loop.
pub(crate) const ARGUMENT: &str = "--as-bare-loop";

/// Requests under way at once, in the loop and in the job that it is compared with.
pub(crate) const IN_FLIGHT: usize = 64;

/// Runs the loop in its own process.
pub(crate) fn start(bench: &Bench, host: &str, input: &Path, output: &Path) -> Measured<process::Ended> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ARGUMENT, host]).args([input, output]);
    process::run(command, &bench.folder)
}

/// The loop itself.
pub(crate) fn run(host: &str, input: &Path, output: &Path) -> Measured<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(copy(host, input, output))
}

async fn copy(host: &str, input: &Path, output: &Path) -> Measured<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut reader = csv::Reader::from_path(input)?;
    let mut writer = Writer::from_path(output)?;
    let mut header = reader.headers()?.clone();
    ["found", "error", "error_detail"].iter().for_each(|name| header.push_field(name));
    writer.write_record(&header)?;
    let mut rows =
        stream::iter(reader.into_records()).map(|record| row(&client, host, record)).buffered(IN_FLIGHT);
    while let Some(row) = rows.next().await {
        writer.write_record(&row?)?;
    }
    Ok(writer.flush()?)
}

async fn row(
    client: &reqwest::Client,
    host: &str,
    record: csv::Result<StringRecord>,
) -> Measured<StringRecord> {
    let mut record = record?;
    let response =
        client.get(product::url(host, &record[0], &record[files::CITY])).send().await?.error_for_status()?;
    let body: Value = serde_json::from_slice(&response.bytes().await?)?;
    let found = body.pointer(server::JSON_POINTER).and_then(Value::as_str).unwrap_or_default();
    [found, "", ""].iter().for_each(|value| record.push_field(value));
    Ok(record)
}
