import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { Machine, MAP_LABEL } from './machine';
import { allow, allowKey } from './permissions';

/** What {@link operatorPolicy} is made from. */
export interface OperatorProps {
  readonly bucket: s3.IBucket;
  readonly encryptionKey: kms.IKey | undefined;
  readonly machine: Machine;
}

/** A policy for people: what `throughline submit`, `watch`, `stop` and `redrive` do. It is attached to nobody. */
export function operatorPolicy(scope: Construct, id: string, props: OperatorProps): iam.ManagedPolicy {
  const { bucket, encryptionKey, machine } = props;
  const policy = new iam.ManagedPolicy(scope, id, {
    description: 'Submit, watch, stop and redrive runs of throughline',
  });
  const reason = 'The names of jobs, runs, files and executions are not known in advance.';
  const objects = (actions: string[], patterns: string[]) =>
    allow(policy, { actions, resources: patterns.map((pattern) => bucket.arnForObjects(pattern)), reason });
  allow(policy, { actions: ['s3:ListBucket'], resources: [bucket.bucketArn] });
  objects(['s3:GetObject'], ['jobs/*', 'runs/*', 'turns/*']);
  objects(['s3:PutObject', 's3:AbortMultipartUpload'], ['jobs/*/job.toml', 'jobs/*/input/*']);
  objects(['s3:PutObject'], ['runs/*/stop/*']);
  allow(policy, { actions: ['states:StartExecution'], resources: [machine.stateMachine.stateMachineArn] });
  allow(policy, {
    actions: ['states:DescribeExecution', 'states:ListMapRuns'],
    resources: [machine.executions()],
    reason,
  });
  const mapRuns = Stack.of(scope).formatArn({
    service: 'states',
    resource: 'mapRun',
    resourceName: `${machine.stateMachine.stateMachineName}/${MAP_LABEL}:*`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  allow(policy, { actions: ['states:DescribeMapRun'], resources: [mapRuns], reason });
  if (encryptionKey !== undefined) {
    allowKey(policy, encryptionKey);
  }
  return policy;
}
