"""`throughline serve` in a folder of its own, and what the examples do with it."""

import argparse
import json
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from aws import Client, Key

ROLE = "arn:aws:iam::000000000000:role/any"


def arguments(description):
    """The options that every example has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--small", action="store_true", help="a small form, within twenty seconds")
    parser.add_argument("--state", metavar="DIR", help="keep the server's folder, to look at it afterwards")
    if shutil.which("throughline") is None:
        sys.exit("throughline is not on the PATH: cargo install --path . from the project's folder, or add target/release")
    return parser


class Server:
    """A server, which ends with the `with` block. Its folder is removed unless the user keeps it."""

    def __init__(self, state=None, **settings):
        self._keeps = state is not None
        self.folder = pathlib.Path(state or tempfile.mkdtemp(prefix="throughline-")).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = None
        self.configure(**settings)

    def configure(self, endpoints=None, rule=None, **settings):
        """Starts the server with these settings, again if it runs."""
        lines = self._lines(settings)
        lines += ["[endpoints]", *self._lines(endpoints or {})]
        lines += ["[[rule]]", *self._lines(rule)] if rule else []
        (self.folder / "serve.toml").write_text("\n".join(lines) + "\n")
        if self._process:
            self.kill()
        self.start()

    @staticmethod
    def _lines(values):
        return [f"{name} = {json.dumps(value)}" for name, value in values.items()]

    def start(self):
        """Starts the server, at free ports."""
        # A thousand calls at once are a thousand connections, here and in the server.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        command = ["throughline", "serve", "--state", self.folder, "--config", self.folder / "serve.toml"]
        self._process = subprocess.Popen(
            [*command, "--api", "127.0.0.1:0", "--console", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        if "http://" not in line:
            sys.exit(f"the server does not start: {line}{self._process.stderr.read()}")
        host = line.split("http://")[1].split(",")[0].strip()
        self._link = "http://" + self._process.stdout.readline().split("http://")[1].strip()
        printed = subprocess.run([*command[:2], "env", *command[2:]], capture_output=True, text=True, check=True)
        value = dict(line[7:].split("=", 1) for line in printed.stdout.splitlines() if line.startswith("export "))
        self.client = Client(host, Key(value["AWS_ACCESS_KEY_ID"], value["AWS_SECRET_ACCESS_KEY"]))

    def kill(self):
        """Ends the server at once (SIGKILL), as a crash would."""
        self._process.kill()
        self._process.wait()

    def show(self, arn):
        """Prints a link to an execution or a machine in the console, whose page must be there."""
        *_, kind, machine = (parts := arn.split(":"))[:7]
        page = f"/{kind.removeprefix('state').lower()}s/" + "/".join(map(urllib.parse.quote, parts[6:]))
        origin, key = self._link.split("/sign-in")[0], self.client.key
        bearer = {"authorization": f"Bearer {key.id}:{key.secret}"}
        with urllib.request.urlopen(urllib.request.Request(origin + page, headers=bearer), timeout=60) as response:
            expect(machine in response.read().decode(), f"the console shows {arn}")
        print(f"In the console, while this runs: {self._link}&next={urllib.parse.quote(page, safe='')}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._keeps:
            print(f"To look at it again: throughline serve --state {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __call__(self, operation, **members):
        """Does an operation of Step Functions. While the server starts again, the operation is repeated."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.client(operation, **members)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def machine(self, name, definition, **values):
        """Creates a state machine from a file, with values for its placeholders, and returns its ARN."""
        text = pathlib.Path(definition).read_text()
        for placeholder, value in values.items():
            text = text.replace(f"${{{placeholder}}}", str(value))
        created = self("CreateStateMachine", name=name, definition=text, roleArn=ROLE)
        return created["stateMachineArn"]

    def run(self, machine, input, name=None):
        """Starts an execution, and returns its ARN."""
        named = {"name": name} if name else {}
        return self("StartExecution", stateMachineArn=machine, input=json.dumps(input), **named)["executionArn"]

    def ended(self, execution, seconds=120):
        """Waits until an execution has ended, and returns what DescribeExecution says."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            shown = self("DescribeExecution", executionArn=execution)
            if shown["status"] != "RUNNING":
                return shown
            time.sleep(0.05)
        sys.exit(f"{execution} is still running after {seconds} s")

    def all_ended(self, machine, count, seconds=120):
        """Waits until so many executions of a machine have ended, and returns what DescribeExecution says of each."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            executions = self("ListExecutions", stateMachineArn=machine, maxResults=1000)["executions"]
            if len(executions) >= count and all(each["status"] != "RUNNING" for each in executions):
                return [self("DescribeExecution", executionArn=each["executionArn"]) for each in executions]
            time.sleep(0.05)
        sys.exit(f"fewer than {count} executions of {machine} have ended after {seconds} s")

    def succeeded(self, execution, seconds=120):
        """Waits for an execution that must succeed, and returns its output."""
        shown = self.ended(execution, seconds)
        if shown["status"] != "SUCCEEDED":
            sys.exit(f"{execution}: {shown['status']}: {shown.get('error')}: {shown.get('cause')}")
        return json.loads(shown["output"])

    def states(self, execution):
        """The names of the states that an execution has entered, in their order."""
        names, token = [], {}
        while True:
            page = self("GetExecutionHistory", executionArn=execution, maxResults=1000, **token)
            for event in page["events"]:
                if "stateEnteredEventDetails" in event:
                    names.append(event["stateEnteredEventDetails"]["name"])
            if not page.get("nextToken"):
                return names
            token = {"nextToken": page["nextToken"]}


def expect(holds, what):
    """Ends the example with a message if a promise is not kept."""
    if not holds:
        sys.exit(f"NOT AS PROMISED: {what}")


def function(name):
    """The ARN of a function."""
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
