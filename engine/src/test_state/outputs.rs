//! The outputs of the service operations whose mocks are checked, with fields as Step Functions names them
//! (from the API references of the services).

use crate::resource::Resource;

#[derive(Debug)]
pub(super) enum Shape {
    /// Texts, binary data and times.
    Text {
        shortest: usize,
    },
    OneOf(&'static [&'static str]),
    Number {
        least: f64,
        most: f64,
    },
    Boolean,
    List(&'static Shape),
    Object(&'static [Field]),
    Anything,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

const TEXT: Shape = Shape::Text { shortest: 0 };
const NUMBER: Shape = number(f64::MIN, f64::MAX);
const COUNT: Shape = number(0.0, f64::MAX);

const fn number(least: f64, most: f64) -> Shape {
    Shape::Number { least, most }
}

const STORAGE_CLASS: Shape = Shape::OneOf(&[
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
]);

const CONSUMED_CAPACITY: Shape = Shape::Object(&[
    field("TableName", Shape::Text { shortest: 1 }),
    field("CapacityUnits", NUMBER),
    field("ReadCapacityUnits", NUMBER),
    field("WriteCapacityUnits", NUMBER),
    field("Table", Shape::Object(&[field("CapacityUnits", NUMBER)])),
]);

const WRITTEN_ITEM: Shape = Shape::Object(&[
    field("Attributes", Shape::Object(&[])),
    field("ConsumedCapacity", CONSUMED_CAPACITY),
    field("ItemCollectionMetrics", Shape::Object(&[])),
]);

const STARTED_EXECUTION: Shape =
    Shape::Object(&[required("ExecutionArn", Shape::Text { shortest: 1 }), required("StartDate", TEXT)]);

const INVOKED_FUNCTION: Shape = Shape::Object(&[
    field("StatusCode", NUMBER),
    field("FunctionError", TEXT),
    field("LogResult", TEXT),
    field("Payload", Shape::Anything),
    field("ExecutedVersion", Shape::Text { shortest: 1 }),
]);

const FUNCTION: Shape = Shape::Object(&[
    field(
        "Configuration",
        Shape::Object(&[
            field("FunctionName", Shape::Text { shortest: 1 }),
            field("FunctionArn", TEXT),
            field("Role", TEXT),
            field("Handler", TEXT),
            field("CodeSize", NUMBER),
            field("Description", TEXT),
            field("Timeout", number(1.0, f64::MAX)),
            field("MemorySize", number(128.0, 10_240.0)),
            field("LastModified", TEXT),
            field("Version", Shape::Text { shortest: 1 }),
            field("Layers", Shape::List(&Shape::Object(&[]))),
        ]),
    ),
    field("Code", Shape::Object(&[field("RepositoryType", TEXT), field("Location", TEXT)])),
    field("Tags", Shape::Object(&[])),
]);

const READ_OBJECT: Shape = Shape::Object(&[
    field("Body", Shape::Anything),
    field("AcceptRanges", TEXT),
    field("CacheControl", TEXT),
    field("ContentEncoding", TEXT),
    field("ContentLength", NUMBER),
    field("ContentRange", TEXT),
    field("ContentType", TEXT),
    field("DeleteMarker", Shape::Boolean),
    field("ETag", TEXT),
    field("LastModified", TEXT),
    field("Metadata", Shape::Object(&[])),
    field("MissingMeta", NUMBER),
    field("PartsCount", NUMBER),
    field("StorageClass", STORAGE_CLASS),
    field("TagCount", NUMBER),
    field("VersionId", TEXT),
]);

const LISTED_OBJECTS: Shape = Shape::Object(&[
    field("IsTruncated", Shape::Boolean),
    field(
        "Contents",
        Shape::List(&Shape::Object(&[
            field("Key", Shape::Text { shortest: 1 }),
            field("LastModified", TEXT),
            field("ETag", TEXT),
            field("Size", NUMBER),
            field("StorageClass", STORAGE_CLASS),
        ])),
    ),
    field("Name", TEXT),
    field("Prefix", TEXT),
    field("KeyCount", NUMBER),
    field("MaxKeys", NUMBER),
    field("NextContinuationToken", TEXT),
]);

const PUT_EVENTS: Shape = Shape::Object(&[
    field("FailedEntryCount", COUNT),
    field(
        "Entries",
        Shape::List(&Shape::Object(&[
            field("EventId", TEXT),
            field("ErrorCode", TEXT),
            field("ErrorMessage", TEXT),
        ])),
    ),
]);

const BLOB: Shape = Shape::Text { shortest: 1 };

/// The outputs by service, without `aws-sdk:`, and operation.
const OUTPUTS: &[(&str, &str, Shape)] = &[
    ("dynamodb", "deleteItem", WRITTEN_ITEM),
    (
        "dynamodb",
        "getItem",
        Shape::Object(&[field("Item", Shape::Object(&[])), field("ConsumedCapacity", CONSUMED_CAPACITY)]),
    ),
    ("dynamodb", "putItem", WRITTEN_ITEM),
    ("dynamodb", "updateItem", WRITTEN_ITEM),
    ("events", "putEvents", PUT_EVENTS),
    ("eventbridge", "putEvents", PUT_EVENTS),
    (
        "kms",
        "decrypt",
        Shape::Object(&[field("KeyId", BLOB), field("Plaintext", BLOB), field("EncryptionAlgorithm", TEXT)]),
    ),
    (
        "kms",
        "encrypt",
        Shape::Object(&[
            field("CiphertextBlob", BLOB),
            field("KeyId", BLOB),
            field("EncryptionAlgorithm", TEXT),
        ]),
    ),
    ("lambda", "getFunction", FUNCTION),
    ("lambda", "invoke", INVOKED_FUNCTION),
    ("s3", "getObject", READ_OBJECT),
    ("s3", "listObjectsV2", LISTED_OBJECTS),
    (
        "s3",
        "putObject",
        Shape::Object(&[field("ETag", TEXT), field("VersionId", TEXT), field("Expiration", TEXT)]),
    ),
    ("sfn", "startExecution", STARTED_EXECUTION),
    ("sns", "publish", Shape::Object(&[field("MessageId", TEXT), field("SequenceNumber", TEXT)])),
    (
        "sqs",
        "sendMessage",
        Shape::Object(&[
            field("MD5OfMessageBody", TEXT),
            field("MessageId", TEXT),
            field("SequenceNumber", TEXT),
        ]),
    ),
    ("states", "startExecution", STARTED_EXECUTION),
];

/// The output of a service's immediate response. None if it is not known, or if the task waits for something
/// else.
pub(super) fn of(resource: &Resource) -> Option<&'static Shape> {
    let Resource::Service { service, action, pattern: crate::resource::Pattern::RequestResponse } = resource
    else {
        return None;
    };
    let service = service.strip_prefix("aws-sdk:").unwrap_or(service);
    OUTPUTS
        .iter()
        .find(|(name, operation, _)| *name == service && *operation == action)
        .map(|(.., shape)| shape)
}
