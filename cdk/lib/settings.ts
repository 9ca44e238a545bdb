import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as sns from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

import { Schedule } from './schedules';
import { ThroughlineProps } from './throughline';

/** How a setting of the context becomes properties of the construct. */
type Reader = (scope: Construct, value: unknown, place: string) => ThroughlineProps;

const ARN = /^arn:[\w-]+:/;

/** Each key of the context: `--context key=value`, or under `context` in `cdk.json`. */
const SETTINGS: Record<string, Reader> = {
  functions: (_, value, place) => ({ code: text(place, value, /./) }),
  email: (_, value, place) => ({ email: text(place, value, /^\S+@\S+$/) }),
  schedules: (_, value) => ({ schedules: readSchedules(value) }),
  bucket: (scope, value, place) => ({
    bucket: s3.Bucket.fromBucketName(scope, 'OwnBucket', text(place, value, /^[a-z0-9][a-z0-9.-]{2,62}$/)),
  }),
  encryptionKey: (scope, value, place) => ({
    encryptionKey: kms.Key.fromKeyArn(scope, 'OwnKey', text(place, value, ARN)),
  }),
  vpc: readVpc,
  permissionsBoundary: (scope, value, place) => ({
    permissionsBoundary: iam.ManagedPolicy.fromManagedPolicyArn(scope, 'Boundary', text(place, value, ARN)),
  }),
  workerMemory: (_, value, place) => ({ workerMemory: number(place, value, (n) => n >= 128 && n <= 10_240) }),
  preprocessConcurrency: (_, value, place) => ({
    preprocessConcurrency: number(place, value, (n) => n >= 1 && n <= 1000),
  }),
  alarmTopic: (scope, value, place) => ({
    alarmTopic: sns.Topic.fromTopicArn(scope, 'OwnTopic', text(place, value, ARN)),
  }),
  logRetention: (_, value, place) => ({
    logRetention: number(place, value, (days) => days in logs.RetentionDays && days !== logs.RetentionDays.INFINITE),
  }),
  namePrefix: (_, value, place) => ({ namePrefix: text(place, value, /^[a-z][a-z0-9-]{0,30}$/) }),
};

/** Reads the settings from the context. Throws, in words, when one is wrong. */
export function readSettings(scope: Construct): ThroughlineProps {
  return Object.entries(SETTINGS).reduce((props, [key, read]) => {
    const value: unknown = scope.node.tryGetContext(key);
    return value === undefined ? props : { ...props, ...read(scope, value, key) };
  }, {});
}

function readVpc(scope: Construct, value: unknown, place: string): ThroughlineProps {
  const given = object(place, value, ['id', 'subnets', 'securityGroups']);
  const subnets = ids(`${place}.subnets`, given['subnets'], /^subnet-\w+$/);
  const groups = given['securityGroups'];
  return {
    vpc: ec2.Vpc.fromVpcAttributes(scope, 'OwnVpc', {
      vpcId: text(`${place}.id`, given['id'], /^vpc-\w+$/),
      // Only Lambda uses these subnets, and it does not ask for their zones.
      availabilityZones: subnets.map((id) => id),
      privateSubnetIds: subnets,
    }),
    ...(groups !== undefined && {
      securityGroups: ids(`${place}.securityGroups`, groups, /^sg-\w+$/).map((id) =>
        ec2.SecurityGroup.fromSecurityGroupId(scope, id, id),
      ),
    }),
  };
}

function readSchedules(value: unknown): readonly Schedule[] {
  if (!Array.isArray(value)) {
    throw new Error('the context "schedules" must be a list: write it in cdk.json');
  }
  const read = value.map(readSchedule);
  const names = read.map((schedule) => schedule.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new Error(`two schedules have the name "${twice}"`);
  }
  return read;
}

function readSchedule(value: unknown, index: number): Schedule {
  const place = `schedules[${index}]`;
  const given = object(place, value, ['name', 'job', 'file', 'cron', 'timezone']);
  return {
    name: text(`${place}.name`, given['name'], /^[A-Za-z0-9_-]{1,64}$/),
    job: text(`${place}.job`, given['job'], /^[^/]+$/),
    file: text(`${place}.file`, given['file'], /[^/]$/),
    cron: text(`${place}.cron`, given['cron'], /^[\w*?,/#-]+( [\w*?,/#-]+){5}$/),
    ...(given['timezone'] !== undefined && { timezone: text(`${place}.timezone`, given['timezone'], /^[\w/+-]+$/) }),
  };
}

function object(place: string, value: unknown, keys: string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`the context "${place}" must be an object with the keys ${keys.join(', ')}: write it in cdk.json`);
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) {
    throw new Error(`the context "${place}" has the unknown key "${unknown}": the keys are ${keys.join(', ')}`);
  }
  return value as Record<string, unknown>;
}

function ids(place: string, value: unknown, pattern: RegExp): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new Error(`the context "${place}" must be a list of ids`);
  }
  return value.map((id, index) => text(`${place}[${index}]`, id, pattern));
}

function number(place: string, value: unknown, allowed: (value: number) => boolean): number {
  // On the command line every value is a text.
  const read = typeof value === 'string' ? Number(value) : value;
  if (typeof read !== 'number' || !Number.isInteger(read) || !allowed(read)) {
    throw new Error(`the context "${place}" cannot be ${JSON.stringify(value)}: ${RANGES[place]}`);
  }
  return read;
}

const RANGES: Record<string, string> = {
  workerMemory: 'it is a number of megabytes from 128 to 10240',
  preprocessConcurrency: 'it is a number of calls from 1 to 1000',
  logRetention: 'it is a number of days that CloudWatch knows, such as 7, 30, 90 or 365',
};

function text(place: string, value: unknown, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) {
    throw new Error(`the context "${place}" must be a text that matches ${pattern}, but is ${JSON.stringify(value)}`);
  }
  return value;
}
