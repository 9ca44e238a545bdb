import { App } from 'aws-cdk-lib';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readSettings } from '../lib/settings';

const daily = { name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *' };

function read(context: Record<string, unknown>) {
  return readSettings(new App({ context }).node);
}

test('nothing has to be set', () => {
  assert.deepEqual(read({}), { schedules: [] });
});

test('what is set is read', () => {
  const settings = {
    functions: 'source',
    email: 'someone@example.com',
    schedules: [{ ...daily, timezone: 'Asia/Tokyo' }],
  };
  assert.deepEqual(read(settings), settings);
});

test('what is wrong is said', () => {
  assert.throws(() => read({ email: 'nobody' }), /"email" must be a text/);
  assert.throws(() => read({ schedules: '[]' }), /must be a list: write it in cdk.json/);
  assert.throws(() => read({ schedules: [{ ...daily, cron: 'cron(0 6 * * ? *)' }] }), /schedules\[0\]\.cron/);
  assert.throws(() => read({ schedules: [{ ...daily, file: 'folder/' }] }), /schedules\[0\]\.file/);
  assert.throws(() => read({ schedules: [{ ...daily, job: undefined }] }), /schedules\[0\]\.job/);
  assert.throws(() => read({ schedules: [{ ...daily, time: '6' }] }), /unknown key "time"/);
  assert.throws(() => read({ schedules: [daily, daily] }), /two schedules have the name "daily"/);
});
