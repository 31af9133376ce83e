"""What every executor is: tasks in, events out. Only plain data crosses, so that one may work on other machines."""

import os
from dataclasses import dataclass
from typing import Protocol

from lge_sweep.engine.events import Event
from lge_sweep.engine.task import Task
from lge_sweep.run_store import RunStore


class Executor(Protocol):
    """Executes tasks, several at once; the driver alone calls it, from one thread.

    Every task that was submitted ends with exactly one event that is not `Progress`, whatever becomes of what executes
    it: who is lost without a word, or says nothing for too long, is `Died`. So a driver that waits need not count time.
    What executes tasks ends with the driver, and shares nothing with it but the runs directory. A process of its own
    holds one of the store's worker locks as long as it lives: a later driver waits for it (`lge_sweep.engine.lock`).
    """

    @property
    def slots(self) -> int:
        """How many tasks it takes at once."""

    def start(self) -> None:
        """Begin with what takes long before the first task, such as loading libraries; returns at once."""

    def submit(self, task: Task) -> str:
        """Take a task; there must be a free slot.

        Returns:
            Its id, unique in this executor's life.
        """

    def next_event(self, timeout: float) -> Event | None:
        """Return the next event of any task; None if there is none within so many seconds."""

    def answer(self, task_id: str, stop: bool) -> None:
        """Answer a `Progress` with a validation: whether to give the task up."""

    def replace(self, task_id: str) -> None:
        """End whatever executes, or has last executed, a task, hung or dead; its slot is free for another.

        Called after `Died` and after a `Failed` that was unexpected. No event of the task follows.
        """

    def close(self) -> None:
        """End everything at once; tasks can be resumed from their checkpoints. It may be started again."""


@dataclass(frozen=True)
class ExecutorOptions:
    """What an executor is made with; each uses what it needs.

    Attributes:
        store: the runs directory.
        workers: tasks at once.
        stall: seconds without a word after which what executes a task is taken to hang.
        threads: processor threads that a task computes with; None: the machine's, shared out.
    """

    store: RunStore
    workers: int
    stall: float
    threads: int | None = None

    def threads_each(self) -> int:
        """Return the threads of one task, on this machine."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or max(1, cores // self.workers)
