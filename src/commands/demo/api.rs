//! A sample API on loopback. It limits the requests in any second, responds to others with 429 and
//! Retry-After, and has a few transient faults.

use std::collections::{HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Names of places. Some of them must be quoted in CSV or encoded in a URL.
pub(super) const NAMES: [&str; 7] =
    ["Zürich HB", "Baker Street", "Gate, North", "Rue de l'Église", "5th & Main", "Plaza 100%", "Nørreport"];
const CITIES: [&str; 5] = ["Zürich", "London", "Paris", "New York", "København"];

/// How a provider behaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behaviour {
    /// Requests that are allowed in any second.
    limit: usize,
    /// How long a response takes.
    delay: Duration,
}

pub(super) const QUICK: Behaviour = Behaviour { limit: 300, delay: Duration::from_millis(25) };
pub(super) const SLOW: Behaviour = Behaviour { limit: 20, delay: Duration::from_millis(400) };

/// A running provider; it ends when dropped.
pub(super) struct Api {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

struct Provider {
    behaviour: Behaviour,
    recent: Mutex<VecDeque<Instant>>,
    /// Places whose first request has failed with a transient fault.
    faulted: Mutex<HashSet<String>>,
}

pub(super) async fn start(behaviour: Behaviour) -> std::io::Result<Api> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let provider = Arc::new(Provider { behaviour, recent: Mutex::default(), faulted: Mutex::default() });
    let router = Router::new().route("/v1/places/{id}", get(place)).with_state(provider);
    let serving = tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Ok(Api { address, serving })
}

impl Api {
    /// `127.0.0.1:port`
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn place(State(provider): State<Arc<Provider>>, Path(id): Path<String>) -> Response {
    if !provider.admits(Instant::now()) {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many requests")
            .into_response();
    }
    tokio::time::sleep(provider.behaviour.delay).await;
    let hash = blake3::hash(id.as_bytes());
    let draw = u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]);
    if id.starts_with("missing") {
        return (StatusCode::NOT_FOUND, r#"{"error": "no such place"}"#).into_response();
    }
    if draw.is_multiple_of(50)
        && provider.faulted.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    {
        return (StatusCode::BAD_GATEWAY, "upstream hiccup").into_response();
    }
    let city = CITIES[usize::from(draw) % CITIES.len()];
    let tenths = |range: i32| f64::from(i32::from(draw) % (2 * range) - range) / 10.0;
    let (lat, lon) = (tenths(900), tenths(1800));
    let body = serde_json::json!({ "id": id, "city": city, "position": { "lat": lat, "lon": lon } });
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl Provider {
    /// Whether one more request stays within the limit of the last second.
    fn admits(&self, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.front().is_some_and(|first| now - *first >= Duration::from_secs(1)) {
            recent.pop_front();
        }
        let admitted = recent.len() < self.behaviour.limit;
        if admitted {
            recent.push_back(now);
        }
        admitted
    }
}
