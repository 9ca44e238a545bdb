//! The last response of a sender, kept for a person who wants to see it.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::client::Response;

/// Takes the parts of a response while a sender reads it.
#[derive(Default)]
pub(crate) struct Tap(Mutex<Option<Tapped>>);

/// A response, as far as it was read.
pub(crate) struct Tapped {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Without its content codings.
    pub(crate) body: Bytes,
    /// The body may go on.
    pub(crate) cut: bool,
}

impl Tap {
    /// A response begins.
    pub(crate) fn head(&self, response: &Response) {
        let (status, headers) = (response.status(), response.headers().clone());
        self.set(Some(Tapped { status, headers, body: Bytes::new(), cut: false }));
    }

    /// Its body was read, or the beginning of it.
    pub(crate) fn body(&self, body: &[u8], cut: bool) {
        if let Some(response) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            response.body = Bytes::copy_from_slice(body);
            response.cut = cut;
        }
    }

    /// The last response, which the tap then forgets.
    pub(crate) fn take(&self) -> Option<Tapped> {
        self.set(None)
    }

    fn set(&self, response: Option<Tapped>) -> Option<Tapped> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), response)
    }
}
