//! From the syntax of a job file to a [`Job`]: checks every value, and reports each problem with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::authority::{self, Authority};
use super::condition::{self, Condition};
use super::extract::{Column, Extractor};
use super::fit;
use super::hosts;
use super::places::Places;
use super::proxy::Proxy;
use super::statuses::StatusSyntax;
use super::syntax::{Entries, JobSyntax, OutputSyntax, RequestSyntax, ResponseSyntax, RetrySyntax};
use super::units::{parse_bytes, parse_duration, parse_share};
use super::{
    Failure, Job, JobError, Method, OWN_COLUMNS, Output, OutputFormat, Request, ResponseRules, Retry,
    SecretHost, Statuses, Style, Vars,
};
use crate::file::secrets::SecretRef;
use crate::file::template::{Place, Template, TemplateError};
use crate::run::Again;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_MAX_RESPONSE: u64 = 10 << 20;
const DEFAULT_ATTEMPTS: u32 = 5;
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(600);
const DEFAULT_REDIRECTS: u8 = 5;
const MOST_REDIRECTS: u8 = 20;

pub(super) fn job(syntax: JobSyntax, text: &str, file: &str) -> Result<Job, JobError> {
    let vars = syntax.vars.0.into_iter().map(|(name, value)| (name, value.into_inner()));
    let place = File { text, file, vars: Vars::new(vars.collect()) };
    let request = place.request(syntax.request)?;
    let auth = place.auth(syntax.auth, &request.allow)?;
    let limits = place.limits(syntax.limits)?;
    let mut job = Job {
        input: place.input(syntax.input)?,
        auth,
        tls: place.tls(&syntax.tls)?,
        packing: place.packing(syntax.batch.as_ref())?,
        follow: place.follow(&syntax.then, syntax.pages.as_ref())?,
        response: place.response(&syntax.response)?,
        output: place.output(syntax.output)?,
        retry: place.retry(syntax.retry)?,
        failure: Failure {
            tolerated: place.optional(syntax.failure.tolerated.as_ref(), 1.0, |text| parse_share(text))?,
        },
        again: place.optional(syntax.run.again.as_ref(), None, |text| again(text).map(Some))?,
        keep: place.optional(syntax.run.keep.as_ref(), None, |text| parse_duration(text).map(Some))?,
        secrets: BTreeMap::new(),
        names_secret: false,
        draws: false,
        text: text.to_owned(),
        file: file.to_owned(),
        places: Arc::new(Places::of(text)),
        request,
        limits,
    };
    if let Some(format) = job.output.format {
        fit::style(&job, format)?;
    }
    job.check_packing()?;
    let mut table = BTreeMap::new();
    for (name, reference) in &syntax.secrets.0 {
        table.insert(name.clone(), place.value(reference, |text| SecretRef::parse(text))?);
    }
    if let Some(auth) = &job.auth
        && let Some(header) = auth.header()
        && job.request.headers.iter().any(|(name, _)| name == header)
    {
        let message = format!("[auth] {} sets the header {header}, too: leave one of them out", auth.name());
        return Err(job.error_at(&["request", "headers", header], message));
    }
    let named: BTreeSet<String> = job.templates().flat_map(Template::secrets).cloned().collect();
    if job.limits.by.as_ref().is_some_and(|by| !by.secrets().is_empty()) {
        return Err(job.error_at(&["limits", "by"], "a limit cannot count by a secret"));
    }
    if job.limits.by.as_ref().is_some_and(Template::draws) {
        return Err(
            job.error_at(&["limits", "by"], "a limit cannot count by a value that is drawn for each line")
        );
    }
    job.secrets = named
        .into_iter()
        .map(|name| (name.clone(), table.remove(&name).unwrap_or(SecretRef::Env(name))))
        .collect();
    let names_secret = job
        .placed_templates()
        .any(|(path, template)| path != ["request", "proxy"] && !template.secrets().is_empty());
    job.names_secret = names_secret;
    let draws = job.templates().any(Template::draws);
    job.draws = draws;
    let http = job.request.url.source().trim_start().to_ascii_lowercase().starts_with("http:");
    if http && matches!(job.request.proxy, Some(Proxy::Url(_))) && job.carries_secret() {
        let message = "the request carries a secret, and over http the proxy can read it: write https, or leave the proxy out";
        return Err(job.error_at(&["request", "url"], message));
    }
    if job.carries_secret() && job.request.fixed_host.is_none() && job.request.secret_hosts.is_empty() {
        let seen = match authority::read(job.request.url.source()) {
            Ok(Authority::Open(seen)) if !seen.is_empty() => {
                format!(" ({seen:?} is only its beginning)")
            }
            _ => String::new(),
        };
        let message = format!(
            "the line decides the host{seen} and the request carries a secret: name the hosts that may receive it, [request] secret_hosts = [\"api.example.com\"]"
        );
        return Err(job.error_at(&["request", "url"], message));
    }
    Ok(job)
}

