import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

import { functionMaker } from './code';
import { acknowledgeWildcard, allow, allowKey, allowObjects, allowSecrets, Step, STEPS } from './permissions';

/** What {@link Functions} are made from. See `ThroughlineProps`. */
export interface FunctionsProps {
  readonly bucket: s3.IBucket;
  readonly encryptionKey: kms.IKey | undefined;
  readonly logRetention: logs.RetentionDays;
  readonly code?: string;
  readonly vpc?: ec2.IVpc;
  readonly subnets?: ec2.SubnetSelection;
  readonly securityGroups?: readonly ec2.ISecurityGroup[];
  readonly workerMemory?: number;
  readonly preprocessConcurrency?: number;
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

  constructor(scope: Construct, id: string, props: FunctionsProps) {
    super(scope, id);
    const { bucket, encryptionKey, logRetention, code, workerMemory, preprocessConcurrency } = props;
    const make = functionMaker(this, code);
    const network = this.network(props);
    const step = (name: Step, constructId: string): lambda.Function => {
      const logGroup = new logs.LogGroup(this, `${constructId}Logs`, {
        retention: logRetention,
        removalPolicy: RemovalPolicy.DESTROY,
      });
      const role = new iam.Role(this, `${constructId}Role`, {
        assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com'),
      });
      logGroup.grantWrite(role);
      allowObjects(role, bucket, STEPS[name]);
      if (encryptionKey !== undefined) {
        allowKey(role, encryptionKey);
      }
      if (name === 'worker') {
        allowSecrets(role);
      }
      if (network !== undefined) {
        allowNetwork(role);
      }
      // No reserved concurrency unless it is asked for: it would be taken from the account's other functions, and a new
      // account has none to spare. How many workers run at a time is the lanes' business.
      const capped = name === 'preprocess' && preprocessConcurrency !== undefined;
      return make(constructId, name, {
        ...(capped && { reservedConcurrentExecutions: preprocessConcurrency }),
        memorySize: name === 'worker' && workerMemory !== undefined ? workerMemory : MEMORY[name],
        timeout: Duration.minutes(15),
        loggingFormat: lambda.LoggingFormat.JSON,
        logGroup,
        role,
        ...network,
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

  /** The network of the functions: one security group for all, because they talk to the same services. */
  private network({ vpc, subnets, securityGroups }: FunctionsProps): lambda.FunctionOptions | undefined {
    if (vpc === undefined) {
      if (subnets !== undefined || securityGroups !== undefined) {
        throw new Error('subnets and securityGroups belong to a vpc: set vpc too');
      }
      return undefined;
    }
    const groups = securityGroups ?? [
      new ec2.SecurityGroup(this, 'SecurityGroup', { vpc, description: 'The functions of throughline: only outbound' }),
    ];
    const vpcSubnets = subnets ?? { subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS };
    return { vpc, vpcSubnets, securityGroups: [...groups] };
  }
}

/** What Lambda does with a function's role to connect the function to a network. */
function allowNetwork(role: iam.Role): void {
  allow(role, {
    actions: [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ],
    resources: ['*'],
  });
  acknowledgeWildcard(role, '*', 'Lambda creates the network interfaces, whose names are not known in advance.');
}
