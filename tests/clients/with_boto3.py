"""boto3, with the defaults of a program that knows nothing of the server but its endpoint."""

import importlib.util
import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from clients import same, until

BUCKET = "throughline"
MIB = 1 << 20


def missing():
    return None if importlib.util.find_spec("boto3") else "the Python package boto3"


def actions(server):
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    session = boto3.Session(
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=server.environment["AWS_REGION"],
    )
    s3 = session.client("s3", endpoint_url=server.endpoint)
    states = session.client("stepfunctions", endpoint_url=server.endpoint, config=Config(inject_host_prefix=False))
    big = server.file("big.bin", 25 * MIB)

    def refused(code, call, **members):
        try:
            call(**members)
        except ClientError as error:
            same(error.response["Error"]["Code"], code)
            return error.response["Error"].get("Message", "")
        raise AssertionError(f"it was not refused with {code}")

    def buckets():
        s3.create_bucket(Bucket="other")
        names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        same(names, ["other", BUCKET])
        s3.head_bucket(Bucket="other")
        s3.get_bucket_location(Bucket="other")
        s3.put_object(Bucket="other", Key="a", Body=b"1")
        refused("BucketNotEmpty", s3.delete_bucket, Bucket="other")
        s3.delete_object(Bucket="other", Key="a")
        s3.delete_bucket(Bucket="other")
        refused("NoSuchBucket", s3.list_objects_v2, Bucket="other")
        relaxed = session.client("s3", endpoint_url=server.endpoint)
        relaxed.meta.events.unregister("before-parameter-build.s3", __import__("botocore").handlers.validate_bucket_name)
        same(refused("InvalidBucketName", relaxed.create_bucket, Bucket="Not_Valid"), 'no bucket can have the name "Not_Valid": a name has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a letter or a digit')

    def put_and_get():
        put = s3.put_object(Bucket=BUCKET, Key="a/b c+ü.txt", Body="größe".encode())
        assert put["ChecksumCRC32"], put
        got = s3.get_object(Bucket=BUCKET, Key="a/b c+ü.txt")
        same(got["Body"].read().decode(), "größe")
        same((got["ETag"], got["ChecksumCRC32"]), (put["ETag"], put["ChecksumCRC32"]))

    def metadata():
        s3.put_object(
            Bucket=BUCKET,
            Key="page.html",
            Body=b"<p>",
            ContentType="text/html; charset=utf-8",
            CacheControl="no-cache",
            ContentDisposition="attachment",
            ContentLanguage="de",
            ContentEncoding="br",
            Metadata={"mtime": "1.5", "who": "ann"},
        )
        head = s3.head_object(Bucket=BUCKET, Key="page.html")
        same(head["ContentType"], "text/html; charset=utf-8")
        same((head["CacheControl"], head["ContentDisposition"]), ("no-cache", "attachment"))
        same((head["ContentLanguage"], head["ContentEncoding"]), ("de", "br"))
        same(head["Metadata"], {"mtime": "1.5", "who": "ann"})

    def checksums():
        for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
            try:
                put = s3.put_object(Bucket=BUCKET, Key="sum", Body=b"abc", ChecksumAlgorithm=algorithm)
            except Exception as error:
                # Without the package awscrt, boto3 cannot calculate some of them itself.
                if "MissingDependency" in type(error).__name__:
                    continue
                raise
            head = s3.head_object(Bucket=BUCKET, Key="sum", ChecksumMode="ENABLED")
            same(head[f"Checksum{algorithm}"], put[f"Checksum{algorithm}"])
        same(head["ChecksumSHA256"], "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
        refused("BadDigest", s3.put_object, Bucket=BUCKET, Key="sum", Body=b"abc", ChecksumSHA256="A" * 43 + "=")

    def multipart():
        s3.upload_file(str(big), BUCKET, "big.bin", ExtraArgs={"Metadata": {"k": "v"}, "ContentType": "application/x-big"})
        copy = server.folder / "copy.bin"
        s3.download_file(BUCKET, "big.bin", str(copy))
        same(copy.read_bytes(), big.read_bytes())
        head = s3.head_object(Bucket=BUCKET, Key="big.bin")
        same((head["ContentType"], head["Metadata"]), ("application/x-big", {"k": "v"}))
        part = s3.get_object(Bucket=BUCKET, Key="big.bin", PartNumber=2)
        same((part["PartsCount"], part["ContentLength"]), (4, 8 * MIB))
        shown = s3.get_object_attributes(Bucket=BUCKET, Key="big.bin", ObjectAttributes=["ObjectParts", "ObjectSize"])
        same((shown["ObjectParts"]["TotalPartsCount"], shown["ObjectSize"]), (4, 25 * MIB))

    def multipart_by_hand():
        created = s3.create_multipart_upload(Bucket=BUCKET, Key="hand", ChecksumAlgorithm="SHA256")
        named = {"Bucket": BUCKET, "Key": "hand", "UploadId": created["UploadId"]}
        parts = []
        for number, body in ((1, b"a" * 5 * MIB), (2, b"b")):
            sent = s3.upload_part(**named, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
            parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]})
        same(len(s3.list_parts(**named)["Parts"]), 2)
        same(s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["Key"], "hand")
        done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
        assert done["ChecksumSHA256"].endswith("-2"), done
        again = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
        same(again["ETag"], done["ETag"])
        gone = s3.create_multipart_upload(Bucket=BUCKET, Key="gone")
        s3.abort_multipart_upload(Bucket=BUCKET, Key="gone", UploadId=gone["UploadId"])

    def listings():
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda at: s3.put_object(Bucket=BUCKET, Key=f"many/{at % 7}/{at:04}", Body=b""), range(1200)))
        for operation, last in (("list_objects_v2", "Contents"), ("list_objects", "Contents"), ("list_object_versions", "Versions")):
            pages = s3.get_paginator(operation).paginate(Bucket=BUCKET, Prefix="many/", PaginationConfig={"PageSize": 500})
            keys = [item["Key"] for page in pages for item in page.get(last, [])]
            same((len(keys), keys), (1200, sorted(keys)))
        grouped = s3.list_objects(Bucket=BUCKET, Prefix="many/", Delimiter="/", MaxKeys=3)
        same([group["Prefix"] for group in grouped["CommonPrefixes"]], ["many/0/", "many/1/", "many/2/"])
        same(grouped["NextMarker"], "many/2/")

    def delete_many():
        keys = [{"Key": item["Key"]} for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="many/")["Contents"]]
        same(len(s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})["Deleted"]), 1000)
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys, "Quiet": True})

    def copies():
        s3.put_object(Bucket=BUCKET, Key="from", Body=b"x", ContentType="text/plain", Metadata={"k": "old"})
        s3.copy_object(Bucket=BUCKET, Key="to", CopySource={"Bucket": BUCKET, "Key": "from"})
        same(s3.head_object(Bucket=BUCKET, Key="to")["Metadata"], {"k": "old"})
        replaced = {"MetadataDirective": "REPLACE", "Metadata": {"k": "new"}}
        s3.copy_object(Bucket=BUCKET, Key="from", CopySource={"Bucket": BUCKET, "Key": "from"}, **replaced)
        same(s3.head_object(Bucket=BUCKET, Key="from")["Metadata"], {"k": "new"})
        s3.copy({"Bucket": BUCKET, "Key": "big.bin"}, BUCKET, "big copy.bin")
        same(s3.head_object(Bucket=BUCKET, Key="big copy.bin")["ContentLength"], 25 * MIB)

    def ranges_and_conditions():
        etag = s3.put_object(Bucket=BUCKET, Key="r", Body=b"0123456789")["ETag"]
        same(s3.get_object(Bucket=BUCKET, Key="r", Range="bytes=2-4")["Body"].read(), b"234")
        same(s3.get_object(Bucket=BUCKET, Key="r", Range="bytes=-2")["Body"].read(), b"89")
        refused("InvalidRange", s3.get_object, Bucket=BUCKET, Key="r", Range="bytes=10-")
        refused("304", s3.get_object, Bucket=BUCKET, Key="r", IfNoneMatch=etag)
        refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="r", IfMatch='"x"')
        refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="r", Body=b"", IfNoneMatch="*")
        s3.put_object(Bucket=BUCKET, Key="r", Body=b"new", IfMatch=etag)
        refused("PreconditionFailed", s3.put_object, Bucket=BUCKET, Key="r", Body=b"", IfMatch=etag)

    def presigned():
        signing = session.client("s3", endpoint_url=server.endpoint, config=Config(signature_version="s3v4"))
        url = signing.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "signed"})
        urllib.request.urlopen(urllib.request.Request(url, b"by URL", method="PUT"))
        named = {"Bucket": BUCKET, "Key": "signed", "ResponseContentType": "text/x-own"}
        with urllib.request.urlopen(signing.generate_presigned_url("get_object", named)) as got:
            same((got.read(), got.headers["Content-Type"]), (b"by URL", "text/x-own"))

    def not_there():
        for call, members in (
            (s3.put_object_tagging, {"Key": "r", "Tagging": {"TagSet": []}}),
            (s3.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Enabled"}}),
            (s3.put_object, {"Key": "t", "Tagging": "a=b"}),
            (s3.put_object, {"Key": "t", "ServerSideEncryption": "aws:kms"}),
        ):
            refused("NotImplemented", call, Bucket=BUCKET, **members)
        same(s3.get_object_tagging(Bucket=BUCKET, Key="r")["TagSet"], [])
        assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
        refused("404", s3.head_object, Bucket=BUCKET, Key="t")

    def machines():
        definition = {"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$.s", "Next": "P"}, "P": {"Type": "Pass", "End": True}}}
        made = states.create_state_machine(name="m", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/r")
        arn = made["stateMachineArn"]
        started = states.start_execution(stateMachineArn=arn, name="a", input='{"s": 0}')["executionArn"]
        until("the execution ends", lambda: states.describe_execution(executionArn=started)["status"] == "SUCCEEDED")
        events = [event["type"] for event in states.get_execution_history(executionArn=started)["events"]]
        same((events[0], events[-1]), ("ExecutionStarted", "ExecutionSucceeded"))
        waits = states.start_execution(stateMachineArn=arn, name="b", input='{"s": 999}')["executionArn"]
        states.stop_execution(executionArn=waits, error="E")
        same(states.describe_execution(executionArn=waits)["status"], "ABORTED")
        states.redrive_execution(executionArn=waits)
        same(states.describe_execution(executionArn=waits)["status"], "RUNNING")
        states.stop_execution(executionArn=waits)
        same(len(states.list_executions(stateMachineArn=arn)["executions"]), 2)

    def express():
        made = states.create_state_machine(
            name="x",
            type="EXPRESS",
            definition='{"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 7, "End": true}}}',
            roleArn="arn:aws:iam::000000000000:role/r",
        )
        done = states.start_sync_execution(stateMachineArn=made["stateMachineArn"])
        same((done["status"], done["output"]), ("SUCCEEDED", "7"))

    def activities():
        activity = states.create_activity(name="ask")["activityArn"]
        definition = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": activity, "End": True}}}
        made = states.create_state_machine(name="asks", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/r")
        started = states.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]

        def worker():
            task = states.get_activity_task(activityArn=activity)
            states.send_task_heartbeat(taskToken=task["taskToken"])
            states.send_task_success(taskToken=task["taskToken"], output='"done"')

        works = threading.Thread(target=worker)
        works.start()
        until("the execution ends", lambda: states.describe_execution(executionArn=started).get("output") == '"done"')
        works.join()

    return [
        ("buckets: create, list, delete, a wrong name", buckets),
        ("objects: put, get, names with spaces", put_and_get),
        ("metadata and headers", metadata),
        ("checksums: each algorithm, a wrong one", checksums),
        ("multipart: upload, download, parts", multipart),
        ("multipart by hand: composite, repeated, aborted", multipart_by_hand),
        ("listings: v2, v1, versions, groups", listings),
        ("delete many", delete_many),
        ("copies: metadata, of many parts", copies),
        ("ranges and conditions", ranges_and_conditions),
        ("presigned URLs", presigned),
        ("refused by name: tags, versions, encryption", not_there),
        ("machines: start, describe, stop, redrive", machines),
        ("Express, and wait for it", express),
        ("activities: a worker", activities),
    ]
