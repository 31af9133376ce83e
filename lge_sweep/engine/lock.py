"""Who may write into a runs directory: one driver at a time, and the processes that work for it."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore

PATIENCE = 30.0
"""Seconds that a new driver waits for the workers of one that was killed."""


@contextmanager
def hold_runs(store: RunStore) -> Iterator[None]:
    """Hold a runs directory for this driver alone; the lock ends with the process, however it ends.

    Raises:
        RunsError: another driver holds it; the message says which.
    """
    # `is_held` takes the lock for a moment to find out whether it is free: that is no driver, so wait a little.
    lock = filelock.FileLock(store.lock, timeout=1)
    try:
        lock.acquire()
    except filelock.Timeout:
        holder = _describe(store.holder)
        raise RunsError(f"{store.root}: another driver is using it: {holder}. Wait for it or stop it") from None
    try:
        me = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(["lge-sweep", *sys.argv[1:]]),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        store.holder.write_text(json.dumps(me), encoding="utf-8")
        yield
    finally:
        store.holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        who = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['host']}, '{who['command']}', since {who['since']}"
    return "(it did not leave its name)"


def is_held(store: RunStore) -> bool:
    """Whether a driver is using the runs directory now."""
    if not store.lock.exists():
        return False
    try:
        with filelock.FileLock(store.lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # somebody else's runs, read-only: nothing of ours holds them
        return False


_held: list[filelock.BaseFileLock] = []
"""Locks for the life of this process; one that nobody refers to is released."""


def hold_for_life(path: Path) -> None:
    """Hold the lock of a worker until this process ends."""
    lock = filelock.FileLock(path)
    lock.acquire()
    _held.append(lock)


def await_earlier_workers(store: RunStore) -> None:
    """Wait for workers that an earlier driver has left: they are on their way out, but may still write.

    Raises:
        RunsError: one stays.
    """
    for path in store.worker_locks():
        try:
            with filelock.FileLock(path, timeout=PATIENCE):
                pass
        except filelock.Timeout:
            raise RunsError(
                f"{store.root}: a worker process of an earlier command still runs and would write beside this one's; "
                "end it (ps aux | grep multiprocessing.spawn) and run the same command again"
            ) from None
