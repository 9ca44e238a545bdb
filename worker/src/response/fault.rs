//! The errors of the HTTP client as failed attempts.

use std::error::Error;
use std::io;

use job::Code;
use rustix::io::Errno;

use crate::client::{self, ProxyError};
use crate::failure::{FailedAttempt, Nature};
use net::guard::AddressDenied;

/// No response came, or none that can be read.
pub(crate) fn of_request(error: &client::Error) -> FailedAttempt {
    if let Some(denied) = find::<AddressDenied>(error) {
        return FailedAttempt::unsent(Code::AddressDenied, denied.to_string());
    }
    if chain(error).any(is_out_of_descriptors) {
        tracing::warn!("the process has no file descriptor left for a connection: the request is made again");
        return FailedAttempt::unsent(Code::Connect, reason(error)).with(Nature::Local);
    }
    if let Some(proxy) = find::<ProxyError>(error) {
        return FailedAttempt::unsent(Code::Connect, proxy.to_string()).with(Nature::Unreached);
    }
    if error.is_connect() {
        return match find::<rustls::Error>(error) {
            Some(tls) => FailedAttempt::unsent(Code::Tls, tls.to_string()),
            None => FailedAttempt::unsent(Code::Connect, cause_and_reason(error)).with(Nature::Unreached),
        };
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled) {
        let detail = format!("closed: the connection ended before the request was sent ({})", reason(error));
        return FailedAttempt::unsent(Code::Connect, detail).with(Nature::Unprocessed);
    }
    match find::<h2::Error>(error) {
        Some(h2) if is_unprocessed(h2) => {
            let detail = format!("unprocessed: the server did not process the request ({})", reason(error));
            FailedAttempt::sent(Code::Connect, detail).with(Nature::Unprocessed)
        }
        // The client reset the stream because the frames of the response were wrong.
        Some(h2) if h2.is_reset() && h2.is_library() => unreadable(error),
        _ if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) => unreadable(error),
        _ => FailedAttempt::sent(Code::Connect, cause_and_reason(error)).with(Nature::Doubtful),
    }
}

/// The response began and did not end.
pub(super) fn of_body(error: &hyper::Error) -> FailedAttempt {
    FailedAttempt::sent(Code::BodyCut, reason(error)).with(Nature::Doubtful)
}

/// Streams above the last one that a GOAWAY frame names, and refused streams, were not processed, whatever
/// the method (RFC 9113, section 8.7). The client gives a remote GOAWAY only to such streams, and to requests
/// that were not sent.
fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote()
        && (error.is_go_away() || error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// The server responded, and the response cannot be read.
fn unreadable(error: &client::Error) -> FailedAttempt {
    FailedAttempt::sent(Code::BadResponse, format!("the response cannot be read: {}", reason(error)))
        .with(Nature::Doubtful)
}

/// The cause of a lost connection in one word, by which the report counts ([`job::run::CONNECT_CAUSES`]),
/// then the reason.
fn cause_and_reason(error: &client::Error) -> String {
    let reason = reason(error);
    let io = chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    let kind = match io.map(io::Error::kind) {
        _ if chain(error).any(|cause| cause.to_string() == "dns error") => "dns",
        _ if find::<hyper::Error>(error).is_some_and(hyper::Error::is_timeout) => "timeout",
        Some(io::ErrorKind::ConnectionRefused) => "refused",
        Some(
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable,
        ) => "unreachable",
        Some(io::ErrorKind::TimedOut) => "timeout",
        Some(
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe,
        ) => "reset",
        _ if find::<h2::Error>(error).is_some_and(|h2| h2.is_reset() || h2.is_go_away()) => "reset",
        _ if error.is_connect() => return format!("no connection: {reason}"),
        _ => "closed",
    };
    format!("{kind}: {reason}")
}

/// An error and its causes, including the errors that `io::Error` wraps and does not give as its `source`.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn is_out_of_descriptors(error: &(dyn Error + 'static)) -> bool {
    let code = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    code.is_some_and(|code| [Errno::MFILE, Errno::NFILE].contains(&Errno::from_raw_os_error(code)))
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref())
}

/// The innermost cause of an error.
fn reason(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}
