//! Lines, headers and keys that are too large.

use crate::case::{FIXED, errors, refusal, run, try_run};

#[test]
fn a_line_beyond_the_size_limit_fails() {
    let mut input = b"short\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 9 << 20));
    input.extend(b"\nafter\n");
    for file in ["x.txt", "x.jsonl"] {
        let (_, lines) = try_run(FIXED, file, &input[..]).unwrap();
        assert_eq!(lines.len(), 3, "{file}");
        assert_eq!(lines[1].error.as_deref(), Some("too_large"));
    }
    let (_, lines) = try_run(FIXED, "x.csv", &[b"h\n", &input[..]].concat()[..]).unwrap();
    assert_eq!(
        lines.iter().map(|line| line.error.as_deref()).collect::<Vec<_>>(),
        [None, Some("too_large"), None]
    );
}

#[test]
fn a_quote_that_stays_open_beyond_the_size_limit_fails_one_line() {
    let rows: String = (0..600_000).map(|n| format!("{n},some name\n")).collect();
    let input = format!("id,name\n1,\"Ann\n{rows}");
    assert!(input.len() > 9 << 20);
    let (_, lines) = try_run(FIXED, "x.csv", input.as_bytes()).unwrap();
    assert_eq!(lines.len(), 600_001);
    assert_eq!(errors(&lines[..3]), [Some("parse"), None, None]);
    assert!(lines[1..].iter().all(|line| line.error.is_none()));
}

#[test]
fn a_line_larger_than_memory_fails() {
    let wide = format!("{}\n", vec!["a"; 200_000].join(","));
    assert!(refusal(FIXED, "x.csv", wide.as_bytes()).contains("at most 100000"));
    let keys: String = (0..40).map(|n| format!("{{\"{n}{}\":1}}\n", "k".repeat(100_000))).collect();
    let (plan, lines) = run(FIXED, "x.jsonl", keys.as_bytes());
    assert_eq!((lines.len(), plan.input.columns.len()), (40, 10), "keys of a mebibyte become columns");
}
