import { App, Stack } from 'aws-cdk-lib';
import * as logs from 'aws-cdk-lib/aws-logs';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readSettings } from '../lib/settings';

const daily = { name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *' };

function read(context: Record<string, unknown>) {
  return readSettings(new Stack(new App({ context }), 'Settings'));
}

test('nothing has to be set', () => {
  assert.deepEqual(read({}), {});
});

test('what is set is read', () => {
  const schedules = [{ ...daily, timezone: 'Asia/Tokyo' }];
  const context = {
    functions: 'source',
    email: 'someone@example.com',
    schedules,
    workerMemory: '1024',
    preprocessConcurrency: '10',
    logRetention: 7,
  };
  assert.deepEqual(read(context), {
    code: 'source',
    email: 'someone@example.com',
    schedules,
    workerMemory: 1024,
    preprocessConcurrency: 10,
    logRetention: logs.RetentionDays.ONE_WEEK,
  });
});

test('what is wrong is said', () => {
  assert.throws(() => read({ email: 'nobody' }), /"email" must be a text/);
  assert.throws(() => read({ schedules: '[]' }), /must be a list: write it in cdk.json/);
  assert.throws(() => read({ schedules: [{ ...daily, cron: 'cron(0 6 * * ? *)' }] }), /schedules\[0\]\.cron/);
  assert.throws(() => read({ schedules: [{ ...daily, file: 'folder/' }] }), /schedules\[0\]\.file/);
  assert.throws(() => read({ schedules: [{ ...daily, job: undefined }] }), /schedules\[0\]\.job/);
  assert.throws(() => read({ schedules: [{ ...daily, time: '6' }] }), /unknown key "time"/);
  assert.throws(() => read({ schedules: [daily, daily] }), /two schedules have the name "daily"/);
  assert.throws(() => read({ bucket: 's3://data' }), /"bucket" must be a text/);
  assert.throws(() => read({ encryptionKey: 'alias/data' }), /"encryptionKey" must be a text/);
  assert.throws(() => read({ workerMemory: 64 }), /from 128 to 10240/);
  assert.throws(() => read({ workerMemory: 'much' }), /from 128 to 10240/);
  assert.throws(() => read({ preprocessConcurrency: 0 }), /calls from 1 to 1000/);
  assert.throws(() => read({ logRetention: 31 }), /days that CloudWatch knows/);
  assert.throws(() => read({ vpc: 'vpc-1' }), /"vpc" must be an object with the keys id, subnets, securityGroups/);
  assert.throws(() => read({ vpc: { id: 'vpc-1', subnets: [] } }), /"vpc\.subnets" must be a list of ids/);
  assert.throws(() => read({ vpc: { id: 'vpc-1', subnets: ['subnet-1'], zone: 'a' } }), /unknown key "zone"/);
  assert.throws(() => read({ namePrefix: 'Geo' }), /"namePrefix" must be a text/);
});
