import { Annotations, CfnParameter } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { RustFunction } from 'cargo-lambda-cdk';
import { Construct } from 'constructs';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { Step } from './permissions';

/** Makes the function of a step. */
export type Make = (id: string, name: Step, options: lambda.FunctionOptions) => lambda.Function;

/**
 * Where the code of the functions comes from. `source` builds it with cargo-lambda. Any other value is the folder that
 * `cargo lambda build` filled. Without a value the template has parameters for it.
 */
export function functionMaker(scope: Construct, source: string | undefined): Make {
  const architecture = lambda.Architecture.ARM_64;
  if (source === 'source') {
    const manifestPath = resolve(__dirname, '../../Cargo.toml');
    return (id, name, options) =>
      new RustFunction(scope, id, { ...options, manifestPath, binaryName: name, bundling: { architecture } });
  }
  const codeOf = source === undefined ? uploadedCode(scope) : builtCode(source);
  const runtime = lambda.Runtime.PROVIDED_AL2023;
  return (id, name, options) =>
    new lambda.Function(scope, id, { ...options, architecture, runtime, handler: 'bootstrap', code: codeOf(name) });
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
function uploadedCode(scope: Construct): (name: Step) => lambda.Code {
  const parameter = (name: string, description: string) => {
    const made = new CfnParameter(scope, name, { description, allowedPattern: '.+' });
    made.overrideLogicalId(name);
    return made.valueAsString;
  };
  const bucketName = parameter('CodeBucket', 'Bucket with the zip files of the functions, in the Region of the stack');
  const folder = parameter(
    'CodeFolder',
    'Folder in CodeBucket with the zip files, which have the names of the steps; use a new folder for each version',
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
  return (name) => lambda.Code.fromBucketV2(bucket, `${folder}/${name}.zip`);
}
