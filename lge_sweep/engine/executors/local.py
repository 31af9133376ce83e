"""Worker processes: each executes one cell at a time and tells its driver how far it is.

A worker lives for many cells, since importing torch takes seconds. It dies with its driver, however that ends; and the
driver notices when a worker dies. While it lives it holds a lock, so that no later driver begins beside it.
"""

import ctypes
import errno
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import filelock

from lge_sweep.engine.task import CellTask, Done, Failed, Progress, Pruned, TrialPrunedError
from lge_sweep.errors import LgeSweepError, RunsError
from lge_sweep.study.files import LOG
from lge_sweep.terminal import say
from lge_sweep.text import shorten, visible

OUT_OF_MEMORY = (
    "out of GPU memory; where workers share a GPU, run the same command with fewer (--workers 1), else lower "
    "training.batch_size or training.image_size, which starts a new sweep"
)
PLACE = ".worker"
PATIENCE = 30.0
"""Seconds that a new driver waits for the workers of one that was killed."""
PR_SET_PDEATHSIG = 1
"""Linux: the signal that a process gets when its parent dies."""
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Worker:
    """The driver's end of a worker process.

    Args:
        number: 0 for the first worker; decides its GPU.
        threads: processor threads it computes with.
        runs: the runs directory; what the worker and its libraries print outside of a cell goes to its `logs`.
    """

    def __init__(self, number: int, threads: int, runs: Path) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self.number = number
        self.connection, remote = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_work, args=(remote, number, threads, runs), name=f"lge-sweep-worker-{number}", daemon=True
        )
        # Ctrl-C in a terminal reaches the whole group: the worker leaves it to the driver from its first moment on.
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self.process.start()
        finally:
            signal.signal(signal.SIGINT, previous)
        remote.close()

    def send(self, task: CellTask | tuple[list[str], str, float]) -> None:
        """Give the worker a cell to execute, or (models, weights, width) to check."""
        self.connection.send(task)

    def stop(self) -> None:
        """End the process at once; what it was doing can be resumed from its last checkpoint."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _work(connection: Connection, number: int, threads: int, runs: Path) -> None:
    """Serve tasks until the driver ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_driver()
    _hold_place(runs, number)
    log = log_of(runs, number)
    _print_to(log)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # Threads that wait for each other soon sleep instead of spinning: with OpenMP's default, training is up to 20 times
    # slower as soon as another program wants one of the cores (docs/log.md, 2026-11-22). Read when torch is imported.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for repeatable matrix products on a GPU
    import torch

    from lge_sweep.engine.train import execute
    from lge_sweep.models.weights import check_weights

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(threads)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if isinstance(task, tuple):
            connection.send(_attempt(partial(check_weights, *task)))
            continue
        ready = _attempt(partial(_print_to, task.folder / LOG))
        done = (
            _attempt(partial(execute, task, partial(_report, connection), number)) if isinstance(ready, Done) else ready
        )
        with suppress(OSError):
            _print_to(log)
        connection.send(done)


def _report(connection: Connection, progress: Progress) -> bool:
    """Tell the driver how far a training is; after a validation it answers whether to give the training up."""
    connection.send(progress)
    return progress.val_dice is not None and bool(connection.recv())


def _attempt(work: Callable[[], Any]) -> Done | Failed | Pruned:
    """Run a task and turn whatever goes wrong into a sentence."""
    try:
        work()
    except TrialPrunedError:
        return Pruned()
    except LgeSweepError as error:
        with suppress(OSError):
            say(f"FAILED: {error}")
        return Failed(str(error))
    except OSError as error:
        if error.errno in NO_SPACE:
            full = f"{os.strerror(error.errno or 0)}: {visible(os.fsdecode(error.filename or ''))}"
            return Failed(full.rstrip(": "), disk=True)
        say(*traceback.format_exc().split("\n"))
        return Failed(f"{type(error).__name__}: {visible(str(error))}", unexpected=True)
    except Exception as error:
        say(*traceback.format_exc().split("\n"))
        if type(error).__name__ == "OutOfMemoryError":
            return Failed(OUT_OF_MEMORY, unexpected=True)
        return Failed(f"{type(error).__name__}: {shorten(' '.join(str(error).split()), 300)}", unexpected=True)
    return Done()


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


_held: list[filelock.BaseFileLock] = []
"""Locks for the life of this process; one that nobody refers to is released."""


def _hold_place(runs: Path, number: int) -> None:
    lock = filelock.FileLock(runs / f"{PLACE}{number}.lock")
    lock.acquire()
    _held.append(lock)


def log_of(runs: Path, number: int) -> Path:
    """Return the file for what a worker and its libraries print outside of a cell."""
    return runs / "logs" / f"worker{number}.txt"


def await_earlier_workers(runs: Path) -> None:
    """Wait for workers that an earlier driver has left: they are on their way out, but may still write.

    Raises:
        RunsError: one stays.
    """
    for path in sorted(runs.glob(f"{PLACE}*.lock")):
        try:
            with filelock.FileLock(path, timeout=PATIENCE):
                pass
        except filelock.Timeout:
            raise RunsError(
                f"{runs}: a worker process of an earlier command still runs and would write beside this one's; end it "
                "(ps aux | grep multiprocessing.spawn) and run the same command again"
            ) from None


def _print_to(path: Path) -> None:
    """Send everything that this process and its libraries print to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
