//! Decides the lane of a line: all requests to one provider are in one lane, so that they are paced together.

use std::collections::HashMap;
use std::sync::Arc;

use job::file::secrets::Secrets;
use job::file::template::Template;
use job::file::{Format, Limit, limit_key};
use job::run::LaneKind;
use job::text::excerpt;
use job::{Code, Job, Row};
use serde_json::value::RawValue;

use super::records::{LineError, Record};
use super::wanted;

/// The maximum number of keys whose lane is cached.
const CACHED_KEYS: usize = 100_000;
/// The maximum number of bytes of a cached key.
const CACHED_KEY_BYTES: usize = 300;
/// Characters of a URL that an error quotes.
const QUOTED: usize = 200;

/// A lane that may have lines.
#[derive(Debug, Clone)]
pub(super) struct LaneSpec {
    pub(super) name: String,
    pub(super) kind: LaneKind,
    pub(super) limit: Limit,
}

/// Where a line goes.
#[derive(Clone)]
pub(super) struct Routed {
    /// Index of the lane.
    pub(super) lane: usize,
    /// In a hashed lane, the key that the line is paced by.
    pub(super) key: Option<Arc<str>>,
}

/// Decides the lane of each line.
pub(super) struct Router {
    pub(super) lanes: Vec<LaneSpec>,
    /// How many of the lanes, the last ones, are for hosts that no limit names.
    hashed: usize,
    job: Arc<Job>,
    format: Format,
    columns: Arc<[String]>,
    route: Route,
    /// The lanes of keys.
    known: HashMap<Arc<str>, usize>,
    /// The lanes of URLs by their [`authority`].
    authorities: HashMap<Box<str>, Routed>,
    secrets: Arc<Secrets>,
}

/// How the limit key of a line is found.
enum Route {
    /// All lines have the same key.
    Fixed { lane: usize, key: Option<Arc<str>> },
    /// The key is the value of a column, or the host of the URL in that column.
    Column {
        name: String,
        /// Its index among the columns of text, CSV and TSV.
        index: Option<usize>,
        url: bool,
    },
    /// A template must be rendered for each line.
    Render { template: Template, url: bool },
}

impl Router {
    /// A router for records of this format. It needs the columns before the first record: see
    /// [`Router::set_columns`].
    pub(super) fn new(job: Arc<Job>, format: Format, hashed: usize) -> Self {
        let named = job.limits.providers.iter().map(|provider| LaneSpec {
            name: lane_name(&provider.name),
            kind: LaneKind::Named { provider: provider.name.clone() },
            limit: provider.limit,
        });
        let hashed_lanes = (0..hashed).map(|index| LaneSpec {
            name: format!("other-{index}"),
            kind: LaneKind::Hashed,
            limit: job.limits.default,
        });
        // Secrets never decide the lane: a URL that contains one is routed with the mask in its place.
        let secrets = Secrets::masked(job.secrets.keys().cloned());
        let lanes = named.chain(hashed_lanes).collect();
        let mut router = Self {
            lanes,
            hashed,
            format,
            columns: Arc::from([]),
            route: Route::Fixed { lane: 0, key: None },
            known: HashMap::new(),
            authorities: HashMap::new(),
            secrets: Arc::new(secrets),
            job: job.clone(),
        };
        router.route = match (&job.limits.by, &job.request.fixed_host) {
            (Some(by), _) if by.is_literal() => router.fixed(by.source()),
            (Some(by), _) => Route::of(by, false),
            (None, Some(host)) => router.fixed(host),
            (None, None) => Route::of(&job.request.url, true),
        };
        router
    }

    /// Learns the columns of text, CSV and TSV; JSON has none.
    pub(super) fn set_columns(&mut self, columns: Arc<[String]>) {
        if let Route::Column { name, index, .. } = &mut self.route {
            *index = columns.iter().position(|column| column == name);
        }
        self.columns = columns;
    }

    /// The lane of lines that cannot be routed. They make no request, so any lane will do.
    pub(super) fn fallback(&self) -> usize {
        match self.route {
            Route::Fixed { lane, .. } => lane,
            _ => self.lanes.len() - self.hashed,
        }
    }

    /// The lane of record number `n`, which was normalised to `value`.
    ///
    /// # Errors
    /// A template fails, a column is missing, or the URL is not valid.
    pub(super) fn route(&mut self, n: u64, record: &Record<'_>, value: &[u8]) -> Result<Routed, LineError> {
        let (text, url) = match (&self.route, self.format) {
            (Route::Fixed { lane, key }, _) => return Ok(Routed { lane: *lane, key: key.clone() }),
            (Route::Column { index: Some(_), url, .. }, Format::Text) => (Some(record.raw), *url),
            (Route::Column { index: Some(index), url, .. }, Format::Csv | Format::Tsv) => {
                (record.fields.get(*index), *url)
            }
            _ => (None, false),
        };
        if let Some(text) = text.and_then(|text| std::str::from_utf8(text).ok()) {
            return self.by_text(text, url);
        }
        let raw: &RawValue =
            serde_json::from_slice(value).map_err(|error| LineError::new(Code::Parse, error.to_string()))?;
        let row = Row::parse(&self.columns, raw).map_err(|error| LineError::new(Code::Parse, error))?;
        self.by_row(n, row)
    }

