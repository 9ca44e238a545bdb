//! From the bytes of an object to decoded text: compression, encoding and format are recognised here.

pub(super) mod compression;
pub(super) mod encoding;
pub(super) mod format;
pub(super) mod window;

use std::io::{self, Cursor, Read};

use job::{ErrorName, StepError};

pub(super) use window::Window;

/// Bytes that decide how the stream is compressed and encoded.
const HEAD: u64 = 64 << 10;
/// Bytes that are skipped between two checks for a pause.
const SKIPPED: u64 = 4 << 20;

/// The first bytes of a stream, and the whole stream.
pub(super) fn peek(mut stream: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::new();
    stream.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(stream)))
}

/// Skips the first `count` bytes of a stream that is decompressed or decoded.
pub(super) fn skip(stream: &mut impl Read, count: u64, mut pause: impl FnMut() -> bool) -> io::Result<()> {
    let mut skipped = 0;
    while skipped < count {
        if pause() {
            let message = format!(
                "its first {count} bytes take as long to decompress or decode as one call of a function may take: upload it \
                 without compression and as UTF-8, or in several files"
            );
            return Err(io::Error::other(StepError::new(ErrorName::InputUnreadable, message)));
        }
        match io::copy(&mut stream.by_ref().take((count - skipped).min(SKIPPED)), &mut io::sink())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => skipped += more,
        }
    }
    Ok(())
}
