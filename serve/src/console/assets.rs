//! Script and style, which are part of the program. Their address changes with their content, so browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

const CSS: &str = "text/css; charset=utf-8";

const JS: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 5] = [
    ("console.css", CSS, include_str!("../../assets/console.css")),
    ("live.js", JS, include_str!("../../assets/live.js")),
    ("forms.js", JS, include_str!("../../assets/forms.js")),
    ("theme.js", JS, include_str!("../../assets/theme.js")),
    // idiomorph 0.8.0 from npm, unchanged; its licence is in the file next to it.
    ("idiomorph.js", JS, include_str!("../../assets/idiomorph.js")),
];

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use sha2::{Digest, Sha256};

    use super::*;

    /// The most bytes of script and style that a page loads, compressed.
    const MOST: usize = 60_000;

    #[test]
    fn files_of_others_are_as_they_were_published() {
        // dist/idiomorph.min.js of idiomorph 0.8.0 from npm.
        let published = "4cbd535caf7663a51eda9bce6595371c384fc430d54b8d414e29a61167f19f96";
        let (_, _, content) = FILES.iter().find(|(name, _, _)| *name == "idiomorph.js").unwrap();
        let hash = Sha256::digest(content.as_bytes());
        assert_eq!(hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), published);
    }

    #[test]
    fn a_page_loads_little() {
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        FILES.iter().for_each(|(_, _, content)| compressed.write_all(content.as_bytes()).unwrap());
        let bytes = compressed.finish().unwrap().len();
        assert!(bytes < MOST, "{bytes}");
    }
}
