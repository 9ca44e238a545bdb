//! The job file: how one line becomes one request, what to keep of the response, and how fast to send.
//!
//! [`Job`] is a job file, read and validated: what is wrong with it is a [`JobError`] with its line and
//! column. Its [templates](template) are rendered with the columns of a line, a [`Row`], and with the job's
//! [secrets]. [`COMPRESSIONS`] and [`FORMATS`] are the tables of what an input may be.

mod absolute_url;
mod auth;
mod authority;
mod aws;
mod check;
mod compression;
mod condition;
mod error;
mod extract;
mod fit;
mod follow;
mod format;
mod hosts;
mod identity;
mod input;
mod limits;
mod method;
pub mod net;
mod packing;
mod places;
mod proxy;
mod row;
pub mod secrets;
mod selection;
mod statuses;
mod syntax;
pub mod template;
mod tls;
mod units;
mod upload;
mod vars;
mod wire;
mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use absolute_url::absolute_url;
pub use auth::{ApiKey, Auth, AwsAuth, AwsCredentials, AwsKeys, ClientIn, OAuth2};
pub use compression::{COMPRESSIONS, Compression, CompressionInfo, unreadable_compression};
pub use condition::{Condition, response_as_json};
pub use error::JobError;
pub use extract::{Column, Conversion, Extracted, Extractor, Response, Unmade};
pub use follow::{Follow, Next, Pages, Step, Until};
pub use format::{FORMATS, Format, FormatInfo, OutputFormat};
pub use hosts::{SecretHost, is_allowed};
pub use identity::{Identity, InvalidIdentity, Rendered};
pub use input::{Input, Quote};
pub use limits::{Limit, LimitRules, Limits, MOST_IN_FLIGHT, Provider, Quota, Rate, host_listed, limit_key};
pub use method::Method;
pub use packing::{Matching, Packing};
pub use proxy::Proxy;
pub use row::Row;
pub use selection::Selection;
pub use statuses::Statuses;
pub use tls::Tls;
pub use units::{parse_bytes, parse_duration, parse_rate, parse_share};
pub use vars::Vars;

pub use upload::{Part, PartValue, Upload, name_below};
pub use wire::{Coding, Wire};

use crate::run::Again;
use places::Places;
use secrets::{Secret, SecretRef};
pub use template::Drawn;

use template::Template;

/// The columns of every output, which come last.
pub const OWN_COLUMNS: [&str; 2] = ["error", "error_detail"];

/// A job file, validated.
#[derive(Debug, Clone)]
pub struct Job {
    /// `[input]`
    pub input: Input,
    /// `[request]`
    pub request: Request,
    /// `[auth]`
    pub auth: Option<Auth>,
    /// `[tls]`
    pub tls: Tls,
    /// `[batch]`
    pub packing: Option<Packing>,
    /// `[[then]]` and `[pages]`
    pub follow: Option<Follow>,
    /// `[response]`
    pub response: ResponseRules,
    /// `[output]`
    pub output: Output,
    /// `[limits]`
    pub limits: Limits,
    /// `[retry]`
    pub retry: Retry,
    /// `[failure]`
    pub failure: Failure,
    /// `[run] again`: what a run does with the responses of the run before it.
    pub again: Option<Again>,
    /// `[run] keep`: how long runs are kept; default for ever.
    pub keep: Option<Duration>,
    /// For each secret that a template names, where its value is kept.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Whether a template of the request names a secret.
    names_secret: bool,
    /// Whether a template draws values for each line.
    draws: bool,
    text: String,
    file: String,
    places: Arc<Places>,
}

/// `[request]`
#[derive(Debug, Clone)]
pub struct Request {
    /// `method`: default GET.
    pub method: Method,
    /// `url`
    pub url: Template,
    /// The host of every rendered URL, as `host` or `host:port`, where no placeholder comes before the end of
    /// the authority.
    pub fixed_host: Option<String>,
    /// `headers`, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// `body`
    pub body: Option<Template>,
    /// `body_file` or `multipart`: a body from files or of parts, instead of `body`.
    pub upload: Option<Upload>,
    /// `files`: the folder of all files that requests send.
    pub files: Option<PathBuf>,
    /// `http`, `compress`, `connect_timeout` and `read_timeout`.
    pub wire: Wire,
    /// Whether the body is JSON, by content type or its first character.
    pub json_body: bool,
    /// `timeout` of one attempt, from connecting to the last byte of the response; default 30 s.
    pub timeout: Duration,
    /// `allow`: private hosts, addresses or networks that this job may reach.
    pub allow: Vec<String>,
    /// `secret_hosts`: the hosts that may receive secrets when the line decides the host.
    pub secret_hosts: Vec<SecretHost>,
    /// `idempotent`: a POST or PATCH may be sent again. GET, PUT and DELETE may always be sent again.
    pub idempotent: bool,
    /// `cookies`: the cookies that a redirect sets are sent with the line's next requests.
    pub cookies: bool,
    /// `max_response`: bytes of a response's body; default 10 MiB.
    pub max_response: u64,
    /// `proxy`: connections are made through it.
    pub proxy: Option<Proxy>,
    /// `proxy_resolves`: the proxy looks names up, and no address is checked.
    pub proxy_resolves: bool,
    /// `redirects`: how many are followed for one line; default 5.
    pub redirects: u8,
}

