//! The items of a Distributed Map, one after the other; a file is never held whole.

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::Value;

use super::World;
use super::distributed::Source;
use crate::error::Failure;

pub(super) enum Items {
    State(std::vec::IntoIter<Value>),
    Object { chunks: BoxStream<'static, io::Result<Bytes>>, splitter: Splitter, left: Option<u64> },
}

impl Items {
    pub(super) async fn open(source: &Source, world: &World) -> Result<Items, Failure> {
        match source {
            Source::State(items) => Ok(Items::State(items.clone().into_iter())),
            Source::Object { bucket, key, max_items } => {
                let chunks = world.host.read_object(bucket, key).await.map_err(failed)?;
                Ok(Items::Object { chunks, splitter: Splitter::default(), left: *max_items })
            }
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Value>, Failure> {
        match self {
            Items::State(items) => Ok(items.next()),
            Items::Object { chunks, splitter, left } => {
                let Some(item) = split(chunks, splitter, left).await? else { return Ok(None) };
                serde_json::from_slice(&item).map(Some).map_err(|e| failed(format!("an item of the file is not JSON: {e}")))
            }
        }
    }

    /// Passes over an item; false when there is none.
    pub(super) async fn skip(&mut self) -> Result<bool, Failure> {
        match self {
            Items::State(items) => Ok(items.next().is_some()),
            Items::Object { chunks, splitter, left } => Ok(split(chunks, splitter, left).await?.is_some()),
        }
    }
}

async fn split(
    chunks: &mut BoxStream<'static, io::Result<Bytes>>,
    splitter: &mut Splitter,
    left: &mut Option<u64>,
) -> Result<Option<Vec<u8>>, Failure> {
    match left {
        Some(0) => return Ok(None),
        Some(left) => *left -= 1,
        None => {}
    }
    loop {
        match splitter.next().map_err(failed)? {
            Step::Item(item) => return Ok(Some(item)),
            Step::More => match chunks.next().await {
                Some(chunk) => splitter.push(&chunk.map_err(failed)?),
                None => return splitter.finish().map(|()| None).map_err(failed),
            },
        }
    }
}

fn failed(reason: impl std::fmt::Display) -> Failure {
    Failure::new("States.ItemReaderFailed", reason.to_string())
}

/// Splits the text of a JSON array, which comes in chunks, into the texts of its items.
#[derive(Default)]
pub(super) struct Splitter {
    buffer: Vec<u8>,
    /// Where the current item begins in the buffer, and how far it was looked at.
    start: usize,
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    items: u64,
    part: Part,
}

#[derive(Default, PartialEq)]
enum Part {
    #[default]
    Before,
    Items,
    After,
}

enum Step {
    Item(Vec<u8>),
    More,
}

impl Splitter {
    /// AWS's limit of what an item may be before the ItemSelector.
    const LONGEST: usize = 8 * 1024 * 1024;

    fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.at -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    fn next(&mut self) -> Result<Step, String> {
        while let Some(&byte) = self.buffer.get(self.at) {
            self.at += 1;
            match self.part {
                Part::Before => match byte {
                    b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => {}
                    b'[' => {
                        self.part = Part::Items;
                        self.start = self.at;
                    }
                    _ => return Err("Attempting to map over non-iterable node.".into()),
                },
                Part::Items => {
                    if let Some(item) = self.look_at(byte)? {
                        return Ok(Step::Item(item));
                    }
                }
                Part::After if byte.is_ascii_whitespace() => {}
                Part::After => return Err("the file goes on after its array".into()),
            }
        }
        match self.at - self.start > Self::LONGEST && self.part == Part::Items {
            true => Err(format!("item {} of the file is longer than 8 MiB", self.items)),
            false => Ok(Step::More),
        }
    }

    /// The item that ends before this byte, if one does.
    fn look_at(&mut self, byte: u8) -> Result<Option<Vec<u8>>, String> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Ok(None);
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' if self.depth == 0 => {
                self.part = Part::After;
                let text = self.take();
                let empty = text.trim_ascii().is_empty();
                return match (empty, self.items) {
                    (true, 0) => Ok(None),
                    (true, _) => Err("the file's array ends with a comma".into()),
                    (false, _) => self.item(text),
                };
            }
            b']' | b'}' => {
                self.depth = self.depth.checked_sub(1).ok_or("the file's brackets do not match")?;
            }
            b',' if self.depth == 0 => {
                let text = self.take();
                return self.item(text);
            }
            _ => {}
        }
        Ok(None)
    }

    fn item(&mut self, text: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        self.items += 1;
        Ok(Some(text))
    }

    fn take(&mut self) -> Vec<u8> {
        let text = self.buffer[self.start..self.at - 1].to_vec();
        self.start = self.at;
        text
    }

    fn finish(&self) -> Result<(), String> {
        match self.part {
            Part::Before => Err("Attempting to map over non-iterable node.".into()),
            Part::Items => Err("the file ends within its array".into()),
            Part::After => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn split_all(chunks: &[&[u8]]) -> Result<Vec<Value>, String> {
        let mut splitter = Splitter::default();
        let mut items = Vec::new();
        let mut chunks = chunks.iter();
        loop {
            match splitter.next()? {
                Step::Item(item) => items.push(serde_json::from_slice(&item).map_err(|e| e.to_string())?),
                Step::More => match chunks.next() {
                    Some(chunk) => splitter.push(chunk),
                    None => return splitter.finish().map(|()| items),
                },
            }
        }
    }

    #[test]
    fn arrays() {
        let split = |text: &str| split_all(&[text.as_bytes()]).map(Value::from);
        assert_eq!(split("[]"), Ok(json!([])));
        assert_eq!(split(" [ ] \n"), Ok(json!([])));
        assert_eq!(split(r#"[1, "a,]\"[", [2,[3]], {"x": "}"}]"#), Ok(json!([1, "a,]\"[", [2, [3]], {"x": "}"}])));
        for wrong in ["", "{}", "[", "[1", "[1,]", "[,1]", "[1] 2", "[1}]", "[1 2]", "\"x\""] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(items in prop::collection::vec("[ -~]{0,12}", 0..20), size in 1_usize..9) {
            let items = json!(items.iter().map(|item| json!({"item": item, "list": [item]})).collect::<Vec<_>>());
            let text = items.to_string();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(split_all(&chunks).map(Value::from), Ok(items));
        }
    }
}
