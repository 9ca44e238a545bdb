import { CfnOutput, Stack, StackProps } from 'aws-cdk-lib';
import { Construct } from 'constructs';

import { readSettings } from './settings';
import { Throughline } from './throughline';

/** A stack with nothing but throughline, with the settings of the context. */
export class ThroughlineStack extends Stack {
  readonly throughline: Throughline;

  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { description: 'throughline: one network request per line of a file', ...props });
    this.throughline = new Throughline(this, 'Throughline', readSettings(this));
    const { bucket, stateMachine, topic, operatorPolicy } = this.throughline;
    this.output('Bucket', bucket.bucketName, 'Upload jobs and inputs to this bucket');
    this.output('StateMachine', stateMachine.stateMachineArn, 'Its executions are the runs');
    this.output('FailedRuns', topic.topicArn, 'Subscribe to this topic to be notified of failed runs and alarms');
    this.output('OperatorPolicy', operatorPolicy.managedPolicyArn, 'Attach this policy to those who start runs');
  }

  private output(name: string, value: string, description: string): void {
    new CfnOutput(this, name, { value, description });
  }
}
