//! Reading an object, whole or in part, and what is kept with it.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::{Response, Service, buckets, current_version, read_condition, respond, without_code};
use crate::checksum::{Sum, show};
use crate::error::io_error;
use crate::list::owner;
use crate::metadata::{Metadata, show_headers};
use crate::object::Info;
use crate::outgoing::Outgoing;

/// The bytes of an object that a request asks for.
struct Piece {
    /// None for the whole object.
    range: Option<std::ops::Range<u64>>,
    /// The number of the object's parts, if one of them was asked for.
    parts: Option<i32>,
    /// The checksum of these bytes.
    sum: Option<Sum>,
}

impl Piece {
    fn new(info: &Info, kept: &Metadata, range: Option<Range>, part: Option<i32>) -> S3Result<Self> {
        let Some(part) = part else {
            let range = range.map(|range| range.check(info.size)).transpose()?;
            let sum = kept.sum.clone().filter(|_| range.is_none());
            return Ok(Self { range, parts: None, sum });
        };
        if range.is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            ));
        }
        let number = kept.number_of_parts();
        let wanted = usize::try_from(part).unwrap_or_default();
        if number == 0 && wanted == 1 {
            let range = (info.size > 0).then_some(0..info.size);
            return Ok(Self { range, parts: None, sum: kept.sum.clone() });
        }
        if wanted == 0 || wanted > number {
            return Err(no_such_part());
        }
        let begin = kept.each_part().take(wanted - 1).map(|part| part.size).sum();
        let (size, sum) =
            kept.each_part().nth(wanted - 1).map_or((0, None), |part| (part.size, part.sum.clone()));
        Ok(Self { range: Some(begin..begin + size), parts: i32::try_from(number).ok(), sum })
    }

    fn length(&self, info: &Info) -> i64 {
        let length = self.range.as_ref().map_or(info.size, |range| range.end - range.start);
        i64::try_from(length).expect("files are smaller than 8 EiB")
    }

    fn content_range(&self, info: &Info) -> Option<String> {
        let range = self.range.as_ref()?;
        Some(format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), info.size))
    }
}

