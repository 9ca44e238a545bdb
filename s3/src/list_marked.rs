//! The listings that are continued by a key: `ListObjects` and `ListObjectVersions`, pages of `ListObjectsV2`.

use s3s::S3Result;
use s3s::dto::{
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ObjectVersion, ObjectVersionStorageClass,
};

use crate::list::{Item, encoded, read_token, token};
use crate::store::Store;
use crate::walk::Start;

/// The page of the second version that a listing asks for.
macro_rules! page_of {
    ($input:ident) => {
        ListObjectsV2Input {
            bucket: $input.bucket,
            delimiter: $input.delimiter,
            encoding_type: $input.encoding_type.clone(),
            max_keys: $input.max_keys,
            prefix: $input.prefix,
            fetch_owner: Some(true),
            ..ListObjectsV2Input::default()
        }
    };
}

impl Store {
    pub(crate) fn list_v1(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let grouped = input.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty());
        let (page, last) = self.after_marker(page_of!(input), input.marker.as_deref())?;
        Ok(ListObjectsOutput {
            name: page.name,
            prefix: page.prefix,
            // Clients take a missing marker for the end of an unfinished response.
            marker: Some(encoded(&input.marker.unwrap_or_default(), input.encoding_type.as_ref())),
            max_keys: page.max_keys,
            is_truncated: page.is_truncated,
            contents: page.contents,
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
            // S3 names the next marker only where there are groups; without them it is the last key.
            next_marker: last.filter(|_| grouped),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        })
    }

    /// Every object is its only version, whose id is `null`, as in a bucket without versioning.
    pub(crate) fn list_versions(&self, input: ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
        let (page, last) = self.after_marker(page_of!(input), input.key_marker.as_deref())?;
        let versions = page.contents.unwrap_or_default().into_iter().map(|object| ObjectVersion {
            key: object.key,
            e_tag: object.e_tag,
            size: object.size,
            last_modified: object.last_modified,
            owner: object.owner,
            is_latest: Some(true),
            version_id: Some("null".into()),
            storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
            ..ObjectVersion::default()
        });
        Ok(ListObjectVersionsOutput {
            name: page.name,
            prefix: page.prefix,
            key_marker: Some(encoded(&input.key_marker.unwrap_or_default(), input.encoding_type.as_ref())),
            max_keys: page.max_keys,
            is_truncated: page.is_truncated,
            versions: Some(versions.collect()),
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
            next_version_id_marker: last.as_ref().map(|_| "null".to_owned()),
            next_key_marker: last,
            encoding_type: input.encoding_type,
            ..ListObjectVersionsOutput::default()
        })
    }

    /// The page after a marker, and its last key or group if there are more.
    fn after_marker(
        &self,
        page: ListObjectsV2Input,
        marker: Option<&str>,
    ) -> S3Result<(ListObjectsV2Output, Option<String>)> {
        let (delimiter, encoding) = (page.delimiter.clone().unwrap_or_default(), page.encoding_type.clone());
        // A marker that ends with the delimiter is the group that ended a page, and its keys are left out.
        let group = marker.filter(|marker| {
            let rest = marker.strip_prefix(page.prefix.as_deref().unwrap_or_default());
            !delimiter.is_empty() && rest.is_some_and(|rest| rest.ends_with(&delimiter))
        });
        let mut listed = self.list(ListObjectsV2Input {
            start_after: marker.map(str::to_owned),
            continuation_token: group.map(|group| token(&Item::Prefix(group.to_owned()))),
            ..page
        })?;
        let next = listed.next_continuation_token.take().map(|token| read_token(&token)).transpose()?;
        let last = next.map(|(Start::Key(last) | Start::Prefix(last))| encoded(&last, encoding.as_ref()));
        Ok((listed, last))
    }
}
