"""Whether a driver of this host holds a runs directory, and whether it is this process."""

import json
import os
import socket
from contextlib import suppress

import filelock

from lge_sweep.run_store import RunStore


def is_held_here(store: RunStore) -> bool:
    """Whether a driver on this host, or where the file system's locks are everybody's anywhere, holds the directory."""
    if not store.lock.exists():
        return False
    try:
        with filelock.FileLock(store.lock, timeout=0):
            return False
    except filelock.Timeout:
        return True
    except OSError:  # somebody else's runs, read-only: nothing of ours holds them
        return False


def is_held_by_another(store: RunStore) -> bool:
    """Whether a driver that is another process than this holds the directory."""
    with suppress(OSError, ValueError, KeyError):
        who = json.loads(store.holder.read_text(encoding="utf-8"))
        if (who["pid"], who["host"]) == (os.getpid(), socket.gethostname()):
            return False
    return is_held_here(store)
