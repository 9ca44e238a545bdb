//! `throughline run` on a job that sends the server one request per line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testing::JobFile;

use crate::process::{self, Ended};
use crate::{Measured, server};

/// The path of a line's request, as the job's template and for the bare loop.
const PATH: &str = "/v1/places/{{ id }}?city={{ city }}";

/// One run of the release binary.
pub(crate) struct Run {
    pub(crate) ended: Ended,
    /// The event that ends the output of `--json`.
    pub(crate) summary: Value,
    pub(crate) output: PathBuf,
}

/// The URL that the job renders for a line.
pub(crate) fn url(host: &str, id: &str, city: &str) -> String {
    format!("http://{host}{}", PATH.replace("{{ id }}", id).replace("{{ city }}", city))
}

/// Runs the job over an input. The run is all there is in the state folder, which is removed; the output stays.
pub(crate) fn run(folder: &Path, host: &str, limit: &str, input: &Path, lines: u64) -> Measured<Run> {
    let (job, output, state) = (folder.join("places.toml"), folder.join("output.csv"), folder.join("state"));
    let text =
        JobFile::get(format!("http://{host}{PATH}")).column("found", server::JSON_PATH).limit(host, limit);
    fs::write(&job, text.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
    command.arg("run").args([&job, input]).arg("-o").arg(&output).arg("--state").arg(&state).arg("--json");
    let ended = process::run(command, folder)?;
    fs::remove_dir_all(&state)?;
    let summary: Value = serde_json::from_str(ended.stdout.lines().last().unwrap_or_default())?;
    if summary["ok"].as_u64() != Some(lines) {
        return Err(format!("not every line succeeded: {summary}").into());
    }
    Ok(Run { ended, summary, output })
}
