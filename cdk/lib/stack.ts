import { CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';

import { Alerts } from './alerts';
import { Functions } from './functions';
import { Machine } from './machine';
import { Monitoring } from './monitoring';
import { Schedules } from './schedules';
import { Settings } from './settings';
import { Storage } from './storage';
import { Trigger } from './trigger';

/** What {@link ThroughlineStack} is made from. */
export interface ThroughlineProps extends StackProps {
  readonly settings: Settings;
}

/** Everything that throughline needs in one Region of one account. */
export class ThroughlineStack extends Stack {
  constructor(scope: Construct, id: string, { settings, ...props }: ThroughlineProps) {
    super(scope, id, props);
    const { bucket } = new Storage(this, 'Storage');
    const functions = new Functions(this, 'Functions', { bucket, source: settings.functions });
    const machine = new Machine(this, 'Machine', { bucket, functions });
    const trigger = new Trigger(this, 'Trigger', { bucket, machine });
    new Schedules(this, 'Schedules', {
      bucket,
      machine,
      deadLetters: trigger.deadLetters,
      schedules: settings.schedules,
    });
    const alerts = new Alerts(this, 'Alerts', { stateMachine: machine.stateMachine, email: settings.email });
    new Monitoring(this, 'Monitoring', {
      functions,
      stateMachine: machine.stateMachine,
      deadLetters: trigger.deadLetters,
      topic: alerts.topic,
    });

    new CfnOutput(this, 'Bucket', { value: bucket.bucketName, description: 'Upload jobs and inputs to this bucket' });
    new CfnOutput(this, 'StateMachine', { value: machine.stateMachine.stateMachineArn });
    new CfnOutput(this, 'FailedRuns', {
      value: alerts.topic.topicArn,
      description: 'Subscribe to this topic to be notified of failed runs',
    });
  }
}
