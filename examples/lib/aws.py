"""Signed requests to the server (Signature Version 4), with Python's standard library alone."""

import datetime
import hashlib
import hmac
import http.client
import json
import threading
import urllib.parse


class Refused(Exception):
    """The error of an operation: its name, and the message."""

    def __init__(self, status, name, message):
        super().__init__(f"{name}: {message}")
        self.status, self.name = status, name


def signed(method, host, path, body, headers, service, key, now=None):
    """The headers of a request with its signature. The path is percent-encoded and has no query."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    payload = hashlib.sha256(body).hexdigest()
    headers = {**headers, "host": host, "x-amz-date": time, "x-amz-content-sha256": payload}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, path, "", lines, names, payload])
    scope = f"{day}/{key.region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(request.encode()).hexdigest()])
    secret = b"AWS4" + key.secret.encode()
    for part in (day, key.region, service, "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    signature = hmac.digest(secret, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


class Key:
    """An access key of the server."""

    def __init__(self, id, secret, region="us-east-1"):
        self.id, self.secret, self.region = id, secret, region


class Client:
    """A client of the server. Threads may share it: each has its own connection."""

    def __init__(self, host, key):
        self.host, self.key, self._local = host, key, threading.local()

    def __call__(self, operation, **members):
        """Does an operation of Step Functions, and returns its output."""
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"AWSStepFunctions.{operation}",
        }
        body = self._send("POST", "/", json.dumps(members).encode(), headers, "states")
        return json.loads(body)

    def put(self, bucket, key, body):
        """Writes an object, or creates a bucket if there is no key."""
        self._send("PUT", self._path(bucket, key), body, {}, "s3")

    def get(self, bucket, key):
        """The bytes of an object."""
        return self._send("GET", self._path(bucket, key), b"", {}, "s3")

    @staticmethod
    def _path(bucket, key):
        return urllib.parse.quote(f"/{bucket}/{key}" if key else f"/{bucket}", safe="/-_.~")

    def _send(self, method, path, body, headers, service):
        connection = getattr(self._local, "connection", None)
        # The server may have closed an idle connection, so a request on an old one is made once more.
        for old in [True, False] if connection else [False]:
            if not old:
                connection = http.client.HTTPConnection(self.host, timeout=600)
            try:
                sent = signed(method, self.host, path, body, headers, service, self.key)
                connection.request(method, path, body, sent)
                response = connection.getresponse()
                answer = response.read()
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if not old:
                    raise
        self._local.connection = connection
        if response.status >= 400:
            raise Refused(response.status, *_error(answer))
        return answer


def _error(body):
    try:
        error = json.loads(body)
        return error.get("__type", "?"), error.get("message", "")
    except ValueError:
        return "S3", body.decode(errors="replace")
