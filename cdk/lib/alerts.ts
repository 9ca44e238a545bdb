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
    this.tell('FailedRuns', 'Sends a notification for each failed run', stateMachine, ['FAILED'], failed());
    this.tell('StoppedRuns', 'Sends a notification for each aborted run', stateMachine, ['TIMED_OUT', 'ABORTED'], stopped());
  }

  /** Sends a message for each execution that ends with one of these states. */
  private tell(id: string, description: string, { stateMachineArn }: sfn.StateMachine, status: string[], text: string): void {
    new events.Rule(this, id, {
      description,
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: { stateMachineArn: [stateMachineArn], status },
      },
      targets: [new targets.SnsTopic(this.topic, { message: events.RuleTargetInput.fromText(text) })],
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

/** What a person must know of a failed run. The cause is a sentence that begins with the key of the upload. */
function failed(): string {
  const { fromPath } = events.EventField;
  return [
    `A run of throughline has failed. ${fromPath('$.detail.cause')} (${fromPath('$.detail.error')}).`,
    'The report of jobs/JOB/input/FILE is jobs/JOB/report/FILE.json in the bucket.',
    '`throughline redrive` sends the lines that failed or were not processed.',
    `Execution: ${fromPath('$.detail.executionArn')}`,
  ].join(' ');
}

/** The same of a run that was ended from outside. It has no cause; its input is the event of the upload. */
function stopped(): string {
  const { fromPath } = events.EventField;
  return [
    `A run of throughline has ended as ${fromPath('$.detail.status')} and has no output and no report.`,
    '`throughline redrive` finishes it, with all responses so far.',
    `Execution: ${fromPath('$.detail.executionArn')}.`,
    `The key of the upload is in the event that started it: ${fromPath('$.detail.input')}`,
  ].join(' ');
}
