//! Undoes content codings (RFC 9110, 8.4): gzip, deflate, brotli, zstd.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use bytes::Bytes;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::body::{BodyError, ReadLimits};

/// The codings that a request accepts.
pub(crate) const ACCEPTED: &str = "gzip, deflate, br, zstd";

/// Codings that one response may have. Source: curl.
const MAX_CODINGS: usize = 5;
/// Bytes that are unpacked at a time.
const PIECE: usize = 32 << 10;
/// Bytes that are unpacked before memory is reserved. Most bodies end before, so they hold no decoder while
/// they wait.
const AT_ONCE: usize = 256 << 10;
/// The largest window of zstd that HTTP allows, as a power of two. Source: RFC 9659.
const ZSTD_WINDOW: u32 = 23;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// The codings of a body, in the order in which they were applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Codings(Vec<Coding>);

impl Codings {
    /// Reads all `Content-Encoding` lines.
    ///
    /// # Errors
    /// In words: which coding cannot be undone.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let mut codings = Vec::new();
        for line in headers.get_all(CONTENT_ENCODING) {
            for name in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                codings.push(match name.as_str() {
                    "gzip" | "x-gzip" => Coding::Gzip,
                    "deflate" => Coding::Deflate,
                    "br" => Coding::Brotli,
                    "zstd" => Coding::Zstd,
                    "" | "identity" | "none" => continue,
                    _ => {
                        return Err(format!(
                            "the body has the content coding {name:?}, which cannot be undone"
                        ));
                    }
                });
            }
        }
        if codings.len() > MAX_CODINGS {
            Err(format!("the body has more than {MAX_CODINGS} content codings"))
        } else {
            Ok(Self(codings))
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Undoes the codings of a whole body. No step may produce more than `most` bytes.
    pub(super) async fn undo(
        &self,
        packed: &Bytes,
        most: u64,
        limits: &mut ReadLimits<'_>,
    ) -> Result<Bytes, BodyError> {
        if self.is_empty() || packed.is_empty() {
            return Ok(packed.clone());
        }
        let mut unpacked = Vec::new();
        let mut reader = self.reader(packed, most).map_err(broken)?;
        loop {
            let before = unpacked.len();
            reader.by_ref().take(PIECE as u64).read_to_end(&mut unpacked).map_err(broken)?;
            if unpacked.len() == before {
                break;
            }
            if unpacked.len() > AT_ONCE {
                limits.room(packed.len() + unpacked.len()).await;
            }
        }
        drop(reader);
        limits.room(packed.len() + unpacked.len()).await;
        Ok(unpacked.into())
    }

    /// Undoes the codings of the beginning of a body, as far as that is possible.
    pub(super) fn undo_prefix(&self, packed: Vec<u8>, most: u64) -> Vec<u8> {
        if self.is_empty() {
            return packed;
        }
        let mut unpacked = Vec::new();
        if let Ok(reader) = self.reader(&packed, u64::MAX) {
            // Whatever came before an error stays.
            reader.take(most).read_to_end(&mut unpacked).ok();
        }
        unpacked
    }

    fn reader<'a>(&self, packed: &'a [u8], most: u64) -> io::Result<Box<dyn Read + Send + 'a>> {
        let mut input: Box<dyn BufRead + Send + 'a> = Box::new(packed);
        for coding in self.0.iter().rev() {
            let unpacked: Box<dyn Read + Send + 'a> = match coding {
                Coding::Gzip => Box::new(Members::new(input)),
                Coding::Deflate if is_zlib(input.fill_buf()?) => Box::new(ZlibDecoder::new(input)),
                Coding::Deflate => Box::new(DeflateDecoder::new(input)),
                Coding::Brotli => Box::new(brotli_decompressor::Decompressor::new(Unfinished(input), PIECE)),
                Coding::Zstd => {
                    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Box::new(decoder)
                }
            };
            input = Box::new(BufReader::new(Capped { unpacked, left: most }));
        }
        Ok(Box::new(input))
    }
}

/// "deflate" is the zlib format, but some servers send a bare deflate stream, which browsers accept. The
/// first byte of zlib means "a window of at most 32 KiB", and its first two are a multiple of 31. Source: RFC
/// 1950, 2.2.
fn is_zlib(start: &[u8]) -> bool {
    match start {
        [method, flags, ..] => method & 0x8f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31),
        _ => true,
    }
}

/// Reads all members of a gzip file, one after the other. Other bytes after the last member are ignored, as
/// by curl and browsers.
struct Members<R> {
    decoder: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    fn new(packed: R) -> Self {
        Self { decoder: Some(GzDecoder::new(packed)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(mut decoder) = self.decoder.take() {
            let read = decoder.read(out)?;
            if read > 0 || out.is_empty() {
                self.decoder = Some(decoder);
                return Ok(read);
            }
            let mut packed = decoder.into_inner();
            let next = packed.fill_buf()?;
            if !next.is_empty() && next.iter().zip(GZIP).all(|(byte, magic)| *byte == magic) {
                self.decoder = Some(GzDecoder::new(packed));
            }
        }
        Ok(0)
    }
}

/// Fails when the input ends before the decoder says that its stream is complete.
struct Unfinished<R>(R);

impl<R: Read> Read for Unfinished<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 if !out.is_empty() => Err(io::Error::new(ErrorKind::UnexpectedEof, "incomplete brotli stream")),
            read => Ok(read),
        }
    }
}

/// Fails instead of giving more than `left` bytes.
struct Capped<R> {
    unpacked: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.unpacked.read(out)?;
        self.left =
            self.left.checked_sub(read as u64).ok_or_else(|| io::Error::from(ErrorKind::FileTooLarge))?;
        Ok(read)
    }
}

fn broken(error: io::Error) -> BodyError {
    match error.kind() {
        ErrorKind::FileTooLarge => BodyError::TooLarge,
        ErrorKind::UnexpectedEof => BodyError::Short(format!("the compressed body ended early: {error}")),
        _ => BodyError::Unreadable(format!("the body's content coding is broken: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn codings(lines: &[&'static str]) -> Result<Codings, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        Codings::of(&headers)
    }

    #[test]
    fn codings_are_read_in_any_case_and_from_several_lines() {
        let expected = Ok(Codings(vec![Coding::Gzip, Coding::Brotli, Coding::Zstd, Coding::Deflate]));
        assert_eq!(codings(&["X-GZip , bR", "Identity,,ZSTD", "deflate"]), expected);
        assert_eq!(codings(&["", " identity", "none"]), Ok(Codings::default()));
        assert!(codings(&["gzip, compress"]).is_err_and(|error| error.contains("\"compress\"")));
        assert!(codings(&["gzip, gzip, gzip", "gzip, gzip, gzip"]).is_err());
    }

    #[test]
    fn zlib_is_told_from_bare_deflate() {
        for level in 0..=9 {
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(level));
            let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
            for writer in [&mut zlib as &mut dyn io::Write, &mut bare] {
                writer.write_all(b"some text, some more").expect("memory takes it");
            }
            assert!(is_zlib(&zlib.finish().expect("memory takes it")));
            assert!(!is_zlib(&bare.finish().expect("memory takes it")));
        }
    }
}
