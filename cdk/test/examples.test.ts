import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { EtlStack } from '../../examples/etl/stack';
import { find, matches, permissionsOf, temporaryFolder } from './synth';

const context = { 'aws:cdk:enable-path-metadata': true };
const app = new App({ context, outdir: temporaryFolder(), builtinCloudFormationValidation: false });
const template = Template.fromStack(new EtlStack(app, 'Etl'));
const machine = find(template, 'AWS::StepFunctions::StateMachine');
const functions = ['Validate', 'Process', 'Detect', 'Load'];

test('the pipeline gives a value to each placeholder of its definition', () => {
  const definition = readFileSync(join(__dirname, '../../examples/etl/definition.asl.json'), 'utf8');
  const placeholders = new Set([...definition.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name));
  assert.deepEqual(Object.keys(machine.properties.DefinitionSubstitutions).sort(), [...placeholders].sort());
});

test('only a CSV file in incoming/ of its own bucket starts the pipeline', () => {
  const { properties: rule } = find(template, 'AWS::Events::Rule', '/Uploads/');
  const { source, detail } = rule.EventPattern;
  const bucket = find(template, 'AWS::S3::Bucket', '/Files/').id;
  assert.deepEqual([source, detail.bucket.name], [['aws.s3'], [{ Ref: bucket }]]);
  const [{ wildcard }] = detail.object.key;
  for (const [key, starts] of [['incoming/a.csv', true], ['incoming/a.txt', false], ['warehouse/a.csv', false]] as const) {
    assert.equal(matches(wildcard, key), starts, key);
  }
  assert.deepEqual(rule.Targets[0].Arn, { Ref: machine.id });
});

test('each function is the handler of that name in functions.py', () => {
  const source = readFileSync(join(__dirname, '../../examples/etl/functions.py'), 'utf8');
  for (const name of functions) {
    const { properties } = find(template, 'AWS::Lambda::Function', `/${name}/`);
    assert.equal(properties.Handler, `functions.${name.toLowerCase()}`);
    assert.match(source, new RegExp(`^def ${name.toLowerCase()}\\(`, 'm'));
  }
});

test('the pipeline may call its functions, send its messages and set files aside, and nothing else', () => {
  const role = machine.properties.RoleArn['Fn::GetAtt'][0];
  const allowed = permissionsOf(template, role).flatMap(({ actions }) => actions);
  const needed = ['lambda:InvokeFunction', 's3:GetObject', 's3:PutObject', 'sqs:GetQueueAttributes', 'sqs:GetQueueUrl'];
  assert.deepEqual([...new Set(allowed)].sort(), [...needed, 'sqs:SendMessage'].sort());
});
