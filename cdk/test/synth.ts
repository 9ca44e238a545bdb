import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import cdkJson from '../cdk.json';
import { plainText } from '../lib/permissions';
import { ThroughlineStack } from '../lib/stack';
import { Throughline, ThroughlineProps } from '../lib/throughline';

/** A folder that is gone after the tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'throughline-cdk-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function makeApp(settings: Record<string, unknown> = {}): App {
  return new App({
    context: { ...cdkJson.context, 'aws:cdk:enable-path-metadata': true, ...settings },
    outdir: temporaryFolder(),
    // `cdk synth` does it, and it takes seconds.
    builtinCloudFormationValidation: false,
  });
}

/** The stack in an app with the context of `cdk.json` and these settings, not yet synthesised. */
export function makeStack(settings: Record<string, unknown> = {}): { app: App; stack: ThroughlineStack } {
  const app = makeApp(settings);
  return { app, stack: new ThroughlineStack(app, 'Throughline') };
}

/** Its template. */
export function makeTemplate(settings: Record<string, unknown> = {}): Template {
  return Template.fromStack(makeStack(settings).stack);
}

/** The template of a stack of somebody else with the construct in it. */
export function embed(props: (stack: Stack) => ThroughlineProps): { template: Template; construct: Throughline } {
  const stack = new Stack(makeApp(), 'Theirs');
  const construct = new Throughline(stack, 'Throughline', props(stack));
  return { template: Template.fromStack(stack), construct };
}

/** The one resource of a type whose path in the stack has this in it. */
export function find(template: Template, type: string, path = ''): { id: string; properties: any; resource: any } {
  const all = Object.entries(template.findResources(type));
  const found = all.filter(([, resource]) => resource['Metadata']['aws:cdk:path'].includes(path));
  if (found.length !== 1) {
    throw new Error(`${found.length} resources of type ${type} have "${path}" in their path`);
  }
  const [id, resource] = found[0]!;
  return { id, properties: resource['Properties'], resource };
}

/** A statement of a policy, with lists of plain texts. */
export interface Statement {
  readonly effect: string;
  readonly actions: string[];
  readonly resources: string[];
  readonly conditions: any;
}

/** Reads the statements of a policy document. */
export function statementsOf(document: any): Statement[] {
  return document.Statement.map((statement: any) => ({
    effect: statement.Effect,
    actions: [statement.Action].flat(),
    resources: [statement.Resource].flat().map(plainText),
    conditions: statement.Condition,
  }));
}

/** What a role may do, by all policies that name it. */
export function permissionsOf(template: Template, roleId: string): Statement[] {
  const policies = Object.values(template.findResources('AWS::IAM::Policy'));
  const own = policies.filter((policy) => policy['Properties'].Roles.some((role: any) => role.Ref === roleId));
  return own.flatMap((policy) => statementsOf(policy['Properties'].PolicyDocument));
}

/** Whether a text has this pattern, in which `*` stands for any text. */
export function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
}
