//! Script and style, which are part of the program. Their address changes with their content, so browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

const CSS: &str = "text/css; charset=utf-8";

const FILES: [(&str, &str, &str); 1] = [("console.css", CSS, include_str!("../../assets/console.css"))];

/// The first digits of the hash of all files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    FILES.iter().for_each(|(_, _, content)| _ = hasher.update(content.as_bytes()));
    hasher.finalize().to_hex()[..12].to_owned()
});

/// The folder of the files in URLs.
pub(super) fn folder() -> String {
    format!("/assets/{}", *VERSION)
}

pub(super) async fn respond(Path((version, name)): Path<(String, String)>) -> Response {
    let found = FILES.iter().find(|(known, _, _)| *known == name);
    match found.filter(|_| version == *VERSION) {
        Some((_, kind, content)) => {
            let kept = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, kept)], *content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
