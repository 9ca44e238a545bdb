import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { functionMaker } from './code';
import { acknowledgeWildcard, allowObjects, allowSecrets, Step, STEPS } from './permissions';

/** What {@link Functions} are made from. */
export interface FunctionsProps {
  readonly bucket: s3.Bucket;
  /** See `Settings.functions`. */
  readonly source: string | undefined;
}

/**
 * Megabytes; 1,769 are one vCPU. A worker mostly waits, and holds 64 MiB of responses, a batch of 8 MiB and up to 256
 * connections. The other two steps work as fast as one core can.
 */
const MEMORY: Record<Step, number> = { preprocess: 1769, worker: 512, postprocess: 1769 };

/** The three steps. They need no environment variables: bucket, job and run come with the event. */
export class Functions extends Construct {
  readonly preprocess: lambda.Function;
  readonly worker: lambda.Function;
  readonly postprocess: lambda.Function;

  constructor(scope: Construct, id: string, { bucket, source }: FunctionsProps) {
    super(scope, id);
    const make = functionMaker(this, source);
    const step = (name: Step, constructId: string): lambda.Function => {
      const logGroup = new logs.LogGroup(this, `${constructId}Logs`, {
        retention: logs.RetentionDays.ONE_MONTH,
        removalPolicy: RemovalPolicy.DESTROY,
      });
      const role = new iam.Role(this, `${constructId}Role`, {
        assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      });
      logGroup.grantWrite(role);
      allowObjects(role, bucket, STEPS[name]);
      if (name === 'worker') {
        allowSecrets(role);
      }
      acknowledgeWildcard(role, '*', 'A policy cannot name X-Ray segments as resources.');
      // No reserved concurrency: it would be taken from the account's other functions, and a new account has none to
      // spare. How many workers run at a time is the lanes' business.
      return make(constructId, name, {
        description: `throughline: ${name}`,
        memorySize: MEMORY[name],
        timeout: Duration.minutes(15),
        tracing: lambda.Tracing.ACTIVE,
        loggingFormat: lambda.LoggingFormat.JSON,
        logGroup,
        role,
      });
    };
    this.preprocess = step('preprocess', 'Preprocess');
    this.worker = step('worker', 'Worker');
    this.postprocess = step('postprocess', 'Postprocess');
  }

  /** All three. */
  get all(): lambda.Function[] {
    return [this.preprocess, this.worker, this.postprocess];
  }
}
