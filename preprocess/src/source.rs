//! From an object's bytes to decompressed bytes, on a blocking thread.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use bytes::Bytes;
use job::job_file::Compression;
use job::{ErrorName, StepError};
use tokio::sync::mpsc;

/// Bytes looked at before anything else is decided.
const HEAD: u64 = 64 << 10;
/// Bytes that are skipped between two looks at the clock.
const SKIPPED: u64 = 4 << 20;

/// Chunks from the asynchronous side, read on a blocking thread.
pub(crate) struct ChannelReader {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl ChannelReader {
    pub(crate) fn new(chunks: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { chunks, current: Bytes::new() }
    }
}

impl Read for ChannelReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                None => return Ok(0),
                Some(chunk) => self.current = chunk?,
            }
        }
        let count = out.len().min(self.current.len());
        out[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// The first bytes of a stream, and the whole stream.
pub(crate) fn peek(mut stream: impl Read) -> io::Result<(Vec<u8>, impl Read)> {
    let mut head = Vec::new();
    stream.by_ref().take(HEAD).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(stream)))
}

/// How a file is compressed, by its first bytes.
pub(crate) fn compression_of(head: &[u8]) -> Compression {
    const BZIP2_BLOCK: &[u8] = b"\x31\x41\x59\x26\x53\x59";
    match head {
        [0x1f, 0x8b, 8, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if rest.starts_with(BZIP2_BLOCK) => Compression::Bzip2,
        _ => Compression::None,
    }
}

/// Decompresses as it is read; members that follow one another are one stream.
pub(crate) fn decompress<'a>(stream: impl Read + 'a, compression: Compression) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(stream),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(stream))),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(buffered(stream))?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered(stream))),
    })
}

/// Reads over the first `count` bytes of a decompressed stream.
pub(crate) fn skip(stream: &mut impl Read, count: u64, mut pause: impl FnMut() -> bool) -> io::Result<()> {
    let mut skipped = 0;
    while skipped < count {
        if pause() {
            let message = format!(
                "its first {count} bytes take as long to decompress as one call of a function may take: upload it without \
                 compression, or in several files"
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

fn buffered(stream: impl Read) -> impl BufRead {
    BufReader::with_capacity(128 << 10, stream)
}
