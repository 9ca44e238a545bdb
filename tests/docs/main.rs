#![allow(missing_docs)]
#[test]
fn stub() {}
