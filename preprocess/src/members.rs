//! Decompression: the members of a compressed file one after another, and what stands behind the last of them.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use job::job_file::Compression;

use crate::window::Window;

/// Bytes that tell how a member is compressed.
const MAGIC: usize = 10;

/// Decompresses as it is read. Members that follow one another are one stream; zeros behind the last one are padding, and
/// anything else there sets `garbage` and is ignored, as gzip and bzip2 do.
pub(crate) fn decompress<'a>(
    stream: impl Read + 'a,
    compression: Compression,
    garbage: Rc<Cell<bool>>,
) -> Box<dyn Read + 'a> {
    match compression {
        Compression::None => Box::new(stream),
        compression => Box::new(Members {
            compression,
            member: Member::Between(Window::new(stream)),
            first: true,
            garbage,
        }),
    }
}

struct Members<R> {
    compression: Compression,
    member: Member<R>,
    first: bool,
    garbage: Rc<Cell<bool>>,
}

enum Member<R> {
    Between(Window<R>),
    Gzip(Box<GzDecoder<Window<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Window<R>>),
    Bzip2(bzip2::bufread::BzDecoder<Window<R>>),
    End,
}

impl<R: Read> Members<R> {
    fn begin(&mut self, mut rest: Window<R>) -> io::Result<Member<R>> {
        if !self.first {
            while let Some(zeros @ 1..) =
                rest.fill_buf().map(|bytes| Some(bytes.iter().take_while(|byte| **byte == 0).count()))?
            {
                rest.consume(zeros);
            }
            let head = rest.look(MAGIC)?;
            if head.is_empty() {
                return Ok(Member::End);
            }
            if !continues(head, self.compression) {
                self.garbage.set(true);
                return Ok(Member::End);
            }
        }
        self.first = false;
        Ok(match self.compression {
            Compression::Gzip => Member::Gzip(Box::new(GzDecoder::new(rest))),
            Compression::Zstd => Member::Zstd(zstd::stream::read::Decoder::with_buffer(rest)?.single_frame()),
            Compression::Bzip2 => Member::Bzip2(bzip2::bufread::BzDecoder::new(rest)),
            Compression::None => Member::End,
        })
    }
}

/// Whether another member begins, even if it is cut.
fn continues(head: &[u8], compression: Compression) -> bool {
    let magic: &[u8] = match compression {
        Compression::Gzip => &[0x1f, 0x8b],
        Compression::Bzip2 => b"BZh",
        Compression::Zstd if head.len() > 3 => return Compression::of(head) == compression,
        Compression::Zstd => return matches!(head[0], 0x28 | 0x50..=0x5f),
        Compression::None => return false,
    };
    head.starts_with(&magic[..magic.len().min(head.len())])
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let read = match &mut self.member {
                Member::Gzip(member) => member.read(out)?,
                Member::Zstd(member) => member.read(out)?,
                Member::Bzip2(member) => member.read(out)?,
                Member::Between(_) => 0,
                Member::End => return Ok(0),
            };
            if read > 0 {
                return Ok(read);
            }
            let rest = match std::mem::replace(&mut self.member, Member::End) {
                Member::Between(rest) => rest,
                Member::Gzip(member) => member.into_inner(),
                Member::Zstd(member) => member.finish(),
                Member::Bzip2(member) => member.into_inner(),
                Member::End => return Ok(0),
            };
            self.member = self.begin(rest)?;
        }
    }
}
