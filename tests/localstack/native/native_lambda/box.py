"""What Lambda gives a process: file descriptors, memory, and no time between two calls."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

DESCRIPTORS = 1024
"""Of a function (Lambda Developer Guide, "Quotas")."""

_told: set[str] = set()


def limit_descriptors(pid: int):
    """Lambda's number of file descriptors. The process may have more in its first moments."""
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def freeze(pid: int):
    """Nothing of a function runs between two calls."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)


def thaw(pid: int):
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGCONT)


class Memory:
    """A control group with the memory of a function, where this machine lets us make one."""

    def __init__(self, pid: int, megabytes: int):
        self.group: Path | None = None
        found = _parent()
        if found is None:
            return skipped("memory", "there is no control group for memory")
        parent, limit = found
        group = parent / f"throughline-{os.getpid()}-{pid}"
        try:
            group.mkdir()
            self.group = group
            (group / limit).write_text(str(megabytes << 20))
            (group / "cgroup.procs").write_text(str(pid))
        except ProcessLookupError:
            pass  # it has ended
        except OSError as error:
            skipped("memory", f"{group}: {error.strerror}")

    def close(self):
        """After the end of the processes in it."""
        if self.group is not None:
            with suppress(OSError):
                self.group.rmdir()


def _parent() -> tuple[Path, str] | None:
    """The control group that we are in and the name of its limit, by either version of cgroups(7)."""
    root = Path("/sys/fs/cgroup")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return root / "memory" / path.strip("/"), "memory.limit_in_bytes"
        if number == "0" and (root / "cgroup.controllers").exists():
            # Processes may only be in the leaves of the tree.
            parent = (root / path.strip("/")).parent if path != "/" else root
            if "memory" in (parent / "cgroup.subtree_control").read_text().split():
                return parent, "memory.max"
    return None


def skipped(what: str, why: str):
    """Says once that a part of the box is not there."""
    if what not in _told:
        _told.add(what)
        print(f"functions run WITHOUT Lambda's limit of {what}: {why}", file=sys.stderr, flush=True)
