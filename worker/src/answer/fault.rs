//! What the HTTP client reports, as codes.

use std::error::Error;
use std::io;

use job::Code;

use super::Trouble;
use crate::guard::AddressDenied;
use crate::outcome::Nature;

/// There was no answer.
pub(super) fn of_request(error: reqwest::Error) -> Trouble {
    // The URL may carry a secret.
    let error = error.without_url();
    if let Some(denied) = find::<AddressDenied>(&error) {
        return Trouble::last(Code::AddressDenied, denied.to_string());
    }
    if error.is_builder() {
        return Trouble::last(Code::Url, format!("the URL cannot be requested: {}", reason(&error)));
    }
    if error.is_connect()
        && let Some(tls) = find::<rustls::Error>(&error)
    {
        return Trouble::last(Code::Tls, tls.to_string());
    }
    let nature = if error.is_connect() { Nature::Unreached } else { Nature::Doubtful };
    Trouble { nature, ..Trouble::last(Code::Connect, reason(&error)) }
}

/// The answer began and did not end.
pub(super) fn of_body(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    // What a decompressor says stands right below; what happened to the connection, below the protocol's own error.
    let decompressor = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let broken = decompressor.is_some_and(|io| io.kind() != io::ErrorKind::UnexpectedEof);
    if error.is_decode() && broken {
        return Trouble::last(Code::Extract, format!("the body's content encoding is broken: {}", reason(&error)));
    }
    Trouble { nature: Nature::Doubtful, ..Trouble::last(Code::BodyCut, reason(&error)) }
}

/// An error and its causes. `io::Error` hides the error it wraps from `source`: it is looked into.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// The innermost cause: what happened, without the layers that passed it on.
fn reason(error: &reqwest::Error) -> String {
    chain(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}
