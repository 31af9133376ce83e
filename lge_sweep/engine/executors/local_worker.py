"""A worker process: executes one task at a time and tells its driver how far it is.

A worker lives for many tasks, since importing torch takes seconds. It dies with its driver, however that ends. While it
lives it holds a lock, so that no later driver begins beside it.
"""

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

from lge_sweep.engine.events import Done, Event, Progress, TaskResult
from lge_sweep.engine.executors.perform import Report, attempt, perform
from lge_sweep.engine.lock import hold_for_life
from lge_sweep.engine.task import TASK, CellTask, Task
from lge_sweep.text import visible

PR_SET_PDEATHSIG = 1
"""Linux: the signal that a process gets when its parent dies."""


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker process begins with.

    Attributes:
        number: 0 for the first worker; decides its GPU.
        threads: processor threads it computes with.
        lock: the file that it holds as long as it lives.
        log: file for what it and its libraries print outside of a cell.
    """

    number: int
    threads: int
    lock: Path
    log: Path


def run_worker(connection: Connection, setup: WorkerSetup) -> None:
    """Execute tasks until the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_driver()
    hold_for_life(setup.lock)
    print_to(setup.log)
    log_to_stderr()
    load_libraries(setup.threads)
    while True:
        try:
            task_id, content = connection.recv()
        except EOFError:
            return
        _execute(connection, setup, task_id, TASK.validate_json(content))
        gc.collect()  # a cell's networks refer to each other; left alone, they were freed after a dozen cells


def _execute(connection: Connection, setup: WorkerSetup, task_id: str, task: Task) -> None:
    """Execute a task, and tell the driver how far it is and how it ended."""

    def send(news: TaskResult | Progress) -> None:
        connection.send_bytes(Event(task=task_id, news=news).model_dump_json().encode())

    def report(progress: Progress) -> bool:
        send(progress)
        return progress.val_dice is not None and bool(connection.recv())

    ended = perform_logged(task, report, setup.number)
    with suppress(OSError):
        print_to(setup.log)
    send(ended)


def perform_logged(task: Task, report: Report, worker: int = 0) -> TaskResult:
    """Do a task, as `perform`; what is printed meanwhile goes to the cell's folder.

    Args:
        task: what to do.
        report: told how far it is.
        worker: number of what executes it on this machine, which decides its GPU.
    """
    if isinstance(task, CellTask):
        ready = attempt(partial(print_to, task.files.log))
        if not isinstance(ready, Done):
            return ready
    return perform(task, report, worker)


def load_libraries(threads: int) -> None:
    """Import what every cell needs, set to compute with so many threads."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # Threads that wait for each other soon sleep instead of spinning: with OpenMP's default, training is up to 20 times
    # slower as soon as another program wants one of the cores (docs/log.md, 2026-11-22). Read when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for repeatable matrix products on a GPU
    import torch

    with _hidden("mlflow"):  # MONAI imports it for a handler that nobody here uses: a ninth of a worker's start
        import monai  # noqa: F401

    import lge_sweep.engine.train  # noqa: F401  # to have it loaded when the first task comes

    torch.set_num_threads(threads)
    gc.collect()
    gc.freeze()  # libraries stay; to look for what is dead among them took a second a cell


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let a module that is not loaded yet seem to be missing meanwhile."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def _die_with_driver() -> None:
    """End this process as soon as its parent has ended, whatever it is doing."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":  # at once, also where the thread cannot run: inside a long computation, or stopped
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:  # it died before the request
            os._exit(1)


def print_to(path: Path) -> None:
    """Send everything that this process and its libraries print to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


class PrintableFormatter(logging.Formatter):
    """Writes records such that nothing in them is obeyed by a terminal that shows the file."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record, and the traceback that belongs to it."""
        return "\n".join(map(visible, super().format(record).split("\n")))


def log_to_stderr() -> None:
    """Let what this program logs be printed, with all that its failures should say."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter())
    logger = logging.getLogger("lge_sweep")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
