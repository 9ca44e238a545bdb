import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { STEPS } from '../lib/permissions';

/**
 * Makes `dist`, which is what the package has: the compiled construct, the definition, the template, and the functions
 * if `cargo lambda build --release --arm64` has built all of them. The arguments are the folder of the functions and
 * `dist`.
 */
const project = resolve(__dirname, '../..');
const [built = join(project, 'target/lambda'), dist = join(project, 'cdk/dist')] = process.argv.slice(2);

/** The byte of an ELF file that says for which machine it is, and its value for arm64. */
const [MACHINE, ARM64] = [18, 0xb7];

rmSync(dist, { recursive: true, force: true });
const node = (...args: string[]) => execFileSync(process.execPath, args, { cwd: join(project, 'cdk'), stdio: 'inherit' });
node('node_modules/typescript/bin/tsc', '--project', 'tsconfig.build.json', '--outDir', dist);
copyFileSync(join(project, 'definition.asl.json'), join(dist, 'definition.asl.json'));
copyFileSync(join(project, 'LICENSE'), join(dist, 'LICENSE'));
node('--import', 'tsx', 'bin/template.ts', join(dist, 'throughline.template.json'));

const functions = Object.keys(STEPS).map((step) => join(step, 'bootstrap'));
const there = functions.filter((name) => isForArm64(join(built, name)));
if (there.length === functions.length) {
  for (const name of functions) {
    mkdirSync(join(dist, 'functions', dirname(name)), { recursive: true });
    copyFileSync(join(built, name), join(dist, 'functions', name));
    chmodSync(join(dist, 'functions', name), 0o755);
  }
} else {
  console.warn(`without the functions: ${built} does not have all of them for arm64`);
}

function isForArm64(file: string): boolean {
  return existsSync(file) && readFileSync(file)[MACHINE] === ARM64;
}
