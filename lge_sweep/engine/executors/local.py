"""Worker processes on this machine: the driver's end of them.

The driver notices when a worker dies, while it works or while it is idle, and when it says nothing for too long.
"""

import itertools
import multiprocessing
import signal
import time
from collections import deque
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from lge_sweep.engine.events import Died, Event, Progress
from lge_sweep.engine.executors.local_worker import WorkerSetup, run_worker
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.executors.sharing import Machine, Sharing
from lge_sweep.engine.task import TASK, Task
from lge_sweep.interrupts import ignoring_interrupts
from lge_sweep.text import format_seconds

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


class LocalExecutor:
    """Executes tasks in worker processes, which live for many tasks.

    Args:
        options: how many, and how long they may say nothing.
    """

    queues = False

    def __init__(self, options: ExecutorOptions) -> None:
        """Start nothing yet."""
        self._options, self._machine = options, Machine.here()
        self._sharing = self._share(1)
        self._workers: list[Worker] = []
        self._events: deque[Event] = deque()
        self._numbers = itertools.count()

    @property
    def slots(self) -> int:
        """How many tasks it takes at once."""
        return self._sharing.workers

    def start(self, tasks: int) -> str:
        """Start the workers, unless they are there; they load their libraries."""
        chosen = ""
        if self._chooses and not any(worker.busy for worker in self._workers):
            sharing = self._share(tasks)
            if sharing != self._sharing:
                self.close()
            self._sharing = sharing
            if not self._workers:
                trials = "1 trial is" if tasks == 1 else f"{tasks} trials are"
                why = "as many as the GPUs take" if self._options.gpus_per_trial else f"so {trials} done soonest here"
                chosen = f"{sharing}: {why} (to choose: --workers; make: workers=)"
        if not self._workers:
            self._workers = [self._start_worker(number) for number in range(self.slots)]
        return chosen

    @property
    def _chooses(self) -> bool:
        return self._options.workers is None or self._options.gpus_per_trial is not None

    def _share(self, tasks: int) -> Sharing:
        """Share the machine as the user says, or else as is best for so many tasks."""
        workers = self._options.workers
        if self._options.gpus_per_trial is not None:
            return self._machine.share_gpus(workers or tasks, self._options.gpus_per_trial)
        return self._machine.share_among(tasks) if workers is None else self._machine.share(workers)

    def submit(self, task: Task) -> str:
        """Give a task to an idle worker; one that died while it was idle is replaced."""
        if not self._workers:
            self.start(1)
        worker = next(worker for worker in self._workers if not worker.busy)
        if not worker.is_alive():
            worker = self._restart(worker)
        task_id = str(next(self._numbers))
        try:
            worker.give(task_id, task)
        except OSError:  # it died just now
            self._events.append(self._died(worker, worker.describe_end()))
        return task_id

    def next_event(self, timeout: float) -> Event | None:
        """Wait for the next word of a worker, or for its death."""
        if not self._events:
            self._listen(timeout)
        return self._events.popleft() if self._events else None

    def answer(self, task_id: str, stop: bool) -> None:
        """Answer the worker of a task."""
        for worker in self._of(task_id):
            with suppress(OSError):  # it died: the next word of it says so
                worker.connection.send(stop)

    def replace(self, task_id: str) -> None:
        """Put a new worker in the place of the one that had a task."""
        for worker in self._of(task_id):
            self._restart(worker)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.stop()
        self._workers = []
        self._events.clear()

    def _listen(self, timeout: float) -> None:
        busy = [worker for worker in self._workers if worker.busy]
        began = time.monotonic()
        spoken = wait([worker.connection for worker in busy], timeout)
        # not the whole time that has passed: this process may have been stopped meanwhile, and its workers with it
        waited = min(time.monotonic() - began, timeout)
        for worker in busy:
            if worker.connection in spoken:
                try:
                    self._events.append(worker.hear())
                except (EOFError, OSError):
                    self._events.append(self._died(worker, worker.describe_end()))
                continue
            worker.silent += waited
            if worker.silent > self._options.stall:
                silence = f"said nothing for {format_seconds(worker.silent)} and was ended"
                self._events.append(self._died(worker, silence))

    def _died(self, worker: Worker, how: str) -> Event:
        worker.stop()
        return Event(task=worker.task, news=Died(reason=f"its worker process {how}"))

    def _of(self, task_id: str) -> list[Worker]:
        return [worker for worker in self._workers if worker.task == task_id]

    def _start_worker(self, number: int) -> Worker:
        store = self._options.store
        return Worker(WorkerSetup(number, self._sharing.threads, store.worker_lock(number), store.worker_log(number)))

    def _restart(self, worker: Worker) -> Worker:
        worker.stop()
        number = worker.setup.number
        self._workers[number] = self._start_worker(number)
        return self._workers[number]
