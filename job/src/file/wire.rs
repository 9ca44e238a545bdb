//! How requests are carried: the version of HTTP, the compression of bodies, and the times of a connection.

use std::time::Duration;

use super::JobError;
use super::check::File;
use super::syntax::RequestSyntax;
use super::units::parse_duration;

/// The keys of `[request]` about what carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wire {
    /// `http = "1.1"`: HTTP/2 is not offered.
    pub http1: bool,
    /// `compress`: the content coding of request bodies.
    pub compress: Option<Coding>,
    /// `connect_timeout`: name, TCP and TLS; default 10 s, or three quarters of `timeout` if that is shorter.
    pub connect_timeout: Option<Duration>,
    /// `read_timeout`: the longest time without a byte of the response.
    pub read_timeout: Option<Duration>,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl File<'_> {
    /// `timeout` is that of the whole attempt.
    pub(super) fn wire(&self, syntax: &RequestSyntax, timeout: Duration) -> Result<Wire, JobError> {
        let within = |key: &'static str| {
            move |text: &String| {
                let time = parse_duration(text)?;
                if time > timeout {
                    return Err(format!(
                        "{key} is longer than timeout, {timeout:?}, within which an attempt must end"
                    ));
                }
                Ok(Some(time))
            }
        };
        let compress = self.optional(syntax.compress.as_ref(), None, |text| match text.as_str() {
            "gzip" => Ok(Some(Coding::Gzip)),
            "zstd" => Ok(Some(Coding::Zstd)),
            other => Err(format!("{other:?} is not a coding of request bodies: write \"gzip\" or \"zstd\"")),
        })?;
        let own = syntax.headers.0.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        if let (Some(_), Some((_, value))) = (compress, own) {
            return Err(
                self.error(&value.span(), "compress sets the header content-encoding: leave one of them out")
            );
        }
        let has_body = syntax.body.is_some() || syntax.body_file.is_some() || syntax.multipart.is_some();
        if let (Some(written), false) = (&syntax.compress, has_body) {
            return Err(
                self.error(&written.span(), "there is no body to compress: add body, or leave compress out")
            );
        }
        Ok(Wire {
            http1: self.optional(syntax.http.as_ref(), false, |text| match text.as_str() {
                "1.1" => Ok(true),
                other => Err(format!("{other:?} cannot be forced: write \"1.1\", or leave it out for HTTP/2 where a server has it")),
            })?,
            compress,
            connect_timeout: self.optional(syntax.connect_timeout.as_ref(), None, within("connect_timeout"))?,
            read_timeout: self.optional(syntax.read_timeout.as_ref(), None, within("read_timeout"))?,
        })
    }
}
