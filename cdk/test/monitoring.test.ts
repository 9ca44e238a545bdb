import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { DEFINITION } from '../lib/machine';
import { plainText } from '../lib/permissions';
import { find, makeTemplate, statementsOf } from './synth';

const template = makeTemplate({ email: 'someone@example.com' });
const topic = find(template, 'AWS::SNS::Topic');
const machineId = find(template, 'AWS::StepFunctions::StateMachine').id;

test('a run that fails, times out or is stopped is told to the topic', () => {
  const states = ['FailedRuns', 'StoppedRuns'].map((rule) => {
    const { properties } = find(template, 'AWS::Events::Rule', `/${rule}/`);
    assert.deepEqual(properties.EventPattern.source, ['aws.states']);
    assert.deepEqual(properties.EventPattern['detail-type'], ['Step Functions Execution Status Change']);
    assert.deepEqual(properties.EventPattern.detail.stateMachineArn, [{ Ref: machineId }]);
    assert.deepEqual(properties.Targets[0].Arn, { Ref: topic.id });
    return properties.EventPattern.detail.status;
  });
  assert.deepEqual(states, [['FAILED'], ['TIMED_OUT', 'ABORTED']]);
});

test('rules and alarms may publish to the topic', () => {
  const { PolicyDocument } = find(template, 'AWS::SNS::TopicPolicy').properties;
  const principals = PolicyDocument.Statement.filter((statement: any) => statement.Effect === 'Allow');
  const services = principals.map((statement: any) => statement.Principal.Service);
  assert.deepEqual(services.sort(), ['cloudwatch.amazonaws.com', 'events.amazonaws.com']);
  assert.ok(statementsOf(PolicyDocument).every(({ actions }) => actions.every((action) => action === 'sns:Publish')));
});

test('an e-mail address subscribes when one is set', () => {
  template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'someone@example.com' });
  makeTemplate().resourceCountIs('AWS::SNS::Subscription', 0);
});

/** The message of a rule, and the name of each field of the event in it. */
function message(rule: string): { words: string; nameOf: (field: string) => string } {
  const { properties } = find(template, 'AWS::Events::Rule', `/${rule}/`);
  const { InputPathsMap: paths, InputTemplate } = properties.Targets[0].InputTransformer;
  const nameOf = (field: string) => Object.entries(paths).find(([, path]) => path === `$.detail.${field}`)?.[0] ?? '';
  return { words: JSON.parse(InputTemplate), nameOf };
}

test('a failed run is one message, in words, with its error and its cause and without the event', () => {
  const { words, nameOf } = message('FailedRuns');
  for (const field of ['error', 'cause', 'executionArn']) {
    assert.ok(words.includes(`<${nameOf(field)}>`), field);
  }
  assert.equal(nameOf('input'), '');
  assert.match(words, /jobs\/JOB\/report\/FILE\.json/);
  assert.ok(!/["\n]/.test(words));
});

test('a run that was ended from outside has no cause, so its message quotes the event', () => {
  const { words, nameOf } = message('StoppedRuns');
  for (const field of ['status', 'input', 'executionArn']) {
    assert.ok(words.includes(`<${nameOf(field)}>`), field);
  }
  assert.equal(nameOf('cause'), '');
  assert.ok(!/["\n]/.test(words));
});

test('a failed step says in words why the run has failed', () => {
  const { States: states } = JSON.parse(readFileSync(DEFINITION, 'utf8'));
  for (const step of ['Preprocess', 'Postprocess']) {
    assert.deepEqual(states[step].Catch, [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'Reason given?' }]);
  }
  assert.equal(states['Step failed'].CausePath, '$.response.errorMessage');
  assert.match(states['Name upload'].Parameters['cause.$'], /Execution\.Input\.detail\.object\.key/);
});

/** Alarms by their construct's name. */
const alarms: Record<string, any> = Object.fromEntries(
  Object.values(template.findResources('AWS::CloudWatch::Alarm')).map((alarm) => [
    alarm['Metadata']['aws:cdk:path'].split('/').at(-2),
    alarm['Properties'],
  ]),
);

test('every alarm goes to the topic, is quiet where nothing happens, and says what to do', () => {
  assert.deepEqual(Object.keys(alarms).sort(), ['DeadLetters', 'NoLines', 'NoTurns', 'Throttles']);
  const runbook = readFileSync(join(__dirname, '../../docs/runbook.md'), 'utf8');
  for (const [name, properties] of Object.entries(alarms)) {
    assert.deepEqual(properties.AlarmActions, [{ Ref: topic.id }]);
    assert.equal(properties.TreatMissingData, 'notBreaching');
    assert.equal(properties.Threshold, 1);
    assert.match(properties.AlarmDescription, new RegExp(`docs/runbook\\.md of throughline, "${name}"`));
    assert.match(runbook, new RegExp(`^## .*\`${name}\``, 'm'));
  }
});

test('an alarm compares what goes on with the lines of all jobs, for as long as it says', () => {
  const metricsOf = (name: string) =>
    alarms[name].Metrics.filter((metric: any) => metric.MetricStat).map((metric: any) => metric.MetricStat.Metric);
  for (const [name, going, minutes] of [
    ['NoLines', 'ConcurrentExecutions', 30],
    ['NoTurns', 'Waiting', 360],
  ] as const) {
    const [first, lines] = metricsOf(name);
    assert.equal(first.MetricName, going);
    assert.deepEqual(lines, { MetricName: 'Lines', Namespace: 'throughline' });
    const period = alarms[name].Metrics.find((metric: any) => metric.MetricStat).MetricStat.Period;
    assert.equal((period * alarms[name].EvaluationPeriods) / 60, minutes);
  }
  assert.equal(alarms['DeadLetters'].MetricName, 'ApproximateNumberOfMessagesVisible');
  assert.ok(metricsOf('Throttles').every((metric: any) => metric.MetricName === 'Throttles'));
});

test('the dashboard finds every job and lane by a search', () => {
  const { DashboardBody } = find(template, 'AWS::CloudWatch::Dashboard').properties;
  const body = JSON.parse(plainText(DashboardBody));
  const searches = body.widgets
    .flatMap((widget: any) => widget.properties.metrics ?? [])
    .map(([metric]: any) => metric.expression)
    .filter((expression: unknown) => expression !== undefined);
  assert.deepEqual(searches, [
    `SEARCH('{throughline,Job,Lane} MetricName="Lines"', 'Sum', 60)`,
    `SEARCH('{throughline,Job,Lane} MetricName="Failed"', 'Sum', 60)`,
    `SEARCH('{throughline,Job,Lane} MetricName="Throttled"', 'Sum', 60)`,
    `SEARCH('{throughline,Job,Lane} MetricName="Latency"', 'p50', 60)`,
    `SEARCH('{throughline,Job,Lane} MetricName="Latency"', 'p99', 60)`,
  ]);
  const shown = JSON.stringify(body);
  for (const metric of [
    'ExecutionTime',
    'ExecutionsFailed',
    'ApproximateAgeOfOldestMessage',
    'Throttles',
    'Duration',
  ]) {
    assert.ok(shown.includes(`"${metric}"`), metric);
  }
});