/// Whether a request asks for checksums.
fn is_enabled(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

fn no_such_part() -> S3Error {
    let code = S3ErrorCode::Custom("InvalidPartNumber".into());
    let mut error = S3Error::with_message(code, "The requested partnumber is not satisfiable");
    error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
    error
}

/// Shows what `GetObject` and `HeadObject` have in common.
macro_rules! show_object {
    ($output:ident, $info:ident, $kept:ident, $piece:ident, $mode:expr) => {
        $output.content_length = Some($piece.length(&$info));
        $output.content_range = $piece.content_range(&$info);
        $output.parts_count = $piece.parts;
        $output.accept_ranges = Some("bytes".to_owned());
        $output.e_tag = $info.e_tag();
        $output.last_modified = $info.last_modified();
        if let Some(sum) = $piece.sum.filter(|_| is_enabled($mode)) {
            $output.checksum_type = $kept.sum.as_ref().map(Sum::kind);
            show!($output, Some(&sum));
        }
        show_headers!($output, $kept.headers);
    };
}

pub(super) async fn get(service: &Service, req: S3Request<GetObjectInput>) -> Response<GetObjectOutput> {
    let input = req.input;
    current_version(input.version_id.as_deref())?;
    let condition = read_condition!(input);
    let mode = input.checksum_mode;
    let (info, kept, piece, body) = service
        .run(move |store| {
            let (file, path, info) = store.open_object(&input.bucket, &input.key, &condition)?;
            let kept = Metadata::of(&file);
            let piece = Piece::new(&info, &kept, input.range, input.part_number)?;
            let body = Outgoing::new(file, path, piece.range.clone().unwrap_or(0..info.size));
            Ok((info, kept, piece, body.map_err(io_error)?))
        })
        .await?;
    let mut output = GetObjectOutput { body: Some(StreamingBlob::new(body)), ..GetObjectOutput::default() };
    show_object!(output, info, kept, piece, mode.as_ref());
    respond(output)
}

pub(super) async fn head(service: &Service, req: S3Request<HeadObjectInput>) -> Response<HeadObjectOutput> {
    let mut input = req.input;
    current_version(input.version_id.as_deref())?;
    let condition = read_condition!(input);
    let replaced = Replaced {
        content_type: input.response_content_type.take(),
        content_encoding: input.response_content_encoding.take(),
        content_language: input.response_content_language.take(),
        content_disposition: input.response_content_disposition.take(),
        cache_control: input.response_cache_control.take(),
        expires: input.response_expires.take(),
    };
    let mode = input.checksum_mode;
    let (info, kept, piece) = service
        .run(move |store| {
            let (file, _, info) = store.open_object(&input.bucket, &input.key, &condition)?;
            let kept = Metadata::of(&file);
            let piece = Piece::new(&info, &kept, input.range, input.part_number)?;
            Ok((info, kept, piece))
        })
        .await
        .map_err(without_code)?;
    let mut output = HeadObjectOutput::default();
    show_object!(output, info, kept, piece, mode.as_ref());
    replaced.show(&mut output);
    let status = output.content_range.is_some().then_some(StatusCode::PARTIAL_CONTENT);
    let mut response = S3Response::new(output);
    response.status = status;
    Ok(response)
}

/// Headers that the request of a HEAD names itself. s3s does it for a GET.
struct Replaced {
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    cache_control: Option<String>,
    expires: Option<Timestamp>,
}

impl Replaced {
    fn show(self, output: &mut HeadObjectOutput) {
        fn set<T>(place: &mut Option<T>, value: Option<T>) {
            if value.is_some() {
                *place = value;
            }
        }
        set(&mut output.content_type, self.content_type);
        set(&mut output.content_encoding, self.content_encoding);
        set(&mut output.content_language, self.content_language);
        set(&mut output.content_disposition, self.content_disposition);
        set(&mut output.cache_control, self.cache_control);
        set(&mut output.expires, self.expires);
    }
}

pub(super) async fn attributes(
    service: &Service,
    req: S3Request<GetObjectAttributesInput>,
) -> Response<GetObjectAttributesOutput> {
    let input = req.input;
    current_version(input.version_id.as_deref())?;
    let (bucket, key) = (input.bucket, input.key);
    let (info, kept) = service
        .run(move |store| {
            let (file, _, info) = store.open_object(&bucket, &key, &Default::default())?;
            Ok((info, Metadata::of(&file)))
        })
        .await?;
    // They come in one header or in several.
    let named = input.object_attributes.iter().flat_map(|names| names.as_str().split(','));
    let named: Vec<&str> = named.map(str::trim).collect();
    let asked = |name: &str| named.contains(&name);
    let mut output = GetObjectAttributesOutput {
        last_modified: info.last_modified(),
        ..GetObjectAttributesOutput::default()
    };
    if asked(ObjectAttributes::ETAG) {
        output.e_tag = info.e_tag();
    }
    if asked(ObjectAttributes::OBJECT_SIZE) {
        output.object_size = info.size();
    }
    if asked(ObjectAttributes::STORAGE_CLASS) {
        output.storage_class = Some(StorageClass::from_static(StorageClass::STANDARD));
    }
    if let Some(sum) = kept.sum.as_ref().filter(|_| asked(ObjectAttributes::CHECKSUM)) {
        let mut shown = Checksum { checksum_type: Some(sum.kind()), ..Checksum::default() };
        show!(shown, Some(sum));
        output.checksum = Some(shown);
    }
    if asked(ObjectAttributes::OBJECT_PARTS) && !kept.parts.is_empty() {
        output.object_parts = Some(parts(&kept, input.max_parts, input.part_number_marker));
    }
    respond(output)
}

fn parts(kept: &Metadata, max: Option<i32>, marker: Option<i32>) -> GetObjectAttributesParts {
    let max = max.unwrap_or(1000).clamp(1, 1000);
    let after = marker.unwrap_or(0).max(0);
    let numbered = (1..).zip(kept.each_part());
    let wanted = numbered.skip_while(|(number, _)| *number <= after);
    let wanted = wanted.take(usize::try_from(max).expect("it is positive"));
    let parts: Vec<ObjectPart> = wanted
        .map(|(number, part)| {
            let mut shown = ObjectPart {
                part_number: Some(number),
                size: i64::try_from(part.size).ok(),
                ..ObjectPart::default()
            };
            show!(shown, &part.sum);
            shown
        })
        .collect();
    let total = i32::try_from(kept.number_of_parts()).unwrap_or(i32::MAX);
    let last = parts.last().and_then(|part| part.part_number).unwrap_or(after);
    GetObjectAttributesParts {
        is_truncated: Some(last < total),
        max_parts: Some(max),
        next_part_number_marker: Some(last),
        part_number_marker: Some(after),
        total_parts_count: Some(total),
        parts: Some(parts),
    }
}

pub(super) async fn acl(
    service: &Service,
    req: S3Request<GetObjectAclInput>,
) -> Response<GetObjectAclOutput> {
    let input = req.input;
    current_version(input.version_id.as_deref())?;
    service.run(move |store| store.open_object(&input.bucket, &input.key, &Default::default())).await?;
    respond(GetObjectAclOutput {
        grants: Some(buckets::grants()),
        owner: Some(owner()),
        ..GetObjectAclOutput::default()
    })
}

/// No object has tags.
pub(super) async fn tagging(
    service: &Service,
    req: S3Request<GetObjectTaggingInput>,
) -> Response<GetObjectTaggingOutput> {
    let input = req.input;
    current_version(input.version_id.as_deref())?;
    service.run(move |store| store.open_object(&input.bucket, &input.key, &Default::default())).await?;
    respond(GetObjectTaggingOutput { tag_set: Vec::new(), version_id: None })
}
