import { ArnFormat, Stack } from 'aws-cdk-lib';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as sns from 'aws-cdk-lib/aws-sns';
import * as subscriptions from 'aws-cdk-lib/aws-sns-subscriptions';
import * as sfn from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';

/** What {@link Alerts} are made from. */
export interface AlertsProps {
  readonly stateMachine: sfn.StateMachine;
  readonly email: string | undefined;
}

/** Notifies people of failed runs. */
export class Alerts extends Construct {
  /**
   * Receives failed runs and alarms. SNS encrypts stored messages with its own key. A customer key would cost a dollar
   * a month, and its policy would be one more way to lose a message unnoticed.
   */
  readonly topic: sns.Topic;

  constructor(scope: Construct, id: string, { stateMachine, email }: AlertsProps) {
    super(scope, id);
    this.topic = new sns.Topic(this, 'Topic', { displayName: 'throughline', enforceSSL: true });
    this.allowAlarms();
    if (email !== undefined) {
      this.topic.addSubscription(new subscriptions.EmailSubscription(email));
    }
    new events.Rule(this, 'FailedRuns', {
      description: 'Sends a notification for each failed run',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [stateMachine.stateMachineArn], status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
      targets: [new targets.SnsTopic(this.topic)],
    });
  }

  /** Allows alarms to publish. The rule above gives the topic a policy, which excludes every other publisher. */
  private allowAlarms(): void {
    const stack = Stack.of(this);
    const alarms = stack.formatArn({
      service: 'cloudwatch',
      resource: 'alarm',
      resourceName: '*',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    this.topic.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
        conditions: { ArnLike: { 'aws:SourceArn': alarms }, StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    );
  }
}
