import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { DEFINITION, MAP_LABEL } from '../lib/machine';
import { plainText } from '../lib/permissions';
import { find, makeStack } from './synth';

const definition = readFileSync(DEFINITION, 'utf8');
const { stack } = makeStack();
const template = Template.fromStack(stack);
const { properties } = find(template, 'AWS::StepFunctions::StateMachine');

test('the definition is the one of the repository, byte for byte, and in the template', () => {
  assert.equal(properties.DefinitionString, definition);
});

test('every placeholder of the definition is filled, each with the version of its own function', () => {
  const placeholders = new Set([...definition.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]!));
  const substitutions: Record<string, any> = properties.DefinitionSubstitutions;
  assert.deepEqual(new Set(Object.keys(substitutions)), placeholders);
  for (const [placeholder, value] of Object.entries(substitutions)) {
    const name = placeholder.replace('FunctionArn', '');
    const version = template.findResources('AWS::Lambda::Version')[value.Ref]!;
    const { id } = find(template, 'AWS::Lambda::Function', `/${name}/`);
    assert.deepEqual(version['Properties'].FunctionName, { Ref: id });
  }
});

test('the label of the distributed map is the one that the permissions name', () => {
  const labels = [...definition.matchAll(/"Label": "(\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(labels, [MAP_LABEL]);
});

test('a standard machine, without traces that carry nothing, that logs errors without the data of its states', () => {
  assert.equal(properties.StateMachineType, 'STANDARD');
  assert.equal(properties.TracingConfiguration, undefined);
  assert.equal(properties.LoggingConfiguration.Level, 'ERROR');
  assert.equal(properties.LoggingConfiguration.IncludeExecutionData, false);
  const { properties: group } = find(template, 'AWS::Logs::LogGroup', 'Machine/');
  assert.match(plainText(group.LogGroupName), /^\/aws\/vendedlogs\/states\/<AWS::StackName>-/);
});

test('every log group forgets', () => {
  for (const group of Object.values(template.findResources('AWS::Logs::LogGroup'))) {
    assert.equal(group['Properties'].RetentionInDays, 30);
  }
});
