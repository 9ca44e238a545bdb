//! The items of a Distributed Map, one after the other. No file is ever held in memory as a whole.

mod csv;
mod decompress;
mod file;
mod json;
mod lines;
mod objects;
#[cfg(feature = "parquet")]
mod parquet;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::dataset::{Dataset, Format};
use crate::failure::Failure;
use crate::run::Runtime;
use file::FileReader;
use objects::{FilesReader, Listing};

/// The source of items.
#[derive(Debug, Clone)]
pub(super) enum Source {
    State(Vec<Item>),
    Store { location: ObjectRef, dataset: Dataset, max_items: Option<u64> },
}

/// An object, or the objects with a prefix.
#[derive(Debug, Clone)]
pub(super) struct ObjectRef {
    pub(super) bucket: String,
    /// The object's key, or the prefix of the listed objects.
    pub(super) key: String,
    pub(super) version: Option<String>,
}

/// An item, and its key if it is a member of an object.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: Option<String>,
    pub(super) value: Value,
}

impl Item {
    /// The input of a child without an ItemSelector.
    pub(super) fn whole(self) -> Value {
        match self.key {
            None => self.value,
            Some(key) => {
                Value::Object(Map::from_iter([("Key".into(), key.into()), ("Value".into(), self.value)]))
            }
        }
    }
}

/// An item as it was read, which is not parsed yet.
pub(super) enum Raw {
    Ready(Item),
    Json(Vec<u8>),
    /// A member of an object: a name, a colon and a value.
    Member(Vec<u8>),
    /// The headers and the fields of a row.
    Row(Arc<Vec<String>>, Vec<String>),
}

impl Raw {
    fn item(self) -> Result<Item, Failure> {
        let wrong = |error| failed(format!("an item of the file is not JSON: {error}"));
        match self {
            Raw::Ready(item) => Ok(item),
            Raw::Json(text) => Ok(Item { key: None, value: crate::json::from_slice(&text).map_err(wrong)? }),
            Raw::Member(text) => {
                let object = [b"{", text.as_slice(), b"}"].concat();
                let object = crate::json::object(&object).map_err(wrong)?;
                let (key, value) = object
                    .into_iter()
                    .next()
                    .ok_or_else(|| failed("an object of the file has an empty member"))?;
                Ok(Item { key: Some(key), value })
            }
            Raw::Row(headers, row) => {
                let fields = row.into_iter().chain(std::iter::repeat_with(String::new));
                let value = headers.iter().cloned().zip(fields.map(Value::String)).collect();
                Ok(Item { key: None, value: Value::Object(value) })
            }
        }
    }
}

/// The result of parsing the bytes read so far.
enum Step {
    Item(Raw),
    /// No complete item; the next chunk is needed.
    More,
    /// There are no more items, whatever follows.
    End,
}

/// AWS's limit of an item before the ItemSelector, in bytes.
const LONGEST: usize = 8 * 1024 * 1024;
const TOO_LONG: &str = "is longer than 8 MiB";

pub(super) struct Items {
    feed: Feed,
    left: Option<u64>,
}

enum Feed {
    State(std::vec::IntoIter<Item>),
    File(FileReader, Arc<str>),
    Listing(Listing, Arc<str>),
    Files(FilesReader),
}

impl Items {
    pub(super) async fn open(source: &Source, runtime: &Arc<Runtime>) -> Result<Self, Failure> {
        let (location, dataset, max_items) = match source {
            Source::State(items) => {
                return Ok(Self { feed: Feed::State(items.clone().into_iter()), left: None });
            }
            Source::Store { location, dataset, max_items } => (location, dataset, max_items),
        };
        let address = |location: &ObjectRef| Arc::from(format!("S3://{}/{}", location.bucket, location.key));
        let feed = match dataset {
            Dataset::Object(format) => {
                Feed::File(FileReader::open(runtime, location, format).await?, address(location))
            }
            Dataset::Listing => {
                Feed::Listing(Listing::new(runtime, location), Arc::from(format!("S3://{}", location.bucket)))
            }
            Dataset::Listed(format) => {
                Feed::Files(FilesReader::listed(Listing::new(runtime, location), format.clone()))
            }
            Dataset::Inventory => Feed::Files(FilesReader::inventory(runtime, location).await?),
            Dataset::Athena(format) => {
                Feed::Files(FilesReader::athena(runtime, location, format.clone()).await?)
            }
        };
        Ok(Self { feed, left: *max_items })
    }

    /// Counts all items, which reads them to the end.
    pub(super) async fn count(source: &Source, runtime: &Arc<Runtime>) -> Result<u64, Failure> {
        let mut items = Self::open(source, runtime).await?;
        let mut count = 0;
        while items.skip().await? {
            count += 1;
        }
        Ok(count)
    }

    pub(super) async fn next(&mut self) -> Result<Option<Item>, Failure> {
        self.raw().await?.map(Raw::item).transpose()
    }

    /// Skips an item. Returns false if there are no more.
    pub(super) async fn skip(&mut self) -> Result<bool, Failure> {
        Ok(self.raw().await?.is_some())
    }

    /// `$$.Map.Item.Source` of the item that was read last.
    pub(super) fn source(&self) -> &str {
        match &self.feed {
            Feed::State(_) => "STATE_DATA",
            Feed::File(_, address) | Feed::Listing(_, address) => address,
            Feed::Files(files) => files.source(),
        }
    }

    async fn raw(&mut self) -> Result<Option<Raw>, Failure> {
        match &mut self.left {
            Some(0) => return Ok(None),
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.feed {
            Feed::State(items) => Ok(items.next().map(Raw::Ready)),
            Feed::File(file, _) => file.next().await,
            Feed::Listing(listing, _) => {
                Ok(listing.next().await?.map(|object| Raw::Ready(objects::item(object))))
            }
            Feed::Files(files) => files.next().await,
        }
    }
}

fn failed(reason: impl std::fmt::Display) -> Failure {
    Failure::new("States.ItemReaderFailed", reason.to_string())
}
