"""Other processes, as benchmarks look at them."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie, by Linux's /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workers_of(driver: int) -> list[int]:
    """Return the worker processes of a driver."""
    try:
        children = Path(f"/proc/{driver}/task/{driver}/children").read_text(encoding="utf-8").split()
        return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    except OSError:
        return []


def memory_of(pid: int, kind: str = "VmRSS") -> float:
    """Return the memory of a process in MiB: resident (VmRSS), or the most that ever was (VmHWM).

    Raises:
        OSError: it is gone.
    """
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (size,) = (line.split()[1] for line in lines if line.startswith(f"{kind}:"))
    return int(size) / 1024


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [each for child in map(int, children) for each in (child, *descendants(child))]


def name_of(pid: int) -> str:
    """Return what a process is called: the name of its program, or what it calls itself."""
    try:
        first = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
    return first.rpartition("/")[2]


def cell_of(pid: int) -> str:
    """Return the cell that a process executes, by the log that it prints to; "" if it executes none."""
    try:
        target = Path(os.readlink(f"/proc/{pid}/fd/1"))
    except OSError:
        return ""
    return target.parent.name if target.name == "log.txt" else ""


def users_of(folder: Path) -> list[int]:
    """Return the processes, this one aside, that have a file of a folder open or whose environment names it."""
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if int(entry.name) != os.getpid() and _uses(entry, str(folder))
    ]


def _uses(process: Path, folder: str) -> bool:
    with suppress(OSError):
        if f"={folder}\0".encode() in process.joinpath("environ").read_bytes():
            return True
        return any(os.readlink(file).startswith(f"{folder}/") for file in process.joinpath("fd").iterdir())
    return False


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
