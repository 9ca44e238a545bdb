import { Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { find, makeTemplate, permissionsOf, temporaryFolder } from './synth';

const STEPS = ['Preprocess', 'Worker', 'Postprocess'];

/** The ids of the versions that the definition calls, by placeholder. */
function called(template: Template): Record<string, string> {
  const { DefinitionSubstitutions } = find(template, 'AWS::StepFunctions::StateMachine').properties;
  return Object.fromEntries(Object.entries<any>(DefinitionSubstitutions).map(([name, { Ref }]) => [name, Ref]));
}

function built(worker: string): Template {
  const folder = temporaryFolder();
  for (const step of STEPS) {
    mkdirSync(join(folder, step.toLowerCase()));
    writeFileSync(join(folder, step.toLowerCase(), 'bootstrap'), step === 'Worker' ? worker : step);
  }
  return makeTemplate({ functions: folder });
}

test('the definition calls versions, which outlive the deployment that made them', () => {
  const template = makeTemplate();
  for (const id of Object.values(called(template))) {
    const version = template.findResources('AWS::Lambda::Version')[id]!;
    assert.equal(version['DeletionPolicy'], 'Retain');
    assert.equal(version['UpdateReplacePolicy'], 'Retain');
  }
});

test('other code is another version, and the same code is the same', () => {
  const [one, same, other] = [built('one'), built('one'), built('other')].map(called) as [any, any, any];
  assert.deepEqual(same, one);
  assert.notEqual(other.WorkerFunctionArn, one.WorkerFunctionArn);
  assert.equal(other.PreprocessFunctionArn, one.PreprocessFunctionArn);
});

test('other settings of a function are another version', () => {
  assert.notEqual(called(makeTemplate({ workerMemory: 1024 }))['WorkerFunctionArn'], called(makeTemplate())['WorkerFunctionArn']);
});

test('where the code is a parameter, another folder is another version of a function that has changed', () => {
  const template = makeTemplate();
  for (const id of Object.values(called(template))) {
    const version = template.findResources('AWS::Lambda::Version')[id]!['Properties'];
    assert.deepEqual(version.Description, { Ref: 'CodeFolder' });
    const step = template.findResources('AWS::Lambda::Function')[version.FunctionName.Ref]!['Properties'];
    assert.match(JSON.stringify(step.Description), /"Ref":"CodeFolder"/);
  }
});

test('the machine may call every version, so that runs that are going continue', () => {
  const template = makeTemplate();
  const allowed = permissionsOf(template, find(template, 'AWS::IAM::Role', 'Machine/Role').id);
  const invoke = allowed.find(({ actions }) => actions.includes('lambda:InvokeFunction'));
  const arns = STEPS.map((step) => `<${find(template, 'AWS::Lambda::Function', `/${step}/`).id}.Arn>`);
  assert.deepEqual(new Set(invoke?.resources), new Set(arns.flatMap((arn) => [arn, `${arn}:*`])));
});
