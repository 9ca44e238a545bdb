//! The items of a JSON file: those of its array or object, or of the array or object at a JSON pointer.

use super::{Raw, Step, TOO_LONG};

/// AWS's message for a value that is neither an array nor an object.
const NOT_ITERABLE: &str = "Attempting to map over non-iterable node.";

/// Splits a text that comes in chunks into the texts of its items. From the first byte to the last item it
/// checks commas and brackets; the items themselves are parsed later.
pub(super) struct Splitter {
    pointer: Vec<String>,
    /// The number of names of the pointer that have been followed.
    followed: usize,
    buffer: Vec<u8>,
    /// The start of the bytes that must be kept: an item, or the name of a member.
    start: usize,
    /// The position up to which the buffer has been read.
    at: usize,
    part: Part,
    /// Whether the current container is an object.
    in_object: bool,
    /// The index in an array on the pointer's way.
    index: u64,
    scan: Scan,
    items: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Before a value on the pointer's way.
    Value,
    /// In an object on the pointer's way: before a name, in it, or after it.
    Name,
    InName,
    Colon,
    /// In a member or an element that the pointer does not name.
    Other,
    Items,
    After,
}

/// The position of a byte in a value.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// The meaning of a byte for the container around the value.
enum ByteRole {
    Inside,
    Comma,
    Close(u8),
}

impl Scan {
    fn see(&mut self, byte: u8) -> Result<ByteRole, String> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(ByteRole::Inside);
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' if self.depth == 0 => return Ok(ByteRole::Close(byte)),
            b']' | b'}' => self.depth -= 1,
            b',' if self.depth == 0 => return Ok(ByteRole::Comma),
            _ => {}
        }
        Ok(ByteRole::Inside)
    }
}

