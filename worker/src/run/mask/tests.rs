use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;

fn mask(secret: &str) -> Mask {
    let mask = Mask::default();
    mask.learn([&Secret::new(secret)]);
    mask
}

fn value(secret: &str, json: &str) -> String {
    let mut out = format!("[{json}").into_bytes();
    mask(secret).value(&mut out, 1);
    String::from_utf8_lossy(&out[1..]).into_owned()
}

#[test]
fn secrets_are_masked_in_every_form() {
    let secret = "hunter 2/é\"~<p&>";
    let mask = mask(secret);
    let escaped: String = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let entities: String = secret.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect();
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for text in [
        secret,
        "hunter%202%2F%C3%A9%22~%3Cp%26%3E",
        "hunter+2%2f%c3%a9%22%7e%3cp%26%3e",
        "hunter 2/é\\\"~<p&>",
        "hunter 2\\/\\u00e9\\\"~\\u003Cp\\u0026\\u003e",
        "hunter 2/é&quot;~&lt;p&amp;&gt;",
        "hunter 2&#47;é&#34;~&#60;p&#38;&#62;",
        &escaped,
        &entities,
        &percent,
        &STANDARD.encode(secret),
        &URL_SAFE.encode(secret),
        &STANDARD_NO_PAD.encode(format!("u:{secret}")),
        &URL_SAFE_NO_PAD.encode(format!("user:{secret}")),
        &STANDARD.encode(format!("me@example.com:{secret}\n")),
        &STANDARD.encode(format!("user:{secret}")).replace('/', "\\/"),
        &STANDARD
            .encode(format!("user:{secret}"))
            .replace('=', "%3D")
            .replace('/', "%2F")
            .replace('+', "%2B"),
    ] {
        assert_eq!(mask.text(&format!("<{text}>, {text}.")), "<***>, ***.", "{text}");
        assert_eq!(mask.text(&format!("é{text}é")).trim_matches('é').trim_matches('*').len(), 0, "{text}");
    }
    let twice = format!("{}{}{secret}", "x".repeat(WINDOW - 3), percent);
    assert_eq!(mask.text(&twice), format!("{}***", "x".repeat(WINDOW - 3)), "over the end of a window");
    assert_eq!(mask.text("nothing + 100% \\ & é"), "nothing + 100% \\ & é");
}

#[test]
fn masked_values_stay_valid_json() {
    assert_eq!(
        value("hunter22", r#"{"a":["x hunter22 y",1.50],"hunter22":null}"#),
        r#"{"a":["x *** y",1.50],"***":null}"#
    );
    assert_eq!(value("hunter22", r#"["\u0068unter22","\n"]"#), r#"["***","\n"]"#);
    assert_eq!(value("hunter22", r#""a\/b""#), r#""a\/b""#);
    assert_eq!(value("12345678", "[12345678,112345678.5,1234567]"), r#"["***","1***.5",1234567]"#);
    assert_eq!(value("tr\"e\\quotes", r#"{"tr\"e\\quotes":"tr\"e\\quotes"}"#), r#"{"***":"***"}"#);
}

#[test]
fn short_secrets_are_not_masked_in_data() {
    assert_eq!(value("abcd", r#""abcde""#), r#""abcde""#);
    assert_eq!(mask("abcd").text("abcde"), "***e");
    assert_eq!(mask("abc").text("abc"), "abc");
}

#[test]
fn values_learned_later_are_masked_with_the_others() {
    let mask = mask("hunter22");
    mask.learn([&Secret::new("token-33")]);
    assert_eq!(mask.text("hunter22 and token-33"), "*** and ***");
    let mut out = br#""token-33""#.to_vec();
    mask.value(&mut out, 0);
    assert_eq!(out, br#""***""#);
}
