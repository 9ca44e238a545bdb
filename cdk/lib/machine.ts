import { ArnFormat, Aws, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { Functions } from './functions';
import { acknowledgeWildcard, allow, allowKey } from './permissions';
import { everyVersion } from './versions';

/** What {@link Machine} is made from. */
export interface MachineProps {
  readonly bucket: s3.IBucket;
  readonly encryptionKey: kms.IKey | undefined;
  readonly functions: Functions;
  readonly logRetention: logs.RetentionDays;
}

/** The one definition, which the local engine runs too: in this package, or at the top of the repository. */
export const DEFINITION = ['../definition.asl.json', '../../definition.asl.json']
  .map((path) => resolve(__dirname, path))
  .find((path) => existsSync(path))!;

/** The `Label` of the definition's Distributed Map: its children are executions of `<machine>/<label>`. */
export const MAP_LABEL = 'Lines';

/** The state machine and its permissions. */
export class Machine extends Construct {
  readonly stateMachine: sfn.StateMachine;
  /** Must be there before an execution starts. */
  readonly policies: readonly iam.Policy[];

  constructor(scope: Construct, id: string, { bucket, encryptionKey, functions, logRetention }: MachineProps) {
    super(scope, id);
    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('states.amazonaws.com') });
    allow(role, {
      actions: ['lambda:InvokeFunction'],
      resources: functions.all.flatMap(everyVersion),
      reason: 'A run that is going calls the versions that it began with.',
    });
    if (encryptionKey !== undefined) {
      allowKey(role, encryptionKey);
    }

    const logGroup = new logs.LogGroup(this, 'Logs', {
      // Step Functions writes to groups with this prefix without adding each to a policy of limited length.
      logGroupName: `/aws/vendedlogs/states/${Aws.STACK_NAME}-${this.node.addr.slice(-8)}`,
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.stateMachine = new sfn.StateMachine(this, 'StateMachine', {
      stateMachineType: sfn.StateMachineType.STANDARD,
      // In the template: a file would need the bootstrap bucket.
      definitionBody: sfn.DefinitionBody.fromString(readFileSync(DEFINITION, 'utf8')),
      definitionSubstitutions: {
        PreprocessFunctionArn: functions.preprocess.currentVersion.functionArn,
        WorkerFunctionArn: functions.worker.currentVersion.functionArn,
        PostprocessFunctionArn: functions.postprocess.currentVersion.functionArn,
      },
      role,
      // Inputs and outputs of states quote what users upload.
      logs: { destination: logGroup, level: sfn.LogLevel.ERROR, includeExecutionData: false },
    });
    acknowledgeWildcard(role, '*', 'A policy cannot name log deliveries as resources.');
    Validations.of(this.stateMachine).acknowledge({
      id: 'AwsSolutions-SF2',
      reason: 'A trace would add nothing to the history of the execution, and is paid for.',
    });
    Validations.of(this.stateMachine).acknowledge({
      id: 'AwsSolutions-SF1',
      reason: 'Logs of all events would cost more than the run; Step Functions keeps the history for 90 days.',
    });

    this.policies = [
      this.mapPolicy(role, bucket),
      this.turnPolicy([functions.preprocess.role as iam.Role, functions.worker.role as iam.Role]),
    ];
  }

  /**
   * Permissions of the Distributed Map. The policy is separate because it names the state machine, which itself waits
   * for the role's default policy.
   */
  private mapPolicy(role: iam.Role, bucket: s3.IBucket): iam.Policy {
    const policy = new iam.Policy(this, 'MapPolicy', { roles: [role] });
    allow(policy, { actions: ['states:StartExecution'], resources: [this.stateMachine.stateMachineArn] });
    const names = 'Step Functions chooses the names of executions.';
    allow(policy, {
      actions: ['states:DescribeExecution', 'states:StopExecution'],
      resources: [this.executions(), this.executions(MAP_LABEL)],
      reason: names,
    });
    allow(policy, { actions: ['states:RedriveExecution'], resources: [this.executions(MAP_LABEL)], reason: names });
    const reason = 'The names of jobs and runs are not known in advance.';
    allow(policy, { actions: ['s3:GetObject'], resources: [bucket.arnForObjects('runs/*/manifest/*')], reason });
    allow(policy, {
      actions: ['s3:PutObject', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload'],
      resources: [bucket.arnForObjects('runs/map/*')],
      reason,
    });
    return policy;
  }

  /**
   * The preprocess step takes over the lease of a job, and the worker that of a limit, when the execution that holds it
   * has ended. The policy is separate for the same reason as {@link mapPolicy}.
   */
  private turnPolicy(roles: iam.Role[]): iam.Policy {
    const policy = new iam.Policy(this, 'TurnPolicy', { roles });
    allow(policy, {
      actions: ['states:DescribeExecution'],
      resources: [this.executions()],
      reason: 'Step Functions chooses the names of executions.',
    });
    return policy;
  }

  /** The ARN pattern of the machine's executions, or of the children with this label. */
  executions(label?: string): string {
    const name = this.stateMachine.stateMachineName;
    return Stack.of(this).formatArn({
      service: 'states',
      resource: 'execution',
      resourceName: `${label === undefined ? name : `${name}/${label}`}:*`,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }
}
