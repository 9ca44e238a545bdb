//! The table of the compressions of an input file. The decoders are in
//! `preprocess/src/split/source/compression.rs`.

use serde::{Deserialize, Serialize};

/// How an input file is compressed. There is one decoder for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// The file is not compressed.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// Any number of streams.
    Bzip2,
}

/// What is known about one compression.
#[derive(Debug)]
pub struct CompressionInfo {
    /// The name in the job file.
    pub name: &'static str,
    /// The endings of file names, without a dot, in lower case.
    pub endings: &'static [&'static str],
    /// Whether a file begins like this.
    pub begins: fn(&[u8]) -> bool,
    /// The decoder; `None` for a compression that is only recognised, to say that it cannot be read.
    pub decoder: Option<Compression>,
}

/// Every compression that is recognised.
pub const COMPRESSIONS: [CompressionInfo; 4] = [
    CompressionInfo {
        name: "gzip",
        endings: &["gz", "gzip"],
        begins: |head| matches!(head, [0x1f, 0x8b, 8, ..]),
        decoder: Some(Compression::Gzip),
    },
    CompressionInfo {
        name: "zstd",
        endings: &["zst", "zstd"],
        // A frame, or a frame without content that is skipped.
        begins: |head| matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
        decoder: Some(Compression::Zstd),
    },
    CompressionInfo {
        name: "bzip2",
        endings: &["bz2"],
        begins: |head| match head {
            // A block, or the end of a file that was compressed from nothing.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
                rest.starts_with(b"\x31\x41\x59\x26\x53\x59") || rest.starts_with(b"\x17\x72\x45\x38\x50\x90")
            }
            _ => false,
        },
        decoder: Some(Compression::Bzip2),
    },
    CompressionInfo {
        name: "xz",
        endings: &["xz"],
        begins: |head| head.starts_with(b"\xfd7zXZ\0"),
        decoder: None,
    },
];

impl Compression {
    /// The name in the job file.
    pub fn name(self) -> &'static str {
        COMPRESSIONS.iter().find(|info| info.decoder == Some(self)).map_or("none", |info| info.name)
    }

    /// The compression with this name in the job file.
    pub fn named(name: &str) -> Option<Self> {
        if name == "none" {
            return Some(Self::None);
        }
        readable().find(|(info, _)| info.name == name).map(|(_, compression)| compression)
    }

    /// The compression of a file that begins with these bytes, ten of which are enough. It is [`Self::None`]
    /// for any other beginning.
    pub fn of(head: &[u8]) -> Self {
        readable().find(|(info, _)| (info.begins)(head)).map_or(Self::None, |(_, compression)| compression)
    }

    /// The compression that a file's ending says, in any case and without its dot.
    pub fn of_ending(ending: &str) -> Option<Self> {
        let known =
            |info: &CompressionInfo| info.endings.iter().any(|known| known.eq_ignore_ascii_case(ending));
        readable().find(|(info, _)| known(info)).map(|(_, compression)| compression)
    }
}

fn readable() -> impl Iterator<Item = (&'static CompressionInfo, Compression)> {
    const TABLE: &[CompressionInfo] = &COMPRESSIONS;
    TABLE.iter().filter_map(|info| info.decoder.map(|compression| (info, compression)))
}

/// The name of the compression of a file that begins with these bytes, if it is recognised but cannot be
/// read.
pub fn unreadable_compression(head: &[u8]) -> Option<&'static str> {
    let unreadable = |info: &&CompressionInfo| info.decoder.is_none() && (info.begins)(head);
    COMPRESSIONS.iter().find(unreadable).map(|info| info.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compression_is_known_by_name_ending_and_content() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Bzip2] {
            assert_eq!(Compression::named(compression.name()), Some(compression));
            let serialised = serde_json::to_value(compression).expect("a text");
            assert_eq!(serialised, compression.name());
        }
        assert_eq!(Compression::of_ending("GZ"), Some(Compression::Gzip));
        assert_eq!((Compression::of_ending("xz"), Compression::named("xz")), (None, None));
        assert_eq!(Compression::of(b"\x1f\x8b\x08rest"), Compression::Gzip);
        assert_eq!(Compression::of(b"BZh9\x17\x72\x45\x38\x50\x90"), Compression::Bzip2);
        assert_eq!(Compression::of(b"BZh9 text"), Compression::None);
        assert_eq!(unreadable_compression(b"\xfd7zXZ\0rest"), Some("xz"));
        assert_eq!(unreadable_compression(b"\x1f\x8b\x08"), None);
    }
}
