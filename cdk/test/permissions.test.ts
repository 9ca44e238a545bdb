import assert from 'node:assert/strict';
import { test } from 'node:test';

import { find, makeTemplate, matches, permissionsOf, Statement, statementsOf } from './synth';

const schedules = [{ name: 'daily', job: 'places', file: 'all.csv', cron: '0 6 * * ? *' }];
const template = makeTemplate({ schedules });
const bucketId = find(template, 'AWS::S3::Bucket').id;
const machineId = find(template, 'AWS::StepFunctions::StateMachine').id;

function permissions(path: string): Statement[] {
  return permissionsOf(template, find(template, 'AWS::IAM::Role', path).id);
}

function may(statements: Statement[], action: string, key: string): boolean {
  const object = `<${bucketId}.Arn>/${key}`;
  return statements.some(
    (statement) =>
      statement.actions.includes(action) && statement.resources.some((pattern) => matches(pattern, object)),
  );
}

function mayList(statements: Statement[], prefix: string): boolean {
  const listing = statements.filter((statement) => statement.actions.includes('s3:ListBucket'));
  return listing.some(({ conditions }) => conditions.StringLike['s3:prefix'].some((of: string) => matches(of, prefix)));
}

const read = 's3:GetObject';
const write = 's3:PutObject';
const remove = 's3:DeleteObject';

test('preprocess reads inputs and writes what the run is made of', () => {
  const allowed = permissions('PreprocessRole');
  assert.ok(may(allowed, read, 'jobs/places/job.toml'));
  assert.ok(may(allowed, read, 'jobs/places/input/2026/all.csv'));
  assert.ok(may(allowed, read, 'runs/places/0f3a/results/lane/000000000001/x-000000-1-0-0.jsonl'));
  for (const key of [
    'claim.json',
    'claim-0001.json',
    'job.toml',
    'plan.json',
    'items/a.jsonl',
    'manifest/0000/a.json',
    'stop/0000.json',
    'checkpoint/split/1/state.json',
    'start.json',
    'continued.json',
    'results/lane/000000000001/x-000000-1-0-0.jsonl',
  ]) {
    assert.ok(may(allowed, write, `runs/places/0f3a/${key}`), key);
  }
  for (const key of ['start.json', 'continued.json', 'finished.json', 'items/a.jsonl', 'checkpoint/join/1/old-00000']) {
    assert.ok(may(allowed, read, `runs/places/0f3a/${key}`), key);
  }
  assert.ok(may(allowed, read, 'runs/places/latest/all.csv.json') && may(allowed, write, 'runs/places/latest/all.csv.json'));
  for (const key of ['items/a.jsonl', 'manifest/0000/a.json', 'results/a/000000000001/x', 'checkpoint/join/1/old-00000']) {
    assert.ok(may(allowed, remove, `runs/places/0f3a/${key}`), key);
  }
  const waiting = 'turns/places/queue/001763700000000-001763700000000-0f3a-0000.json';
  for (const lease of ['turns/places.json', 'runs/places/turn.json', waiting]) {
    assert.ok(may(allowed, read, lease) && may(allowed, write, lease), lease);
  }
  assert.ok(may(allowed, remove, waiting));
  assert.ok(may(allowed, write, 'jobs/places/report/all.csv.json'));
  assert.ok(may(allowed, 's3:AbortMultipartUpload', 'runs/places/0f3a/items/a.jsonl'));
  for (const key of ['jobs/places/job.toml', 'jobs/places/input/all.csv', 'jobs/places/output/all.csv']) {
    assert.ok(!may(allowed, write, key), key);
  }
  for (const key of ['plan.json', 'claim.json', 'job.toml', 'start.json']) {
    assert.ok(!may(allowed, remove, `runs/places/0f3a/${key}`), key);
  }
  assert.ok(!may(allowed, remove, 'turns/places.json'));
  assert.ok(!may(allowed, remove, 'turns/limit/0f3a0f3a0f3a0f3a.json'));
});

