import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { Functions } from './functions';

/** What the dashboard shows. */
export interface DashboardProps {
  readonly functions: Functions;
  readonly stateMachine: sfn.StateMachine;
  readonly deadLetters: sqs.Queue;
  readonly alarms: readonly cloudwatch.IAlarm[];
}

const PERIOD = Duration.minutes(1);

/** Adds the dashboard: metrics of lanes, runs, functions and the dead-letter queue. */
export function addDashboard(scope: Construct, props: DashboardProps): void {
  const { functions, stateMachine, deadLetters, alarms } = props;
  const eachFunction = (metric: (step: lambda.Function, label: string) => cloudwatch.IMetric) => [
    metric(functions.preprocess, 'preprocess'),
    metric(functions.worker, 'worker'),
    metric(functions.postprocess, 'postprocess'),
  ];
  const sum = { period: PERIOD, statistic: 'Sum' };
  const longest = { period: PERIOD, statistic: 'Maximum' };

  new cloudwatch.Dashboard(scope, 'Dashboard', {
    defaultInterval: Duration.hours(3),
    widgets: [
      [new cloudwatch.AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: 24, height: 3 })],
      [
        graph('Lines per minute', [ofLanes('Lines', 'Sum')]),
        graph('Failed lines per minute', [ofLanes('Failed', 'Sum')]),
        graph('Throttled responses per minute', [ofLanes('Throttled', 'Sum')]),
        graph('Latency: median and 99th percentile (ms)', [ofLanes('Latency', 'p50'), ofLanes('Latency', 'p99')]),
      ],
      [
        graph('Runs', [
          stateMachine.metricStarted({ ...sum, label: 'started' }),
          stateMachine.metricSucceeded({ ...sum, label: 'succeeded' }),
          stateMachine.metricFailed({ ...sum, label: 'failed' }),
          stateMachine.metricTimedOut({ ...sum, label: 'timed out' }),
          stateMachine.metricAborted({ ...sum, label: 'aborted' }),
        ]),
        graph('Duration of ended runs (ms)', [
          stateMachine.metricTime({ period: PERIOD, statistic: 'p50', label: 'median' }),
          stateMachine.metricTime({ ...longest, label: 'longest' }),
        ]),
        graph('Events that started nothing', [
          deadLetters.metricApproximateNumberOfMessagesVisible({ ...longest, label: 'events' }),
        ]),
        graph('Age of the oldest such event (s)', [
          deadLetters.metricApproximateAgeOfOldestMessage({ ...longest, label: 'age' }),
        ]),
      ],
      [
        graph(
          'Function calls',
          eachFunction((step, label) => step.metricInvocations({ ...sum, label })),
        ),
        graph(
          'Function errors',
          eachFunction((step, label) => step.metricErrors({ ...sum, label })),
        ),
        graph(
          'Throttled function calls',
          eachFunction((step, label) => step.metricThrottles({ ...sum, label })),
        ),
        graph(
          'Longest function call (ms)',
          eachFunction((step, label) => step.metricDuration({ ...longest, label })),
        ),
      ],
    ],
  });
}

function graph(title: string, left: cloudwatch.IMetric[]): cloudwatch.GraphWidget {
  return new cloudwatch.GraphWidget({ title, left, width: 6, height: 6, leftYAxis: { min: 0, showUnits: false } });
}

/** A metric that the functions write, with a line for each job and lane. A search finds it, since jobs come and go. */
function ofLanes(metricName: string, statistic: string): cloudwatch.IMetric {
  return new cloudwatch.MathExpression({
    expression: `SEARCH('{throughline,Job,Lane} MetricName="${metricName}"', '${statistic}', ${PERIOD.toSeconds()})`,
    label: `\${PROP('Dim.Job')} \${PROP('Dim.Lane')} ${statistic === 'Sum' ? '' : statistic}`.trimEnd(),
    period: PERIOD,
    usingMetrics: {},
  });
}
