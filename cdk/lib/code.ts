import { Annotations, CfnParameter } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { Step, STEPS } from './permissions';
import { versionOptions } from './versions';

/** Makes the function of a step. */
export type Make = (id: string, name: Step, options: lambda.FunctionOptions) => lambda.Function;

/** The code of the functions in this package. The repository has none here. */
const PACKAGED = resolve(__dirname, '../functions');

/**
 * Where the code of the functions comes from. `source` builds it with cargo-lambda. Any other value is the folder that
 * `cargo lambda build` filled. Without a value it is the code in this package, and if that has none, the template has
 * parameters for it.
 */
export function functionMaker(scope: Construct, source: string | undefined): Make {
  const architecture = lambda.Architecture.ARM_64;
  const describe = (name: Step) => ({ description: `throughline: ${name}`, currentVersionOptions: versionOptions() });
  if (source === 'source') {
    const { RustFunction } = cargoLambda();
    const manifestPath = resolve(__dirname, '../../Cargo.toml');
    return (id, name, options) =>
      new RustFunction(scope, id, {
        ...options,
        ...describe(name),
        manifestPath,
        binaryName: name,
        bundling: { architecture },
      });
  }
  const runtime = lambda.Runtime.PROVIDED_AL2023;
  const rest = { architecture, runtime, handler: 'bootstrap' };
  const folder = source ?? (existsSync(PACKAGED) ? PACKAGED : undefined);
  if (folder !== undefined) {
    const codeOf = builtCode(folder);
    return (id, name, options) =>
      new lambda.Function(scope, id, { ...options, ...describe(name), ...rest, code: codeOf(name) });
  }
  const { codeOf, version } = uploadedCode(scope);
  return (id, name, options) =>
    new lambda.Function(scope, id, {
      ...options,
      ...rest,
      // Lambda publishes a version only if the function has changed, and CloudFormation only if the version has.
      description: `throughline: ${name}, ${version}`,
      currentVersionOptions: versionOptions(version),
      code: codeOf(name),
    });
}

/** The package that builds from source. Only the repository needs it. */
function cargoLambda(): typeof import('cargo-lambda-cdk') {
  try {
    return require('cargo-lambda-cdk');
  } catch (error) {
    throw new Error('code: "source" needs the repository of throughline and the package cargo-lambda-cdk', {
      cause: error,
    });
  }
}

/** The code that `cargo lambda build --release --arm64` left in a folder. */
function builtCode(folder: string): (name: Step) => lambda.Code {
  return (name) => {
    const built = resolve(folder, name);
    if (!existsSync(join(built, 'bootstrap'))) {
      throw new Error(`${join(built, 'bootstrap')} does not exist: run "cargo lambda build --release --arm64" first`);
    }
    return lambda.Code.fromAsset(built);
  };
}

/**
 * Zip files in a bucket that is named when the template is deployed. The two parameters have no default, so that
 * a template without the code cannot be deployed by mistake.
 */
function uploadedCode(scope: Construct): { codeOf: (name: Step) => lambda.Code; version: string } {
  const parameter = (name: string, description: string) => {
    const made = new CfnParameter(scope, name, { description, allowedPattern: '.+' });
    made.overrideLogicalId(name);
    return made.valueAsString;
  };
  const bucketName = parameter('CodeBucket', 'Bucket with the zip files of the functions, in the Region of the stack');
  const folder = parameter(
    'CodeFolder',
    `Folder in CodeBucket with ${Object.keys(STEPS).join('.zip, ')}.zip; use a new folder for each version`,
  );
  const bucket = s3.Bucket.fromBucketName(scope, 'Code', bucketName);
  Annotations.of(scope).addWarningV2(
    'throughline:code',
    'The template does not contain the code of the functions. To build the code and deploy: npm run deploy. ' +
      'To deploy code from a bucket: set the parameters CodeBucket and CodeFolder.',
  );
  Annotations.of(scope).acknowledgeWarning(
    '@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified',
    'Each version of the code has a separate folder.',
  );
  return { codeOf: (name) => lambda.Code.fromBucketV2(bucket, `${folder}/${name}.zip`), version: folder };
}
