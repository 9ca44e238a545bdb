import { App, BootstraplessSynthesizer } from 'aws-cdk-lib';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import cdkJson from '../cdk.json';
import { ThroughlineStack } from '../lib/stack';

/**
 * Writes one template that needs neither a bootstrapped account nor the CDK: for `aws cloudformation deploy`, Terraform,
 * SAM and StackSets. The arguments are the file, and settings as `key=value`, where a value is JSON or a text.
 */
const [file = 'dist/throughline.template.json', ...settings] = process.argv.slice(2);
const context = Object.fromEntries(settings.map(readSetting));
const app = new App({
  context: { ...cdkJson.context, 'aws:cdk:disable-path-metadata': true, ...context },
  analyticsReporting: false,
  builtinCloudFormationValidation: false,
});
const stack = new ThroughlineStack(app, 'Throughline', { synthesizer: new BootstraplessSynthesizer() });
const { template } = app.synth().getStackByName(stack.stackName);
// CloudFormation takes 51,200 bytes without a bucket, so the definition has no comments there.
for (const resource of Object.values<any>(template.Resources)) {
  delete resource.Metadata;
  const { DefinitionString: definition } = resource.Properties;
  if (definition !== undefined) {
    resource.Properties.DefinitionString = JSON.stringify(withoutComments(JSON.parse(definition)));
  }
}
mkdirSync(dirname(file), { recursive: true });
writeFileSync(file, `${JSON.stringify(template)}\n`);

function withoutComments(definition: unknown): unknown {
  const keep = (key: string, value: unknown) => (key === 'Comment' ? undefined : value);
  return JSON.parse(JSON.stringify(definition, keep));
}

function readSetting(text: string): [string, unknown] {
  const [, key, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new Error(`${text}: a setting has the form key=value`);
  }
  return [key, /^[[{]/.test(value) ? JSON.parse(value) : value];
}
