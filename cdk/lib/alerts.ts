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
  /** A topic that exists. */
  readonly topic: sns.ITopic | undefined;
  readonly email: string | undefined;
}

/** Notifies people of failed runs: one message for each. */
export class Alerts extends Construct {
  /** Receives failed runs and alarms. */
  readonly topic: sns.ITopic;

  constructor(scope: Construct, id: string, { stateMachine, topic, email }: AlertsProps) {
    super(scope, id);
    this.topic = topic ?? this.newTopic();
    if (email !== undefined) {
      this.topic.addSubscription(new subscriptions.EmailSubscription(email));
    }
    const target = new targets.SnsTopic(this.topic, { message: events.RuleTargetInput.fromText(message()) });
    new events.Rule(this, 'FailedRuns', {
      description: 'Sends a notification for each failed run',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [stateMachine.stateMachineArn], status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
      targets: [target],
    });
  }

  /**
   * SNS encrypts stored messages with its own key. A customer key would cost a dollar a month, and its policy would be
   * one more way to lose a message unnoticed.
   */
  private newTopic(): sns.Topic {
    const topic = new sns.Topic(this, 'Topic', { displayName: 'throughline', enforceSSL: true });
    const stack = Stack.of(this);
    const alarms = stack.formatArn({
      service: 'cloudwatch',
      resource: 'alarm',
      resourceName: '*',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
    // The rule gives the topic a policy, which excludes every other publisher.
    topic.addToResourcePolicy(
      new iam.PolicyStatement({
        principals: [new iam.ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { ArnLike: { 'aws:SourceArn': alarms }, StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    );
    return topic;
  }
}

/** What a person must know of a failed run. The input is the event of the upload, whose key names job and file. */
function message(): string {
  const { fromPath } = events.EventField;
  return [
    `A run of throughline has ended as ${fromPath('$.detail.status')}: ${fromPath('$.detail.error')}.`,
    `Why: ${fromPath('$.detail.cause')}`,
    `The run was started by ${fromPath('$.detail.input')}.`,
    'The report of the run is jobs/JOB/report/FILE.json in the bucket. A run that ended as ABORTED has no report.',
    '`throughline redrive` sends the lines that failed or were not processed.',
    `Execution: ${fromPath('$.detail.executionArn')}`,
  ].join(' ');
}
