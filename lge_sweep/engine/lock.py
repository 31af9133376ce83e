"""Who may write into a runs directory: one driver at a time, and the processes that work for it."""

import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from lge_sweep.engine.server import explaining
from lge_sweep.errors import RunsError
from lge_sweep.machine import file_system
from lge_sweep.run_store import LEDGER_VARIABLE, TRACKING_VARIABLE, RunStore, is_held_here, read_holder

if TYPE_CHECKING:
    from lge_sweep.engine.server_lock import ServerLock

SHARED = {"nfs", "nfs4", "lustre", "fuse.sshfs", "cifs", "smb3", "9p", "beegfs", "fuse.glusterfs", "fuse.rclone"}
"""File systems of several hosts on which locks hold on one host alone, or only if somebody has set them up so."""
PATIENCE = 30.0
"""Seconds that a new driver waits for the workers of one that was killed."""


@contextmanager
def hold_runs(store: RunStore) -> Iterator[Callable[[], None]]:
    """Hold a runs directory for this driver alone; the lock ends with the process, however it ends.

    Where the ledger is in PostgreSQL a lock there holds on all hosts, whatever the directory's file system does.

    Yields:
        What makes sure that it is held still; it raises a RunsError if another driver has it.

    Raises:
        RunsError: another driver holds it; the message says which.
    """
    # `is_held` takes the lock for a moment to find out whether it is free: that is no driver, so wait a little.
    lock = filelock.FileLock(store.lock, timeout=1)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise _refusal(store, _describe(store)) from None
    me = json.dumps(
        {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(["lge-sweep", *sys.argv[1:]]),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
    )
    try:
        with _hold_on_server(store) as check:
            store.holder.write_text(me, encoding="utf-8")
            yield check
    finally:
        with suppress(OSError):
            if store.holder.read_text(encoding="utf-8") == me:  # on another host another may have taken it over
                store.holder.unlink()
        lock.release()


@contextmanager
def _hold_on_server(store: RunStore) -> Iterator[Callable[[], None]]:
    """Hold the lock in the ledger's database, if it keeps locks."""
    server = _server_lock(store)
    if server is None:
        yield lambda: None
        return
    with explaining(store):
        while not server.acquire():
            if found := server.holder():
                who, since = found
                said = _describe(store)
                pid, _, host = who.partition("@")
                known = said.startswith(f"process {pid} on {host}")
                told = f", since {since}" if since else ""
                raise _refusal(store, said if known else f"process {pid} on {host}{told}")
    try:
        yield server.check
    finally:
        server.release()


def _keeps_locks(store: RunStore) -> bool:
    return store.ledger is not None and store.ledger.startswith("postgresql")


def _server_lock(store: RunStore) -> "ServerLock | None":
    """Return the lock in the ledger's database; None if it keeps none."""
    if not _keeps_locks(store):
        return None
    with explaining(store):
        from lge_sweep.engine.server_lock import ServerLock

        return ServerLock(store)


def describe_file_system(store: RunStore) -> str:
    """Say that locks cannot be trusted where the runs directory is, and what to do; "" if they can."""
    kind = file_system(store.root)
    if kind not in SHARED or _keeps_locks(store):
        return ""
    return (
        f"the runs directory is on {kind}, where drivers on two hosts may not see each other's lock; begin sweeps on "
        f"one host alone, or keep the ledger in PostgreSQL, which locks for all of them ({LEDGER_VARIABLE}, and "
        f"{TRACKING_VARIABLE} for an MLflow server)"
    )


def _refusal(store: RunStore, holder: str) -> RunsError:
    return RunsError(f"{store.root}: another driver is using it: {holder}. Wait for it or stop it")


def _describe(store: RunStore) -> str:
    who = read_holder(store)
    if not {"pid", "host", "command", "since"} <= who.keys():
        return "(it did not leave its name)"
    return f"process {who['pid']} on {who['host']}, '{who['command']}', since {who['since']}"


def is_held(store: RunStore) -> bool:
    """Whether a driver is using the runs directory now, here or, where the ledger's database says so, anywhere.

    Raises:
        RunsError: that database cannot be used.
    """
    if is_held_here(store):
        return True
    if not store.id_file.is_file() or (server := _server_lock(store)) is None:
        return False
    with explaining(store):
        return server.holder() is not None


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
