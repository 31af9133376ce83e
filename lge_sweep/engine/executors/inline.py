"""Tasks one after the other in the driver's own process: for tests, and to follow a training with a debugger.

A task runs in a thread, so that the driver can answer it. A thread cannot be killed: one that is to end does so when it
next reports, and who ends it waits for that.
"""

import itertools
import queue
import threading
from dataclasses import dataclass, field

from lge_sweep.engine.events import Event, Progress
from lge_sweep.engine.executors.perform import perform
from lge_sweep.engine.executors.protocol import ExecutorOptions
from lge_sweep.engine.task import SweepSample, Task


class _EndedError(BaseException):
    """Raised in a task that is to end; no `except Exception` on the way hides it."""


@dataclass(eq=False)
class _Running:
    """A task in its thread.

    Attributes:
        id: the task's.
        events: where what happens goes.
        answers: what the driver says after a validation; None: end.
    """

    id: str
    events: "queue.SimpleQueue[Event]"
    answers: "queue.SimpleQueue[bool | None]" = field(default_factory=queue.SimpleQueue)
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self, task: Task) -> None:
        """Do the task."""
        try:
            result = perform(task, self._report)
        except _EndedError:
            return
        self.events.put(Event(task=self.id, news=result))

    def end(self) -> None:
        """Let it end at its next report."""
        self.ending.set()
        self.answers.put(None)

    def _report(self, progress: Progress) -> bool:
        if self.ending.is_set():
            raise _EndedError
        self.events.put(Event(task=self.id, news=progress))
        if progress.val_dice is None:
            return False
        if (stop := self.answers.get()) is None:
            raise _EndedError
        return stop


class InlineExecutor:
    """Executes one task at a time in this process."""

    slots = 1
    queues = False

    def __init__(self, options: ExecutorOptions) -> None:
        """Take no option: there is one task, computed with what this process computes with, and nothing hangs alone."""
        self._numbers = itertools.count()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._running: _Running | None = None
        self._thread: threading.Thread | None = None

    def start(self, tasks: int, sample: SweepSample | None = None) -> str:
        """Nothing is to be prepared, or chosen."""
        return ""

    def settle(self) -> str:
        """Leave nothing open."""
        return ""

    def submit(self, task: Task) -> str:
        """Begin a task in a thread of its own."""
        self._running = _Running(str(next(self._numbers)), self._events)
        self._thread = threading.Thread(target=self._running.run, args=(task,), name="lge-sweep-task", daemon=True)
        self._thread.start()
        return self._running.id

    def next_event(self, timeout: float) -> Event | None:
        """Return what happens next."""
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return None

    def answer(self, task_id: str, stop: bool) -> None:
        """Answer the running task."""
        if self._running is not None and self._running.id == task_id:
            self._running.answers.put(stop)

    def replace(self, task_id: str) -> None:
        """End the task; the next one has a new thread anyway."""
        if self._running is not None and self._running.id == task_id:
            self.close()

    def close(self) -> None:
        """End the running task, and wait for it."""
        if self._running is not None and self._thread is not None:
            self._running.end()
            self._thread.join()
        self._running = self._thread = None
        self._events = queue.SimpleQueue()
