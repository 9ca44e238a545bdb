//! Decodes a stream of any encoding to UTF-8 while it is read.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::Window;

/// Bytes of decoded text that are buffered.
const TEXT_BUFFER: usize = 64 << 10;
/// Replaces a malformed sequence. It is not valid UTF-8, and so fails its line.
const MALFORMED: u8 = 0xff;
/// Bytes in which UTF-16 without a byte order mark is searched for, at most and at least.
const MAX_SAMPLED: usize = 4096;
const MIN_SAMPLED: usize = 4;

/// The encoding of a file that begins with `head`: by its byte order mark, else as `configured`, else by its
/// bytes.
///
/// # Errors
/// When the encoding is not supported, which one it is and what to do.
pub(crate) fn encoding_of(
    head: &[u8],
    configured: Option<&'static Encoding>,
) -> Result<&'static Encoding, &'static str> {
    const UTF_32: &str = "it is UTF-32: convert it to UTF-8, for example with iconv -f UTF-32 -t UTF-8";
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        return Err(UTF_32);
    }
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Ok(encoding);
    }
    if let Some(encoding) = configured {
        return Ok(encoding);
    }
    let head = &head[..head.len().min(MAX_SAMPLED) / 4 * 4];
    // In UTF-16 most characters, or at least the line ends and digits, have zero as their high byte.
    let zeros = |from: usize| head.iter().skip(from).step_by(4).filter(|byte| **byte == 0).count();
    let [a, b, c, d] = [zeros(0), zeros(1), zeros(2), zeros(3)];
    let most = head.len() / 4;
    if head.len() < MIN_SAMPLED {
        return Ok(UTF_8);
    }
    if (a > most / 2 && b > most / 2 && c > most / 2 && d == 0)
        || (a == 0 && b > most / 2 && c > most / 2 && d > most / 2)
    {
        return Err(UTF_32);
    }
    let often = |zeros: usize| zeros * 10 >= most * 2 * 3;
    match (a + c, b + d) {
        (0, odd) if often(odd) => Ok(UTF_16LE),
        (even, 0) if often(even) => Ok(UTF_16BE),
        _ => Ok(UTF_8),
    }
}

/// Decodes a stream. A byte order mark becomes that of UTF-8, a malformed sequence becomes the byte
/// [`MALFORMED`].
pub(crate) fn decode<'a>(stream: impl Read + 'a, encoding: &'static Encoding) -> Box<dyn Read + 'a> {
    if encoding == UTF_8 {
        return Box::new(stream);
    }
    Box::new(Decoding {
        raw: Window::new(stream),
        decoder: encoding.new_decoder_without_bom_handling(),
        text: vec![0; TEXT_BUFFER].into(),
        from: 0,
        to: 0,
        finished: false,
    })
}

struct Decoding<R> {
    raw: Window<R>,
    decoder: Decoder,
    text: Box<[u8]>,
    from: usize,
    to: usize,
    finished: bool,
}

impl<R: Read> Decoding<R> {
    fn more(&mut self) -> io::Result<()> {
        (self.from, self.to) = (0, 0);
        while self.to == 0 && !self.finished {
            let raw = self.raw.look(1)?;
            let last = raw.is_empty();
            // The last byte is kept free for a malformed sequence.
            let room = self.text.len() - 1;
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(raw, &mut self.text[..room], last);
            self.raw.consume(read);
            self.to = written;
            match result {
                DecoderResult::InputEmpty => self.finished = last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.text[self.to] = MALFORMED;
                    self.to += 1;
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.from == self.to {
            self.more()?;
        }
        let count = out.len().min(self.to - self.from);
        out[..count].copy_from_slice(&self.text[self.from..self.from + count]);
        self.from += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn utf16be(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    fn utf32(text: &str) -> Vec<u8> {
        text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect()
    }

    #[test]
    fn encodings_are_detected_by_their_bytes() {
        let found = |head: &[u8]| encoding_of(head, None).map(Encoding::name);
        assert_eq!(found(b"\xef\xbb\xbfa"), Ok("UTF-8"));
        assert_eq!(found(b"\xff\xfea\0"), Ok("UTF-16LE"));
        assert_eq!(found(b"\xfe\xff\0a"), Ok("UTF-16BE"));
        assert_eq!(found(&utf16("https://a.example/ü\nhttps://")), Ok("UTF-16LE"));
        assert_eq!(found(&utf16be("id,name\n1,Zoë\n")), Ok("UTF-16BE"));
        assert_eq!(found(&utf16("名前,x\n1,東京\n")), Ok("UTF-16LE"));
        assert!(found(&utf32("id,name\n")).is_err_and(|reason| reason.contains("UTF-32")));
        assert!(found(b"\xff\xfe\0\0a\0\0\0").is_err_and(|reason| reason.contains("UTF-32")));
        assert_eq!(found(b"a\0b\0 is text with two zeros, which are characters of UTF-8"), Ok("UTF-8"));
        assert_eq!(found(b"a\0"), Ok("UTF-8"));
        assert_eq!(found(b""), Ok("UTF-8"));
        let configured = Encoding::for_label(b"windows-1252");
        assert_eq!(
            encoding_of(b"\xef\xbb\xbfa", configured).map(Encoding::name),
            Ok("UTF-8"),
            "a byte order mark takes precedence"
        );
        assert_eq!(encoding_of(b"a\xe9", configured).map(Encoding::name), Ok("windows-1252"));
    }

    #[test]
    fn malformed_sequences_become_bytes_that_are_not_utf8() {
        let mut text = Vec::new();
        decode(&b"\x82\xa0\n\xff\n\x82"[..], Encoding::for_label(b"shift_jis").unwrap())
            .read_to_end(&mut text)
            .unwrap();
        assert_eq!(text, b"\xe3\x81\x82\n\xff\n\xff");
    }
}
