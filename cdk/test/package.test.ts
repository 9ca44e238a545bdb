import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

import { DEFINITION } from '../lib/machine';
import { STEPS } from '../lib/permissions';
import { temporaryFolder } from './synth';

const CDK = resolve(__dirname, '..');
const MODULES = join(CDK, 'node_modules');

/** Files of functions, for a machine by its number in ELF. */
function functions(machine: number): string {
  const folder = temporaryFolder();
  for (const step of Object.keys(STEPS)) {
    mkdirSync(join(folder, step));
    const program = Buffer.alloc(20);
    program[18] = machine;
    writeFileSync(join(folder, step, 'bootstrap'), Buffer.concat([program, Buffer.from(step)]));
  }
  return folder;
}

/** What `npm install` of the packed package puts into the folder of an app, whose `node_modules` this is. */
function install(built: string): string {
  const source = temporaryFolder();
  for (const name of ['package.json', 'README.md']) {
    copyFileSync(join(CDK, name), join(source, name));
  }
  execFileSync(process.execPath, ['--import', 'tsx', 'bin/build.ts', built, join(source, 'dist')], { cwd: CDK, stdio: 'pipe' });
  const npm = ['pack', '--ignore-scripts', '--offline', '--json'];
  const [{ filename }] = JSON.parse(execFileSync('npm', npm, { cwd: source, stdio: 'pipe', encoding: 'utf8' }));
  const modules = join(temporaryFolder(), 'node_modules');
  const folder = join(modules, 'throughline-cdk');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', join(source, filename), '--strip-components', '1', '--directory', folder]);
  for (const peer of ['aws-cdk-lib', 'constructs']) {
    symlinkSync(join(MODULES, peer), join(modules, peer));
  }
  return modules;
}

/** The template of an app that uses the installed package, without anything of the repository. */
function synthesise(modules: string): any {
  const app = `
    const { App, Stack } = require('aws-cdk-lib');
    const { Throughline } = require('throughline-cdk');
    const app = new App({ outdir: 'out', builtinCloudFormationValidation: false });
    const stack = new Stack(app, 'Theirs');
    new Throughline(stack, 'Throughline', { namePrefix: 'geo' });
    console.log(JSON.stringify(app.synth().getStackByName('Theirs').template));`;
  const output = execFileSync(process.execPath, ['--preserve-symlinks', '-e', app], {
    cwd: resolve(modules, '..'),
    env: { ...process.env, NODE_PATH: MODULES },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return JSON.parse(output);
}

test('the package has the construct, the definition, the template and the functions, and works alone', () => {
  const modules = install(functions(0xb7));
  const file = (name: string) => readFileSync(join(modules, 'throughline-cdk', name), 'utf8');
  assert.equal(file('dist/definition.asl.json'), readFileSync(DEFINITION, 'utf8'));
  assert.ok(JSON.parse(file('dist/throughline.template.json')).Parameters.CodeBucket);
  assert.match(file('dist/lib/index.d.ts'), /ThroughlineProps/);
  assert.match(file('dist/LICENSE'), /Apache License/);
  const template = synthesise(modules);
  assert.equal(template.Parameters?.CodeBucket, undefined);
  const steps = Object.values<any>(template.Resources).filter(({ Type }) => Type === 'AWS::Lambda::Function');
  assert.equal(steps.length, 3);
  assert.ok(steps.every(({ Properties }) => Properties.Architectures[0] === 'arm64' && Properties.FunctionName));
});

test('functions for another machine are not packed, and then the code is a parameter', () => {
  const template = synthesise(install(functions(0x3e)));
  assert.ok(template.Parameters.CodeBucket && template.Parameters.CodeFolder);
});
