import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
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
  readonly topic: sns.Topic;
}

/** Alarms and the dashboard. */
export class Monitoring extends Construct {
  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { functions, stateMachine, deadLetters, topic } = props;
    const period = Duration.minutes(5);
    const alarms: cloudwatch.Alarm[] = [];
    const alarm = (alarmId: string, alarmDescription: string, metric: cloudwatch.IMetric, evaluationPeriods = 1) => {
      const made = new cloudwatch.Alarm(this, alarmId, {
        alarmDescription,
        metric,
        evaluationPeriods,
        threshold: 1,
        comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
      });
      made.addAlarmAction(new SnsAction(topic));
      alarms.push(made);
    };

    alarm(
      'DeadLetters',
      'Uploads or schedules did not start a run. See the messages of the dead-letter queue.',
      deadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: 'Maximum' }),
    );
    alarm(
      'FailedRuns',
      'Runs failed, timed out or were aborted. The report in jobs/<job>/report/ says why.',
      new cloudwatch.MathExpression({
        expression: 'failed + timedOut + aborted',
        label: 'Failed runs',
        period,
        usingMetrics: {
          failed: stateMachine.metricFailed(),
          timedOut: stateMachine.metricTimedOut(),
          aborted: stateMachine.metricAborted(),
        },
      }),
    );
    const errors = 'Function calls ended in an error or reached the time limit. Most are tried again. See the logs.';
    alarm('PreprocessErrors', errors, functions.preprocess.metricErrors({ period }));
    alarm('WorkerErrors', errors, functions.worker.metricErrors({ period }));
    alarm('PostprocessErrors', errors, functions.postprocess.metricErrors({ period }));
    alarm(
      'Throttles',
      'Function calls were throttled for 15 minutes: the account has no concurrency left. Runs wait and continue.',
      new cloudwatch.MathExpression({
        expression: 'preprocess + worker + postprocess',
        label: 'Throttled calls',
        period,
        usingMetrics: {
          preprocess: functions.preprocess.metricThrottles(),
          worker: functions.worker.metricThrottles(),
          postprocess: functions.postprocess.metricThrottles(),
        },
      }),
      3,
    );

    addDashboard(this, { ...props, alarms });
  }
}
