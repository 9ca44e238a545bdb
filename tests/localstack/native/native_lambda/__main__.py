"""LocalStack, for as long as somebody holds the other end of its standard input."""

import os
import signal
import sys
import threading
import time

from localstack.runtime.main import main

from .process import kill_all

STOP_SECONDS = 8


def stop_with_parent():
    """The parent keeps a pipe open to us and never writes; when it is gone, however it ended, so are we."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    kill_all()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, name="stop-with-parent", daemon=True).start()
    try:
        main()  # ends with SystemExit
    finally:
        kill_all()
        if isinstance(sys.exception(), SystemExit):
            os._exit(sys.exception().code or 0)  # its idle threads would be waited for, seconds long
