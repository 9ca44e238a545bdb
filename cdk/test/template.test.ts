import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { DEFINITION } from '../lib/machine';
import { temporaryFolder } from './synth';

function make(...settings: string[]): { text: string; template: any } {
  const file = join(temporaryFolder(), 'folder', 'template.json');
  execFileSync(process.execPath, ['--import', 'tsx', 'bin/template.ts', file, ...settings], {
    cwd: join(__dirname, '..'),
    stdio: 'pipe',
  });
  const text = readFileSync(file, 'utf8');
  return { text, template: JSON.parse(text) };
}

test('one template has everything but the code of the functions, and needs no bootstrapped account', () => {
  const { text, template } = make();
  assert.deepEqual(Object.keys(template.Parameters), ['CodeBucket', 'CodeFolder']);
  assert.equal(template.Rules, undefined);
  assert.ok(!/cdk-hnb659fds|BootstrapVersion|aws:cdk/.test(text));
  const resources = Object.values<any>(template.Resources);
  const machine = resources.find(({ Type }) => Type === 'AWS::StepFunctions::StateMachine');
  const withoutComments = (text: string) => JSON.parse(text, (key, value) => (key === 'Comment' ? undefined : value));
  const { DefinitionString: definition } = machine.Properties;
  assert.deepEqual(JSON.parse(definition), withoutComments(readFileSync(DEFINITION, 'utf8')));
  for (const step of resources.filter(({ Type }) => Type === 'AWS::Lambda::Function')) {
    assert.deepEqual(step.Properties.Code.S3Bucket, { Ref: 'CodeBucket' });
  }
  for (const output of ['Bucket', 'StateMachine', 'FailedRuns', 'OperatorPolicy']) {
    assert.ok(template.Outputs[output].Value, output);
  }
});

test('CloudFormation takes it without a bucket', () => {
  assert.ok(Buffer.byteLength(make().text) <= 51_200);
});

test('settings are given on the command line', () => {
  const { template } = make('bucket=data', 'workerMemory=1024', 'vpc={"id":"vpc-1","subnets":["subnet-1"]}');
  const resources = Object.values<any>(template.Resources);
  assert.ok(!resources.some(({ Type }) => Type === 'AWS::S3::Bucket'));
  const functions = resources.filter(({ Type }) => Type === 'AWS::Lambda::Function');
  assert.deepEqual(functions.map(({ Properties }) => Properties.MemorySize).sort(), [1024, 1769, 1769]);
  assert.ok(functions.every(({ Properties }) => Properties.VpcConfig.SubnetIds[0] === 'subnet-1'));
  assert.throws(() => make('workerMemory'), /a setting has the form key=value/);
});
