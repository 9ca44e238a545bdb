//! The body of a request, on its way to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::checksum::{Checksums, Expected, Sum};
use crate::error::{At, io_error};
use crate::file::Temp;
use crate::service::blocking;
use crate::store::Store;

/// Bytes that are collected before they are written by a blocking thread.
const BATCH: usize = 1 << 20;
/// Pieces smaller than this are joined before they are written.
const PIECE: usize = 64 << 10;

/// A body that has arrived. Its last bytes may still be in memory, so that a small object needs only one call
/// of a blocking thread.
pub(crate) struct Incoming {
    sink: Option<Sink>,
    rest: Vec<Bytes>,
    expected: Expected,
    length: Option<i64>,
}

struct Sink {
    temp: Temp,
    checksums: Checksums,
    /// Bytes written.
    length: u64,
}

impl Incoming {
    /// Reads `body` to its end. `length` is the length that the sender announced.
    pub(crate) async fn receive(
        store: &Arc<Store>,
        body: Option<StreamingBlob>,
        length: Option<i64>,
        expected: Expected,
    ) -> S3Result<Self> {
        let mut incoming = Self { sink: None, rest: Vec::new(), expected, length };
        let mut waiting = 0;
        let Some(mut body) = body else { return Ok(incoming) };
        while let Some(piece) = body.next().await {
            let piece = piece
                .map_err(|error| S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string()))?;
            waiting += piece.len();
            incoming.rest.push(piece);
            if waiting >= BATCH {
                let store = Arc::clone(store);
                incoming = blocking(move || incoming.write(&store)).await?;
                waiting = 0;
            }
        }
        incoming.expected.body_has_ended()?;
        Ok(incoming)
    }

    /// Writes the rest and returns the file of the whole body, which is not sealed yet, and its checksum. Blocks.
    pub(crate) fn finish(self, store: &Store) -> S3Result<(Temp, Option<Sum>)> {
        let mut all = self.write(store)?;
        let sink = all.sink.take().expect("write() makes it");
        if let Some(length) = all.length
            && u64::try_from(length) != Ok(sink.length)
        {
            return Err(s3_error!(IncompleteBody, "only {} of {length} bytes were received", sink.length));
        }
        let sum = sink.checksums.check(&all.expected)?;
        Ok((sink.temp, sum))
    }

    fn write(mut self, store: &Store) -> S3Result<Self> {
        let mut sink = match self.sink.take() {
            Some(sink) => sink,
            None => Sink {
                temp: Temp::new(&store.tmp).map_err(io_error)?,
                checksums: Checksums::new(&self.expected),
                length: 0,
            },
        };
        for piece in &self.rest {
            sink.checksums.update(piece);
            sink.length += piece.len() as u64;
        }
        write_all(&mut sink.temp.file, &self.rest).at(&sink.temp.path).map_err(io_error)?;
        self.rest.clear();
        self.sink = Some(sink);
        Ok(self)
    }
}

fn write_all(file: &mut File, pieces: &[Bytes]) -> std::io::Result<()> {
    if let [whole] = pieces {
        return file.write_all(whole);
    }
    let mut writer = BufWriter::with_capacity(PIECE, file);
    pieces.iter().try_for_each(|piece| writer.write_all(piece))?;
    writer.flush()
}
