import { Aspects, CfnResource } from 'aws-cdk-lib';
import { Construct, IConstruct } from 'constructs';

/** The property that names a resource, and how long a name may be. Types that are not listed have no names. */
const NAMES: Record<string, readonly [property: string, longest: number]> = {
  'AWS::CloudWatch::Alarm': ['AlarmName', 255],
  'AWS::CloudWatch::Dashboard': ['DashboardName', 255],
  'AWS::EC2::SecurityGroup': ['GroupName', 255],
  'AWS::Events::Rule': ['Name', 64],
  'AWS::IAM::ManagedPolicy': ['ManagedPolicyName', 128],
  'AWS::IAM::Role': ['RoleName', 64],
  'AWS::Lambda::Function': ['FunctionName', 64],
  'AWS::SNS::Topic': ['TopicName', 256],
  'AWS::SQS::Queue': ['QueueName', 80],
  'AWS::Scheduler::Schedule': ['Name', 64],
  'AWS::StepFunctions::StateMachine': ['StateMachineName', 80],
};

/** Names everything below `scope` after its path: `<prefix>-functions-worker-role`. Log groups have the prefix after a path. */
export function prefixNames(scope: Construct, prefix: string): void {
  Aspects.of(scope).add({
    visit(node: IConstruct): void {
      if (!(node instanceof CfnResource)) {
        return;
      }
      const name = `${prefix}-${nameOf(scope, node)}`;
      const named = NAMES[node.cfnResourceType];
      if (named !== undefined) {
        const [property, longest] = named;
        if (name.length > longest) {
          throw new Error(`the name ${name} is longer than ${longest}: choose a shorter namePrefix`);
        }
        node.addPropertyOverride(property, name);
      } else if (node.cfnResourceType === 'AWS::Logs::LogGroup') {
        // Step Functions writes to groups with this prefix without adding each to a policy of limited length.
        node.addPropertyOverride('LogGroupName', `/aws/vendedlogs/${name}`);
      }
    },
  });
}

/** The path below `scope` in kebab case. */
function nameOf(scope: Construct, node: IConstruct): string {
  const path = node.node.path.slice(scope.node.path.length + 1).split('/');
  return path
    .filter((part) => part !== 'Resource' && part !== 'Default')
    .join('-')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .replaceAll(/[^A-Za-z0-9-]+/g, '-')
    .toLowerCase();
}