    fn by_row(&mut self, n: u64, row: Row) -> Result<Routed, LineError> {
        let (text, url) = match &self.route {
            Route::Fixed { lane, key } => return Ok(Routed { lane: *lane, key: key.clone() }),
            Route::Column { name, url, .. } => {
                let value = row.get(name).ok_or_else(|| {
                    LineError::new(Code::Render, format!("the column {name:?} is missing from this line"))
                })?;
                (value.as_str().map_or_else(|| value.to_string(), str::to_owned), *url)
            }
            Route::Render { template, url } => {
                let text = template.render(&wanted::row(&self.job, n, row), &self.secrets);
                (text.map_err(|error| LineError::new(Code::Render, error))?, *url)
            }
        };
        self.by_text(&text, url)
    }

    fn by_text(&mut self, text: &str, url: bool) -> Result<Routed, LineError> {
        if !url {
            return Ok(self.by_key(text));
        }
        let authority = authority(text);
        if let Some(routed) = authority.and_then(|authority| self.authorities.get(authority)) {
            return Ok(routed.clone());
        }
        let routed = self.by_key(&host_key(text)?);
        if let Some(authority) = authority
            && self.authorities.len() < CACHED_KEYS
            && authority.len() <= CACHED_KEY_BYTES
        {
            self.authorities.insert(authority.into(), routed.clone());
        }
        Ok(routed)
    }

    fn by_key(&mut self, key: &str) -> Routed {
        if let Some((key, lane)) = self.known.get_key_value(key) {
            return Routed { lane: *lane, key: self.paced_by(*lane, key.clone()) };
        }
        let lane = self.lane_of(key);
        let key: Arc<str> = key.into();
        if self.known.len() < CACHED_KEYS && key.len() <= CACHED_KEY_BYTES {
            self.known.insert(key.clone(), lane);
        }
        Routed { lane, key: self.paced_by(lane, key) }
    }

    fn fixed(&self, key: &str) -> Route {
        let lane = self.lane_of(key);
        Route::Fixed { lane, key: self.paced_by(lane, key.into()) }
    }

    fn lane_of(&self, key: &str) -> usize {
        let providers = &self.job.limits.providers;
        match self.job.limits.provider(key) {
            Some(named) => providers
                .iter()
                .position(|provider| provider.name == named.name)
                .expect("it is one of the job's"),
            None => providers.len() + usize::from(blake3::hash(key.as_bytes()).as_bytes()[0]) % self.hashed,
        }
    }

    fn paced_by(&self, lane: usize, key: Arc<str>) -> Option<Arc<str>> {
        (self.lanes[lane].kind == LaneKind::Hashed).then_some(key)
    }
}

impl Route {
    fn of(template: &Template, url: bool) -> Self {
        match template.column() {
            Some(name) => Self::Column { name: name.to_owned(), index: None, url },
            None => Self::Render { template: template.clone(), url },
        }
    }
}

/// Scheme, host and port of a URL as they are written. They alone decide whether the URL is valid and which
/// key it has (WHATWG URL Standard: after an authority every path, query and fragment can be parsed).
fn authority(text: &str) -> Option<&str> {
    let start = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?.len();
    let length = text[start..].find(['/', '?', '#', '\\']).unwrap_or(text.len() - start);
    let authority = &text[..start + length];
    // Spaces at the end of a URL are ignored, but not within it.
    (length > 0 && authority.bytes().all(|byte| byte.is_ascii_graphic())).then_some(authority)
}

fn host_key(text: &str) -> Result<String, LineError> {
    let url = job::absolute_url(text).map_err(|reason| {
        let quoted =
            if reason.contains(text.trim()) { String::new() } else { format!(": {}", excerpt(text, QUOTED)) };
        LineError::new(Code::Url, format!("{reason}{quoted}"))
    })?;
    Ok(limit_key(&url))
}

/// The lane's name in the keys of objects. Letters, digits, dots and dashes are kept; with any other
/// character the name ends in a hash, so that two providers never share a name.
fn lane_name(provider: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    let name: String = provider.chars().map(|c| if plain(c) { c } else { '_' }).take(60).collect();
    let unchanged = name == provider && !name.starts_with("other-") && !name.starts_with('.');
    if unchanged { name } else { format!("{name}-{}", &blake3::hash(provider.as_bytes()).to_hex()[..8]) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn urls_of_one_authority_have_one_key(
            authority in "https?://[ -~\t\u{e9}]{0,12}",
            a in "([/?#\\\\][ -~\t]{0,8})?",
            b in "([/?#\\\\][ -~\t]{0,8})?",
        ) {
            let (a, b) = (authority.clone() + &a, authority + &b);
            if super::authority(&a).is_some() && super::authority(&a) == super::authority(&b) {
                prop_assert_eq!(host_key(&a).ok(), host_key(&b).ok());
            }
        }
    }

    #[test]
    fn an_authority_ends_before_the_path() {
        assert_eq!(authority("https://a.example:8443/x?y#z"), Some("https://a.example:8443"));
        assert_eq!(authority("http://a.example"), Some("http://a.example"));
        assert_eq!(authority("HTTP://a.example/x"), None);
        assert_eq!(authority("http:///a.example"), None);
        assert_eq!(authority("http://a.example "), None);
    }
}