test('worker writes results and stop markers, and reads no input', () => {
  const allowed = permissions('WorkerRole');
  for (const key of ['job.toml', 'plan.json', 'claim.json', 'items/a.jsonl', 'stop/0000.json', 'stop/0000/a.json']) {
    assert.ok(may(allowed, read, `runs/places/0f3a/${key}`), key);
  }
  assert.ok(may(allowed, write, 'runs/places/0f3a/results/a/000000000001/x-000000-1-0-0.jsonl'));
  assert.ok(may(allowed, write, 'runs/places/0f3a/stop/0000/a.json'));
  assert.ok(may(allowed, write, 'runs/places/0f3a/versions/0000/worker/0.1.0+7'));
  assert.ok(!may(allowed, read, 'jobs/places/input/all.csv'));
  assert.ok(!may(allowed, write, 'runs/places/0f3a/items/a.jsonl'));
  assert.ok(!may(allowed, write, 'jobs/places/output/all.csv'));
  assert.ok(!may(allowed, remove, 'runs/places/0f3a/results/a/000000000001/x'));
});

test('worker takes and releases the leases of limits, and no lease of a job', () => {
  const allowed = permissions('WorkerRole');
  const limit = 'turns/limit/0f3a0f3a0f3a0f3a';
  for (const key of [`${limit}.json`, `${limit}/queue/001763700000000-001763700000000-0f3a-0000.json`]) {
    for (const action of [read, write, remove]) {
      assert.ok(may(allowed, action, key), `${action} ${key}`);
    }
  }
  assert.ok(mayList(allowed, `${limit}/queue/`));
  for (const key of ['turns/places.json', 'turns/places/queue/0-0-0f3a-0000.json', 'runs/places/turn.json']) {
    for (const action of [read, write, remove]) {
      assert.ok(!may(allowed, action, key), `${action} ${key}`);
    }
  }
});

test('postprocess writes the outputs and clears the run away', () => {
  const allowed = permissions('PostprocessRole');
  for (const key of ['output/all.csv', 'failed/all.csv', 'report/all.csv.json']) {
    assert.ok(may(allowed, write, `jobs/places/${key}`), key);
  }
  assert.ok(may(allowed, write, 'runs/places/0f3a/finished.json') && may(allowed, read, 'runs/places/0f3a/start.json'));
  for (const key of ['items/a.jsonl', 'results/a/000000000001/x', 'manifest/0000/a.json', 'stop/0000.json', 'checkpoint/x']) {
    assert.ok(may(allowed, remove, `runs/places/0f3a/${key}`), key);
  }
  for (const lease of ['turns/places.json', 'turns/places/queue/0-0-0f3a-0000.json', 'runs/places/turn.json']) {
    assert.ok(may(allowed, read, lease) && may(allowed, remove, lease), lease);
  }
  assert.ok(mayList(allowed, 'turns/places/queue/'));
  assert.ok(may(allowed, remove, 'jobs/places/failed/all.csv'));
  for (const key of ['jobs/places/input/all.csv', 'jobs/places/job.toml', 'jobs/places/output/all.csv']) {
    assert.ok(!may(allowed, remove, key), key);
  }
  assert.ok(may(allowed, read, 'runs/places/0f3a/start.json') && may(allowed, write, 'runs/places/0f3a/finished.json'));
  assert.ok(!may(allowed, remove, 'runs/places/0f3a/claim.json'));
  assert.ok(!may(allowed, write, 'jobs/places/input/all.csv'));
});

test('a missing key is told apart from a forbidden one, by listing what the step works on and no more', () => {
  const [preprocess, worker] = [permissions('PreprocessRole'), permissions('WorkerRole')];
  assert.ok(mayList(preprocess, 'jobs/places/job.toml'));
  assert.ok(mayList(preprocess, 'runs/places/0f3a/plan.json'));
  assert.ok(mayList(worker, 'runs/places/0f3a/results/a/000000000001/'));
  assert.ok(!mayList(worker, 'jobs/places/'));
  assert.ok(!mayList(preprocess, ''));
});

