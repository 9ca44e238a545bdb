//! The bytes of an object, decompressed if its name has the ending of a compression.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::{ObjectRef, failed};
use crate::failure::Failure;
use crate::run::Runtime;

/// AWS's limit of an object, in bytes.
const LARGEST: u64 = 10 * 1024 * 1024 * 1024;
/// The compressed bytes that are decompressed at once, so that a chunk of a highly compressed file cannot
/// fill the memory.
const COMPRESSED_BYTES_AT_ONCE: usize = 16 * 1024;

pub(super) struct Chunks {
    stream: BoxStream<'static, io::Result<Bytes>>,
    compression: Compression,
    /// Bytes that were read and are not decompressed yet.
    rest: Bytes,
    read: u64,
    ended: bool,
}

enum Compression {
    None,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl Chunks {
    pub(super) async fn open(runtime: &Runtime, location: &ObjectRef) -> Result<Self, Failure> {
        let ObjectRef { bucket, key, version } = location;
        let stream = match version {
            None => runtime.host.read_object(bucket, key).await,
            Some(version) => runtime.host.read_version(bucket, key, version).await,
        };
        let compression = match key.rsplit_once('.').map(|(_, ending)| ending) {
            Some("gz") => Compression::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Some("zst" | "zstd") => {
                Compression::Zstd(Box::new(zstd::stream::write::Decoder::new(Vec::new()).map_err(failed)?))
            }
            _ => Compression::None,
        };
        Ok(Self { stream: stream.map_err(failed)?, compression, rest: Bytes::new(), read: 0, ended: false })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if self.rest.is_empty() {
                if self.ended {
                    return Ok(None);
                }
                match self.stream.next().await.transpose().map_err(failed)? {
                    Some(chunk) => self.rest = chunk,
                    None => {
                        self.ended = true;
                        let last = self.compression.finish().map_err(failed)?;
                        return Ok(Some(last).filter(|last| !last.is_empty()));
                    }
                }
                self.read += self.rest.len() as u64;
                if self.read > LARGEST {
                    return Err(failed("the object is larger than 10 GB"));
                }
            }
            let plain = match &self.compression {
                Compression::None => std::mem::take(&mut self.rest),
                _ => {
                    let piece = self.rest.split_to(self.rest.len().min(COMPRESSED_BYTES_AT_ONCE));
                    self.compression.decompress(&piece).map_err(failed)?
                }
            };
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
    }
}

impl Compression {
    fn decompress(&mut self, packed: &[u8]) -> io::Result<Bytes> {
        let plain = match self {
            Compression::None => packed.to_vec(),
            Compression::Gzip(decoder) => {
                decoder.write_all(packed)?;
                std::mem::take(decoder.get_mut())
            }
            Compression::Zstd(decoder) => {
                decoder.write_all(packed)?;
                std::mem::take(decoder.get_mut())
            }
        };
        Ok(plain.into())
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        let plain = match self {
            Compression::None => Vec::new(),
            Compression::Gzip(decoder) => {
                decoder.try_finish()?;
                std::mem::take(decoder.get_mut())
            }
            Compression::Zstd(decoder) => {
                decoder.flush()?;
                std::mem::take(decoder.get_mut())
            }
        };
        Ok(plain.into())
    }
}
