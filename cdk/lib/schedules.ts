import { Duration, Stack, TimeZone } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as scheduler from 'aws-cdk-lib/aws-scheduler';
import * as targets from 'aws-cdk-lib/aws-scheduler-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

import { Machine } from './machine';

/** A job that runs on a schedule. */
export interface Schedule {
  /** Names the schedule. */
  readonly name: string;
  readonly job: string;
  /** The file in the job's input folder. */
  readonly file: string;
  /** Minute, hour, day of the month, month, day of the week and year: `0 6 * * ? *` is every day at six. */
  readonly cron: string;
  /** The time zone of `cron`, such as `Europe/Berlin`; UTC when left out. */
  readonly timezone?: string;
}

/** What {@link Schedules} are made from. */
export interface SchedulesProps {
  readonly bucket: s3.IBucket;
  readonly machine: Machine;
  readonly deadLetters: sqs.Queue;
  readonly schedules: readonly Schedule[];
}

/** Starts scheduled runs on a file in a job's input folder. */
export class Schedules extends Construct {
  constructor(scope: Construct, id: string, { bucket, machine, deadLetters, schedules }: SchedulesProps) {
    super(scope, id);
    if (schedules.length === 0) {
      return;
    }
    // The target's own role would be outside of the construct, without its boundary and its prefix.
    const role = new iam.Role(this, 'Role', {
      assumedBy: new iam.ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
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
          role,
          deadLetterQueue: deadLetters,
          retryAttempts: 185,
          maxEventAge: Duration.hours(24),
        }),
      });
      schedule.node.addDependency(...machine.policies);
    }
  }
}
