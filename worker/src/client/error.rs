//! Why a request has no response.

use std::fmt;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request has no response. The causes say more.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no connection, so the request was not sent.
    Connect(BoxError),
    /// The connection was lost.
    Lost(hyper::Error),
}

impl Error {
    /// Whether there was no connection.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect(_) => "no connection",
            Self::Lost(_) => "the connection was lost",
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(cause) => Some(cause.as_ref()),
            Self::Lost(cause) => Some(cause),
        }
    }
}
