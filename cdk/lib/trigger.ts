import { Duration, Validations } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { Machine } from './machine';

/** What {@link Trigger} is made from. */
export interface TriggerProps {
  readonly bucket: s3.IBucket;
  readonly machine: Machine;
}

/** Keys that start a run. */
const INPUTS = 'jobs/*/input/*';

/** Endings of the files that start a run even when they are empty. */
const ENDINGS = ['.txt', '.csv', '.tsv', '.jsonl'];

/** Starts a run for each upload into a job's input folder. */
export class Trigger extends Construct {
  /** Events that started nothing, for two weeks. */
  readonly deadLetters: sqs.Queue;

  constructor(scope: Construct, id: string, { bucket, machine }: TriggerProps) {
    super(scope, id);
    this.deadLetters = new sqs.Queue(this, 'DeadLetters', {
      encryption: sqs.QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    Validations.of(this.deadLetters).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'This queue is the dead-letter queue of the rule and the schedules.',
    });

    const rule = new events.Rule(this, 'Uploads', {
      description: `Starts a run for each upload to ${INPUTS}`,
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created'],
        detail: { bucket: { name: [bucket.bucketName] }, $or: inputObjects() },
      },
    });
    // The target sets no input, so that the execution's input is the whole event.
    rule.addTarget(
      new targets.SfnStateMachine(machine.stateMachine, {
        deadLetterQueue: this.deadLetters,
        retryAttempts: 185,
        maxEventAge: Duration.hours(24),
      }),
    );
    rule.node.addDependency(...machine.policies);
  }
}

/**
 * Inputs, without the keys that end in `/`, which the console makes for folders. A pattern cannot ask two things of
 * one field; but those objects are empty, so an empty object must have the ending of a file.
 *
 * EventBridge refuses a rule whose wildcards are too complex, and more than one pattern with wildcards is. Endings
 * alone also fit other empty files, such as an empty output: the preprocess step ignores those.
 */
function inputObjects(): object[] {
  return [
    { object: { key: [{ wildcard: INPUTS }], size: [{ 'anything-but': [0] }] } },
    { object: { key: ENDINGS.map((suffix) => ({ suffix })), size: [0] } },
  ];
}
