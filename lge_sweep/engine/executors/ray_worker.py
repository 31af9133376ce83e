"""A worker in a Ray cluster: an actor that executes one task at a time, on whichever node Ray has put it.

It lives for many tasks, since importing torch takes seconds, and ends with its driver: Ray sees to that. On a node that
sees the runs directory it works there, and holds a lock as long as it lives, so that no later driver begins beside it.
On another it works in a folder of its own, and all files cross through Ray's object store.
"""

import gc
import os
import queue
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import lge_sweep
from lge_sweep.engine.events import Event, Failed, Message, Progress, TaskResult
from lge_sweep.engine.executors.local_worker import load_libraries, log_to_stderr, perform_logged, print_to
from lge_sweep.engine.executors.perform import attempt
from lge_sweep.engine.executors.ray_files import Files, Scratch
from lge_sweep.engine.lock import hold_for_life
from lge_sweep.engine.task import TASK, CellTask, Task

CALLS = 4
"""Calls of an actor at once: one waits for what happens, others tell it something."""
TOKEN_TRIES = 5
"""How often a node looks for what the driver has written, a second apart: network file systems lag."""


class RaySetup(Message):
    """What a worker begins with; paths are the driver's, and absolute."""

    token: Path
    """A file of the runs directory."""
    content: str
    """What is in it, for whoever sees the same directory."""
    threads: int
    """Processor threads it computes with."""
    lock: Path
    """The file that it holds as long as it lives."""
    log: Path
    """File for what it and its libraries print outside of a cell."""
    umask: int
    """Who may read what it writes."""
    folder: Path
    """Where the command was started."""
    environment: dict[str, str]
    """Variables of ours that change how cells are trained."""


class RayPlace(Message):
    """Where a worker is."""

    host: str
    """Name of the node."""
    version: str
    """Version of lge_sweep there."""
    shares: bool
    """Whether it sees the runs directory."""

    @classmethod
    def unknown(cls) -> "RayPlace":
        """Return what is said of a worker that is not placed yet."""
        return cls(host="a node", version="", shares=True)


class Heard(NamedTuple):
    """Something that happened.

    Attributes:
        event: an `Event` as JSON.
        files: files that came with it, for the cell's folder; None where it is shared.
    """

    event: str
    files: Files | None = None


class RayWorker:
    """The actor. Its methods are called from the driver, several at a time."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._tasks: queue.SimpleQueue[tuple[str, bytes, Files, Files]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._scratch: Scratch | None = None

    def place(self, setup: str) -> str:
        """Say where this is, and whether the runs directory is seen from here."""
        wanted = RaySetup.model_validate_json(setup)
        shares = _sees(wanted.token, wanted.content)
        place = RayPlace(host=socket.gethostname(), version=lge_sweep.__version__, shares=shares)
        return place.model_dump_json()

    def load(self, setup: str, shares: bool) -> None:
        """Load the libraries, and begin to wait for tasks.

        Args:
            setup: a `RaySetup` as JSON.
            shares: whether to work in the runs directory.
        """
        wanted = RaySetup.model_validate_json(setup)
        os.umask(wanted.umask)
        os.environ.update(wanted.environment)
        os.environ["MPLBACKEND"] = "agg"
        if wanted.folder.is_dir():
            os.chdir(wanted.folder)  # for paths of weights that a user gave as they are seen from there
        if shares:
            hold_for_life(wanted.lock)
            log = wanted.log
        else:
            self._scratch = Scratch()
            log = self._scratch.path / "worker.txt"
        print_to(log)
        log_to_stderr()
        load_libraries(wanted.threads)
        threading.Thread(target=self._work, args=(wanted.threads, log), daemon=True).start()

    def give(self, task_id: str, content: bytes, files: Files, arrays: Files) -> None:
        """Take a task.

        Args:
            task_id: its id.
            content: the task as JSON.
            files: what is in the cell's folder, for a node that does not see it.
            arrays: the prepared arrays, likewise.
        """
        self._tasks.put((task_id, content, files, arrays))

    def answer(self, stop: bool) -> None:
        """Answer a validation."""
        self._answers.put(stop)

    def hear(self) -> list[Heard]:
        """Wait for what happens next."""
        said = [self._heard.get()]
        with suppress(queue.Empty):
            while True:
                said.append(self._heard.get_nowait())
        return said

    def leave(self) -> None:
        """Remove what was written outside of the runs directory, before the end."""
        if self._scratch is not None:
            self._scratch.remove()

    def _work(self, threads: int, log: Path) -> None:
        """Execute tasks for ever."""
        import torch

        torch.set_num_threads(threads)  # of this thread
        while True:
            task_id, content, files, arrays = self._tasks.get()
            while not self._answers.empty():
                self._answers.get()
            tell = partial(self._tell, task_id)
            task = TASK.validate_json(content)
            if self._scratch is None or not isinstance(task, CellTask):
                ended, back = self._perform(task, tell), None
            else:
                ended, back = self._perform_apart(task, tell, files, arrays)
            with suppress(OSError):
                print_to(log)
            self._tell(task_id, ended, back)
            del files, arrays, back
            gc.collect()

    def _tell(self, task_id: str, news: TaskResult | Progress, files: Files | None = None) -> None:
        self._heard.put(Heard(Event(task=task_id, news=news).model_dump_json(), files))

    def _perform(self, task: Task, tell: "partial[None]") -> TaskResult:
        """Do a task; what is printed meanwhile goes to the cell's folder."""

        def report(progress: Progress) -> bool:
            files = None
            if self._scratch is not None and isinstance(task, CellTask):
                files = self._scratch.new_checkpoint(task)
            tell(progress, files)
            return progress.val_dice is not None and self._answers.get()

        return perform_logged(task, report)

    def _perform_apart(
        self, task: CellTask, tell: "partial[None]", files: Files, arrays: Files
    ) -> tuple[TaskResult, Files]:
        """Do a task in a folder of this worker's own.

        Args:
            task: the task.
            tell: tells the driver how far it is.
            files: what is in the cell's folder.
            arrays: the prepared arrays.

        Returns:
            How it ended, and all files of the cell.
        """
        assert self._scratch is not None
        received: list[CellTask] = []
        scratch = self._scratch
        ended = attempt(lambda: received.append(scratch.receive(task, files, arrays)))
        if not received:
            return ended, {}
        (here,) = received
        ended = self._perform(here, tell)
        back: list[Files] = []
        packed = attempt(lambda: back.append(scratch.finish(here)))
        return (ended, back[0]) if back else (packed if isinstance(packed, Failed) else ended, {})


def _sees(token: Path, content: str) -> bool:
    """Whether a file of the driver's is seen here, with the same content."""
    for attempt_number in range(TOKEN_TRIES):
        if attempt_number:
            time.sleep(1)
        try:
            if token.read_text(encoding="utf-8") == content:
                return True
        except OSError:
            if not token.parent.is_dir():
                return False
    return False