impl Request {
    /// Whether it may be sent again although an earlier one may have arrived.
    pub fn repeatable(&self) -> bool {
        self.idempotent || self.method.is_idempotent()
    }

    /// Whether it carries a key by which its provider recognises a repetition.
    pub fn sends_idempotency_keys(&self) -> bool {
        self.idempotent && !self.method.is_idempotent()
    }
}

/// `[response]`: which responses count as success.
#[derive(Debug, Clone)]
pub struct ResponseRules {
    /// `success`: the statuses; default 2xx. A redirect with one of them is not followed.
    pub success: Statuses,
    /// `fail_if`: a response that succeeds by its status fails where this holds.
    pub fail_if: Option<Condition>,
    /// `retry_if`: the request is sent again where this holds.
    pub retry_if: Option<Condition>,
}

/// `[output]`
#[derive(Debug, Clone)]
pub struct Output {
    /// `format`; default the format of the input, CSV for text.
    pub format: Option<OutputFormat>,
    /// `columns`: what to keep of the response.
    pub columns: Extractor,
    /// `failed_columns`: a line that has failed has the values of its last response, too.
    pub failed_columns: bool,
    /// `drop`: the columns of the input that are left out.
    pub drop: Vec<String>,
    /// How CSV and TSV are written.
    pub style: Style,
}

/// How CSV and TSV are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// `bom`: the file begins with a byte order mark.
    pub bom: bool,
    /// `guard_formulas`: an apostrophe is written before a cell that a spreadsheet would read as a formula.
    pub guard_formulas: bool,
}

