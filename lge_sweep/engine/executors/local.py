"""Worker processes on this machine: the driver's end of them.

The driver notices when a worker dies, while it works or while it is idle, and when it says nothing for too long.
"""

import itertools
import time
from collections import deque
from contextlib import suppress
from multiprocessing.connection import wait

from lge_sweep.engine.events import Died, Event
from lge_sweep.engine.executors.local_pace import (
    WORTH_MEASURING,
    Question,
    UnmeasuredError,
    choose_sharing,
    describe_sample,
    keep_paces,
    known_paces,
    measure_paces,
)
from lge_sweep.engine.executors.local_worker import WorkerSetup
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.executors.sharing import Machine, Sharing
from lge_sweep.engine.executors.worker import Worker
from lge_sweep.engine.task import SweepSample, Task
from lge_sweep.text import format_seconds

TO_CHOOSE = "(to choose: --workers; make: workers=)"
MEASURED_FIRST = "how many workers do most here is measured first, once: up to a minute"


class LocalExecutor:
    """Executes tasks in worker processes, which live for many tasks.

    Args:
        options: how many, and how long they may say nothing.
    """

    queues = False

    def __init__(self, options: ExecutorOptions) -> None:
        """Start nothing yet."""
        self._options, self._machine = options, Machine.here()
        self._open: Question | None = None
        self._sharing, _ = self._choose(1, None)
        self._workers: list[Worker] = []
        self._events: deque[Event] = deque()
        self._numbers = itertools.count()

    @property
    def slots(self) -> int:
        """How many tasks it takes at once."""
        return self._sharing.workers

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        """Start the workers, unless they are there; they load their libraries."""
        if any(worker.busy for worker in self._workers):
            return ""
        sharing, why = self._choose(tasks, sample)
        if not self._employ(sharing):
            return ""
        return MEASURED_FIRST if self._open is not None else f"{why} {TO_CHOOSE}" * bool(why)

    def settle(self) -> str:
        """Measure how the machine is best shared, if that is not known, with the workers that are there."""
        if self._open is None:
            return ""
        open_, self._open = self._open, None
        usual = open_.sharings[0]
        try:
            paces = measure_paces(self._workers, open_.sharings, open_.sample, self._options.stall)
        except UnmeasuredError as error:
            self.close()
            sharing, why = usual, f"{usual}: by rule, as it could not be measured ({error})"
        else:
            keep_paces(self._options.store.speeds, open_.key, paces)
            if not all(paces.values()):
                self.close()  # a worker that ran out of memory may be in a bad state
            sharing, why = choose_sharing(open_.sharings, paces)
        self._employ(sharing)
        return f"{why} {TO_CHOOSE}"

    def _employ(self, sharing: Sharing) -> bool:
        """Have the workers of a sharing, or as many as are to be measured; returns whether any was started."""
        ways = [sharing, *(self._open.sharings if self._open else ())]
        count = max(way.workers for way in ways)
        if sharing.threads != self._sharing.threads:
            self.close()
        self._sharing = sharing
        for worker in self._workers[count:]:
            worker.stop()
        there = self._workers[:count]
        self._workers = [*there, *(self._start_worker(number) for number in range(len(there), count))]
        return count > len(there)

    def _choose(self, tasks: int, sample: SweepSample | None) -> tuple[Sharing, str]:
        """Share the machine as the user says, or else as is best for so many tasks; and say why."""
        workers, machine, self._open = self._options.workers, self._machine, None
        if self._options.gpus_per_trial is not None:
            sharing = machine.share_gpus(workers or tasks, self._options.gpus_per_trial)
            return sharing, f"{sharing}: as many as the GPUs take"
        if workers is not None:
            return machine.share(workers), ""
        sharings = machine.ways_to_share(tasks)
        usual = sharings[0]
        if len(sharings) > 1 and sample is not None and sample.steps >= WORTH_MEASURING[machine.gpus > 0]:
            question = Question(sharings, sample.task, describe_sample(sample.task, machine))
            if (paces := known_paces(self._options.store.speeds, question)) is not None:
                return choose_sharing(sharings, paces)
            self._open = question
            return usual, ""
        trials = "1 trial is" if tasks == 1 else f"{tasks} trials are"
        return usual, f"{usual}: so {trials} done soonest here, by rule"

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
