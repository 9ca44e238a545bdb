// The pipeline on AWS: a bucket whose uploads to incoming/*.csv start the state machine.
import { Duration, Stack, type StackProps } from "aws-cdk-lib";
import * as events from "aws-cdk-lib/aws-events";
import * as targets from "aws-cdk-lib/aws-events-targets";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as sqs from "aws-cdk-lib/aws-sqs";
import * as sfn from "aws-cdk-lib/aws-stepfunctions";
import type { Construct } from "constructs";

export class EtlStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const bucket = new s3.Bucket(this, "Files", { eventBridgeEnabled: true, enforceSSL: true });
    const queue = new sqs.Queue(this, "Notifications", { enforceSSL: true });
    const code = lambda.Code.fromAsset(__dirname, { exclude: ["*", "!functions.py"] });
    const fn = (name: string) => {
      const made = new lambda.Function(this, name, {
        code,
        handler: `functions.${name.toLowerCase()}`,
        runtime: lambda.Runtime.PYTHON_3_13,
        memorySize: 1024,
        timeout: Duration.minutes(5),
      });
      bucket.grantReadWrite(made);
      return made;
    };
    const functions = ["Validate", "Process", "Detect", "Load"].map((name) => [name, fn(name)] as const);
    const machine = new sfn.StateMachine(this, "Pipeline", {
      definitionBody: sfn.DefinitionBody.fromFile(`${__dirname}/definition.asl.json`),
      definitionSubstitutions: {
        QueueUrl: queue.queueUrl,
        ...Object.fromEntries(functions.map(([name, made]) => [`${name}FunctionArn`, made.functionArn])),
      },
      timeout: Duration.hours(1),
    });
    functions.forEach(([, made]) => made.grantInvoke(machine));
    queue.grantSendMessages(machine);
    machine.addToRolePolicy(
      new iam.PolicyStatement({ actions: ["s3:GetObject"], resources: [bucket.arnForObjects("incoming/*")] }),
    );
    machine.addToRolePolicy(
      new iam.PolicyStatement({ actions: ["s3:PutObject"], resources: [bucket.arnForObjects("rejected/*")] }),
    );
    new events.Rule(this, "Uploads", {
      eventPattern: {
        source: ["aws.s3"],
        detailType: ["Object Created"],
        detail: { bucket: { name: [bucket.bucketName] }, object: { key: [{ wildcard: "incoming/*.csv" }] } },
      },
      targets: [new targets.SfnStateMachine(machine)],
    });
  }
}
