//! Which lane a line goes to: the one that is paced together with all other requests to the same provider.

use std::collections::HashMap;
use std::sync::Arc;

use job::job_file::{Limit, limit_key};
use job::plan::LaneKind;
use job::secrets::Secrets;
use job::template::Template;
use job::text::excerpt;
use job::{Code, Job, Row};

/// Lanes over which the hosts without a limit of their own are spread.
const HASHED_LANES: usize = 4;
/// Keys whose lane is remembered, and their bytes at most.
const REMEMBERED: usize = 100_000;
const REMEMBERED_BYTES: usize = 300;
/// Characters of a URL that an error quotes.
const QUOTED: usize = 200;

/// A lane before it is known whether any line goes there.
#[derive(Debug, Clone)]
pub(crate) struct LaneSpec {
    pub(crate) name: String,
    pub(crate) kind: LaneKind,
    pub(crate) limit: Limit,
}

/// Where a line goes: the lane's index, and in a hashed lane the key that it is paced by.
#[derive(Clone)]
pub(crate) struct Routed {
    pub(crate) lane: usize,
    pub(crate) key: Option<Arc<str>>,
}

pub(crate) struct Router {
    pub(crate) lanes: Vec<LaneSpec>,
    job: Arc<Job>,
    route: Route,
    known: HashMap<Arc<str>, usize>,
    /// Where URLs go that begin like this, see [`authority`].
    authorities: HashMap<Box<str>, Routed>,
    secrets: Arc<Secrets>,
}

/// How the limit key of a line is found.
enum Route {
    /// Every line has the same.
    Fixed { lane: usize, key: Option<Arc<str>> },
    /// It is a column's value, or the host of the URL in that column.
    Column { name: String, url: bool },
    /// A template must be rendered for each line.
    Render { template: Template, url: bool },
}

impl Router {
    pub(crate) fn new(job: Arc<Job>) -> Self {
        let named = job.limits.providers.iter().map(|provider| LaneSpec {
            name: lane_name(&provider.name),
            kind: LaneKind::Named { provider: provider.name.clone() },
            limit: provider.limit,
        });
        let hashed = (0..HASHED_LANES).map(|index| LaneSpec {
            name: format!("other-{index}"),
            kind: LaneKind::Hashed,
            limit: job.limits.default,
        });
        // Secrets never decide the lane; the mask stands in where a URL carries one.
        let secrets = Secrets::masked(job.secrets.keys().cloned());
        let lanes = named.chain(hashed).collect();
        let mut router = Self {
            lanes,
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

    /// The lane of every line, when there is only one.
    pub(crate) fn fixed_lane(&self) -> Option<(usize, Option<Arc<str>>)> {
        match &self.route {
            Route::Fixed { lane, key } => Some((*lane, key.clone())),
            _ => None,
        }
    }

    /// The column whose value decides, where that is enough.
    pub(crate) fn column(&self) -> Option<&str> {
        match &self.route {
            Route::Column { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The lane for lines that can't be routed: they make no request, so any will do.
    pub(crate) fn fallback(&self) -> usize {
        match self.route {
            Route::Fixed { lane, .. } => lane,
            _ => self.lanes.len() - HASHED_LANES,
        }
    }

    /// Routes by the value of [`Router::column`].
    pub(crate) fn by_value(&mut self, value: &str) -> Result<Routed, (Code, String)> {
        let url = matches!(self.route, Route::Column { url: true, .. });
        self.by_text(value, url)
    }

    /// Routes by rendering a template for the line.
    pub(crate) fn by_row(&mut self, row: Row) -> Result<Routed, (Code, String)> {
        let (text, url) = match &self.route {
            Route::Render { template, url } => {
                (template.render(&Arc::new(row), &self.secrets).map_err(|e| (Code::Render, e))?, *url)
            }
            Route::Column { name, url } => {
                let value = row.get(name).ok_or_else(|| {
                    (Code::Render, format!("the column {name:?} is missing from this line"))
                })?;
                (value.as_str().map_or_else(|| value.to_string(), str::to_owned), *url)
            }
            Route::Fixed { lane, key } => return Ok(Routed { lane: *lane, key: key.clone() }),
        };
        self.by_text(&text, url)
    }

    fn by_text(&mut self, text: &str, url: bool) -> Result<Routed, (Code, String)> {
        if !url {
            return Ok(self.by_key(text));
        }
        let authority = authority(text);
        if let Some(routed) = authority.and_then(|authority| self.authorities.get(authority)) {
            return Ok(routed.clone());
        }
        let routed = self.by_key(&host_key(text)?);
        if let Some(authority) = authority
            && self.authorities.len() < REMEMBERED
            && authority.len() <= REMEMBERED_BYTES
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
        if self.known.len() < REMEMBERED && key.len() <= REMEMBERED_BYTES {
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
            None => providers.len() + usize::from(blake3::hash(key.as_bytes()).as_bytes()[0]) % HASHED_LANES,
        }
    }

    fn paced_by(&self, lane: usize, key: Arc<str>) -> Option<Arc<str>> {
        (self.lanes[lane].kind == LaneKind::Hashed).then_some(key)
    }
}

impl Route {
    fn of(template: &Template, url: bool) -> Self {
        match template.column() {
            Some(name) => Self::Column { name: name.to_owned(), url },
            None => Self::Render { template: template.clone(), url },
        }
    }
}

/// Scheme, host and port of a URL as they are written. Whether such a URL is valid, and its key, depend on nothing that
/// comes after them (WHATWG URL Standard: behind an authority every path, query and fragment can be parsed).
fn authority(text: &str) -> Option<&str> {
    let start = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?.len();
    let length = text[start..].find(['/', '?', '#', '\\']).unwrap_or(text.len() - start);
    let authority = &text[..start + length];
    // Spaces at the end of a URL are passed over, within it they are not.
    (length > 0 && authority.bytes().all(|byte| byte.is_ascii_graphic())).then_some(authority)
}

fn host_key(text: &str) -> Result<String, (Code, String)> {
    let url = job::absolute_url(text).map_err(|reason| {
        let quoted =
            if reason.contains(text.trim()) { String::new() } else { format!(": {}", excerpt(text, QUOTED)) };
        (Code::Url, format!("{reason}{quoted}"))
    })?;
    Ok(limit_key(&url))
}

/// A name for keys: letters, digits, dot and dash stay; anything else makes the name end in a hash, so that two never meet.
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
        fn the_authority_tells_the_key(
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
    fn an_authority_ends_where_the_path_begins() {
        assert_eq!(authority("https://a.example:8443/x?y#z"), Some("https://a.example:8443"));
        assert_eq!(authority("http://a.example"), Some("http://a.example"));
        assert_eq!(authority("HTTP://a.example/x"), None);
        assert_eq!(authority("http:///a.example"), None);
        assert_eq!(authority("http://a.example "), None);
    }
}
