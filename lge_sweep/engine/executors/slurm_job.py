"""What a SLURM job executes: one task, wherever it runs and however often it is put back into the queue."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import submitit

from lge_sweep.engine.events import Event, Progress, TaskResult
from lge_sweep.engine.executors.local_worker import load_libraries, log_to_stderr, perform_logged
from lge_sweep.engine.executors.mailbox import Mailbox
from lge_sweep.machine import cluster_job, count_cores

TELL_EVERY = 5.0
"""Seconds between two words on how far a task is, validations aside: hundreds of jobs may share a file system."""


@dataclass(frozen=True)
class TaskJob:
    """A task for a job; plain data, as it crosses to a node.

    Attributes:
        folder: the task's mailbox, on a file system that the nodes share.
    """

    folder: Path

    def __call__(self) -> str:
        """Do the task; returns how it ended, for submitit's own log."""
        mailbox = Mailbox(self.folder)
        if not mailbox.path.is_dir() or mailbox.has_ended():  # put back into the queue as it had said its last word
            return "it had ended"
        if (job := cluster_job()) is not None:  # its driver may have been killed before it could
            mailbox.set_job(job)
        log_to_stderr()
        load_libraries(int(os.environ.get("SLURM_CPUS_PER_TASK") or count_cores()))
        result = _perform(mailbox)
        mailbox.tell(Event(task=mailbox.id, news=result))
        return f"{result.kind} on {socket.gethostname()}"

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Go on with the same task when the job is back: submitit asks when time is up, or the job has to make room."""
        return submitit.helpers.DelayedSubmission(self)


def _perform(mailbox: Mailbox) -> TaskResult:
    told = -TELL_EVERY

    def report(progress: Progress) -> bool:
        nonlocal told
        if progress.val_dice is None and time.monotonic() - told < TELL_EVERY:
            return False
        told = time.monotonic()
        mailbox.tell(Event(task=mailbox.id, news=progress))
        return mailbox.should_stop()

    return perform_logged(mailbox.task(), report)
