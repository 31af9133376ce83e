"""SLURM jobs for benchmarks; a module of its own, as nodes import it."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import light_cell
import trivial_cell

from lge_sweep.engine.events import Event
from lge_sweep.engine.executors import slurm_job
from lge_sweep.engine.executors.local_worker import load_libraries
from lge_sweep.engine.executors.mailbox import Mailbox
from lge_sweep.engine.executors.slurm_job import TaskJob
from lge_sweep.machine import cluster_job

TIMES = "times.txt"
"""File beside the mailboxes: a line each time that a job has got so far: its id, where it is, when, its task."""


@dataclass(frozen=True)
class TrivialJob(TaskJob):
    """Its cell is done at once."""

    def __call__(self) -> str:
        """Do the task."""
        trivial_cell.replace_training()
        return super().__call__()


@dataclass(frozen=True)
class LightJob(TaskJob):
    """Its cell is done at once, and without the libraries of training: 1000 jobs in minutes instead of hours."""

    def __call__(self) -> str:
        """Do the task."""
        setattr(slurm_job, "load_libraries", lambda threads: None)  # noqa: B010  # the name that it has imported
        sys.modules["lge_sweep.engine.train"] = light_cell.training()
        return super().__call__()


@dataclass(frozen=True)
class TimedJob(TrivialJob):
    """Writes down when it is where."""

    def __call__(self) -> str:
        """Do the task."""
        note(self.folder, "called", time.time())
        tell = Mailbox.tell

        def load_timed(threads: int) -> None:
            load_libraries(threads)
            note(self.folder, "loaded", time.time())

        def tell_timed(mailbox: Mailbox, event: Event) -> None:
            note(self.folder, "told", time.time())
            note(self.folder, "processor", time.process_time())
            tell(mailbox, event)

        setattr(slurm_job, "load_libraries", load_timed)  # noqa: B010  # the name that it has imported
        setattr(Mailbox, "tell", tell_timed)  # noqa: B010
        return super().__call__()


def note(mailbox: Path, what: str, when: float) -> None:
    """Write down when a job was where."""
    trivial_cell.append(mailbox.parents[1] / TIMES, f"{cluster_job()} {what} {when} {mailbox.name}")
