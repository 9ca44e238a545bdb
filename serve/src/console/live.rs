//! The stream of a page: the parts that have changed, once a second. A page that several people with one role look at is
//! rendered once for all of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::page::{Part, Wanted};
use super::{Console, Shared, Who, views};
use crate::api::ApiError;
use crate::keys::Role;

/// The time between two renderings of a page.
const EVERY: Duration = Duration::from_secs(1);
/// The most pages that are rendered at a time.
const MOST: usize = 200;

type Parts = Arc<Vec<Part>>;

/// The pages that somebody looks at, by role and address.
#[derive(Default)]
pub(super) struct Pages(Mutex<HashMap<(Role, String), watch::Sender<Parts>>>);

impl Pages {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Role, String), watch::Sender<Parts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    page: String,
}

pub(super) async fn respond(State(console): State<Shared>, who: Who, Query(asked): Query<Asked>) -> Response {
    let Ok(uri) = asked.page.parse::<Uri>() else { return StatusCode::BAD_REQUEST.into_response() };
    let Some(parts) = watched(&console, &who, asked.page, &uri).await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    // A new reader gets all parts, because the page may be older than the stream.
    let beginning: Parts = Arc::default();
    let changes = stream::unfold((parts, beginning), async |(mut parts, before)| {
        if !before.is_empty() {
            parts.changed().await.ok()?;
        }
        let now = parts.borrow_and_update().clone();
        let mut changed: Vec<Result<Event, Infallible>> = Vec::new();
        if ids(&before) != ids(&now) {
            changed.push(Ok(Event::default().event("parts").data(json!(ids(&now)).to_string())));
        }
        let new = now.iter().filter(|part| part.is_live && !before.contains(part));
        changed.extend(new.map(|part| {
            Ok(Event::default().event("part").data(json!({"id": part.id, "html": part.html}).to_string()))
        }));
        Some((stream::iter(changed), (parts, now)))
    });
    let stop = console.stop.clone();
    let changes = changes.flatten().take_until(async move { stop.cancelled().await });
    let first = stream::iter([Ok(Event::default().retry(Duration::from_secs(2)).comment("open"))]);
    Sse::new(first.chain(changes))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}

fn ids(parts: &[Part]) -> Vec<&'static str> {
    parts.iter().map(|part| part.id).collect()
}

/// The parts of a page, which are rendered as long as somebody receives them.
async fn watched(console: &Shared, who: &Who, path: String, uri: &Uri) -> Option<watch::Receiver<Parts>> {
    let key = (who.key.role, path);
    if let Some(sender) = console.pages.lock().get(&key) {
        return Some(sender.subscribe());
    }
    let parts = parts(console, who, uri).await.ok()?;
    let mut pages = console.pages.lock();
    if let Some(sender) = pages.get(&key) {
        return Some(sender.subscribe());
    }
    if pages.len() >= MOST {
        return None;
    }
    let (sender, receiver) = watch::channel(Arc::new(parts));
    pages.insert(key.clone(), sender);
    tokio::spawn(render(console.clone(), who.clone(), uri.clone(), key));
    Some(receiver)
}

async fn parts(console: &Console, who: &Who, uri: &Uri) -> Result<Vec<Part>, ApiError> {
    Ok(views::view(console, who, &Wanted::of(uri)).await?.parts)
}

async fn render(console: Arc<Console>, who: Who, uri: Uri, key: (Role, String)) {
    loop {
        tokio::time::sleep(EVERY).await;
        // The session may have ended meanwhile; the next stream is refused then.
        let now = parts(&console, &who, &uri).await;
        let mut pages = console.pages.lock();
        let Some(sender) = pages.get(&key).filter(|sender| sender.receiver_count() > 0) else {
            pages.remove(&key);
            return;
        };
        // A page that cannot be rendered now stays as it is.
        if let Ok(now) = now {
            sender.send_if_modified(|parts| {
                let changed = **parts != now;
                if changed {
                    *parts = Arc::new(now);
                }
                changed
            });
        }
    }
}
