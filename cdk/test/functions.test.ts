import { Annotations, Match } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';

import { find, makeStack, makeTemplate, temporaryFolder } from './synth';

const STEPS = ['Preprocess', 'Worker', 'Postprocess'];

test('the functions are small arm64 programs that need nothing from their environment', () => {
  const template = makeTemplate();
  for (const step of STEPS) {
    const { properties } = find(template, 'AWS::Lambda::Function', `/${step}/`);
    assert.equal(properties.Runtime, 'provided.al2023');
    assert.equal(properties.Handler, 'bootstrap');
    assert.deepEqual(properties.Architectures, ['arm64']);
    assert.equal(properties.Timeout, 900);
    assert.equal(properties.Environment, undefined);
    assert.equal(properties.ReservedConcurrentExecutions, undefined);
    assert.equal(properties.TracingConfig, undefined);
    assert.equal(properties.LoggingConfig.LogFormat, 'JSON');
    assert.deepEqual(properties.LoggingConfig.LogGroup, {
      Ref: find(template, 'AWS::Logs::LogGroup', `/${step}Logs/`).id,
    });
  }
});

test('only the calls of preprocess can be capped', () => {
  const template = makeTemplate({ preprocessConcurrency: 10 });
  const reserved = STEPS.map(
    (step) => find(template, 'AWS::Lambda::Function', `/${step}/`).properties.ReservedConcurrentExecutions,
  );
  assert.deepEqual(reserved, [10, undefined, undefined]);
});

test('without code the template asks for it, so that it cannot be deployed by mistake', () => {
  const { stack } = makeStack();
  Annotations.fromStack(stack).hasWarning('/Throughline/Throughline/Functions', Match.stringLikeRegexp('npm run deploy'));
  const template = makeTemplate();
  for (const name of ['CodeBucket', 'CodeFolder']) {
    assert.equal(template.findParameters(name)[name]?.['Default'], undefined);
    template.hasParameter(name, { Type: 'String', AllowedPattern: '.+' });
  }
  const { Code } = find(template, 'AWS::Lambda::Function', '/Worker/').properties;
  assert.deepEqual(Code, {
    S3Bucket: { Ref: 'CodeBucket' },
    S3Key: { 'Fn::Join': ['', [{ Ref: 'CodeFolder' }, '/worker.zip']] },
  });
});

test('code that cargo-lambda has built is taken from its folder', () => {
  const folder = temporaryFolder();
  assert.throws(() => makeStack({ functions: folder }), /cargo lambda build --release --arm64/);
  for (const step of STEPS) {
    mkdirSync(join(folder, step.toLowerCase()));
    writeFileSync(join(folder, step.toLowerCase(), 'bootstrap'), step);
  }
  const template = makeTemplate({ functions: folder });
  assert.deepEqual(template.findParameters('Code*'), {});
  const keys = STEPS.map((step) => find(template, 'AWS::Lambda::Function', `/${step}/`).properties.Code.S3Key);
  assert.equal(new Set(keys).size, 3);
});

test('from source, cargo-lambda builds each step for arm64', () => {
  const bin = temporaryFolder();
  const log = join(bin, 'log');
  // Stands in for cargo: writes down what it is asked to build, and builds it into the folder that is asked for.
  const cargo = `#!/bin/sh
[ "$2" = --version ] && exit 0
echo "$@" >> '${log}'
while [ "$1" != --lambda-dir ]; do shift; done
echo "$@" > "$2/bootstrap"
`;
  writeFileSync(join(bin, 'cargo'), cargo);
  chmodSync(join(bin, 'cargo'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = `${bin}${delimiter}${path}`;
  try {
    const template = makeTemplate({ functions: 'source' });
    assert.deepEqual(template.findParameters('Code*'), {});
    assert.deepEqual(find(template, 'AWS::Lambda::Function', '/Worker/').properties.Architectures, ['arm64']);
  } finally {
    process.env['PATH'] = path;
  }
  const builds = readFileSync(log, 'utf8').trim().split('\n');
  assert.equal(builds.length, 3);
  for (const [index, step] of STEPS.entries()) {
    assert.match(builds[index]!, new RegExp(`^lambda build .*--release.*--arm64.*--bin ${step.toLowerCase()}\\b`));
  }
});
