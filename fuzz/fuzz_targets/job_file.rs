//! Any text is a job, or an error.
#![no_main]

use job::Job;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = Job::parse(text, "job.toml") {
        assert!(!error.to_string().is_empty());
    }
});
