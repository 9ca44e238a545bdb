//! The operations of S3, each by name.

use s3s::dto::*;
use s3s::{S3, S3Request};

use super::{Response, Service, buckets, multipart, objects, reads};

/// The operations: the module that has each, and its function there.
macro_rules! operations {
    ($($operation:ident: $input:ty => $output:ty = $module:ident::$function:ident;)*) => {
        #[async_trait::async_trait]
        impl S3 for Service {
            $(
                async fn $operation(&self, req: S3Request<$input>) -> Response<$output> {
                    $module::$function(self, req).await
                }
            )*
        }
    };
}

operations! {
    create_bucket: CreateBucketInput => CreateBucketOutput = buckets::create;
    delete_bucket: DeleteBucketInput => DeleteBucketOutput = buckets::delete;
    head_bucket: HeadBucketInput => HeadBucketOutput = buckets::head;
    list_buckets: ListBucketsInput => ListBucketsOutput = buckets::list;
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput = buckets::location;
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput = buckets::versioning;
    get_bucket_acl: GetBucketAclInput => GetBucketAclOutput = buckets::acl;
    list_objects: ListObjectsInput => ListObjectsOutput = buckets::objects_v1;
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output = buckets::objects;
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput = buckets::versions;

    get_object: GetObjectInput => GetObjectOutput = reads::get;
    head_object: HeadObjectInput => HeadObjectOutput = reads::head;
    get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput = reads::attributes;
    get_object_acl: GetObjectAclInput => GetObjectAclOutput = reads::acl;
    get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput = reads::tagging;

    put_object: PutObjectInput => PutObjectOutput = objects::put;
    copy_object: CopyObjectInput => CopyObjectOutput = objects::copy;
    delete_object: DeleteObjectInput => DeleteObjectOutput = objects::delete;
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput = objects::delete_many;

    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput = multipart::create;
    upload_part: UploadPartInput => UploadPartOutput = multipart::part;
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput = multipart::part_copy;
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput = multipart::abort;
    list_parts: ListPartsInput => ListPartsOutput = multipart::parts;
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput = multipart::uploads;
}
