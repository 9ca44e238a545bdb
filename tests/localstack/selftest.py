#!/usr/bin/env python3
"""Tests what is in this folder, with stand-ins for the three functions: run it after a change here.

It starts a LocalStack of its own, or uses the one at LOCALSTACK_ENDPOINT (one that was started by `start`).
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
START = HERE / "start"

try:
    import boto3
except ImportError:
    python = subprocess.run([START, "--prepare"], check=True, capture_output=True, text=True).stdout.strip()
    os.execv(python, [python, *sys.argv])

# Plays the step STEP. The name of the input file says what else it does.
FUNCTION = """
import json, os, signal, sys, time, urllib.request
import boto3

api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
if os.environ.get("BREAK") == "init":
    sys.exit(7)
s3 = boto3.client("s3")

def preprocess(request, headers):
    detail = request["event"]["detail"]
    bucket, key = detail["bucket"]["name"], detail["object"]["key"]
    file = key.rsplit("/", 1)[1]
    run = {"bucket": bucket, "job": key.split("/")[1], "file": file, "id": file, "generation": 0}
    manifest = f"runs/{file}/manifest.json"
    batches = [{"first": n * 10 + 1, "lines": 10, "from": n * 100, "to": n * 100 + 100} for n in range(2)]
    s3.put_object(Bucket=bucket, Key=manifest, Body=json.dumps(batches))
    seen = boto3.client("stepfunctions").describe_execution(executionArn=request["execution"])
    s3.put_object(Bucket=bucket, Key=f"runs/{file}/seen.json", Body=json.dumps({
        "event": request["event"], "status": seen["status"], "environment": dict(os.environ), "headers": headers}))
    lane = {"name": "n0", "manifest": manifest, "workers": 2,
        "settle_seconds": 1, "call_seconds": 920, "tolerated_failure_percentage": 100.0}
    return {"status": "ready", "run": run, "lanes": [lane]}

def worker(request, headers):
    run, batch = request["run"], request["batch"]
    print("batch", batch["first"], flush=True)
    if "slow" in run["file"]:
        time.sleep(60)
    again = f"runs/{run['file']}/again/{batch['first']}/"
    first = "KeyCount" in (found := s3.list_objects_v2(Bucket=run["bucket"], Prefix=again)) and not found["KeyCount"]
    s3.put_object(Bucket=run["bucket"], Key=again, Body=b"")
    if "dies" in run["file"] and first:
        os.kill(os.getpid(), signal.SIGKILL)
    if "pauses" in run["file"] and first:
        return {"status": "paused", "wait_seconds": 1, **request, "pace": {"tries": [[batch["first"], 1]]}}
    if "pauses" in run["file"]:
        assert request["pace"] == {"tries": [[batch["first"], 1]]}, request
    return {"status": "done", "first": batch["first"], "lines": batch["lines"], "ok": batch["lines"], "failed": 0}

def postprocess(request, headers):
    return {"status": "succeeded", "run": request["run"], "lines": 20, "ok": 20, "failed": 0}

def trouble(request, headers):
    match request["do"]:
        case "echo": return request
        case "exit": os._exit(request["code"])
        case "kill": os.kill(os.getpid(), signal.SIGKILL)
        case "sleep": time.sleep(request["seconds"])
        case "fail": raise RuntimeError("on purpose")
        case "large": return "x" * (7 << 20)
        case "idle death":
            os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", f"sleep 0.3; kill -9 {os.getpid()}")

while True:
    with urllib.request.urlopen(api + "invocation/next") as reply:
        headers, request = dict(reply.headers), json.load(reply)
    try:
        kind, answer = "response", globals()[step](request, headers)
    except Exception as error:
        kind, answer = "error", {"errorType": "Storage.Unavailable", "errorMessage": str(error)}
    path = api + "invocation/" + headers["Lambda-Runtime-Aws-Request-Id"] + "/" + kind
    try:
        urllib.request.urlopen(urllib.request.Request(path, json.dumps(answer).encode())).close()
    except urllib.error.HTTPError as error:
        print("answered", error.code, flush=True)
