"""Other processes, as benchmarks look at them."""

from pathlib import Path


def is_alive(pid: int) -> bool:
    """Whether a process is there and is no zombie, by Linux's /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
