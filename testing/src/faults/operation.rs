//! What a call of the store does, and what can happen to it.

use std::fmt;

use aws_sdk_s3::config::http::HttpRequest;

/// What a call of the store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Reads an object.
    Get,
    /// Reads what is known of an object.
    Head,
    /// Lists objects.
    List,
    /// Writes an object.
    Put,
    /// Writes an object on a condition: `If-None-Match` or `If-Match`.
    PutIf,
    /// Begins an upload of several parts.
    Create,
    /// Writes a part.
    Part,
    /// Completes an upload.
    Complete,
    /// Aborts an upload.
    Abort,
    /// Deletes an object.
    Delete,
}

impl Operation {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let query = request.uri().split_once('?').map_or("", |(_, query)| query);
        let conditional =
            ["if-none-match", "if-match"].iter().any(|name| request.headers().get(*name).is_some());
        let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
        match request.method() {
            "HEAD" => Self::Head,
            "GET" if has("list-type") => Self::List,
            "GET" => Self::Get,
            "PUT" if has("partNumber") => Self::Part,
            "PUT" if conditional => Self::PutIf,
            "PUT" => Self::Put,
            "POST" if has("uploads") => Self::Create,
            "POST" if has("uploadId") => Self::Complete,
            "DELETE" if has("uploadId") => Self::Abort,
            _ => Self::Delete,
        }
    }

    /// Whether it changes the store.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::List)
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 500 InternalError; nothing was done.
    Internal,
    /// 503 SlowDown; nothing was done.
    SlowDown,
    /// No response in time; nothing was done.
    Timeout,
    /// The connection breaks before anything arrives.
    Reset,
    /// The connection breaks in the middle of the request's body.
    CutRequest,
    /// The connection breaks in the middle of the response's body.
    CutResponse,
    /// The call was done, and its response is lost. The client repeats the call, and finds that it was done.
    LostResponse,
    /// As a lost response to a completion, but the store does not remember the upload.
    Forgotten,
    /// 409 ConditionalRequestConflict; nothing was done.
    Conflict,
    /// The objects that were written last are missing from the listing.
    Stale,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Internal,
        Self::SlowDown,
        Self::Timeout,
        Self::Reset,
        Self::CutRequest,
        Self::CutResponse,
        Self::LostResponse,
        Self::Forgotten,
        Self::Conflict,
        Self::Stale,
    ];

    /// Whether it can happen to a call of this operation.
    pub fn can_meet(self, operation: Operation) -> bool {
        match self {
            Self::Internal | Self::SlowDown | Self::Timeout | Self::Reset => true,
            Self::CutRequest => matches!(operation, Operation::Put | Operation::PutIf | Operation::Part),
            Self::CutResponse => operation == Operation::Get,
            Self::LostResponse => operation.writes(),
            Self::Forgotten => operation == Operation::Complete,
            Self::Conflict => operation == Operation::PutIf,
            Self::Stale => operation == Operation::List,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Internal => "500 InternalError",
            Self::SlowDown => "503 SlowDown",
            Self::Timeout => "timeout",
            Self::Reset => "connection reset",
            Self::CutRequest => "request body cut",
            Self::CutResponse => "response body cut",
            Self::LostResponse => "response lost, call done",
            Self::Forgotten => "completion lost and forgotten",
            Self::Conflict => "409 conflict",
            Self::Stale => "stale listing",
        })
    }
}
