//! `ListObjects`, the first version of the listing: a page of the second one, continued by a key.

use s3s::S3Result;
use s3s::dto::{ListObjectsInput, ListObjectsOutput, ListObjectsV2Input};

use crate::list::{Item, encoded, read_token, token};
use crate::store::Store;
use crate::walk::Start;

impl Store {
    pub(crate) fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let ListObjectsInput { bucket, delimiter, encoding_type, marker, max_keys, prefix, .. } = input;
        let grouped = delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty());
        // A marker that ends with the delimiter is the group that ended a page, and its keys are left out.
        let group = marker.as_ref().zip(delimiter.as_ref()).filter(|(marker, delimiter)| {
            let rest = marker.strip_prefix(prefix.as_deref().unwrap_or_default());
            grouped && rest.is_some_and(|rest| rest.ends_with(*delimiter))
        });
        let after_group = group.map(|(marker, _)| token(&Item::Prefix(marker.clone())));
        let page = self.list(ListObjectsV2Input {
            bucket,
            delimiter,
            encoding_type: encoding_type.clone(),
            max_keys,
            prefix,
            start_after: marker.clone(),
            continuation_token: after_group,
            ..ListObjectsV2Input::default()
        })?;
        let name = |text: String| encoded(&text, encoding_type.as_ref());
        // S3 names the next marker only where there are groups; without them it is the last key.
        let next = page.next_continuation_token.filter(|_| grouped);
        let next = next.map(|token| read_token(&token)).transpose()?;
        Ok(ListObjectsOutput {
            name: page.name,
            prefix: page.prefix,
            marker: marker.map(name),
            max_keys: page.max_keys,
            is_truncated: page.is_truncated,
            contents: page.contents,
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
            next_marker: next.map(|(Start::Key(last) | Start::Prefix(last))| name(last)),
            encoding_type,
            ..ListObjectsOutput::default()
        })
    }
}