"""

failed = 0


def main():
    if endpoint := os.environ.get("LOCALSTACK_ENDPOINT"):
        return tests(Stack(endpoint))
    data = Path(tempfile.mkdtemp(prefix="throughline-localstack-"))
    started = time.monotonic()
    localstack = subprocess.Popen(
        [START, "0", "--data", data], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        endpoint = localstack.stdout.readline().removeprefix("ready ").strip()
        show("ready after", f"{time.monotonic() - started:.1f} s")
        tests(Stack(endpoint))
    finally:
        processes = [int(mark.name) for mark in (data / "functions/running").glob("*")]
        started = time.monotonic()
        localstack.stdin.close()
        check("it ends with its standard input", localstack.wait(30) == 0)
        show("stopped after", f"{time.monotonic() - started:.1f} s")
        check("no process of a function is left", processes and not any(map(alive, processes)), processes)
        if failed or sys.exc_info()[0]:
            show("logs", data)
        else:
            shutil.rmtree(data)


def tests(stack):
    print("== an upload starts an execution of the unchanged definition")
    for key, body in [
        ("jobs/x/input/", b""),
        ("jobs/x/input/folder", b""),
        ("jobs/x/output/y.csv", b"a\n"),
        ("jobs/x/job.toml", b""),
    ]:
        stack.upload(key, body)
    stack.upload("jobs/x/input/empty.csv", b"")
    stack.upload("jobs/x/input/y.csv", b"a\n1\n")
    runs = {file: stack.ended(file) for file in ["empty.csv", "y.csv"]}
    check("SUCCEEDED", all(run["status"] == "SUCCEEDED" for run in runs.values()), runs)
    check("nothing else started one", len(stack.executions()) == 2)
    seen = stack.seen("y.csv")
    show("event", json.dumps(seen["event"], indent=1))
    show("headers", seen["headers"])
    show("environment", seen["environment"])
    check("DescribeExecution in a function", seen["status"] == "RUNNING")
    left = int(seen["headers"]["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
    check("the deadline is ahead", 0 < left < 900, left)

    print("== map runs")
    arn = runs["y.csv"]["executionArn"]
    listed = stack.states.list_map_runs(executionArn=arn)["mapRuns"]
    check("ListMapRuns", len(listed) == 1, listed)
    described = stack.states.describe_map_run(mapRunArn=listed[0]["mapRunArn"])
    show("DescribeMapRun", {name: described[name] for name in ["status", "maxConcurrency", "itemCounts"]})
    check("both items", described["itemCounts"]["succeeded"] == 2, described)

    print("== a key with spaces, and another version of an object")
    stack.upload("jobs/x/input/ä b+c.csv", b"a\n1\n")
    stack.upload("jobs/x/input/y.csv", b"a\n1\n2\n")
    wait_for(lambda: len(stack.executions()) == 4)
    objects = [
        json.loads(stack.states.describe_execution(executionArn=e["executionArn"])["input"])["detail"]["object"]
        for e in stack.executions()
    ]
    show("objects", [{name: o.get(name) for name in ["key", "version-id", "etag", "size"]} for o in objects])

    print("== pauses, deaths, two at once")
    for file in ["pauses.csv", "dies.csv"]:
        stack.upload(f"jobs/x/input/{file}", b"a\n1\n")
    check("paused workers are called again", stack.ended("pauses.csv")["status"] == "SUCCEEDED")
    check("killed workers too", stack.ended("dies.csv")["status"] == "SUCCEEDED")

    print("== StopExecution")
    stack.upload("jobs/x/input/slow.csv", b"a\n1\n")
    arn = stack.execution("slow.csv")
    wait_for(lambda: stack.states.list_map_runs(executionArn=arn)["mapRuns"])
    stack.states.stop_execution(executionArn=arn, error="stop", cause="asked")
    # AWS says ABORTED; LocalStack stumbles over a Map that is stopped, and says that the execution failed.
    stopped = stack.ended("slow.csv")
    check("it ends", stopped["status"] in ["ABORTED", "FAILED"], stopped)
    show("as", [stopped.get(name) for name in ["status", "error", "cause"]])
    run = stack.states.list_map_runs(executionArn=arn)["mapRuns"][0]["mapRunArn"]
    show("its map run", stack.states.describe_map_run(mapRunArn=run)["status"])

    print("== errors, as a state machine sees them")
    for name, request, error, words in [
        ("killed", {"do": "kill"}, "Runtime.ExitError", "signal: killed"),
        ("exit 3", {"do": "exit", "code": 3}, "Runtime.ExitError", "exit status 3"),
        ("exit 0", {"do": "exit", "code": 0}, "Runtime.ExitError", "without providing a reason"),
        ("time out", {"do": "sleep", "seconds": 30}, "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
        ("its own", {"do": "fail"}, "Storage.Unavailable", "on purpose"),
        ("large", {"do": "large"}, "Function.ResponseSizeTooLarge", "Response payload size exceeded"),
    ]:
        got = stack.task("trouble", request)
        check(f"{name}: {error}", got.get("error") == error and words in got.get("cause", ""), got)
        show("cause", got.get("cause"))
    check("and works again", stack.task("trouble", {"do": "echo", "x": "ä"})["output"] == {"do": "echo", "x": "ä"})
    stack.task("trouble", {"do": "idle death"})
    time.sleep(0.6)  # until it has happened
    check("one that dies idle is replaced", "output" in stack.task("trouble", {"do": "echo"}))
    check("none starts", stack.task("init", {"do": "echo"}).get("error") == "Runtime.ExitError")
    stack.lambdas.put_function_concurrency(FunctionName="trouble", ReservedConcurrentExecutions=0)
    check("throttled", stack.task("trouble", {"do": "echo"}).get("error") == "Lambda.TooManyRequestsException")
    stack.lambdas.delete_function_concurrency(FunctionName="trouble")

    print("== many at once")
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(stack.task, "trouble", {"do": "echo", "n": n}) for n in range(60)]
    check("each gets its own answer", [call.result().get("output", {}).get("n") for call in calls] == list(range(60)))


class Stack:
    """The stack with functions of ours, and machines of one task."""

    def __init__(self, endpoint):
        aws = dict(
            endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.s3, self.lambdas, self.states = (boto3.client(name, **aws) for name in ["s3", "lambda", "stepfunctions"])
        name = f"selftest-{uuid.uuid4().hex[:8]}"
        with tempfile.TemporaryDirectory() as folder:
            for step in ["preprocess", "worker", "postprocess"]:
                bootstrap = Path(folder) / step / "bootstrap"
                bootstrap.parent.mkdir()
                bootstrap.write_text(program(step))
            command = [sys.executable, HERE / "deploy", endpoint, "--name", name, "--functions", folder]
            deployed = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.name, self.bucket, self.machine = name, deployed["bucket"], deployed["machine"]
        self.tasks = {
            "trouble": self.create_machine("trouble", task(self.function("trouble", timeout=3))),
            "init": self.create_machine("init", task(self.function("init", timeout=3, BREAK="init"))),
        }

    def function(self, name, timeout, **variables):
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("bootstrap", program("trouble"))
        arn = self.lambdas.create_function(
            FunctionName=name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=ROLE,
            Timeout=timeout,
            MemorySize=256,
            Environment={"Variables": variables},
            Code={"ZipFile": code.getvalue()},
        )["FunctionArn"]
        self.lambdas.get_waiter("function_active_v2").wait(FunctionName=name)
        return arn

    def create_machine(self, name, definition):
        name = f"{self.name}-{name}"
        return self.states.create_state_machine(name=name, definition=definition, roleArn=ROLE)["stateMachineArn"]

    def upload(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def executions(self):
        return self.states.list_executions(stateMachineArn=self.machine)["executions"]

    def execution(self, file):
        """The execution that this input started."""

        def find():
            for execution in self.executions():
                described = self.states.describe_execution(executionArn=execution["executionArn"])
                if json.loads(described["input"])["detail"]["object"]["key"].endswith(f"/{file}"):
                    return execution["executionArn"]

        return wait_for(find)

    def ended(self, file):
        return self.end_of(self.execution(file))

    def end_of(self, arn):
        def look():
            described = self.states.describe_execution(executionArn=arn)
            return described["status"] != "RUNNING" and described

        return wait_for(look)

    def task(self, name, request):
        """What a machine of one task without retries makes of a request."""
        arn = self.states.start_execution(stateMachineArn=self.tasks[name], input=json.dumps(request))["executionArn"]
        described = self.end_of(arn)
        if described["status"] == "SUCCEEDED":
            return {"output": json.loads(described["output"])}
        return {name: described.get(name) for name in ["error", "cause"]}

    def seen(self, file):
        return json.load(self.s3.get_object(Bucket=self.bucket, Key=f"runs/{file}/seen.json")["Body"])


def program(step):
    return f"#!{sys.executable}\nstep = {step!r}\n{FUNCTION}"


ROLE = "arn:aws:iam::000000000000:role/selftest"


def task(function):
    invoke = {"FunctionName": function, "Payload.$": "$"}
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": invoke}
    return json.dumps({"StartAt": "Do", "States": {"Do": state | {"OutputPath": "$.Payload", "End": True}}})


def wait_for(look, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise TimeoutError(f"waited {seconds} s in vain")


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def show(name, value):
    print(f"   {name}: {value}", flush=True)


def check(name, holds, detail=""):
    global failed
    failed += not holds
    print(f"{'ok' if holds else 'FAILED'}   {name}{'' if holds else f': {detail}'}", flush=True)


if __name__ == "__main__":
    main()
    sys.exit(1 if failed else 0)
