//! A listing that is read folder by folder.

use std::vec::IntoIter;

use super::error::StorageError;
use super::objects::{Entry, Objects};

/// The objects below a prefix in key order, one page at a time. One listing serves a whole lane of a run, since
/// the folders of its batches come in the order of the batches.
#[derive(Debug)]
pub struct Listing<'a> {
    objects: &'a Objects,
    prefix: String,
    /// The key after which the first page begins.
    after: Option<String>,
    page: IntoIter<Entry>,
    token: Option<String>,
    begun: bool,
}

impl<'a> Listing<'a> {
    /// Begins with the first object below `prefix`.
    pub fn new(objects: &'a Objects, prefix: String) -> Self {
        Self { objects, prefix, after: None, page: Vec::new().into_iter(), token: None, begun: false }
    }

    /// Begins after `key`, which need not exist.
    pub fn after(objects: &'a Objects, prefix: String, key: String) -> Self {
        Self { after: Some(key), ..Self::new(objects, prefix) }
    }

    /// The objects of one folder. Folders must be asked for in key order; objects before the folder are
    /// skipped.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn folder(&mut self, folder: &str) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        loop {
            match self.page.as_slice().first() {
                Some(entry) if entry.key.starts_with(folder) => entries.extend(self.page.next()),
                Some(entry) if entry.key.as_str() < folder => drop(self.page.next()),
                Some(_) => return Ok(entries),
                None if self.begun && self.token.is_none() => return Ok(entries),
                None => {
                    let (page, token) = match self.after.take() {
                        Some(key) => self.objects.list_page_after(&self.prefix, key).await?,
                        None => self.objects.list_page(&self.prefix, self.token.take()).await?,
                    };
                    (self.page, self.token, self.begun) = (page.into_iter(), token, true);
                }
            }
        }
    }
}
