import assert from 'node:assert/strict';
import { test } from 'node:test';

import { find, makeTemplate, statementsOf } from './synth';

const template = makeTemplate();
const bucket = find(template, 'AWS::S3::Bucket');

test('the bucket is versioned, encrypted, closed to the public, and outlives a stack that was deployed', () => {
  const { properties, resource } = bucket;
  assert.equal(properties.VersioningConfiguration.Status, 'Enabled');
  const [encryption] = properties.BucketEncryption.ServerSideEncryptionConfiguration;
  assert.equal(encryption.ServerSideEncryptionByDefault.SSEAlgorithm, 'AES256');
  assert.ok(Object.values(properties.PublicAccessBlockConfiguration).every((blocked) => blocked === true));
  assert.equal(Object.keys(properties.PublicAccessBlockConfiguration).length, 4);
  assert.equal(resource.DeletionPolicy, 'RetainExceptOnCreate');
  assert.equal(resource.UpdateReplacePolicy, 'Retain');
});

test('the bucket tells EventBridge, without a function that does the telling', () => {
  assert.deepEqual(bucket.properties.NotificationConfiguration, {
    EventBridgeConfiguration: { EventBridgeEnabled: true },
  });
  template.resourceCountIs('AWS::Lambda::Function', 3);
});

test('runs, old versions and unfinished uploads expire; jobs do not', () => {
  const rules: any[] = bucket.properties.LifecycleConfiguration.Rules;
  assert.ok(rules.every((rule) => rule.Status === 'Enabled'));
  const runs = rules.find((rule) => rule.Prefix === 'runs/');
  assert.equal(runs.ExpirationInDays, 180);
  assert.equal(runs.NoncurrentVersionExpiration.NoncurrentDays, 1);
  const everything = rules.find((rule) => rule.Prefix === undefined);
  assert.equal(everything.NoncurrentVersionExpiration.NoncurrentDays, 30);
  assert.equal(everything.AbortIncompleteMultipartUpload.DaysAfterInitiation, 7);
  assert.equal(everything.ExpiredObjectDeleteMarker, true);
  assert.equal(everything.ExpirationInDays, undefined);
  assert.equal(rules.length, 2);
  assert.ok(!rules.some((rule) => 'turns/'.startsWith(rule.Prefix ?? '-')));
});

test('bucket, queue and topic refuse requests without TLS', () => {
  for (const type of ['AWS::S3::BucketPolicy', 'AWS::SQS::QueuePolicy', 'AWS::SNS::TopicPolicy']) {
    const statements = statementsOf(find(template, type).properties.PolicyDocument);
    const denied = statements.filter((statement) => statement.effect === 'Deny');
    assert.ok(
      denied.some((statement) => statement.conditions.Bool?.['aws:SecureTransport'] === 'false'),
      type,
    );
  }
});
