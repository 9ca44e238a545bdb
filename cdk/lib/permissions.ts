import { ArnFormat, Stack, Validations } from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';

/** What a role may do with objects, by patterns of their keys. In a pattern `*` matches any text, `/` included. */
export interface ObjectAccess {
  /** Read. */
  readonly read?: readonly string[];
  /** Write in one request. */
  readonly write?: readonly string[];
  /** Write in one request or in parts. */
  readonly upload?: readonly string[];
  /** Delete. */
  readonly remove?: readonly string[];
  /**
   * List, which is also to be told that a key does not exist: S3 says 403 to anyone else. It then compares the key
   * itself with the allowed prefixes.
   */
  readonly list?: readonly string[];
}

/** The objects of a run that later steps read. */
const RUN_FOLDER = [
  'runs/*/claim*.json',
  'runs/*/job.toml',
  'runs/*/plan.json',
  'runs/*/items/*',
  'runs/*/results/*',
  'runs/*/stop/*',
];

/** Which run continues which. */
const BEGINNINGS = ['runs/*/latest/*', 'runs/*/start.json', 'runs/*/continued.json'];

/** What a step that needs more than one call saves for the next call. */
const CHECKPOINTS = 'runs/*/checkpoint/*';

/** Which versions of the functions have worked on a run. */
const VERSIONS = 'runs/*/versions/*';

/** The leases of jobs with their queues. Earlier versions had the leases in the folders of runs. */
const LEASES = ['turns/*.json', 'runs/*/turn.json'];

/** The leases of limits with their queues. */
const LIMITS = 'turns/limit/*.json';

/** What each step does with objects. `job/src/run/keys.rs` decides their keys. */
export const STEPS = {
  preprocess: {
    read: [
      'jobs/*/job.toml',
      'jobs/*/input/*',
      ...LEASES,
      ...RUN_FOLDER,
      ...BEGINNINGS,
      'runs/*/finished.json',
      'jobs/*/report/*',
      CHECKPOINTS,
    ],
    write: [
      'jobs/*/report/*',
      ...LEASES,
      'runs/*/claim*.json',
      'runs/*/job.toml',
      'runs/*/plan.json',
      'runs/*/manifest/*',
      'runs/*/results/*',
      'runs/*/stop/*',
      ...BEGINNINGS,
      CHECKPOINTS,
      VERSIONS,
    ],
    upload: ['runs/*/items/*'],
    remove: ['turns/*/queue/*.json', 'runs/*/items/*', 'runs/*/manifest/*', 'runs/*/results/*', CHECKPOINTS],
    list: ['jobs/*', 'runs/*', 'turns/*'],
  },
  worker: {
    read: [...RUN_FOLDER, LIMITS],
    write: ['runs/*/results/*', 'runs/*/stop/*', LIMITS, VERSIONS],
    remove: [LIMITS],
    list: ['runs/*', 'turns/limit/*'],
  },
  postprocess: {
    read: [
      'jobs/*/report/*',
      ...LEASES,
      ...RUN_FOLDER,
      'runs/*/start.json',
      'runs/*/finished.json',
      CHECKPOINTS,
    ],
    write: ['jobs/*/report/*', 'runs/*/finished.json', CHECKPOINTS, VERSIONS],
    upload: ['jobs/*/output/*', 'jobs/*/failed/*'],
    remove: [
      'jobs/*/failed/*',
      ...LEASES,
      'runs/*/items/*',
      'runs/*/manifest/*',
      'runs/*/results/*',
      'runs/*/stop/*',
      CHECKPOINTS,
      VERSIONS,
    ],
    list: ['jobs/*', 'runs/*', 'turns/*'],
  },
} satisfies Record<string, ObjectAccess>;

/** The name of a step: of its binary, its function, and its row in {@link STEPS}. */
export type Step = keyof typeof STEPS;

