//! A run whose input is the file of failed lines of another run.

use postprocess::Report;

use crate::args;
use crate::local::input_name;

/// What to do instead, if the input has the failed lines of a run of this job: its output would not be completed.
pub(super) fn warning(job: &str, target: &args::Target) -> Option<String> {
    let name = input_name(&target.input);
    let (output, ending) = name.rsplit_once(".failed")?;
    if !(ending.is_empty() || ending.starts_with('.')) {
        return None;
    }
    let report = std::fs::read(target.input.with_file_name(format!("{output}.report.json"))).ok()?;
    let report: Report = serde_json::from_slice(&report).ok()?;
    let before = report.file;
    (report.job == job && report.outputs.failed.is_some() && before != name).then(|| {
        format!(
            "{} has the failed lines of the run over {before}, and this run has an output of its own. To complete the output of \
             that run instead, mend the job or the lines in {before} and use `throughline redrive {} {before}`",
            target.input.display(),
            target.job.display()
        )
    })
}
