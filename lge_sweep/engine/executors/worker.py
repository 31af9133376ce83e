"""A worker process on this machine, as its driver sees it."""

import multiprocessing
import signal
from multiprocessing.context import SpawnProcess

from lge_sweep.engine.events import Event, Progress
from lge_sweep.engine.executors.local_worker import WorkerSetup, run_worker
from lge_sweep.engine.task import TASK, Task
from lge_sweep.interrupts import ignoring_interrupts

EXIT = 10.0
"""Seconds that a worker which has closed its connection is given to end, so that it can be said how it did."""


class Worker:
    """A worker process.

    Args:
        setup: what it begins with.

    Attributes:
        task: id of the task that it executes or executed last, "" if there was none.
        busy: whether it executes it.
        silent: seconds since it last said something about it.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self.setup, self.task, self.busy, self.silent = setup, "", False, 0.0
        self.connection, remote = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=run_worker, args=(remote, setup), name=f"lge-sweep-worker-{setup.number}", daemon=True
        )
        with ignoring_interrupts():  # from its first moment on
            self.process.start()
        remote.close()

    def is_alive(self) -> bool:
        """Whether the process lives."""
        return self.process.is_alive()

    def give(self, task_id: str, task: Task) -> None:
        """Let it execute a task.

        Raises:
            OSError: it has died.
        """
        self.task, self.busy, self.silent = task_id, True, 0.0
        self.connection.send((task_id, TASK.dump_json(task)))

    def hear(self) -> Event:
        """Return what it has said.

        Raises:
            EOFError, OSError: it has died.
        """
        event = Event.model_validate_json(self.connection.recv_bytes())
        self.silent, self.busy = 0.0, isinstance(event.news, Progress)
        return event

    def describe_end(self) -> str:
        """Say how it died."""
        self.process.join(timeout=EXIT)
        code = self.process.exitcode
        if code is not None and code < 0:
            hint = " (out of memory?)" if -code == signal.SIGKILL else ""
            return f"was killed by {signal.Signals(-code).name}{hint} (see {self.setup.log})"
        return f"ended with exit code {code} (see {self.setup.log})"

    def stop(self) -> None:
        """End the process at once; what it was doing can be resumed from its last checkpoint."""
        self.busy = False
        self.process.kill()
        self.process.join()
        self.connection.close()
