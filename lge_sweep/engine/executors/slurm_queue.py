"""What SLURM says of jobs: `squeue`, `scontrol`, `scancel`, as every cluster has them, with accounting or without."""

import logging
import subprocess
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

_log = logging.getLogger(__name__)
TIMEOUT = 60.0
"""Seconds that a command of SLURM may take."""
ENDED_WITHIN = 20.0
"""Seconds that killed jobs may take to leave the queue."""
UNKNOWN_JOB = "Invalid job id"
"""How `squeue` begins to say that it has forgotten all the jobs that it was asked for."""


class QueuedJob(NamedTuple):
    """A job that has not ended.

    Attributes:
        state: SLURM's word, such as PENDING or RUNNING.
        reason: why it waits.
        node: where it runs, "" if it does not.
    """

    state: str
    reason: str
    node: str

    @property
    def runs(self) -> bool:
        """Whether it is being executed now."""
        return self.state in {"RUNNING", "COMPLETING"}


def find_jobs(jobs: Collection[str]) -> dict[str, QueuedJob] | None:
    """Return those of some jobs that have not ended; None if SLURM cannot be asked now.

    Args:
        jobs: ids as SLURM writes them, ``17`` or, of an array's element, ``17_3``.
    """
    if not jobs:
        return {}
    arrays = ",".join(sorted({job.partition("_")[0] for job in jobs}))
    command = ["squeue", "--noheader", "--array", "--format=%i|%T|%r|%N", f"--jobs={arrays}"]
    done = _run(command)
    if done is None:
        return None
    if done.returncode:
        return {} if UNKNOWN_JOB in done.stderr else None
    found = {}
    for line in done.stdout.splitlines():
        job, state, reason, node = (*line.strip().split("|"), "", "", "")[:4]
        if job in jobs and not _has_ended(state):
            found[job] = QueuedJob(state, reason, node)
    return found


def describe_end(job: str) -> str:
    """Say how a job ended, as far as SLURM still knows."""
    done = _run(["scontrol", "--oneliner", "show", "job", job])
    if done is None or done.returncode:
        return "left SLURM's queue"
    facts = dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)
    state = facts.get("JobState", "unknown")
    reason = facts.get("Reason", "None")
    why = "" if reason in {"None", "(null)"} else f", {reason.replace('_', ' ')}"
    node = facts.get("NodeList", "(null)")
    where = "" if node in {"", "(null)"} else f" on {node}"
    return f"ended as {state} (exit code {facts.get('ExitCode', 'unknown')}{why}){where}"


def cancel_jobs(jobs: Iterable[str]) -> None:
    """End jobs, and wait until they have: what follows may write what they write.

    A job that is asked to end (SIGTERM) takes what SLURM gives it, `KillWait`; submitit's jobs do not listen to it.
    """
    if not (named := list(jobs)):
        return
    _run(["scancel", "--quiet", "--signal=KILL", *named])  # those that run
    _run(["scancel", "--quiet", *named])  # those that wait
    until = time.monotonic() + ENDED_WITHIN
    while find_jobs(named) and time.monotonic() < until:
        time.sleep(0.2)


def _has_ended(state: str) -> bool:
    return state in {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "REVOKED", "TIMEOUT",
    }  # fmt: skip


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.info("%s: %s", command[0], error)
        return None
