"""One process of a function: its environment, its log, its end."""

import errno
import os
import queue
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .box import Memory, limit_descriptors
from .runtime_api import RuntimeApi

FOLDER = Path(os.environ.get("NATIVE_LAMBDA_FOLDER", "functions"))
"""Holds the logs, and in `running` a file per process, named by its id, with the function's name in it."""

_live: set["Process"] = set()


def kill_all():
    """Ends every process of every function."""
    for process in list(_live):
        process.kill()


@dataclass
class Exited:
    """The process ended, by itself or killed."""

    code: int

    def words(self) -> str:
        if self.code < 0:
            return f"Runtime exited with error: signal: {(signal.strsignal(-self.code) or str(-self.code)).lower()}"
        if self.code > 0:
            return f"Runtime exited with error: exit status {self.code}"
        return "Runtime exited without providing a reason"


class Log:
    """The file that the processes of one execution environment write to, without anybody in between."""

    def __init__(self, function: str, environment: str):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.function = function
        self.path = FOLDER / f"{function}.{environment[:8]}.log"
        self.fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, line: str):
        os.write(self.fd, f"{line}\n".encode())

    def end(self) -> int:
        return os.fstat(self.fd).st_size

    def since(self, start: int) -> str:
        return os.pread(self.fd, self.end() - start, start).decode(errors="replace")


class Process:
    """Runs until it ends or is killed; what it says is in `said`, its end is the last of it."""

    def __init__(self, bootstrap: Path, environment: dict[str, str], log: Log):
        self.said: queue.SimpleQueue = queue.SimpleQueue()
        self.api = RuntimeApi(self.said)
        try:
            self.child = spawn(bootstrap, environment | {"AWS_LAMBDA_RUNTIME_API": self.api.address()}, log.fd)
        except OSError:
            self.api.close()
            raise
        limit_descriptors(self.child.pid)
        self.memory = Memory(self.child.pid, int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 128))
        self.api.process = self.child.pid
        self.mark = FOLDER / "running" / str(self.child.pid)
        self.mark.parent.mkdir(exist_ok=True)
        self.mark.write_text(log.function)
        _live.add(self)
        threading.Thread(target=self._reap, daemon=True).start()

    def alive(self) -> bool:
        return self.child.poll() is None

    def kill(self):
        """Ends the process and what it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)

    def _reap(self):
        code = self.child.wait()
        self.kill()  # what it left behind
        self.memory.close()
        _live.discard(self)
        self.mark.unlink(missing_ok=True)
        self.said.put(Exited(code))
        self.api.close()


def spawn(bootstrap: Path, environment: dict[str, str], log: int) -> subprocess.Popen:
    """In a process group of its own, within our session."""
    patience = time.monotonic() + 5
    while True:
        try:
            return subprocess.Popen(
                [bootstrap],
                cwd=bootstrap.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        except OSError as error:
            # A child that another thread is just forking still holds the file open for writing, from the unzip.
            if error.errno != errno.ETXTBSY or time.monotonic() > patience:
                raise
            time.sleep(0.02)
