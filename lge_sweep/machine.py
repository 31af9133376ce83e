"""What this machine has: processors, memory."""

import os
import platform
import re
from pathlib import Path

CONTROL_GROUP = "/sys/fs/cgroup"


def count_cores() -> int:
    """Return the number of processors that this process may use; in a container, what it is given."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = (_granted("cpu.max") or "max 1").partition(" ")
    return there if quota == "max" else max(1, min(there, round(int(quota) / int(period))))


def cluster_job() -> str | None:
    """Return the SLURM job that this process is part of, as SLURM writes it; None outside of one.

    >>> import os; os.environ |= {"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "2"}
    >>> cluster_job()
    '17_2'
    """
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ.get("SLURM_JOB_ID")


def memory_bytes() -> int:
    """Return the bytes of memory that there are, whoever uses them; in a container, what it is given."""
    there, most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), _granted("memory.max")
    return there if most is None or most == "max" else min(there, int(most))


def free_memory_bytes() -> int | None:
    """Return the bytes of memory that are to be had, as Linux tells them, or a container; None elsewhere."""
    amount = _told_by("meminfo", "MemAvailable")
    if amount is None:
        return None
    there, most, used = int(amount.removesuffix("kB")) * 1024, _granted("memory.max"), _granted("memory.current")
    return there if most is None or used is None or most == "max" else max(0, min(there, int(most) - int(used)))


def cpu_name() -> str:
    """Return what the processor is called."""
    return _told_by("cpuinfo", "model name") or platform.processor() or platform.machine()


def _granted(what: str) -> str | None:
    """Return what a container is given, by Linux's control groups (version 2); None if there is no such limit."""
    try:
        return Path(CONTROL_GROUP, what).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _told_by(file: str, name: str) -> str | None:
    """Return what a file of Linux's /proc says first of something; None if it says nothing."""
    try:
        lines = Path("/proc", file).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def file_system(folder: Path, mounts: str = "/proc/mounts") -> str:
    """Return the kind of file system that a folder is on, as Linux calls it ("ext4", "nfs4"); "" if it is not known.

    Args:
        folder: it need not exist.
        mounts: file that lists what is mounted where.
    """
    try:
        lines = Path(mounts).read_bytes().splitlines()
    except OSError:
        return ""
    resolved, kind, longest = folder.resolve(), "", -1
    for _, place, name, *_ in map(bytes.split, lines):
        # a space in a path is written \040; of two mounts in one place the later hides the other
        path = Path(os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), place)))
        if resolved.is_relative_to(path) and len(path.parts) >= longest:
            kind, longest = name.decode(errors="replace"), len(path.parts)
    return kind
