"""The AWS CLI."""

import json
import shutil

from clients import same, until

S3 = "s3://throughline"
MIB = 1 << 20


def missing():
    return None if shutil.which("aws") else "the program aws (the Python package awscli)"


def actions(server):
    def aws(*args, **more):
        return server.run("aws", *args, **more)

    def api(*args):
        written = aws(*args)
        return json.loads(written) if written.strip() else {}

    folder = server.folder / "tree"
    for at in range(30):
        server.file(f"tree/{at % 3}/file {at}.txt", at * 100)
    big = server.file("big.bin", 20 * MIB)

    def copies():
        aws("s3", "cp", str(big), f"{S3}/a/big.bin", "--metadata", "k=v", "--content-type", "text/x-big")
        aws("s3", "cp", f"{S3}/a/big.bin", f"{S3}/b/big.bin")
        aws("s3", "cp", f"{S3}/b/big.bin", "copy.bin")
        same((server.folder / "copy.bin").read_bytes(), big.read_bytes())
        head = api("s3api", "head-object", "--bucket", "throughline", "--key", "a/big.bin")
        same((head["Metadata"], head["ContentType"]), ({"k": "v"}, "text/x-big"))
        aws("s3", "cp", "-", f"{S3}/from-stdin", input="words")
        same(aws("s3", "cp", f"{S3}/from-stdin", "-"), "words")
        aws("s3", "mv", f"{S3}/b/big.bin", f"{S3}/c/big.bin")

    def sync():
        aws("s3", "sync", str(folder), f"{S3}/tree")
        same(aws("s3", "sync", str(folder), f"{S3}/tree"), "")
        aws("s3", "sync", f"{S3}/tree", "back")
        for path in sorted(folder.rglob("*.txt")):
            same((server.folder / "back" / path.relative_to(folder)).read_bytes(), path.read_bytes())
        aws("s3", "rm", f"{S3}/tree/1", "--recursive")
        assert "file 2.txt" in aws("s3", "sync", f"{S3}/tree", "back", "--delete") + aws("s3", "ls", f"{S3}/tree/2/")
        assert not (server.folder / "back" / "1" / "file 1.txt").exists()

    def lists():
        assert "throughline" in aws("s3", "ls")
        assert "PRE a/" in aws("s3", "ls", f"{S3}/")
        aws("s3", "mb", "s3://more")
        aws("s3", "rb", "s3://more")

    def presigned():
        aws("configure", "set", "default.s3.signature_version", "s3v4")
        url = aws("s3", "presign", f"{S3}/from-stdin").strip()
        same(server.run("python3", "-c", "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())", url), "words\n")

    def conditions():
        wrong = ["s3api", "put-object", "--bucket", "throughline", "--key", "from-stdin", "--if-none-match", "*"]
        try:
            aws(*wrong)
        except AssertionError as error:
            assert "PreconditionFailed" in str(error), error
            return
        raise AssertionError("the object was replaced")

    def waits():
        aws("s3api", "wait", "object-exists", "--bucket", "throughline", "--key", "from-stdin")
        aws("s3api", "delete-object", "--bucket", "throughline", "--key", "from-stdin")
        aws("s3api", "wait", "object-not-exists", "--bucket", "throughline", "--key", "from-stdin")

    def machines():
        definition = '{"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "world", "End": true}}}'
        role = ["--role-arn", "arn:aws:iam::000000000000:role/r"]
        arn = api("stepfunctions", "create-state-machine", "--name", "hello", *role, "--definition", definition)["stateMachineArn"]
        started = api("stepfunctions", "start-execution", "--state-machine-arn", arn, "--name", "first")["executionArn"]
        describe = ["stepfunctions", "describe-execution", "--execution-arn", started]
        until("it ends", lambda: api(*describe)["status"] == "SUCCEEDED")
        same(api(*describe)["output"], '"world"')
        history = api("stepfunctions", "get-execution-history", "--execution-arn", started, "--reverse-order")
        same(history["events"][0]["type"], "ExecutionSucceeded")
        same(len(api("stepfunctions", "list-executions", "--state-machine-arn", arn)["executions"]), 1)
        tested = api("stepfunctions", "test-state", "--definition", '{"Type": "Pass", "Result": 1, "End": true}', *role)
        same(tested["output"], "1")

    return [
        ("s3 cp, mv: big files, standard input, metadata", copies),
        ("s3 sync both ways, rm --recursive", sync),
        ("s3 ls, mb, rb", lists),
        ("s3 presign", presigned),
        ("s3api: a condition", conditions),
        ("s3api wait", waits),
        ("stepfunctions: start, describe, history, test", machines),
    ]
