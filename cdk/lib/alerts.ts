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

/** Tells people of runs that fail. */
export class Alerts extends Construct {
  /**
   * Runs that failed, and alarms. SNS encrypts what it stores with a key of its own; a key of ours would cost a dollar
   * a month, and its policy is one more way to lose a message unnoticed.
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
      description: 'Tells of runs that failed',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [stateMachine.stateMachineArn], status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
      targets: [new targets.SnsTopic(this.topic)],
    });
  }

  /** A topic with a policy takes messages from nobody else, and the rule above gives it one. */
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