/** Allows a role to do this with the bucket's objects, and nothing else. */
export function allowObjects(role: Grantee, bucket: s3.IBucket, access: ObjectAccess): void {
  const { read = [], write = [], upload = [], remove = [], list = [] } = access;
  const reason = 'The names of jobs, runs and files are not known in advance.';
  const objects = (actions: string[], patterns: readonly string[]) => {
    if (patterns.length > 0) {
      allow(role, { actions, resources: patterns.map((pattern) => bucket.arnForObjects(pattern)), reason });
    }
  };
  objects(['s3:GetObject'], read);
  objects(['s3:PutObject'], write);
  objects(['s3:PutObject', 's3:AbortMultipartUpload'], upload);
  objects(['s3:DeleteObject'], remove);
  if (list.length > 0) {
    const conditions = { StringLike: { 's3:prefix': list } };
    allow(role, { actions: ['s3:ListBucket'], resources: [bucket.bucketArn], conditions });
  }
}

/** Allows to read the secrets that jobs refer to; the worker ensures that a job gets only its own secrets. */
export function allowSecrets(role: iam.Role): void {
  const stack = Stack.of(role);
  const reason = 'The names of jobs and of their secrets are not known in advance.';
  const parameters = stack.formatArn({ service: 'ssm', resource: 'parameter', resourceName: 'throughline/*' });
  const secrets = stack.formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: 'throughline/*',
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  allow(role, { actions: ['ssm:GetParameter'], resources: [parameters], reason });
  allow(role, { actions: ['secretsmanager:GetSecretValue'], resources: [secrets], reason });

  const decrypt = (service: string, context: string, arn: string) =>
    allow(role, {
      actions: ['kms:Decrypt'],
      resources: [stack.formatArn({ service: 'kms', resource: 'key', resourceName: '*' })],
      conditions: {
        StringEquals: { 'kms:ViaService': `${service}.${stack.region}.${stack.urlSuffix}` },
        StringLike: { [`kms:EncryptionContext:${context}`]: arn },
      },
      reason: 'A secret may be encrypted with any key of the account; the conditions admit only these secrets.',
    });
  decrypt('ssm', 'PARAMETER_ARN', parameters);
  decrypt('secretsmanager', 'SecretARN', secrets);
}

/** Allows to read and write the objects that a key encrypts. */
export function allowKey(to: Grantee, key: kms.IKey): void {
  allow(to, { actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [key.keyArn] });
}

/** What statements are added to. */
export type Grantee = iam.Role | iam.Policy | iam.ManagedPolicy;

/** One statement of a policy. */
export interface Permission {
  readonly actions: string[];
  readonly resources: string[];
  readonly conditions?: Record<string, Record<string, unknown>>;
  /** Why resources have a `*` in their names. */
  readonly reason?: string;
}

/** Allows this, and says why where a resource has a `*` in its name. */
export function allow(to: Grantee, { reason, ...statement }: Permission): void {
  if (to instanceof iam.Role) {
    to.addToPolicy(new iam.PolicyStatement(statement));
  } else {
    to.addStatements(new iam.PolicyStatement(statement));
  }
  for (const resource of statement.resources.filter((resource) => reason !== undefined && resource.includes('*'))) {
    acknowledgeWildcard(to, resource, reason!);
  }
}

/** Says why a policy names this resource with a `*` in it. */
export function acknowledgeWildcard(to: Grantee, resource: string, reason: string): void {
  const name = plainText(Stack.of(to).resolve(resource));
  Validations.of(to).acknowledge({ id: `AwsSolutions-IAM5[Resource::${name}]`, reason });
}

/** A value of a template as text: references appear as `<id>` and `<id.attribute>`. */
export function plainText(value: unknown): string {
  if (typeof value !== 'object' || value === null) {
    return String(value);
  }
  const [[name, argument]] = Object.entries(value) as [[string, any]];
  switch (name) {
    case 'Ref':
      return `<${argument}>`;
    case 'Fn::GetAtt':
      return `<${argument.join('.')}>`;
    case 'Fn::Join':
      return argument[1].map(plainText).join(argument[0]);
    default:
      throw new Error(`no text for ${name}`);
  }
}
