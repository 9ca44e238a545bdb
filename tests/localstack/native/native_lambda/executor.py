"""What LocalStack asks of an execution environment."""

import shutil
import tempfile
import time
from pathlib import Path
from queue import Empty

from localstack import config
from localstack.services.lambda_.invocation.execution_environment import STARTUP_TIMEOUT_SEC
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from .process import Exited, Log, Process
from .runtime_api import Answered, Event, InitFailed, Ready, failure

LOOPBACK = "127.0.0.1"


class NativeExecutor(RuntimeExecutor):
    """One execution environment. Its process may be replaced, as Lambda does after a timeout or a crash."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.log: Log | None = None
        self.home: str | None = None
        self.process: Process | None = None
        self.stopped = False

    def start(self, env_vars):
        self.log = Log(self.function_version.id.function_name, self.id)
        self.home = tempfile.mkdtemp(prefix="environment-")
        self.root = Path(self.function_version.config.code.get_unzipped_code_location())
        self.environment = function_environment(env_vars, self.root, self.home)
        self._launch(self.id)

    def stop(self):
        self.stopped = True
        if self.process:
            self.process.kill()
        if self.home:
            shutil.rmtree(self.home, ignore_errors=True)

    def invoke(self, payload):
        request = payload["invoke-id"]
        start = self.log.end()
        started = time.monotonic()
        self.log.write(f"START RequestId: {request} Version: {self.function_version.id.qualifier}")
        try:
            body, failed = self._answer(payload)
        except StatusErrorException as error:
            body, failed = error.payload, True
        if failed:
            self.log.write(body.decode(errors="replace"))
        self.log.write(f"END RequestId: {request}")
        self.log.write(f"REPORT RequestId: {request}\tDuration: {(time.monotonic() - started) * 1000:.2f} ms")
        return InvocationResult(request_id=request, payload=body, is_error=failed, logs=self.log.since(start))

    def _answer(self, payload) -> tuple[bytes, bool]:
        request = payload["invoke-id"]
        while True:
            if not self.process.alive():
                self._launch(request)
            process = self.process
            event = Event(
                request=request,
                body=payload["payload"].encode(),
                function_arn=payload["invoked-function-arn"],
                trace=payload["trace-id"],
                timeout=float(self.function_version.config.timeout),
            )
            process.api.events.put(event)
            ended = self._wait(process, event)
            if isinstance(ended, Answered):
                return ended.body, ended.failed
            if ended is None:
                process.kill()
                words = f"Task timed out after {event.timeout:.2f} seconds"
                return failure("Sandbox.Timedout", f"RequestId: {request} Error: {words}"), True
            if event.taken or self.stopped:
                return failure("Runtime.ExitError", f"RequestId: {request} Error: {ended.words()}"), True
            # It had ended while idle, and nobody had noticed yet.

    def _wait(self, process: Process, event: Event) -> Answered | Exited | None:
        """How the event ended; None when its time was up."""
        while True:
            try:
                message = process.said.get(timeout=max(event.deadline - time.monotonic(), 0))
            except Empty:
                return None
            match message:
                case Answered(request=request) if request == event.request:
                    return message
                case Exited():
                    return message

    def _launch(self, request: str):
        """Starts a process and waits until it asks for an event."""
        bootstrap = self.root / "bootstrap"
        if not bootstrap.is_file():
            words = f"Couldn't find valid bootstrap(s): [{bootstrap}]"
            raise refused("Runtime.InvalidEntrypoint", request, words)
        try:
            self.process = Process(bootstrap, self.environment, self.log)
        except OSError as error:
            words = f"fork/exec {bootstrap}: {(error.strerror or str(error)).lower()}"
            raise refused("Runtime.InvalidEntrypoint", request, words) from error
        if self.stopped:
            self.process.kill()
        try:
            message = self.process.said.get(timeout=STARTUP_TIMEOUT_SEC)
        except Empty:
            message = None
        match message:
            case Ready():
                return
            case InitFailed(body=body):
                self.process.kill()
                raise StatusErrorException("The function reported an error of its initialisation", payload=body)
            case Exited():
                raise refused("Runtime.ExitError", request, message.words())
            case _:
                self.process.kill()
                words = f"Task timed out after {STARTUP_TIMEOUT_SEC:.2f} seconds"
                raise refused("Sandbox.Timedout", request, words)

    def get_logs(self):
        return self.log.since(0) if self.log else ""

    def get_address(self):
        return LOOPBACK

    def get_endpoint_from_executor(self):
        return LOOPBACK

    def get_runtime_endpoint(self):
        return f"http://{LOOPBACK}:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    @classmethod
    def prepare_version(cls, function_version):
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass


def refused(kind: str, request: str, words: str) -> StatusErrorException:
    """A process that could not be started: LocalStack hands the payload on as the function's error."""
    return StatusErrorException(words, payload=failure(kind, f"RequestId: {request} Error: {words}"))


def function_environment(env_vars: dict, root: Path, home: str) -> dict[str, str]:
    """What a function sees: LocalStack's variables that are also AWS's, and nothing of our own environment."""
    seen = {name: str(value) for name, value in env_vars.items() if value is not None}
    for name in list(seen):
        if name.startswith("LOCALSTACK_") or name in ("EDGE_PORT", "AWS_LAMBDA_FUNCTION_TIMEOUT", "AWS_EXECUTION_ENV"):
            del seen[name]
    own = {"LANG": "en_US.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "HOME": home, "TMPDIR": home}
    return own | seen | {"LAMBDA_TASK_ROOT": str(root)}
