//! One line as a request: rendered and checked, not sent. `throughline check` shows these.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use cookie_store::CookieStore;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE,
    USER_AGENT,
};
use job::file::secrets::Secrets;
use job::file::template::Template;
use job::file::{
    ApiKey, Auth, Identity, Job, Matching, Packing, Rendered, Request, Step, is_allowed, limit_key,
};
use job::{Code, LineId, Row};
use url::Url;

use crate::failure::Failure;
use crate::follow::Chain;
use crate::response::coding::ACCEPTED;
use crate::upload::Upload;

/// A rendered request.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Method.
    pub method: http::Method,
    /// Absolute, http or https, with a host.
    pub url: Url,
    /// The job's headers.
    pub headers: HeaderMap,
    /// The body, if the job has one.
    pub body: Option<Bytes>,
    /// The body, if it is made of parts or of a file.
    pub upload: Option<Box<Upload>>,
    /// Redirects followed to come here.
    pub hops: u8,
    /// Cookies that they set, if the job keeps them.
    pub cookies: Option<Box<CookieStore>>,
    /// What it counts as against its limit; `None`: one request.
    pub cost: Option<f64>,
    /// It is sent once more because its token was refused.
    pub has_new_token: bool,
    /// The identity of the line's request, before any redirect.
    pub identity: Option<Identity>,
    /// Its lines, if it may have several.
    pub unit: Option<Arc<Unit>>,
    /// Where its line is among its requests, if it may have several.
    pub(crate) chain: Option<Box<Chain>>,
}

/// The lines of a request that may have several.
#[derive(Debug, Default)]
pub struct Unit {
    /// For each line the identity of its request, as if it were sent alone.
    pub identities: Vec<Option<Identity>>,
    /// For each line the key that its result has, if results are found by keys.
    pub keys: Vec<String>,
}

impl Unit {
    /// What is known of each line before its request is sent.
    ///
    /// # Errors
    /// `render`, if a line has no key.
    pub fn new(job: &Job, packing: &Packing, rows: &[Arc<Row>]) -> Result<Self, Failure> {
        let nothing = Arc::default();
        let key = |matching: &Matching, row| {
            let unrendered = |message: String| Failure::new(Code::Render, message);
            matching.line.render(row, &nothing).map_err(unrendered)
        };
        let keys = packing.matching.iter().flat_map(|matching| rows.iter().map(|row| key(matching, row)));
        let identities = rows.iter().map(|row| job.identity(row)).collect();
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, identities })
    }
}

impl Prepared {
    /// The headers of the job, and those that the client adds where the job does not set them.
    pub fn all_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        // A range counts the bytes of the stored representation, so the job decides on the coding itself.
        if !headers.contains_key(RANGE) {
            headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ACCEPTED));
        }
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(crate::USER_AGENT));
        headers
    }
}

