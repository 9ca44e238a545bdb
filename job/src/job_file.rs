//! The job file: how one line becomes one request, what of the answer to keep, and how fast.

mod authority;
mod check;
mod error;
mod extract;
mod hosts;
mod input;
mod limits;
mod syntax;
mod units;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::JobError;
pub use extract::{Column, Extracted, Extractor, Response};
pub use hosts::{SecretHost, is_allowed};
pub use input::{Compression, Format, Input, Quote};
pub use limits::{Limit, Limits, MOST_IN_FLIGHT, Provider, Rate, host_listed, limit_key};
pub use units::{parse_bytes, parse_duration, parse_rate, parse_share};

use crate::secrets::SecretRef;
use crate::template::Template;

/// A worker must see a request to its end within the 15 minutes of a call, and has a minute for what it writes.
const LONGEST_ON_AWS: Duration = Duration::from_secs(7 * 60);

/// A job file, validated.
#[derive(Debug, Clone)]
pub struct Job {
    /// `[input]`
    pub input: Input,
    /// `[request]`
    pub request: Request,
    /// `[output]`
    pub output: Output,
    /// `[limits]`
    pub limits: Limits,
    /// `[retry]`
    pub retry: Retry,
    /// `[failure]`
    pub failure: Failure,
    /// Where the value of every secret that a template names stands.
    pub secrets: BTreeMap<String, SecretRef>,
    text: String,
    file: String,
}

/// `[request]`
#[derive(Debug, Clone)]
pub struct Request {
    /// `method`: GET, POST, PUT, PATCH or DELETE.
    pub method: Method,
    /// `url`
    pub url: Template,
    /// The host that every rendered URL has, when no placeholder stands before the end of its authority: `host` or `host:port`.
    pub fixed_host: Option<String>,
    /// `headers`, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// `body`
    pub body: Option<Template>,
    /// Whether the body is JSON, by content type or its first character.
    pub json_body: bool,
    /// `timeout` of one attempt, from connecting to the answer's last byte; default 30 s.
    pub timeout: Duration,
    /// `allow`: private hosts, addresses or networks that this job may reach.
    pub allow: Vec<String>,
    /// `secret_hosts`: where secrets may go when the line decides the host.
    pub secret_hosts: Vec<SecretHost>,
    /// `idempotent`: a POST or PATCH may be sent again. GET, PUT and DELETE always may.
    pub idempotent: bool,
    /// `cookies`: what a redirect sets is sent with the line's requests that follow it.
    pub cookies: bool,
    /// `max_response`: bytes of an answer's body; default 10 MiB.
    pub max_response: u64,
}

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of RFC 9110")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// `[output]`
#[derive(Debug, Clone)]
pub struct Output {
    /// `format`; default the input's, CSV for text.
    pub format: Option<OutputFormat>,
    /// `columns`: what of the answer to keep.
    pub columns: Extractor,
}

/// The format of the output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// CSV with a header record.
    Csv,
    /// A JSON object a line.
    Jsonl,
}

/// `[retry]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// `attempts`: requests for one line at most; default 5.
    pub attempts: u32,
    /// `max_wait`: the longest wait a provider may ask for; default 10 minutes.
    pub max_wait: Duration,
}

/// `[failure]`
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failure {
    /// `tolerated`: share of lines that may fail, 0 to 1; default 1.
    pub tolerated: f64,
}

impl Job {
    /// Reads and validates a job file. `file` is its name, for messages.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(text: &str, file: &str) -> Result<Self, JobError> {
        syntax::read(text, file).and_then(|syntax| check::job(syntax, text, file))
    }

    /// The file it was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Checks that every column a template names is among these.
    ///
    /// # Errors
    /// The first that is not, with its place in the job file.
    pub fn check_columns(&self, columns: &[String]) -> Result<(), JobError> {
        check::columns(self, columns)
    }

    /// Checks that no column of the output has the name of another.
    ///
    /// # Errors
    /// The first collision, with its place in the job file.
    pub fn check_output(&self, columns: &[String]) -> Result<(), JobError> {
        check::output(self, columns)
    }

    /// The place in the job file where a text stands first, for an error that has no better place.
    pub fn error_at(&self, needle: &str, message: impl Into<String>) -> JobError {
        JobError::at_text(&self.text, &self.file, needle, message)
    }

    /// Whether the functions on AWS can do this job, called `name` there.
    ///
    /// # Errors
    /// What they cannot do.
    pub fn check_aws(&self, name: &str) -> Result<(), JobError> {
        for (secret, reference) in &self.secrets {
            if let SecretRef::File(_) = reference {
                let message = format!("{reference} cannot be read on AWS: use the SSM parameter /throughline/{name}/{secret}");
                return Err(self.error_at(&format!("secret.{secret}"), message));
            }
        }
        if self.request.timeout > LONGEST_ON_AWS {
            let message = "a function on AWS has 15 minutes, and must have time for what it writes: at most 7m";
            return Err(self.error_at("timeout", message));
        }
        Ok(())
    }

    /// All templates of the request.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let Request { url, headers, body, .. } = &self.request;
        std::iter::once(url).chain(headers.iter().map(|(_, value)| value)).chain(body).chain(&self.limits.by)
    }

    /// Whether a request may be sent again although an earlier one may have arrived.
    pub fn repeatable(&self) -> bool {
        self.request.idempotent || !matches!(self.request.method, Method::Post | Method::Patch)
    }

    /// Share of a batch's lines, and of a lane's batches, that may fail. A tolerance of t is split into √t of the
    /// lines of a batch and √t of the batches: a lane is only stopped when more than t of its lines have failed.
    pub fn batch_tolerance(&self) -> f64 {
        self.failure.tolerated.sqrt()
    }
}

impl Method {
    /// As it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}
