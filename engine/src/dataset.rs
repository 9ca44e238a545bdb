//! The datasets that a Distributed Map reads and writes, as the definition describes them.
//!
//! The rules are those of the pages "ItemReader (Map)" and "ResultWriter (Map)" of the Step Functions
//! developer guide.

/// The source of items and its format.
#[derive(Debug, Clone)]
pub(crate) enum Dataset {
    /// The contents of one object.
    Object(Format),
    /// The objects of a bucket. Each object is an item.
    Listing,
    /// The contents of the objects of a bucket (`LOAD_AND_FLATTEN`).
    Listed(Format),
    /// The rows of an S3 inventory, whose `manifest.json` is given.
    Inventory,
    /// The contents of the objects that an Athena manifest names, one address per line.
    Athena(Format),
}

#[derive(Debug, Clone)]
pub(crate) enum Format {
    /// The array at the root, or the array or object at a JSON pointer.
    Json {
        pointer: Vec<String>,
    },
    JsonLines,
    Csv(Csv),
    Parquet,
}

#[derive(Debug, Clone)]
pub(crate) struct Csv {
    pub(crate) delimiter: u8,
    /// None means that the first row is the header.
    pub(crate) headers: Option<Vec<String>>,
}

impl Csv {
    pub(crate) fn delimiter(name: &str) -> Option<u8> {
        Some(match name {
            "COMMA" => b',',
            "PIPE" => b'|',
            "SEMICOLON" => b';',
            "SPACE" => b' ',
            "TAB" => b'\t',
            _ => return None,
        })
    }
}

/// The form in which a ResultWriter writes a child that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transformation {
    /// A record of the execution.
    None,
    /// Its output.
    Compact,
    /// Its output; the items of an array are written one by one.
    Flatten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputType {
    Json,
    JsonLines,
}

/// Splits a JSON pointer (RFC 6901) into its names. An error says what is wrong with the pointer.
pub(crate) fn pointer(text: &str) -> Result<Vec<String>, &'static str> {
    let Some(names) = text.strip_prefix('/') else {
        return if text.is_empty() { Ok(Vec::new()) } else { Err("a JSON pointer begins with /") };
    };
    names.split('/').map(unescape).collect()
}

fn unescape(name: &str) -> Result<String, &'static str> {
    let mut parts = name.split('~');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.as_bytes().first() {
            Some(b'0') => plain.push('~'),
            Some(b'1') => plain.push('/'),
            _ => return Err("in a JSON pointer, ~ is followed by 0 or 1"),
        }
        plain.push_str(&part[1..]);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn json_pointers_are_split_into_names() {
        let names = |text: &str| pointer(text).map(|names| names.join(" "));
        assert_eq!(names(""), Ok(String::new()));
        assert_eq!(names("/a/b~1c/~01"), Ok("a b/c ~1".into()));
        assert_eq!(pointer("/"), Ok(vec![String::new()]));
        assert!(names("a").is_err() && names("/~2").is_err() && names("/a~").is_err());
    }
}