test('only the worker reads secrets, and only those of throughline', () => {
  const secret = ['ssm:GetParameter', 'ssm:GetParameters', 'secretsmanager:GetSecretValue'];
  for (const { actions, resources } of permissions('WorkerRole')) {
    if (actions.some((action) => secret.includes(action))) {
      assert.ok(
        resources.every((resource) => /:(parameter\/|secret:)throughline\/\*$/.test(resource)),
        `${resources}`,
      );
    }
  }
  const decrypt = permissions('WorkerRole').filter(({ actions }) => actions.includes('kms:Decrypt'));
  assert.equal(decrypt.length, 2);
  for (const { conditions } of decrypt) {
    assert.ok('kms:ViaService' in conditions.StringEquals);
    assert.ok(Object.keys(conditions.StringLike)[0]!.startsWith('kms:EncryptionContext:'));
  }
  for (const role of ['PreprocessRole', 'PostprocessRole']) {
    const actions = permissions(role).flatMap((statement) => statement.actions);
    assert.ok(!actions.some((action) => secret.includes(action) || action.startsWith('kms:')), role);
  }
});

test('what the distributed map needs is a policy of its own, which the trigger waits for', () => {
  const { id, properties } = find(template, 'AWS::IAM::Policy', '/MapPolicy/');
  const statements = statementsOf(properties.PolicyDocument);
  const start = statements.find(({ actions }) => actions.includes('states:StartExecution'));
  assert.deepEqual(start?.resources, [`<${machineId}>`]);
  const watch = statements.find(({ actions }) => actions.includes('states:StopExecution'));
  assert.deepEqual(watch?.actions, ['states:DescribeExecution', 'states:StopExecution']);
  const executions = `arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<${machineId}.Name>`;
  assert.deepEqual([...watch.resources].sort(), [`${executions}/Lines:*`, `${executions}:*`]);
  assert.ok(may(statements, read, 'runs/places/0f3a/manifest/0000/a.json'));
  assert.ok(!may(statements, write, 'runs/places/0f3a/manifest/0000/a.json'));
  for (const action of [write, read, 's3:ListMultipartUploadParts', 's3:AbortMultipartUpload']) {
    assert.ok(may(statements, action, 'runs/map/e1/uuid/manifest.json'), action);
  }
  const redrive = statements.find(({ actions }) => actions.includes('states:RedriveExecution'));
  assert.deepEqual(redrive?.resources, [`${executions}/Lines:*`]);
  const machine = find(template, 'AWS::StepFunctions::StateMachine');
  assert.ok(!machine.resource.DependsOn.includes(id));
  assert.ok(find(template, 'AWS::Events::Rule', '/Uploads/').resource.DependsOn.includes(id));
});

test('preprocess and the worker can tell whether the holder of a lease has ended', () => {
  for (const role of ['PreprocessRole', 'WorkerRole']) {
    const asking = permissions(role).filter(({ actions }) => actions.includes('states:DescribeExecution'));
    assert.equal(asking.length, 1, role);
    assert.match(asking[0]!.resources[0]!, /:execution:<\w+\.Name>:\*$/);
  }
});

test('no policy allows an action with a wildcard, or anything on every resource but log deliveries', () => {
  const documents = [
    ...Object.values(template.findResources('AWS::IAM::Policy')).map((policy) => policy['Properties'].PolicyDocument),
    find(template, 'AWS::S3::BucketPolicy').properties.PolicyDocument,
    find(template, 'AWS::SQS::QueuePolicy').properties.PolicyDocument,
    find(template, 'AWS::SNS::TopicPolicy').properties.PolicyDocument,
  ];
  const allowed = documents.flatMap(statementsOf).filter(({ effect }) => effect === 'Allow');
  assert.ok(allowed.length > 20);
  for (const { actions, resources } of allowed) {
    assert.ok(!actions.some((action) => action.includes('*')), `${actions}`);
    if (resources.includes('*')) {
      assert.ok(
        actions.every((action) => /^logs:/.test(action)),
        `${actions}`,
      );
    }
  }
});

test('no role has a managed policy', () => {
  for (const role of Object.values(template.findResources('AWS::IAM::Role'))) {
    assert.equal(role['Properties'].ManagedPolicyArns, undefined);
  }
});
