import { Tags } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { Alerts } from './alerts';
import { Functions } from './functions';
import { Machine } from './machine';
import { Monitoring } from './monitoring';
import { prefixNames } from './names';
import { operatorPolicy } from './operator';
import { Schedule, Schedules } from './schedules';
import { Storage } from './storage';
import { Trigger } from './trigger';

/** The settings of {@link Throughline}. None is required. */
export interface ThroughlineProps {
  /**
   * Where the code of the functions comes from: `source` builds it with cargo-lambda, and any other value is a folder
   * with `preprocess/bootstrap`, `worker/bootstrap` and `postprocess/bootstrap` for arm64.
   *
   * @default - the code in this package; without it, the template has the parameters CodeBucket and CodeFolder
   */
  readonly code?: string;
  /**
   * A bucket that exists. Its notifications to EventBridge must be on, and its lifecycle rules are its owner's: objects
   * in `runs/` must live for 180 days.
   *
   * @default - a new bucket, which outlives the stack
   */
  readonly bucket?: s3.IBucket;
  /**
   * The key that encrypts the bucket.
   *
   * @default - the key of `bucket`, or the keys of S3
   */
  readonly encryptionKey?: kms.IKey;
  /**
   * The network of the functions. They need the internet, and a gateway endpoint for S3 avoids a NAT gateway's charge
   * for each byte.
   *
   * @default - the functions have the internet and no fixed address
   */
  readonly vpc?: ec2.IVpc;
  /**
   * The subnets of the functions.
   *
   * @default - the private subnets of `vpc`
   */
  readonly subnets?: ec2.SubnetSelection;
  /**
   * The security groups of the functions.
   *
   * @default - a new group that allows all outbound connections
   */
  readonly securityGroups?: readonly ec2.ISecurityGroup[];
  /**
   * The permissions boundary of all roles.
   *
   * @default - none
   */
  readonly permissionsBoundary?: iam.IManagedPolicy;
  /**
   * Megabytes of a worker: 1,769 are one vCPU. More than 512 helps only if a worker checks thousands of hosts.
   *
   * @default 512
   */
  readonly workerMemory?: number;
  /**
   * How many calls of the function that splits inputs may be under way. It is for a job to which many files are uploaded
   * at once: each upload calls this function, which then waits for the lease of the job. Lambda takes it from the
   * concurrency of the account and keeps it for this function.
   *
   * @default - the concurrency of the account
   */
  readonly preprocessConcurrency?: number;
  /**
   * The topic of failed runs and alarms. EventBridge and CloudWatch must be allowed to publish to it.
   *
   * @default - a new topic
   */
  readonly alarmTopic?: sns.ITopic;
  /**
   * An address that is notified of failed runs and alarms.
   *
   * @default - nobody
   */
  readonly email?: string;
  /**
   * How long logs are kept.
   *
   * @default logs.RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;
  /**
   * The beginning of the names of functions, roles, policies and everything else but the bucket.
   *
   * @default - CloudFormation chooses the names
   */
  readonly namePrefix?: string;
  /**
   * Runs at fixed times.
   *
   * @default - none
   */
  readonly schedules?: readonly Schedule[];
}

/** Everything that throughline needs: a bucket whose uploads start runs. */
export class Throughline extends Construct {
  /** Jobs, inputs and outputs. */
  readonly bucket: s3.IBucket;
  readonly stateMachine: sfn.StateMachine;
  readonly functions: Functions;
  /** Receives failed runs and alarms. */
  readonly topic: sns.ITopic;
  /** Allows to submit, watch, stop and redrive runs. */
  readonly operatorPolicy: iam.ManagedPolicy;
  readonly alarms: readonly cloudwatch.Alarm[];

  constructor(scope: Construct, id: string, props: ThroughlineProps = {}) {
    super(scope, id);
    const { logRetention = logs.RetentionDays.ONE_MONTH, permissionsBoundary, namePrefix, schedules = [] } = props;
    const { bucket, encryptionKey } = new Storage(this, 'Storage', props);
    this.bucket = bucket;
    this.functions = new Functions(this, 'Functions', { ...props, bucket, encryptionKey, logRetention });
    const machine = new Machine(this, 'Machine', { bucket, encryptionKey, functions: this.functions, logRetention });
    this.stateMachine = machine.stateMachine;
    const { deadLetters } = new Trigger(this, 'Trigger', { bucket, machine });
    new Schedules(this, 'Schedules', { bucket, machine, deadLetters, schedules });
    const { alarmTopic, email } = props;
    this.topic = new Alerts(this, 'Alerts', { stateMachine: this.stateMachine, topic: alarmTopic, email }).topic;
    this.alarms = new Monitoring(this, 'Monitoring', {
      functions: this.functions,
      stateMachine: this.stateMachine,
      deadLetters,
      topic: this.topic,
    }).alarms;
    this.operatorPolicy = operatorPolicy(this, 'Operator', { bucket, encryptionKey, machine });

    if (permissionsBoundary !== undefined) {
      iam.PermissionsBoundary.of(this).apply(permissionsBoundary);
    }
    if (namePrefix !== undefined) {
      prefixNames(this, namePrefix);
    }
    Tags.of(this).add('application', 'throughline');
  }
}