fn again(text: &str) -> Result<Again, String> {
    match text {
        "continue" => Ok(Again::Continue),
        "fresh" => Ok(Again::Fresh),
        other => Err(format!("{other:?} is not a way to run again: write \"continue\" or \"fresh\"")),
    }
}

pub(super) struct File<'a> {
    text: &'a str,
    file: &'a str,
    vars: Vars,
}

impl File<'_> {
    /// The number of the line of a byte, from 1.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) -> JobError {
        JobError::at(self.text, self.file, span, message)
    }

    /// Reads a value. An error has the value's place.
    pub(super) fn value<V, T>(
        &self,
        written: &Spanned<V>,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<T, JobError> {
        read(written.get_ref()).map_err(|message| self.error(&written.span(), message))
    }

    pub(super) fn optional<V, T>(
        &self,
        written: Option<&Spanned<V>>,
        default: T,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<T, JobError> {
        written.map_or(Ok(default), |written| self.value(written, read))
    }

    fn request(&self, syntax: RequestSyntax) -> Result<Request, JobError> {
        let fixed_host = match self.value(&syntax.url, |source| authority::read(source))? {
            Authority::Fixed(host) => Some(host),
            Authority::Open(_) => None,
        };
        let headers = self.headers(&syntax.headers)?;
        let (json_body, body_place) = self.body_place(&headers, syntax.body.as_ref());
        let timeout = self.optional(syntax.timeout.as_ref(), DEFAULT_TIMEOUT, |text| parse_duration(text))?;
        let (files, upload) = self.upload(&syntax)?;
        Ok(Request {
            wire: self.wire(&syntax, timeout)?,
            files,
            upload,
            method: self.optional(syntax.method.as_ref(), Method::default(), |text| Method::parse(text))?,
            url: self.template(&syntax.url, Place::Url)?,
            fixed_host,
            headers,
            body: syntax.body.as_ref().map(|body| self.template(body, body_place)).transpose()?,
            json_body,
            timeout,
            allow: self.each(&syntax.allow, hosts::allowed)?,
            secret_hosts: self.each(&syntax.secret_hosts, SecretHost::parse)?,
            idempotent: syntax.idempotent,
            proxy_resolves: self.proxy_resolves(&syntax)?,
            proxy: self.proxy(syntax.proxy.as_ref())?,
            cookies: syntax.cookies,
            max_response: self
                .optional(syntax.max_response.as_ref(), DEFAULT_MAX_RESPONSE, |text| parse_bytes(text))?,
            redirects: self.optional(syntax.redirects.as_ref(), DEFAULT_REDIRECTS, |n| {
                let n = u8::try_from(*n).ok().filter(|n| *n <= MOST_REDIRECTS);
                n.ok_or_else(|| format!("redirects must be from 0 to {MOST_REDIRECTS}"))
            })?,
        })
    }

    pub(super) fn headers(&self, written: &Entries<String>) -> Result<Vec<(String, Template)>, JobError> {
        let mut headers: Vec<(String, Template)> = Vec::new();
        for (name, value) in &written.0 {
            let lower = name.to_ascii_lowercase();
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(token) {
                return Err(self.error(&value.span(), format!("{name:?} is not a header name")));
            }
            if matches!(lower.as_str(), "host" | "content-length" | "transfer-encoding" | "connection") {
                return Err(
                    self.error(&value.span(), format!("the header {name:?} is set by the client itself"))
                );
            }
            if headers.iter().any(|(other, _)| *other == lower) {
                return Err(self.error(&value.span(), format!("the header {name:?} is given twice")));
            }
            if value.get_ref().contains(['\r', '\n']) {
                return Err(
                    self.error(&value.span(), format!("the header {name:?} has a line break in its value"))
                );
            }
            headers.push((lower, self.template(value, Place::Header)?));
        }
        Ok(headers)
    }

    /// Whether a body is JSON, and how values are written in it.
    pub(super) fn body_place(
        &self,
        headers: &[(String, Template)],
        body: Option<&Spanned<String>>,
    ) -> (bool, Place) {
        let json_body = body.is_some_and(|body| {
            let content_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.source());
            match content_type {
                Some(value) => value.contains("json"),
                None => {
                    matches!(body.get_ref().trim_start().as_bytes(), [b'{', second, ..] if !matches!(second, b'{' | b'%' | b'#'))
                        || body.get_ref().trim_start().starts_with('[')
                }
            }
        });
        let form_body = headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.source().contains("x-www-form-urlencoded"));
        let place = match (json_body, form_body) {
            (true, _) => Place::Json,
            (_, true) => Place::Form,
            _ => Place::Text,
        };
        (json_body, place)
    }

    fn response(&self, syntax: &ResponseSyntax) -> Result<ResponseRules, JobError> {
        let condition = |written: &Option<Spanned<String>>| {
            written.as_ref().map(|written| self.value(written, |text| Condition::new(text))).transpose()
        };
        if let Some([]) = syntax.success.as_deref() {
            let message = "no status counts as success: write success = [\"2xx\"]";
            return Err(self.error(&(0..0), message));
        }
        Ok(ResponseRules {
            success: self.statuses(syntax.success.as_deref(), Statuses::new(&[2], &[]))?,
            fail_if: condition(&syntax.fail_if)?,
            retry_if: condition(&syntax.retry_if)?,
        })
    }

    pub(super) fn statuses(
        &self,
        list: Option<&[Spanned<StatusSyntax>]>,
        default: Statuses,
    ) -> Result<Statuses, JobError> {
        let Some(list) = list else { return Ok(default) };
        let mut statuses = Statuses::default();
        list.iter().try_for_each(|entry| self.value(entry, |entry| statuses.add(entry)))?;
        Ok(statuses)
    }

    pub(super) fn template(&self, source: &Spanned<String>, place: Place) -> Result<Template, JobError> {
        Template::with_vars(source.get_ref(), place, &self.vars).map_err(|error| {
            let span = source.span();
            let at = span.start + line_within(&self.text[span], error.line);
            self.error(&(at..at), format!("bad template: {error}"))
        })
    }

    /// An expression in the language of the templates, which may name variables of the job.
    pub(super) fn condition(&self, source: &str) -> Result<Template, TemplateError> {
        Template::condition(condition::inner(source), &self.vars)
    }

    /// Hosts, addresses and networks, each read on its own.
    fn each<T>(
        &self,
        list: &[Spanned<String>],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, JobError> {
        list.iter().map(|host| self.value(host, |text| read(text))).collect()
    }

    fn output(&self, syntax: OutputSyntax) -> Result<Output, JobError> {
        let format = |text: &String| match OutputFormat::named(text) {
            Some(format) => Ok(Some(format)),
            None => Err(format!("{text:?} is not an output format: write csv, tsv or jsonl")),
        };
        let mut columns = Vec::new();
        for (name, source) in &syntax.columns.0 {
            if OWN_COLUMNS.contains(&name.as_str()) {
                return Err(self.error(
                    &source.span(),
                    format!("{name:?} is a column of every output: give this one another name"),
                ));
            }
            columns.push(self.value(source, |source| Column::new(name, source))?);
        }
        let is_set = |key: &Option<Spanned<bool>>| key.as_ref().is_some_and(|key| *key.get_ref());
        let style = Style { bom: is_set(&syntax.bom), guard_formulas: is_set(&syntax.guard_formulas) };
        Ok(Output {
            format: self.optional(syntax.format.as_ref(), None, format)?,
            columns: Extractor::new(columns),
            failed_columns: syntax.failed_columns,
            drop: syntax.drop.into_iter().map(toml::Spanned::into_inner).collect(),
            style,
        })
    }

    fn retry(&self, syntax: RetrySyntax) -> Result<Retry, JobError> {
        Ok(Retry {
            attempts: self
                .optional(syntax.attempts.as_ref(), DEFAULT_ATTEMPTS, |n| positive(*n, "attempts", 100))?,
            max_wait: self
                .optional(syntax.max_wait.as_ref(), DEFAULT_MAX_WAIT, |text| parse_duration(text))?,
            statuses: self.statuses(syntax.statuses.as_deref(), Statuses::new(&[5], &[408, 425]))?,
        })
    }
}

pub(super) fn positive(n: i64, what: &str, most: u32) -> Result<u32, String> {
    match u32::try_from(n) {
        Ok(n) if (1..=most).contains(&n) => Ok(n),
        _ => Err(format!("{what} = {n} must be from 1 to {most}")),
    }
}

/// Where a line of a text begins in what is written for it: the text of `'''` begins on the next line.
fn line_within(written: &str, line: usize) -> usize {
    let quoted = ["\"\"\"", "'''"].iter().find_map(|quote| written.strip_prefix(quote));
    let first =
        quoted.map_or(0, |rest| if rest.starts_with('\n') || rest.starts_with("\r\n") { 1 } else { 0 });
    match first + line - 1 {
        0 => 0,
        skipped => {
            let start = written.match_indices('\n').nth(skipped - 1).map_or(0, |(at, _)| at + 1);
            start + written[start..].find(|c: char| !c.is_whitespace()).unwrap_or(0)
        }
    }
}
