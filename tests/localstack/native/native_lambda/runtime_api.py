"""The Lambda Runtime API, version 2018-06-01, for one process."""

import json
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack import config

from .box import freeze, thaw

PREFIX = "/2018-06-01/runtime/"


@dataclass
class Event:
    """One invocation, on its way to the process."""

    request: str
    body: bytes
    function_arn: str
    trace: str
    timeout: float
    deadline: float = field(init=False)
    """Of the monotonic clock."""
    taken: bool = False
    """The process has asked for it."""

    def __post_init__(self):
        self.deadline = time.monotonic() + self.timeout

    def headers(self):
        deadline_ms = (time.time() + self.deadline - time.monotonic()) * 1000
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline_ms)),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace,
        }


@dataclass
class Ready:
    """The process asked for its first event."""


@dataclass
class InitFailed:
    """The process said so before it asked for an event."""

    body: bytes


@dataclass
class Answered:
    """The process answered an event."""

    request: str
    body: bytes
    failed: bool


class RuntimeApi(ThreadingHTTPServer):
    """Serves one process. A process started later has its own, or a connection of the dead one could take its event."""

    daemon_threads = True

    def __init__(self, said: queue.SimpleQueue):
        super().__init__(("127.0.0.1", 0), Handler)
        self.said = said
        self.ready = False
        self.process: int | None = None
        self.events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        serve = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True)
        serve.start()

    def address(self) -> str:
        host, port = self.server_address
        return f"{host}:{port}"

    def close(self):
        """Ends all that waits. Returns when the port is closed."""
        self.events.put(None)
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A connection that breaks belongs to a process that has ended, which is seen elsewhere."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: RuntimeApi

    def do_GET(self):
        if self.path != PREFIX + "invocation/next":
            return self.reply(404)
        if not self.server.ready:
            self.server.ready = True
            self.server.said.put(Ready())
        event = self.next_event()
        if event is None:
            self.server.events.put(None)
            self.close_connection = True
            return self.reply(410)
        event.taken = True
        return self.reply(200, event.body, event.headers())

    def next_event(self) -> Event | None:
        """Waits for an event, and lets the process stand still meanwhile."""
        with suppress(queue.Empty):
            return self.server.events.get_nowait()
        process = self.server.process
        if process is None:
            return self.server.events.get()
        freeze(process)
        try:
            return self.server.events.get()
        finally:
            thaw(process)

    def do_POST(self):
        body = self.body()
        match self.path.removeprefix(PREFIX).split("/"):
            case ["init", "error"]:
                self.server.said.put(InitFailed(body))
            case ["invocation", request, "response"] if (
                len(body) > config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES
            ):
                limit = config.LAMBDA_LIMITS_MAX_FUNCTION_PAYLOAD_SIZE_BYTES
                words = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
                self.server.said.put(Answered(request, failure("Function.ResponseSizeTooLarge", words), failed=True))
                return self.reply(413, failure("RequestEntityTooLarge", words))
            case ["invocation", request, "response"]:
                self.server.said.put(Answered(request, body, failed=False))
            case ["invocation", request, "error"]:
                self.server.said.put(Answered(request, body, failed=True))
            case _:
                return self.reply(404)
        return self.reply(202, b'{"status":"OK"}')

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def reply(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Requests are not logged."""


def failure(kind: str, words: str) -> bytes:
    """A function error as the Invoke API returns it."""
    return json.dumps({"errorType": kind, "errorMessage": words}, separators=(",", ":")).encode()
