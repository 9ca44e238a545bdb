import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { DEFINITION, MAP_LABEL } from '../lib/machine';
import { find, makeStack } from './synth';

const definition = readFileSync(DEFINITION, 'utf8');
const { app, stack } = makeStack();
const template = Template.fromStack(stack);
const { properties } = find(template, 'AWS::StepFunctions::StateMachine');

test('the definition is the one of the repository, byte for byte', () => {
  const { Key } = properties.DefinitionS3Location;
  assert.equal(readFileSync(join(app.outdir, `asset.${Key}`), 'utf8'), definition);
});

test('every placeholder of the definition is filled, each with its own function', () => {
  const placeholders = new Set([...definition.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]!));
  const substitutions: Record<string, any> = properties.DefinitionSubstitutions;
  assert.deepEqual(new Set(Object.keys(substitutions)), placeholders);
  for (const [placeholder, value] of Object.entries(substitutions)) {
    const name = placeholder.replace('FunctionArn', '');
    assert.equal(value['Fn::GetAtt'][0], find(template, 'AWS::Lambda::Function', `/${name}/`).id);
  }
});

test('the label of the distributed map is the one that the permissions name', () => {
  const labels = [...definition.matchAll(/"Label": "(\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(labels, [MAP_LABEL]);
});

test('a standard machine, traced, that logs errors without the data of its states', () => {
  assert.equal(properties.StateMachineType, 'STANDARD');
  assert.equal(properties.TracingConfiguration.Enabled, true);
  assert.equal(properties.LoggingConfiguration.Level, 'ERROR');
  assert.equal(properties.LoggingConfiguration.IncludeExecutionData, false);
  const { properties: group } = find(template, 'AWS::Logs::LogGroup', 'Machine/');
  assert.match(group.LogGroupName, /^\/aws\/vendedlogs\/states\//);
});

test('every log group forgets', () => {
  for (const group of Object.values(template.findResources('AWS::Logs::LogGroup'))) {
    assert.equal(group['Properties'].RetentionInDays, 30);
  }
});
