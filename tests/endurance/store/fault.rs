//! What can happen to a call of the store, and to which.

use std::fmt;

use aws_sdk_s3::config::http::HttpRequest;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Get,
    Head,
    List,
    Put,
    /// `If-None-Match` or `If-Match`.
    PutIf,
    Create,
    Part,
    Complete,
    Abort,
    Delete,
}

impl Call {
    pub fn of(request: &HttpRequest) -> Self {
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

    fn writes(self) -> bool {
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
    /// No answer in time; nothing was done.
    Timeout,
    /// The connection breaks before anything arrives.
    Reset,
    /// The connection breaks in the middle of the request's body.
    CutRequest,
    /// The connection breaks in the middle of the answer's body.
    CutAnswer,
    /// It was done, and the answer is lost. The client asks again, and meets its own doing.
    LostAnswer,
    /// As a lost answer to a completion, but the store does not remember the upload.
    Forgotten,
    /// 409 ConditionalRequestConflict; nothing was done.
    Conflict,
    /// The listing lacks what was written last.
    Stale,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::Internal,
        Self::SlowDown,
        Self::Timeout,
        Self::Reset,
        Self::CutRequest,
        Self::CutAnswer,
        Self::LostAnswer,
        Self::Forgotten,
        Self::Conflict,
        Self::Stale,
    ];

    pub fn can_meet(self, call: Call) -> bool {
        match self {
            Self::Internal | Self::SlowDown | Self::Timeout | Self::Reset => true,
            Self::CutRequest => matches!(call, Call::Put | Call::PutIf | Call::Part),
            Self::CutAnswer => call == Call::Get,
            Self::LostAnswer => call.writes(),
            Self::Forgotten => call == Call::Complete,
            Self::Conflict => call == Call::PutIf,
            Self::Stale => call == Call::List,
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
            Self::CutAnswer => "answer body cut",
            Self::LostAnswer => "answer lost, call done",
            Self::Forgotten => "completion lost and forgotten",
            Self::Conflict => "409 conflict",
            Self::Stale => "stale listing",
        })
    }
}
