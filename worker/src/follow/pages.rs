//! The pages of a list.

use bytes::Bytes;
use job::Code;
use job::file::{Auth, Next, Pages};
use job::json::{Json, Kind, Tape, TooMuch};
use url::Url;

use super::link::next_link;
use super::{Chain, Following, Follows};
use crate::failure::Failure;
use crate::request::Prepared;
use crate::response::{Seen, Sender};

impl Sender {
    /// The request of the next page, or all pages as one JSON array.
    pub(super) fn next_page(
        &self,
        pages: &Pages,
        chain: &Chain,
        seen: &Seen<'_>,
    ) -> Result<Follows, Failure> {
        let most = usize::try_from(self.job.request.max_response).unwrap_or(usize::MAX);
        let body = seen.text().map_err(|why| Failure::new(Code::Extract, why))?;
        let tape = Tape::parse(&body).map_err(|error| {
            Failure::new(Code::Extract, crate::response::not_json(&error.to_string(), &body, seen.headers))
        })?;
        let root = tape.root(&body);
        let too_much = || {
            let detail = format!("the pages have more than {most} bytes together");
            Failure::new(Code::TooLarge, detail)
        };
        let (items, count) = items_of(pages, root, most).map_err(|TooMuch| too_much())?;
        let mut chain = chain.clone();
        chain.pages += 1;
        if !items.is_empty() {
            chain.items.push(items.into());
        }
        if chain.items.iter().map(Bytes::len).sum::<usize>() > most {
            return Err(too_much());
        }
        let url = match self.next_url(&pages.next, root, count, seen, most)? {
            Some(url) if url != seen.prepared.url => url,
            _ => return Ok(Follows::Nothing(Some(whole(&chain.items)))),
        };
        if chain.pages >= pages.most {
            let detail = format!("there are more than {} pages ([pages] most): {url}", pages.most);
            return Err(Failure::new(Code::TooLarge, detail));
        }
        chain.check_origin(&url)?;
        let prepared = Prepared { url, hops: 0, chain: Some(Box::new(chain)), ..seen.prepared.clone() };
        let next = Following { prepared: Box::new(prepared), wait: std::time::Duration::ZERO, begun: None };
        Ok(Follows::Request(Box::new(next)))
    }

    /// The URL of the next page, if there is one.
    fn next_url(
        &self,
        next: &Next,
        root: Json<'_>,
        items: usize,
        seen: &Seen<'_>,
        most: usize,
    ) -> Result<Option<Url>, Failure> {
        let current = &seen.prepared.url;
        let text = |path: &job::json::Path| {
            let found = path.query(root, most).unwrap_or_default();
            let text = found.first().filter(|value| !matches!(value.kind(), Kind::Null | Kind::Bool(_)))?;
            Some(text.text().into_owned()).filter(|text| !text.is_empty())
        };
        let link = match next {
            Next::Url(path) => text(path),
            Next::Link => seen.header("link").and_then(|links| next_link(&links)),
            Next::Cursor(path, param) => {
                return Ok(text(path).map(|cursor| with_parameter(current, param, &cursor)));
            }
            Next::Number(_) if items == 0 => None,
            Next::Number(param) => {
                let number = current.query_pairs().find(|(name, _)| name == param);
                let number = number.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or(1);
                return Ok(Some(with_parameter(current, param, &number.saturating_add(1).to_string())));
            }
        };
        let Some(link) = link else { return Ok(None) };
        let url = current.join(&link).map_err(|error| {
            Failure::new(Code::Url, format!("the next page {link:?} is not a URL: {error}"))
        })?;
        Ok(Some(match &self.job.auth {
            // The link need not repeat the key of the request.
            Some(Auth::Query(key)) if !url.query_pairs().any(|(name, _)| name == key.name) => {
                let value = current.query_pairs().find(|(name, _)| *name == key.name);
                value.map_or(url.clone(), |(name, value)| with_parameter(&url, &name, &value))
            }
            _ => url,
        }))
    }
}

/// What a page has, as JSON texts with commas between them, and how many they are.
fn items_of(pages: &Pages, root: Json<'_>, most: usize) -> Result<(Vec<u8>, usize), TooMuch> {
    let items = match &pages.items {
        Some(path) => path.query(root, most)?,
        None => vec![root],
    };
    let mut text = Vec::new();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            text.push(b',');
        }
        item.write(&mut text);
    }
    Ok((text, items.len()))
}

/// The items of all pages as one array.
fn whole(items: &[Bytes]) -> Bytes {
    [b"[", &*items.join(&b","[..]), b"]"].concat().into()
}

/// A URL in which a parameter of the query has a value.
fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let mut next = url.clone();
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(other, _)| other != name)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    next.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_replaced_or_added() {
        let with = |url: &str| {
            let url = Url::parse(url).expect("a URL");
            with_parameter(&url, "page", "a b").query().unwrap_or_default().to_owned()
        };
        assert_eq!(with("http://a.example/x"), "page=a+b");
        assert_eq!(with("http://a.example/x?page=1&q=%26"), "q=%26&page=a+b");
    }

    #[test]
    fn the_items_of_all_pages_are_one_array() {
        let pages = [Bytes::from_static(b"1,2"), Bytes::from_static(b"{\"a\":3}")];
        assert_eq!(whole(&pages), "[1,2,{\"a\":3}]");
        assert_eq!(whole(&[]), "[]");
    }
}
