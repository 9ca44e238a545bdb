// The actions of the SDK for JavaScript: `node actions.mjs --list` names them, `node actions.mjs NAME` does one.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import * as sfn from "@aws-sdk/client-sfn";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const Bucket = "throughline";
const MIB = 1 << 20;
const store = new s3.S3Client({ forcePathStyle: true });
const states = new sfn.SFNClient({ disableHostPrefix: true });
const roleArn = "arn:aws:iam::000000000000:role/r";

async function text(Key, more = {}) {
  const got = await store.send(new s3.GetObjectCommand({ Bucket, Key, ...more }));
  return got.Body.transformToString();
}

const actions = {
  async "put, get, head, delete"() {
    await store.send(new s3.PutObjectCommand({ Bucket, Key: "a b/ü.txt", Body: "words", ContentType: "text/plain", Metadata: { k: "v" } }));
    assert.equal(await text("a b/ü.txt"), "words");
    const head = await store.send(new s3.HeadObjectCommand({ Bucket, Key: "a b/ü.txt" }));
    assert.deepEqual([head.ContentType, head.Metadata], ["text/plain", { k: "v" }]);
    await store.send(new s3.DeleteObjectCommand({ Bucket, Key: "a b/ü.txt" }));
    await assert.rejects(store.send(new s3.HeadObjectCommand({ Bucket, Key: "a b/ü.txt" })), { name: "NotFound" });
  },
  async "a stream with a checksum after it"() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"]) {
      const Body = Readable.from([Buffer.from("one "), Buffer.from("two")]);
      const put = await store.send(new s3.PutObjectCommand({ Bucket, Key: "s", Body, ContentLength: 7, ChecksumAlgorithm }));
      assert.ok(put[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
      assert.equal(await text("s", { ChecksumMode: "ENABLED" }), "one two");
      const head = await store.send(new s3.HeadObjectCommand({ Bucket, Key: "s" }));
      assert.equal(head.ContentEncoding, undefined);
    }
  },
  async "lib-storage: a stream in parts"() {
    const block = Buffer.alloc(MIB, 7);
    const Body = Readable.from((function* () { for (let at = 0; at < 12; at += 1) yield block; })());
    await new Upload({ client: store, params: { Bucket, Key: "parts", Body } }).done();
    const head = await store.send(new s3.HeadObjectCommand({ Bucket, Key: "parts", PartNumber: 1 }));
    assert.deepEqual([head.PartsCount, head.ContentLength], [3, 5 * MIB]);
  },
  async "listings"() {
    for (let at = 0; at < 12; at += 1) await store.send(new s3.PutObjectCommand({ Bucket, Key: `l/${at % 3}/${at}`, Body: "" }));
    const keys = [];
    for await (const page of s3.paginateListObjectsV2({ client: store, pageSize: 5 }, { Bucket, Prefix: "l/" })) {
      keys.push(...page.Contents.map((object) => object.Key));
    }
    assert.equal(keys.length, 12);
    const names = (await store.send(new s3.ListBucketsCommand({}))).Buckets.map((bucket) => bucket.Name);
    assert.deepEqual(names, [Bucket]);
  },
  async "presigned URLs"() {
    const put = await getSignedUrl(store, new s3.PutObjectCommand({ Bucket, Key: "signed" }));
    assert.equal((await fetch(put, { method: "PUT", body: "by URL" })).status, 200);
    const get = await getSignedUrl(store, new s3.GetObjectCommand({ Bucket, Key: "signed" }));
    assert.equal(await (await fetch(get)).text(), "by URL");
  },
  async "machines: start, describe, history, stop"() {
    const definition = JSON.stringify({ StartAt: "W", States: { W: { Type: "Wait", Seconds: 900, End: true } } });
    const { stateMachineArn } = await states.send(new sfn.CreateStateMachineCommand({ name: "m", definition, roleArn }));
    const { executionArn } = await states.send(new sfn.StartExecutionCommand({ stateMachineArn, name: "a" }));
    await states.send(new sfn.StopExecutionCommand({ executionArn, error: "E", cause: "C" }));
    const ended = await states.send(new sfn.DescribeExecutionCommand({ executionArn }));
    assert.deepEqual([ended.status, ended.error, ended.cause], ["ABORTED", "E", "C"]);
    const { events } = await states.send(new sfn.GetExecutionHistoryCommand({ executionArn, reverseOrder: true }));
    assert.equal(events[0].type, "ExecutionAborted");
    await assert.rejects(states.send(new sfn.StartExecutionCommand({ stateMachineArn, name: "a" })), { name: "ExecutionAlreadyExists" });
  },
  async "Express, and wait for it"() {
    const definition = JSON.stringify({ StartAt: "P", States: { P: { Type: "Pass", Result: 7, End: true } } });
    const made = await states.send(new sfn.CreateStateMachineCommand({ name: "x", type: "EXPRESS", definition, roleArn }));
    const done = await states.send(new sfn.StartSyncExecutionCommand({ stateMachineArn: made.stateMachineArn }));
    assert.deepEqual([done.status, done.output], ["SUCCEEDED", "7"]);
  },
};

const [name] = process.argv.slice(2);
if (name === "--list") {
  console.log(Object.keys(actions).join("\n"));
} else {
  await actions[name]();
}