impl Splitter {
    pub(super) fn new(pointer: Vec<String>) -> Self {
        Self {
            pointer,
            followed: 0,
            buffer: Vec::new(),
            start: 0,
            at: 0,
            part: Part::Value,
            in_object: false,
            index: 0,
            scan: Scan::default(),
            items: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.at -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    pub(super) fn next(&mut self) -> Result<Step, String> {
        while let Some(&byte) = self.buffer.get(self.at) {
            self.at += 1;
            match self.part {
                Part::Items => {
                    if let Some(item) = self.item(byte)? {
                        return Ok(Step::Item(item));
                    }
                }
                Part::After if self.pointer.is_empty() && !byte.is_ascii_whitespace() => {
                    return Err("the file goes on after its array".into());
                }
                Part::After if self.pointer.is_empty() => self.start = self.at,
                Part::After => return Ok(Step::End),
                _ => self.follow(byte)?,
            }
        }
        if self.at - self.start > super::LONGEST {
            Err(format!("item {} of the file {TOO_LONG}", self.items))
        } else {
            Ok(Step::More)
        }
    }

    /// Handles a byte before the items.
    fn follow(&mut self, byte: u8) -> Result<(), String> {
        let blank = byte.is_ascii_whitespace();
        match self.part {
            // This skips the byte order mark.
            Part::Value if blank || (self.followed == 0 && matches!(byte, 0xef | 0xbb | 0xbf)) => {}
            Part::Value => self.open(byte)?,
            Part::Name if blank => {}
            Part::Name => match byte {
                b'"' => {
                    self.part = Part::InName;
                    self.start = self.at - 1;
                    self.scan.escaped = false;
                    return Ok(());
                }
                _ => return Err(self.nothing_there()),
            },
            Part::InName => {
                match byte {
                    _ if self.scan.escaped => self.scan.escaped = false,
                    b'\\' => self.scan.escaped = true,
                    b'"' => self.part = Part::Colon,
                    _ => {}
                }
                return Ok(());
            }
            Part::Colon if blank => return Ok(()),
            Part::Colon => {
                if byte != b':' {
                    return Err("a name without a colon in the file".into());
                }
                let text = self.buffer[self.start..self.at - 1].trim_ascii();
                let name: String =
                    serde_json::from_slice(text).map_err(|error| format!("the file is not JSON: {error}"))?;
                self.enter(name == self.pointer[self.followed]);
            }
            Part::Other => match self.scan.see(byte)? {
                ByteRole::Inside => {}
                ByteRole::Comma if self.in_object => self.part = Part::Name,
                ByteRole::Comma => {
                    self.index += 1;
                    self.enter_element();
                }
                ByteRole::Close(_) => return Err(self.nothing_there()),
            },
            Part::Items | Part::After => {}
        }
        self.start = self.at;
        Ok(())
    }

    /// Handles the first byte of a value on the pointer's way.
    fn open(&mut self, byte: u8) -> Result<(), String> {
        let there = self.followed == self.pointer.len();
        self.in_object = byte == b'{';
        match byte {
            b'[' if there => self.part = Part::Items,
            b'{' if there => self.part = Part::Items,
            b'[' if !there => {
                self.index = 0;
                self.enter_element();
            }
            b'{' if !there => self.part = Part::Name,
            _ if there => return Err(NOT_ITERABLE.into()),
            _ => return Err(self.nothing_there()),
        }
        Ok(())
    }

    fn enter_element(&mut self) {
        self.enter(self.pointer[self.followed] == self.index.to_string());
    }

    fn enter(&mut self, named: bool) {
        if named {
            self.followed += 1;
            self.part = Part::Value;
        } else {
            self.scan = Scan::default();
            self.part = Part::Other;
        }
    }

    fn nothing_there(&self) -> String {
        format!(
            "the ItemsPointer finds no value: there is no {:?} in the file",
            self.pointer[..=self.followed].join("/")
        )
    }

    /// The item that ends before this byte, if there is one.
    fn item(&mut self, byte: u8) -> Result<Option<Raw>, String> {
        let closing = if self.in_object { b'}' } else { b']' };
        match self.scan.see(byte)? {
            ByteRole::Inside => Ok(None),
            ByteRole::Close(bracket) if bracket != closing => Err("the file's brackets do not match".into()),
            ByteRole::Close(_) => {
                self.part = Part::After;
                let text = self.take();
                match (text.trim_ascii().is_empty(), self.items) {
                    (true, 0) => Ok(None),
                    (true, _) => Err("the file's array ends with a comma".into()),
                    (false, _) => Ok(Some(self.raw(text))),
                }
            }
            ByteRole::Comma => {
                let text = self.take();
                Ok(Some(self.raw(text)))
            }
        }
    }

    fn raw(&mut self, text: Vec<u8>) -> Raw {
        self.items += 1;
        if self.in_object { Raw::Member(text) } else { Raw::Json(text) }
    }

    fn take(&mut self) -> Vec<u8> {
        let text = self.buffer[self.start..self.at - 1].to_vec();
        self.start = self.at;
        text
    }

    pub(super) fn finish(&self) -> Result<(), String> {
        match self.part {
            Part::Value if self.followed == 0 => Err(NOT_ITERABLE.into()),
            Part::After => Ok(()),
            _ => Err("the file ends within its array".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn split_all(pointer: &str, chunks: &[&[u8]]) -> Result<Value, String> {
        let mut splitter = Splitter::new(crate::dataset::pointer(pointer)?);
        let mut items = Vec::new();
        let mut chunks = chunks.iter();
        loop {
            match splitter.next()? {
                Step::Item(raw) => {
                    let item = raw.item().map_err(|failure| failure.cause)?;
                    items.push(item.whole());
                }
                Step::End => return Ok(items.into()),
                Step::More => match chunks.next() {
                    Some(chunk) => splitter.push(chunk),
                    None => return splitter.finish().map(|()| items.into()),
                },
            }
        }
    }

    fn split(pointer: &str, text: &str) -> Result<Value, String> {
        let whole = split_all(pointer, &[text.as_bytes()]);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(split_all(pointer, &bytes), whole, "{text}");
        whole
    }

    #[test]
    fn arrays_are_split_into_items() {
        assert_eq!(split("", "[]"), Ok(json!([])));
        assert_eq!(split("", "\u{feff} [ ] \n"), Ok(json!([])));
        let text = r#"[1, "a,]\"[", [2,[3]], {"x": "}"}]"#;
        assert_eq!(split("", text), Ok(json!([1, "a,]\"[", [2, [3]], {"x": "}"}])));
        for wrong in ["", "1", "{", "{1}", "[", "[1", "[1,]", "[,1]", "[1] 2", "[1}]", "[1 2]", "\"x\""] {
            assert!(split("", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn object_is_split_into_its_members() {
        assert_eq!(split("", "{}"), Ok(json!([])));
        let members = json!([{"Key": "a", "Value": {"x": 1}}, {"Key": "b", "Value": 2}]);
        assert_eq!(split("", r#" {"a": {"x": 1}, "b": 2} "#), Ok(members));
    }

    #[test]
    fn pointers_lead_to_arrays_and_objects() {
        let text = r#"{"no": {"items": [0]}, "a\"/b": [ "x", {"items": [1, 2], "pairs": {"k": 1, "l": [2]}} ], "more": 3}"#;
        assert_eq!(split("/a\"~1b/1/items", text), Ok(json!([1, 2])));
        assert_eq!(split("/no/items", text), Ok(json!([0])));
        assert_eq!(split("/a\"~1b", text), Ok(json!(["x", {"items": [1, 2], "pairs": {"k": 1, "l": [2]}}])));
        let pairs = json!([{"Key": "k", "Value": 1}, {"Key": "l", "Value": [2]}]);
        assert_eq!(split("/a\"~1b/1/pairs", text), Ok(pairs));
        assert_eq!(split("/more", text), Err(NOT_ITERABLE.into()));
        assert_eq!(
            split("/no/other", text),
            Err("the ItemsPointer finds no value: there is no \"no/other\" in the file".into())
        );
        for wrong in ["/x", "/more/x", "/a\"~1b/2", "/a\"~1b/01"] {
            assert!(split(wrong, text).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(items in prop::collection::vec("[ -~]{0,12}", 0..20), size in 1_usize..9) {
            let items = json!(items.iter().map(|item| json!({"item": item, "list": [item]})).collect::<Vec<_>>());
            let text = json!({"before": items, "items": items}).to_string();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(split_all("/items", &chunks), Ok(items));
        }
    }
}
