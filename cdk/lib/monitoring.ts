import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

import { addDashboard } from './dashboard';
import { Functions } from './functions';

/** What {@link Monitoring} is made from. */
export interface MonitoringProps {
  readonly functions: Functions;
  readonly stateMachine: sfn.StateMachine;
  readonly deadLetters: sqs.Queue;
  /** The topic that alarms are sent to. */
  readonly topic: sns.ITopic;
}

/** How long something must last, in periods that follow one another. */
interface Lasting {
  readonly period: Duration;
  readonly periods: number;
}

/**
 * Alarms and the dashboard. An alarm means that somebody must do something: failed runs have a message of their own
 * (`alerts.ts`), and errors that are tried again have none.
 */
export class Monitoring extends Construct {
  readonly alarms: cloudwatch.Alarm[] = [];

  constructor(scope: Construct, id: string, private readonly props: MonitoringProps) {
    super(scope, id);
    const { functions, deadLetters } = props;
    const { preprocess, worker, postprocess } = functions;

    this.alarm(
      'DeadLetters',
      'Uploads or schedules did not start a run. Their events are in the dead-letter queue.',
      { period: Duration.minutes(5), periods: 1 },
      (period) => deadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
    );
    // A worker that waits for long ends its call, so one that runs has lines to send.
    this.alarm(
      'NoLines',
      'Workers have been running for 30 minutes, and no line got its outcome.',
      { period: Duration.minutes(5), periods: 6 },
      (period) =>
        whileNoLines('running', worker.metric('ConcurrentExecutions', { period, statistic: 'Maximum' }), period),
    );
    this.alarm(
      'NoTurns',
      'Runs have been waiting for their turn for 6 hours, and no line of any run got its outcome.',
      { period: Duration.hours(1), periods: 6 },
      (period) => whileNoLines('waiting', ofAll('Waiting', period), period),
    );
    this.alarm(
      'Throttles',
      'Function calls were throttled for 30 minutes: the account has no concurrency left. Runs wait and continue.',
      { period: Duration.minutes(5), periods: 6 },
      (period) => throttles([preprocess, worker, postprocess], period),
    );

    addDashboard(this, { ...props, alarms: this.alarms });
  }

  /** Adds an alarm for a metric that is at least 1 in each of these periods. */
  private alarm(
    id: string,
    alarmDescription: string,
    { period, periods: evaluationPeriods }: Lasting,
    metric: (period: Duration) => cloudwatch.IMetric,
  ): void {
    const alarm = new cloudwatch.Alarm(this, id, {
      alarmDescription: `${alarmDescription} What to do: docs/runbook.md of throughline, "${id}".`,
      metric: metric(period),
      evaluationPeriods,
      threshold: 1,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(this.props.topic));
    this.alarms.push(alarm);
  }
}

/** 1 in each period in which a metric is above 0 while no line got its outcome. */
function whileNoLines(name: string, metric: cloudwatch.IMetric, period: Duration): cloudwatch.IMetric {
  return new cloudwatch.MathExpression({
    expression: `IF(FILL(${name}, 0) > 0 AND FILL(lines, 0) == 0, 1, 0)`,
    label: `${name}, without lines`,
    period,
    usingMetrics: { [name]: metric, lines: ofAll('Lines', period) },
  });
}

/** A metric of all jobs together, which the functions write. */
function ofAll(metricName: string, period: Duration): cloudwatch.IMetric {
  return new cloudwatch.Metric({ namespace: 'throughline', metricName, period, statistic: 'Sum' });
}

function throttles(functions: readonly lambda.Function[], period: Duration): cloudwatch.IMetric {
  const metrics = functions.map((step, index) => [`m${index}`, step.metricThrottles()] as const);
  return new cloudwatch.MathExpression({
    expression: metrics.map(([name]) => name).join(' + '),
    label: 'Throttled calls',
    period,
    usingMetrics: Object.fromEntries(metrics),
  });
}