/// Renders a line's request. With [`Secrets::masked`] it can be shown to a person. `idempotency_key` is sent
/// where the job asks for one, see [`idempotency_key`].
///
/// # Errors
/// `render`, `url`, `header`, `file` or `secret_denied`.
pub fn render(
    job: &Job,
    row: &Arc<Row>,
    secrets: &Arc<Secrets>,
    idempotency_key: Option<&str>,
) -> Result<Prepared, Failure> {
    let unrendered = |message: String| Failure::new(Code::Render, message);
    let request = &job.request;
    let row = &*job.framed(row);
    let text = request.url.render(row, secrets).map_err(unrendered)?;
    let mut url = job::absolute_url(&text).map_err(|reason| Failure::new(Code::Url, reason))?;
    if leaves_its_path(request.url.source(), &text) {
        let reason = "a value in the path is . or .., which would lead to another path";
        return Err(Failure::new(Code::Url, reason));
    }
    let named = request.fixed_host.as_deref() == Some(limit_key(&url).as_str());
    if job.carries_secret() && !named {
        may_have_secrets(request, &url)?;
    }
    let body = request.body.as_ref().map(|body| body.render(row, secrets)).transpose().map_err(unrendered)?;
    let upload = request.upload.as_ref();
    let upload = upload.map(|upload| Upload::render(upload, request.files.as_deref(), row, secrets));
    let upload = upload.transpose()?.map(Box::new);
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    for (name, template) in &request.headers {
        let mut value = header_value(name, &template.render(row, secrets).map_err(unrendered)?)?;
        value.set_sensitive(!template.secrets().is_empty());
        headers.insert(header_name(name)?, value);
    }
    let identity = job.identity_of(
        row,
        &Rendered {
            url: &text,
            body: body.as_deref().map(str::as_bytes),
            header: &|name| headers.get(name).map(HeaderValue::as_bytes),
        },
    );
    if let Some(auth) = &job.auth {
        authorize(auth, row, secrets, &mut url, &mut headers)?;
    }
    if request.json_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(key) = idempotency_key.filter(|_| request.sends_idempotency_keys()) {
        headers.entry("idempotency-key").or_insert(header_value("idempotency-key", key)?);
    }
    let chain = job.follow.is_some().then(|| {
        let (row, secrets, key) = (row.clone(), secrets.clone(), idempotency_key.map(str::to_owned));
        Box::new(Chain::new(row, secrets, key, url.clone()))
    });
    let method = request.method.as_str().parse().map_err(|_| Failure::new(Code::Render, "no such method"))?;
    Ok(Prepared {
        method,
        url,
        headers,
        body: body.map(Bytes::from),
        hops: 0,
        cookies: None,
        cost: None,
        upload,
        has_new_token: false,
        identity,
        unit: None,
        chain,
    })
}

/// Renders the request of a step after the first one. A relative URL is relative to `base`.
pub(crate) fn render_step(
    job: &Job,
    step: &Step,
    row: &Arc<Row>,
    secrets: &Arc<Secrets>,
    base: &Url,
    idempotency_key: Option<&str>,
) -> Result<Prepared, Failure> {
    let unrendered = |message: String| Failure::new(Code::Render, message);
    let text = step.url.render(row, secrets).map_err(unrendered)?;
    let mut url = base
        .join(&text)
        .map_err(|error| Failure::new(Code::Url, format!("{text:?} is not a URL: {error}")))?;
    if leaves_its_path(step.url.source(), &text) {
        let reason = "a value in the path is . or .., which would lead to another path";
        return Err(Failure::new(Code::Url, reason));
    }
    let body = step.body.as_ref().map(|body| body.render(row, secrets)).transpose().map_err(unrendered)?;
    let mut headers = HeaderMap::with_capacity(step.headers.len() + 1);
    for (name, template) in &step.headers {
        let mut value = header_value(name, &template.render(row, secrets).map_err(unrendered)?)?;
        value.set_sensitive(!template.secrets().is_empty());
        headers.insert(header_name(name)?, value);
    }
    if let Some(auth) = &job.auth {
        authorize(auth, row, secrets, &mut url, &mut headers)?;
    }
    if step.json_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(key) = idempotency_key {
        headers.entry("idempotency-key").or_insert(header_value("idempotency-key", key)?);
    }
    Ok(Prepared {
        method: step.method.as_str().parse().map_err(|_| Failure::new(Code::Render, "no such method"))?,
        url,
        headers,
        body: body.map(Bytes::from),
        upload: None,
        hops: 0,
        cookies: None,
        cost: None,
        has_new_token: false,
        identity: None,
        unit: None,
        chain: None,
    })
}

/// The key of a step, from that of the line's requests.
pub(crate) fn key_of_step(key: &str, step: usize) -> String {
    blake3::hash(format!("{key}/{step}").as_bytes()).to_hex()[..32].to_owned()
}

