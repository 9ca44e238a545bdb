//! The checksums that a client sends with a body. Nothing is hashed if it sends none.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{PutObjectInput, UploadPartInput};
use s3s::{S3Result, s3_error};

/// The checksums that a body must have, in base64.
#[derive(Default)]
pub(crate) struct Expected {
    md5: Option<String>,
    crc32: Option<String>,
    crc32c: Option<String>,
    crc64nvme: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
}

macro_rules! expected {
    ($input:ident) => {
        Expected {
            md5: $input.content_md5.take(),
            crc32: $input.checksum_crc32.take(),
            crc32c: $input.checksum_crc32c.take(),
            crc64nvme: $input.checksum_crc64nvme.take(),
            sha1: $input.checksum_sha1.take(),
            sha256: $input.checksum_sha256.take(),
        }
    };
}

impl Expected {
    pub(crate) fn of_object(input: &mut PutObjectInput) -> Self {
        expected!(input)
    }

    pub(crate) fn of_part(input: &mut UploadPartInput) -> Self {
        expected!(input)
    }
}

/// Calculates the expected checksums of a body.
pub(crate) struct Checksums {
    expected: Expected,
    md5: Option<Md5>,
    hasher: ChecksumHasher,
}

impl Checksums {
    pub(crate) fn new(expected: Expected) -> Self {
        let hasher = ChecksumHasher {
            crc32: expected.crc32.is_some().then(Crc32::new),
            crc32c: expected.crc32c.is_some().then(Crc32c::new),
            crc64nvme: expected.crc64nvme.is_some().then(Crc64Nvme::new),
            sha1: expected.sha1.is_some().then(Sha1::new),
            sha256: expected.sha256.is_some().then(Sha256::new),
        };
        Self { md5: expected.md5.is_some().then(Md5::new), hasher, expected }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.hasher.update(bytes);
    }

    /// Fails with `BadDigest` if a checksum is not the expected one.
    pub(crate) fn check(self) -> S3Result {
        let found = self.hasher.finalize();
        let md5 = self.md5.map(|md5| BASE64_STANDARD.encode(md5.finalize()));
        let matches = [
            (md5, self.expected.md5),
            (found.checksum_crc32, self.expected.crc32),
            (found.checksum_crc32c, self.expected.crc32c),
            (found.checksum_crc64nvme, self.expected.crc64nvme),
            (found.checksum_sha1, self.expected.sha1),
            (found.checksum_sha256, self.expected.sha256),
        ];
        if matches.iter().all(|(found, expected)| found == expected) {
            Ok(())
        } else {
            Err(s3_error!(BadDigest, "the body does not have the checksum that was sent with it"))
        }
    }
}
