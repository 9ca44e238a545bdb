//! AWS's words for an input that is not JSON.

/// Why a text is not JSON; None if it is. The most frequent cases have the words of AWS's parser, which is
/// Jackson. The others have those of ours.
pub(super) fn of(text: &str) -> Option<String> {
    let error = engine::json::from_str(text).err()?;
    let begins = text.trim_start();
    if begins.is_empty() {
        return Some("Invalid execution input.".into());
    }
    let word: String = begins.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if begins.starts_with(|c: char| c.is_alphabetic()) && !["null", "true", "false"].contains(&word.as_str())
    {
        return Some(format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        ));
    }
    let member = begins.strip_prefix('{').map(str::trim_start).and_then(|rest| rest.chars().next());
    if let Some(c) = member.filter(|c| *c != '"' && *c != '}') {
        return Some(format!(
            "Unexpected character ('{c}' (code {})): was expecting double-quote to start field name",
            c as u32
        ));
    }
    Some(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_aws() {
        assert_eq!(of("{\"a\": 1}"), None);
        assert_eq!(of("").as_deref(), Some("Invalid execution input."));
        let token = "Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
        assert_eq!(of("not some json").as_deref(), Some(token));
        let quote = "Unexpected character (''' (code 39)): was expecting double-quote to start field name";
        assert_eq!(of("{'not': 'json'").as_deref(), Some(quote));
        assert!(of("[1,").is_some_and(|words| words.contains("line 1")));
    }
}
