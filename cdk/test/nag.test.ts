import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeStack } from './synth';

const schedules = [{ name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *' }];

test('the AwsSolutions rules of cdk-nag pass', () => {
  const { app } = makeStack({ schedules, email: 'someone@example.com' });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  assert.doesNotThrow(() => app.synth());
});

test('and would not, if something were wrong', () => {
  const { app, stack } = makeStack();
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  stack.throughline.node.findChild('Trigger').node.findChild('DeadLetters').node.tryRemoveChild('Policy');
  assert.throws(() => app.synth(), /Validation failed/);
});
