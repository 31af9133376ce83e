"""Other processes, as benchmarks look at them."""

from pathlib import Path


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
