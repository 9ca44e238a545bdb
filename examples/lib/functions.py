"""Functions and services of AWS as small HTTP servers on 127.0.0.1: Lambda's Invoke API, and the AWS JSON protocol."""

import http.server
import json
import threading
import traceback


class Failure(Exception):
    """The error of a function: its name (`errorType`, which `Retry` and `Catch` match) and a message."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        """A client that has gone is not worth a message."""


def serve(respond):
    """Serves `respond(method, path, headers, body)`, which returns status, headers and body; returns the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _respond(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, headers, answer = respond(self.command, self.path, self.headers, body)
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _respond

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def functions(named):
    """Serves functions by their names over Lambda's Invoke API. Each takes the payload and returns the result."""

    def respond(_method, path, _headers, body):
        name = path.split("/")[3]
        if name not in named:
            return _error(404, "ResourceNotFoundException", f"there is no function {name}")
        try:
            return 200, {}, json.dumps(named[name](json.loads(body))).encode()
        except Failure as failure:
            return _error(200, failure.name, str(failure))
        except Exception as error:  # A fault of the example itself must be seen.
            traceback.print_exc()
            return _error(200, type(error).__name__, str(error))

    def _error(status, name, message):
        body = json.dumps({"errorType": name, "errorMessage": message}).encode()
        return status, {"x-amz-function-error": "Unhandled"}, body

    return serve(respond)


def service(operations):
    """Serves operations of one AWS service over the AWS JSON protocol, such as `PutItem`."""

    def respond(_method, _path, headers, body):
        operation = headers["x-amz-target"].split(".")[-1]
        try:
            return 200, {}, json.dumps(operations[operation](json.loads(body))).encode()
        except Failure as failure:
            return 400, {}, json.dumps({"__type": failure.name, "message": str(failure)}).encode()

    return serve(respond)
