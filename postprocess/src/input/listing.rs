//! One listing of all flush objects of a lane, read beside its batches.

use std::vec::IntoIter;

use job::objects::Entry;
use job::{Objects, StorageError};

/// The objects below a prefix, in key order, a page at a time: the batches' folders come in the batches' order.
pub(super) struct Listing<'a> {
    objects: &'a Objects,
    prefix: String,
    page: IntoIter<Entry>,
    token: Option<String>,
    begun: bool,
}

impl<'a> Listing<'a> {
    pub(super) fn new(objects: &'a Objects, prefix: String) -> Self {
        Self { objects, prefix, page: Vec::new().into_iter(), token: None, begun: false }
    }

    /// The objects of one folder. Folders must be asked for in key order; what lies before is passed over.
    pub(super) async fn folder(&mut self, folder: &str) -> Result<Vec<Entry>, StorageError> {
        let mut entries = Vec::new();
        loop {
            match self.page.as_slice().first() {
                Some(entry) if entry.key.starts_with(folder) => entries.extend(self.page.next()),
                Some(entry) if entry.key.as_str() < folder => drop(self.page.next()),
                Some(_) => return Ok(entries),
                None if self.begun && self.token.is_none() => return Ok(entries),
                None => {
                    let (page, token) = self.objects.list_page(&self.prefix, self.token.take()).await?;
                    (self.page, self.token, self.begun) = (page.into_iter(), token, true);
                }
            }
        }
    }
}
