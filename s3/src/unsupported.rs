//! The members of requests that the store does not have. They are refused by their names, because an object that is
//! not encrypted, not locked or not tagged as its writer has asked would be worse than none.

use http::HeaderMap;
use s3s::{S3Result, s3_error};

/// Headers that ask for something that the store cannot do, and what is accepted of each.
const REFUSED: [(&str, &[&str]); 10] = [
    ("x-amz-server-side-encryption", &[]),
    ("x-amz-server-side-encryption-customer-algorithm", &[]),
    ("x-amz-copy-source-server-side-encryption-customer-algorithm", &[]),
    ("x-amz-tagging", &[""]),
    ("x-amz-object-lock-mode", &[]),
    ("x-amz-object-lock-legal-hold", &["OFF"]),
    ("x-amz-bucket-object-lock-enabled", &["false", "False"]),
    ("x-amz-website-redirect-location", &[]),
    ("x-amz-write-offset-bytes", &[]),
    ("x-amz-storage-class", &["STANDARD"]),
];
/// The ACLs that say what the store does anyway.
const OWNERS_ACLS: [&str; 3] = ["private", "bucket-owner-full-control", "bucket-owner-read"];

/// Refuses a write with a header that asks for something that the store cannot do.
pub(crate) fn check(headers: &HeaderMap) -> S3Result {
    for (name, accepted) in REFUSED {
        if let Some(value) = headers.get(name)
            && !accepted.iter().any(|one| value.as_bytes() == one.as_bytes())
        {
            let value = String::from_utf8_lossy(value.as_bytes());
            if name == "x-amz-storage-class" {
                return Err(s3_error!(InvalidStorageClass, "the storage class {value} is not supported"));
            }
            return Err(s3_error!(NotImplemented, "{name} is not supported by this store"));
        }
    }
    let acl = headers.get("x-amz-acl");
    let granted = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    if granted || acl.is_some_and(|acl| !OWNERS_ACLS.iter().any(|one| acl.as_bytes() == one.as_bytes())) {
        return Err(s3_error!(AccessControlListNotSupported, "The bucket does not allow ACLs"));
    }
    Ok(())
}
