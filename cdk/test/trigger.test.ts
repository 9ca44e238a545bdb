import assert from 'node:assert/strict';
import { test } from 'node:test';

import { find, makeTemplate, matches, permissionsOf, statementsOf } from './synth';

const schedules = [
  { name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *', timezone: 'Europe/Berlin' },
  { name: 'monthly', job: 'places', file: '2026/all.csv', cron: '0 0 1 * ? *' },
];
const template = makeTemplate({ schedules });
const bucketId = find(template, 'AWS::S3::Bucket').id;
const machineId = find(template, 'AWS::StepFunctions::StateMachine').id;
const queue = find(template, 'AWS::SQS::Queue');
const uploads = find(template, 'AWS::Events::Rule', '/Uploads/').properties;

/** As EventBridge does: any value of a field, every field of an object, any object of `$or`. */
function fits(pattern: any, event: any): boolean {
  return Object.entries<any>(pattern).every(([name, wanted]) => {
    if (name === '$or') {
      return wanted.some((branch: any) => fits(branch, event));
    }
    const value = event[name];
    return Array.isArray(wanted) ? wanted.some((one) => fitsValue(one, value)) : fits(wanted, value);
  });
}

function fitsValue(wanted: any, value: any): boolean {
  if (wanted.wildcard !== undefined) {
    return matches(wanted.wildcard, value);
  }
  if (wanted.suffix !== undefined) {
    return value.endsWith(wanted.suffix);
  }
  const except: unknown[] | undefined = wanted['anything-but'];
  return except === undefined ? wanted === value : !except.includes(value);
}

function starts(key: string, size: number): boolean {
  const { bucket, ...pattern } = uploads.EventPattern.detail;
  assert.deepEqual(bucket.name, [{ Ref: bucketId }]);
  return fits(pattern, { object: { key, size } });
}

test('an upload into an input folder starts a run, whatever its size', () => {
  assert.deepEqual(uploads.EventPattern.source, ['aws.s3']);
  assert.deepEqual(uploads.EventPattern['detail-type'], ['Object Created']);
  assert.ok(starts('jobs/places/input/all.csv', 1));
  assert.ok(starts('jobs/places/input/2026/all', 20_000_000_000));
  assert.ok(starts('jobs/places/input/nothing.csv', 0));
});

test('nothing else does: folders of the console, job files, and what the steps write', () => {
  assert.ok(!starts('jobs/places/input/', 0));
  assert.ok(!starts('jobs/places/input/2026.csv/', 0));
  assert.ok(!starts('jobs/places/job.toml', 100));
  assert.ok(!starts('jobs/places/output/all.csv', 100));
  assert.ok(!starts('jobs/places/failed/all.csv', 100));
  assert.ok(!starts('runs/places/0f3a/items/a.jsonl', 100));
});

test('the pattern has one wildcard with two stars, because EventBridge refuses a rule that is too complex', () => {
  const wildcards = [...JSON.stringify(uploads.EventPattern).matchAll(/"wildcard":"([^"]*)"/g)].map(([, text]) => text!);
  assert.equal(wildcards.length, 1);
  assert.equal(wildcards[0]!.split('*').length - 1, 2);
  assert.deepEqual(uploads.EventPattern.detail.$or[1].object, {
    key: ['.txt', '.csv', '.tsv', '.jsonl'].map((suffix) => ({ suffix })),
    size: [0],
  });
});

test('the whole event is the input of the execution', () => {
  const [target] = uploads.Targets;
  assert.equal(uploads.Targets.length, 1);
  assert.deepEqual(target.Arn, { Ref: machineId });
  for (const field of ['Input', 'InputPath', 'InputTransformer']) {
    assert.equal(target[field], undefined, field);
  }
});

test('an event that starts nothing is tried again for a day, then kept for two weeks', () => {
  const [target] = uploads.Targets;
  assert.deepEqual(target.RetryPolicy, { MaximumEventAgeInSeconds: 86_400, MaximumRetryAttempts: 185 });
  assert.deepEqual(target.DeadLetterConfig.Arn, { 'Fn::GetAtt': [queue.id, 'Arn'] });
  assert.equal(queue.properties.SqsManagedSseEnabled, true);
  assert.equal(queue.properties.MessageRetentionPeriod, 14 * 86_400);
  const statements = statementsOf(find(template, 'AWS::SQS::QueuePolicy').properties.PolicyDocument);
  const sending = statements.filter(({ effect }) => effect === 'Allow');
  assert.equal(sending.length, 1);
  assert.deepEqual(sending[0]?.actions, ['sqs:SendMessage']);
  assert.ok('aws:SourceArn' in sending[0].conditions.ArnEquals);
});

test('a schedule starts an execution with the shape of the event, and each firing is a run of its own', () => {
  const { properties } = find(template, 'AWS::Scheduler::Schedule', '/daily/');
  assert.equal(properties.ScheduleExpression, 'cron(0 6 * * ? *)');
  assert.equal(properties.ScheduleExpressionTimezone, 'Europe/Berlin');
  assert.deepEqual(properties.FlexibleTimeWindow, { Mode: 'OFF' });
  assert.deepEqual(properties.Target.Arn, { Ref: machineId });
  const input = properties.Target.Input['Fn::Join'][1]
    .map((part: any) => (typeof part === 'string' ? part : `<${part.Ref}>`))
    .join('');
  assert.deepEqual(JSON.parse(input), {
    detail: { bucket: { name: `<${bucketId}>` }, object: { key: 'jobs/places/input/all.csv' } },
    nonce: 'daily <aws.scheduler.scheduled-time>',
  });
  assert.deepEqual(properties.Target.DeadLetterConfig.Arn, { 'Fn::GetAtt': [queue.id, 'Arn'] });
  assert.equal(
    find(template, 'AWS::Scheduler::Schedule', '/monthly/').properties.ScheduleExpressionTimezone,
    'Etc/UTC',
  );
});

test('a schedule may start this state machine and fill its dead-letter queue, and no more', () => {
  const target = find(template, 'AWS::Scheduler::Schedule', '/daily/').properties.Target;
  const allowed = permissionsOf(template, target.RoleArn['Fn::GetAtt'][0]);
  const pairs = allowed.map(({ actions, resources }) => [actions, resources]);
  assert.deepEqual(
    new Set(pairs.flat(2)),
    new Set(['states:StartExecution', `<${machineId}>`, 'sqs:SendMessage', `<${queue.id}.Arn>`]),
  );
});

test('without schedules there are none', () => {
  makeTemplate().resourceCountIs('AWS::Scheduler::Schedule', 0);
});