/// `[retry]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// `attempts`: the number of failed attempts after which a line fails; default 5.
    pub attempts: u32,
    /// `max_wait`: the longest wait a provider may ask for; default 10 minutes.
    pub max_wait: Duration,
    /// `statuses`: the statuses after which a request is sent again if it is repeatable; default 408, 425 and
    /// 5xx.
    pub statuses: Statuses,
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

    /// The name of the job file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Checks that every column a template names is among these.
    ///
    /// # Errors
    /// The first column that is not, with its place in the job file.
    pub fn check_columns(&self, columns: &[String]) -> Result<(), JobError> {
        fit::columns(self, columns)
    }

    /// Checks that no column of the output has the name of a column of the input.
    ///
    /// # Errors
    /// The first collision, with its place in the job file.
    pub fn check_output(&self, columns: &[String]) -> Result<(), JobError> {
        fit::output(self, columns)
    }

    /// The format of the output for an input of this format.
    ///
    /// # Errors
    /// When the job has a key that does not apply to that format.
    pub fn output_format(&self, input: Format) -> Result<OutputFormat, JobError> {
        let format = self.output.format.unwrap_or(if input.is_json() {
            OutputFormat::Jsonl
        } else {
            OutputFormat::Csv
        });
        self.check_style(format)?;
        Ok(format)
    }

    /// Checks that every key of the job's `[output]` applies to this format.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn check_style(&self, format: OutputFormat) -> Result<(), JobError> {
        fit::style(self, format)
    }

    /// Checks that a secret's value can be sent in the header that names it.
    ///
    /// # Errors
    /// In words, with the secret's name.
    pub fn check_secret(&self, name: &str, value: &Secret) -> Result<(), String> {
        let names = |template: &Template| template.secrets().iter().any(|secret| secret == name);
        let of_auth = match &self.auth {
            Some(Auth::Bearer(value) | Auth::Header(ApiKey { value, .. })) if names(value) => {
                self.auth.as_ref().and_then(Auth::header)
            }
            _ => None,
        };
        let headers = &self.request.headers;
        let in_header =
            headers.iter().find(|(_, template)| names(template)).map(|(header, _)| header.as_str());
        match (in_header.or(of_auth), value.unsendable()) {
            (Some(header), Some(what)) => Err(format!(
                "the secret {name} has {what}, which the header {header} cannot carry: set it again without"
            )),
            _ => Ok(()),
        }
    }

    /// An error at a key of the job file, or at the innermost part of its path that the file has.
    pub fn error_at(&self, path: &[&str], message: impl Into<String>) -> JobError {
        let place = (1..=path.len()).rev().find_map(|length| self.places.get(&path[..length]));
        JobError::at(&self.text, &self.file, &place.map_or(0..0, |entry| entry.key.clone()), message)
    }

    /// An error at the template that names a secret.
    pub fn error_at_secret(&self, name: &str, message: impl Into<String>) -> JobError {
        let template = self
            .placed_templates()
            .find(|(_, template)| template.secrets().iter().any(|secret| secret == name));
        let path = template.map(|(path, _)| path).unwrap_or_default();
        JobError::at(&self.text, &self.file, &fit::word_in(self, &path, &format!("secret.{name}")), message)
    }

    /// All templates of the job.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.placed_templates().map(|(_, template)| template)
    }

    /// All templates of the job, each with the path of its key.
    fn placed_templates(&self) -> impl Iterator<Item = (Vec<&str>, &Template)> {
        let wanted = self.input.wanted.iter().map(|wanted| (vec!["input", "where"], wanted));
        let Request { url, headers, body, upload, proxy, .. } = &self.request;
        let upload = upload.iter().flat_map(Upload::placed_templates);
        let headers = headers.iter().map(|(name, value)| (vec!["request", "headers", name], value));
        let body = body.iter().map(|body| (vec!["request", "body"], body));
        let by = self.limits.by.iter().map(|by| (vec!["limits", "by"], by));
        let costs = self.limits.providers.iter().map(|provider| (&*provider.name, &provider.rules));
        let costs = costs.chain([("default", &self.limits.default_rules)]);
        let costs =
            costs.filter_map(|(name, rules)| Some((vec!["limits", name, "cost"], rules.cost.as_ref()?)));
        let proxy = proxy.iter().filter_map(Proxy::template).map(|proxy| (vec!["request", "proxy"], proxy));
        let matching = self.packing.iter().filter_map(|packing| packing.matching.as_ref());
        let matching = matching.map(|matching| (vec!["batch", "line_key"], &matching.line));
        let auth = self.auth.iter().flat_map(Auth::placed_templates);
        std::iter::once((vec!["request", "url"], url))
            .chain(headers)
            .chain(body)
            .chain(upload)
            .chain(by)
            .chain(costs)
            .chain(auth)
            .chain(proxy)
            .chain(wanted)
            .chain(matching)
            .chain(self.follow.iter().flat_map(Follow::placed_templates))
    }

    /// Whether a template draws a value for each line, such as `uuid()`.
    pub fn draws(&self) -> bool {
        self.draws
    }

    /// The row of a line, with what `drawn` has drawn for it if a template needs that.
    pub fn row(&self, row: Row, drawn: impl FnOnce() -> Drawn) -> Arc<Row> {
        Arc::new(if self.draws { Row::Drawing(Box::new(row), Arc::new(drawn())) } else { row })
    }

    /// Whether a line that is sent again must know which run sent it first, and as which line.
    pub fn needs_origins(&self) -> bool {
        self.draws || self.sends_idempotency_keys()
    }

    /// Whether a request says who sends it, so that only some hosts may have it.
    pub fn carries_secret(&self) -> bool {
        let signs = matches!(self.auth, Some(Auth::Aws(_)));
        self.names_secret || signs || self.tls.client.is_some()
    }

    /// The files that the job reads its secrets from.
    pub fn secret_files(&self) -> impl Iterator<Item = &std::path::Path> {
        let references = self.secrets.values().chain(self.tls.references().map(|(_, reference)| reference));
        references.filter_map(|reference| match reference {
            SecretRef::File(path) => Some(path.as_path()),
            _ => None,
        })
    }

    /// Whether the requests of a line may be sent again although earlier ones may have arrived.
    pub fn repeatable(&self) -> bool {
        self.request.repeatable() && self.steps().iter().all(Step::repeatable)
    }

    /// Whether a request of a line carries a key by which its provider recognises a repetition.
    pub fn sends_idempotency_keys(&self) -> bool {
        self.request.sends_idempotency_keys() || self.steps().iter().any(Step::sends_idempotency_keys)
    }

    /// The steps after the first request.
    pub fn steps(&self) -> &[Step] {
        self.follow.as_ref().map_or(&[], |follow| &follow.steps)
    }

    /// Share of a batch's lines, and of a lane's batches, that may fail. A tolerance of t is split into √t of
    /// the lines of a batch and √t of the batches: a lane is only stopped when more than t of its lines have
    /// failed.
    pub fn batch_tolerance(&self) -> f64 {
        self.failure.tolerated.sqrt()
    }
}