/// Adds what `[auth]` renders. A token or a signature is added when the request is sent.
fn authorize(
    auth: &Auth,
    row: &Arc<Row>,
    secrets: &Arc<Secrets>,
    url: &mut Url,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let text = |template: &Template| {
        template.render(row, secrets).map_err(|message| Failure::new(Code::Render, message))
    };
    let (name, mut value) = match auth {
        Auth::Basic { user, password } => {
            let (user, password) = (text(user)?, text(password)?);
            if user.contains(':') {
                let reason = "the user of [auth] basic has a colon, after which the password begins";
                return Err(Failure::new(Code::Header, reason));
            }
            let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
            (AUTHORIZATION, header_value("authorization", &format!("Basic {pair}"))?)
        }
        Auth::Bearer(token) => {
            (AUTHORIZATION, header_value("authorization", &format!("Bearer {}", text(token)?))?)
        }
        Auth::Header(ApiKey { name, value }) => (header_name(name)?, header_value(name, &text(value)?)?),
        Auth::Query(ApiKey { name, value }) => {
            url.query_pairs_mut().append_pair(name, &text(value)?);
            return Ok(());
        }
        Auth::OAuth2(_) | Auth::Aws(_) => return Ok(()),
    };
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// The key that makes a POST or PATCH of an idempotent job repeatable. It is the same in every call and
/// redrive, on one machine and on AWS. Each line of the request has the id of the run that sent it first, and
/// the line that it was then.
pub fn idempotency_key<'a>(job: &Job, lines: impl IntoIterator<Item = (&'a str, LineId)>) -> Option<String> {
    let text = || {
        let lines = lines.into_iter().map(|(run, n)| format!("{run}/{n}"));
        lines.collect::<Vec<_>>().join(",")
    };
    job.sends_idempotency_keys().then(|| blake3::hash(text().as_bytes()).to_hex()[..32].to_owned())
}

/// Fails if the host that a line has chosen may not have the job's secrets.
fn may_have_secrets(request: &Request, url: &Url) -> Result<(), Failure> {
    let mut hosts = request.secret_hosts.iter();
    if hosts.clone().any(|host| host.admits(url, false)) {
        return Ok(());
    }
    let private = is_allowed(&request.allow, url);
    if private && hosts.clone().any(|host| host.admits(url, true)) {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    let origin = url.origin().ascii_serialization();
    Err(Failure::new(
        Code::SecretDenied,
        if hosts.any(|entry| entry.names(url)) {
            format!(
                "secrets go to {host} over https and its own port only: name {origin:?} in [request] secret_hosts if it may have them"
            )
        } else {
            format!("{host} is not among [request] secret_hosts")
        },
    ))
}

const DOTS: [&str; 6] = [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"];

/// Whether a value makes a dot segment, which would lead to another path (WHATWG URL Standard).
/// Percent-encoding does not prevent that. A line that gives the beginning of its URL may give any path.
fn leaves_its_path(template: &str, text: &str) -> bool {
    let has = |url: &str| {
        let path =
            url.split_once("://").map_or(url, |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
        path.split(['/', '\\']).skip(1).any(|part| DOTS.iter().any(|dots| part.eq_ignore_ascii_case(dots)))
    };
    !template.trim_start().starts_with("{{") && has(text) && !has(template)
}

fn header_name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failure::new(Code::Header, format!("{name:?} is not a header name")))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        Failure::new(
            Code::Header,
            format!("the value of {name:?} has a line break or another control character"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_make_dot_segments() {
        let template = "https://api.example.com/v1/{{ a }}{{ b }}/x?q={{ a }}";
        let leaves =
            |path: &str| leaves_its_path(template, &format!("https://api.example.com/v1/{path}/x?q=/../"));
        for path in [".", "..", "%2e", "%2E.", ".%2e", "%2e%2E", "a/.."] {
            assert!(leaves(path), "{path}");
        }
        for path in ["...", ".a", "a..", "%2e%2e%2e", "%252e", ""] {
            assert!(!leaves(path), "{path}");
        }
        // If the line has the whole URL, or the job itself has the dots, no dot segment comes from a value.
        assert!(!leaves_its_path("{{ url }}", "https://example.com/a/../b"));
        assert!(!leaves_its_path("https://example.com/a/../{{ b }}", "https://example.com/a/../.."));
        assert!(!leaves_its_path("https://example.com", "https://example.com"));
    }
}
