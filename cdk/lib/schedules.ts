import { Duration, TimeZone } from 'aws-cdk-lib';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { Machine } from './machine';
import { ScheduleSettings } from './settings';

/** What {@link Schedules} are made from. */
export interface SchedulesProps {
  readonly bucket: s3.Bucket;
  readonly machine: Machine;
  readonly deadLetters: sqs.Queue;
  readonly schedules: readonly ScheduleSettings[];
}

/** Starts scheduled runs on a file in a job's input folder. */
export class Schedules extends Construct {
  constructor(scope: Construct, id: string, { bucket, machine, deadLetters, schedules }: SchedulesProps) {
    super(scope, id);
    for (const { name, job, file, cron, timezone = 'Etc/UTC' } of schedules) {
      const schedule = new scheduler.Schedule(this, name, {
        description: `Runs ${job} on ${file}`,
        schedule: scheduler.ScheduleExpression.expression(`cron(${cron})`, TimeZone.of(timezone)),
        target: new targets.StepFunctionsStartExecution(machine.stateMachine, {
          input: scheduler.ScheduleTargetInput.fromObject({
            detail: { bucket: { name: bucket.bucketName }, object: { key: `jobs/${job}/input/${file}` } },
            // Makes each firing a separate run. The scheduled time is used because the id of the execution differs
            // for each attempt: a firing that is delivered twice must be one run.
            nonce: `${name} ${scheduler.ContextAttribute.scheduledTime}`,
          }),
          deadLetterQueue: deadLetters,
          retryAttempts: 185,
          maxEventAge: Duration.hours(24),
        }),
      });
      schedule.node.addDependency(...machine.policies);
    }
  }
}
