import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

/** What {@link Storage} is made from. */
export interface StorageProps {
  /** A bucket that exists. */
  readonly bucket?: s3.IBucket;
  readonly encryptionKey?: kms.IKey;
}

/**
 * Days that a run's folder is kept. What a run leaves there is removed when the run ends well, so these are the results
 * of runs that are going or failed. `job/src/run/duration.rs` refuses runs that would take longer.
 */
export const RUNS_KEPT = 180;

/** The bucket of everything: jobs, inputs, outputs, and the folders of runs. */
export class Storage extends Construct {
  readonly bucket: s3.IBucket;
  /** The key that encrypts the bucket, if it is the account's. */
  readonly encryptionKey: kms.IKey | undefined;

  constructor(scope: Construct, id: string, { bucket, encryptionKey }: StorageProps) {
    super(scope, id);
    this.bucket = bucket ?? this.newBucket(encryptionKey);
    this.encryptionKey = encryptionKey ?? bucket?.encryptionKey;
  }

  private newBucket(encryptionKey: kms.IKey | undefined): s3.Bucket {
    const bucket = new s3.Bucket(this, 'Bucket', {
      versioned: true,
      encryption: encryptionKey === undefined ? s3.BucketEncryption.S3_MANAGED : s3.BucketEncryption.KMS,
      // A call to the key for each object would cost more than the object.
      ...(encryptionKey !== undefined && { encryptionKey, bucketKeyEnabled: true }),
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      // Except on create: a first deployment that fails would leave a bucket behind, and each new try another one.
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
      lifecycleRules: [
        {
          id: 'runs',
          prefix: 'runs/',
          expiration: Duration.days(RUNS_KEPT),
          // Nobody replaces the objects of a run by hand: an old version is only an object that a step has deleted.
          noncurrentVersionExpiration: Duration.days(1),
        },
        {
          id: 'old-versions',
          noncurrentVersionExpiration: Duration.days(30),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
          expiredObjectDeleteMarker: true,
        },
      ],
    });

    // `eventBridgeEnabled: true` of the construct would add a function and a role that may change any bucket.
    const resource = bucket.node.defaultChild as s3.CfnBucket;
    resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };

    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions-S1',
      reason:
        'A run makes a request per flush and batch; a log line for each request would cost more than the objects. ' +
        'For an audit, turn on CloudTrail data events for this bucket.',
    });
    return bucket;
  }
}
