import assert from 'node:assert/strict';
import { test } from 'node:test';

import { plainText } from '../lib/permissions';
import { find, makeTemplate, statementsOf } from './synth';

const template = makeTemplate({ email: 'someone@example.com' });
const topic = find(template, 'AWS::SNS::Topic');
const machineId = find(template, 'AWS::StepFunctions::StateMachine').id;

test('a run that fails, times out or is stopped is told to the topic', () => {
  const { properties } = find(template, 'AWS::Events::Rule', '/FailedRuns/');
  assert.deepEqual(properties.EventPattern, {
    source: ['aws.states'],
    'detail-type': ['Step Functions Execution Status Change'],
    detail: { stateMachineArn: [{ Ref: machineId }], status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
  });
  assert.deepEqual(properties.Targets[0].Arn, { Ref: topic.id });
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

test('every alarm goes to the topic, and is quiet where nothing happens', () => {
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
  assert.equal(alarms.length, 6);
  for (const { Properties: properties } of alarms as any[]) {
    assert.deepEqual(properties.AlarmActions, [{ Ref: topic.id }]);
    assert.equal(properties.TreatMissingData, 'notBreaching');
    assert.equal(properties.Threshold, 1);
    assert.ok(properties.AlarmDescription);
  }
});

test('there is an alarm for events that started nothing, failed runs, errors and throttles', () => {
  const metrics = Object.values(template.findResources('AWS::CloudWatch::Alarm')).flatMap((alarm: any) => {
    const { MetricName, Metrics = [] } = alarm.Properties;
    return [MetricName, ...Metrics.map((metric: any) => metric.MetricStat?.Metric.MetricName)];
  });
  const wanted = ['ApproximateNumberOfMessagesVisible', 'ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'];
  for (const name of [...wanted, 'Errors', 'Throttles']) {
    assert.ok(metrics.includes(name), name);
  }
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
