//! Any header is a wait of at most a year, or none.
#![no_main]

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderValue, RETRY_AFTER};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8], u64)| {
    let (retry_after, date, now) = input;
    let mut headers = HeaderMap::new();
    for (name, value) in [(RETRY_AFTER, retry_after), (DATE, date)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    if let Some(wait) = worker::retry_after(&headers, now % (1 << 50)) {
        assert!(wait <= Duration::from_secs(366 * 24 * 3600));
    }
});
