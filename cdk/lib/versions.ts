import { RemovalPolicy } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';

/**
 * The versions of a function that the definition calls. A run that is going keeps the versions that it began with, so
 * a deployment must not remove them.
 *
 * @param description what CloudFormation compares to see whether there is new code, where the code's name is a parameter
 */
export function versionOptions(description?: string): lambda.VersionOptions {
  return { removalPolicy: RemovalPolicy.RETAIN, ...(description !== undefined && { description }) };
}

/** What a role invokes: each version of the function, old ones for runs that are going, and the function itself. */
export function everyVersion(step: lambda.Function): string[] {
  return [step.functionArn, `${step.functionArn}:*`];
}
