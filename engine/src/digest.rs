//! Digests as text.

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a UUID (version 4 in form) of a digest.
pub(crate) fn uuid_of(digest: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut uuid = String::with_capacity(36);
    for (i, byte) in digest[..16].iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            uuid.push('-');
        }
        // UUIDs have fixed digits for their version and their variant.
        let high = match i {
            6 => 4,
            8 => 8,
            _ => byte >> 4,
        };
        uuid.push(char::from(DIGITS[usize::from(high)]));
        uuid.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    uuid
}
