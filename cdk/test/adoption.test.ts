import { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { plainText } from '../lib/permissions';
import { embed, find, makeTemplate, permissionsOf, statementsOf } from './synth';

const KEY = 'arn:aws:kms:eu-central-1:123456789012:key/0f3a';
const TOPIC = 'arn:aws:sns:eu-central-1:123456789012:alarms';
const BOUNDARY = 'arn:aws:iam::123456789012:policy/boundary';
const schedules = [{ name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *' }];
const STEPS = ['Preprocess', 'Worker', 'Postprocess'];

function functionsOf(template: Template): any[] {
  return STEPS.map((step) => find(template, 'AWS::Lambda::Function', `/${step}/`).properties);
}

test('the construct needs no settings, and is at home in a stack of somebody else', () => {
  const { template, construct } = embed(() => ({}));
  template.resourceCountIs('AWS::StepFunctions::StateMachine', 1);
  assert.ok(construct.bucket.bucketName && construct.topic.topicArn && construct.operatorPolicy.managedPolicyArn);
});

test('everything has the tag by which costs are allocated', () => {
  const { properties } = find(makeTemplate(), 'AWS::S3::Bucket');
  assert.deepEqual(properties.Tags, [{ Key: 'application', Value: 'throughline' }]);
});

for (const [name, make] of [
  ['the construct', () => embed((stack) => ({ bucket: s3.Bucket.fromBucketName(stack, 'Own', 'data') })).template],
  ['the stack', () => makeTemplate({ bucket: 'data' })],
] as const) {
  test(`a bucket that exists: ${name} creates none, and names it everywhere`, () => {
    const template = make();
    template.resourceCountIs('AWS::S3::Bucket', 0);
    const pattern = find(template, 'AWS::Events::Rule', '/Uploads/').properties.EventPattern;
    assert.deepEqual(pattern.detail.bucket.name, ['data']);
    for (const step of STEPS) {
      const allowed = permissionsOf(template, find(template, 'AWS::IAM::Role', `${step}Role`).id);
      const objects = allowed.filter(({ actions }) => actions.some((action) => action.startsWith('s3:')));
      assert.ok(objects.every(({ resources }) => resources.every((one) => one.includes(':s3:::data'))), step);
    }
  });
}

test('a key of the account encrypts the bucket, and all that work on objects may use it', () => {
  for (const template of [
    embed((stack) => ({ encryptionKey: kms.Key.fromKeyArn(stack, 'Own', KEY) })).template,
    makeTemplate({ encryptionKey: KEY }),
  ]) {
    const { BucketEncryption } = find(template, 'AWS::S3::Bucket').properties;
    const [rule] = BucketEncryption.ServerSideEncryptionConfiguration;
    assert.deepEqual(rule.ServerSideEncryptionByDefault, { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KEY });
    assert.equal(rule.BucketKeyEnabled, true);
    for (const role of ['PreprocessRole', 'WorkerRole', 'PostprocessRole', 'Machine/Role']) {
      const allowed = permissionsOf(template, find(template, 'AWS::IAM::Role', role).id);
      const use = allowed.find(({ resources }) => resources.includes(KEY));
      assert.deepEqual(use?.actions, ['kms:Decrypt', 'kms:GenerateDataKey'], role);
    }
    const operator = statementsOf(find(template, 'AWS::IAM::ManagedPolicy').properties.PolicyDocument);
    assert.ok(operator.some(({ resources }) => resources.includes(KEY)));
  }
});

test('the key of a bucket that exists is used too', () => {
  const { template } = embed((stack) => ({
    bucket: s3.Bucket.fromBucketAttributes(stack, 'Own', {
      bucketArn: 'arn:aws:s3:::data',
      encryptionKey: kms.Key.fromKeyArn(stack, 'Key', KEY),
    }),
  }));
  const allowed = permissionsOf(template, find(template, 'AWS::IAM::Role', 'WorkerRole').id);
  assert.ok(allowed.some(({ resources }) => resources.includes(KEY)));
});

test('in a network with a NAT gateway all requests have its address', () => {
  const { template } = embed((stack) => ({ vpc: network(stack) }));
  const addresses = new Set<string>();
  for (const { VpcConfig } of functionsOf(template)) {
    for (const { Ref: subnet } of VpcConfig.SubnetIds) {
      addresses.add(egressOf(template, subnet));
    }
    const [group] = VpcConfig.SecurityGroupIds;
    const { SecurityGroupIngress, SecurityGroupEgress } = template.findResources('AWS::EC2::SecurityGroup')[
      group['Fn::GetAtt'][0]
    ]!['Properties'];
    assert.equal(SecurityGroupIngress, undefined);
    assert.equal(SecurityGroupEgress[0].CidrIp, '0.0.0.0/0');
  }
  assert.equal(addresses.size, 1);
  template.resourceCountIs('AWS::EC2::EIP', 1);
  template.hasResourceProperties('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' });
});

/** The network that docs/aws.md shows. */
function network(stack: Stack): ec2.Vpc {
  return new ec2.Vpc(stack, 'Network', {
    natGateways: 1,
    gatewayEndpoints: { s3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
  });
}

/** The Elastic IP address by which a subnet reaches the internet. */
function egressOf(template: Template, subnet: string): string {
  const resources = (type: string) => Object.values(template.findResources(type)).map((found) => found['Properties']);
  const table = resources('AWS::EC2::SubnetRouteTableAssociation').find(({ SubnetId }) => SubnetId.Ref === subnet);
  const route = resources('AWS::EC2::Route').find(
    ({ RouteTableId, DestinationCidrBlock }) =>
      RouteTableId.Ref === table!.RouteTableId.Ref && DestinationCidrBlock === '0.0.0.0/0',
  );
  const gateway = template.findResources('AWS::EC2::NatGateway')[route!.NatGatewayId.Ref]!['Properties'];
  const address: string = gateway.AllocationId['Fn::GetAtt'][0];
  assert.ok(address in template.findResources('AWS::EC2::EIP'));
  return address;
}

test('subnets and security groups that exist are used', () => {
  const vpc = { id: 'vpc-1', subnets: ['subnet-1', 'subnet-2'], securityGroups: ['sg-1'] };
  for (const template of [
    makeTemplate({ vpc }),
    embed((stack) => {
      const subnet = (id: string) => ec2.Subnet.fromSubnetAttributes(stack, id, { subnetId: id, availabilityZone: id });
      return {
        vpc: ec2.Vpc.fromVpcAttributes(stack, 'Own', { vpcId: 'vpc-1', availabilityZones: ['a', 'b'] }),
        subnets: { subnets: vpc.subnets.map(subnet) },
        securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(stack, 'Group', 'sg-1')],
      };
    }).template,
  ]) {
    for (const { VpcConfig } of functionsOf(template)) {
      assert.deepEqual(VpcConfig.SubnetIds, vpc.subnets);
      assert.deepEqual(VpcConfig.SecurityGroupIds, vpc.securityGroups);
    }
    template.resourceCountIs('AWS::EC2::SecurityGroup', 0);
    for (const step of STEPS) {
      const allowed = permissionsOf(template, find(template, 'AWS::IAM::Role', `${step}Role`).id);
      assert.ok(allowed.some(({ actions }) => actions.includes('ec2:CreateNetworkInterface')), step);
    }
  }
  assert.throws(() => embed(() => ({ subnets: {} })), /belong to a vpc/);
});

test('every role has the permissions boundary', () => {
  for (const template of [
    embed((stack) => ({
      permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyArn(stack, 'Own', BOUNDARY),
      schedules,
    })).template,
    makeTemplate({ permissionsBoundary: BOUNDARY, schedules }),
  ]) {
    const roles = Object.values(template.findResources('AWS::IAM::Role'));
    assert.ok(roles.length === 6);
    assert.ok(roles.every((role) => role['Properties'].PermissionsBoundary === BOUNDARY));
  }
});

test('the memory of the worker and of no other step is a setting', () => {
  const memory = (template: Template) => functionsOf(template).map(({ MemorySize }) => MemorySize);
  assert.deepEqual(memory(makeTemplate()), [1769, 512, 1769]);
  assert.deepEqual(memory(makeTemplate({ workerMemory: 1769 })), [1769, 1769, 1769]);
  assert.deepEqual(memory(embed(() => ({ workerMemory: 1024 })).template), [1769, 1024, 1769]);
});

test('a topic that exists receives failed runs and alarms', () => {
  for (const template of [
    embed((stack) => ({ alarmTopic: sns.Topic.fromTopicArn(stack, 'Own', TOPIC) })).template,
    makeTemplate({ alarmTopic: TOPIC }),
  ]) {
    template.resourceCountIs('AWS::SNS::Topic', 0);
    const [target] = find(template, 'AWS::Events::Rule', '/FailedRuns/').properties.Targets;
    assert.equal(target.Arn, TOPIC);
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
    assert.ok(alarms.every((alarm) => alarm['Properties'].AlarmActions[0] === TOPIC));
  }
});

test('logs are kept as long as is set', () => {
  for (const template of [
    embed(() => ({ logRetention: logs.RetentionDays.ONE_YEAR })).template,
    makeTemplate({ logRetention: '365' }),
  ]) {
    const groups = Object.values(template.findResources('AWS::Logs::LogGroup'));
    assert.equal(groups.length, 4);
    assert.ok(groups.every((group) => group['Properties'].RetentionInDays === 365));
  }
});

test('with a prefix everything but the bucket has a name that begins with it', () => {
  for (const template of [
    embed(() => ({ namePrefix: 'geo', schedules })).template,
    makeTemplate({ namePrefix: 'geo', schedules }),
  ]) {
    const named: string[] = [];
    for (const { Type, Properties } of Object.values<any>(template.toJSON()['Resources'])) {
      const names = Object.entries(Properties ?? {}).filter(([key]) => NAMES.includes(key));
      if (!UNNAMED.includes(Type)) {
        assert.equal(names.length, 1, Type);
        named.push(names[0]![1] as string);
      }
    }
    assert.equal(new Set(named).size, named.length);
    assert.ok(named.every((name) => /^(\/aws\/vendedlogs\/)?geo-[a-z-]+$/.test(name)), `${named}`);
    for (const name of ['geo-functions-worker', 'geo-functions-worker-role', 'geo-machine-state-machine', 'geo-schedules-daily', 'geo-operator']) {
      assert.ok(named.includes(name), `${name} of ${named}`);
    }
  }
  const long = 'a'.repeat(60);
  assert.throws(() => embed(() => ({ namePrefix: long })), /choose a shorter namePrefix/);
});

const NAMES = [
  'AlarmName',
  'DashboardName',
  'FunctionName',
  'LogGroupName',
  'ManagedPolicyName',
  'Name',
  'QueueName',
  'RoleName',
  'StateMachineName',
  'TopicName',
];

/** The bucket has a name that is unique in the world; the rest belongs to something that has a name. */
const UNNAMED = [
  'AWS::IAM::Policy',
  'AWS::Lambda::Version',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
];

test('operators may do what the commands do, and no more', () => {
  const template = makeTemplate();
  const { properties } = find(template, 'AWS::IAM::ManagedPolicy');
  const statements = statementsOf(properties.PolicyDocument);
  const bucketId = find(template, 'AWS::S3::Bucket').id;
  const machineId = find(template, 'AWS::StepFunctions::StateMachine').id;
  const allowed = statements.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => `${action} ${resource.replace('arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:', '')}`)),
  );
  assert.deepEqual(new Set(allowed), new Set([
    `s3:ListBucket <${bucketId}.Arn>`,
    ...['jobs/*', 'runs/*', 'turns/*'].map((key) => `s3:GetObject <${bucketId}.Arn>/${key}`),
    ...['jobs/*/job.toml', 'jobs/*/input/*', 'runs/*/stop/*'].map((key) => `s3:PutObject <${bucketId}.Arn>/${key}`),
    ...['jobs/*/job.toml', 'jobs/*/input/*'].map((key) => `s3:AbortMultipartUpload <${bucketId}.Arn>/${key}`),
    `states:StartExecution <${machineId}>`,
    `states:DescribeExecution execution:<${machineId}.Name>:*`,
    `states:ListMapRuns execution:<${machineId}.Name>:*`,
    `states:DescribeMapRun mapRun:<${machineId}.Name>/Lines:*`,
  ]));
  assert.equal(properties.Roles, undefined);
  assert.deepEqual(plainText(template.findOutputs('OperatorPolicy')['OperatorPolicy']!['Value']), `<${find(template, 'AWS::IAM::ManagedPolicy').id}>`);
});
