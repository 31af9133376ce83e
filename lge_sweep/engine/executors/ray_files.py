"""How the files of a cell, and prepared arrays, get to a node that does not see the runs directory, and back."""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from lge_sweep.atomic import write_bytes
from lge_sweep.engine.task import CellTask
from lge_sweep.run_store import CellFolder

Files = dict[str, NDArray[np.uint8]]
"""Name -> content. Arrays, as Ray lets all workers of a node share those that it holds in memory."""
_PREFIX = "lge-sweep-ray-"
_YOUNG = 60.0
"""Seconds in which a folder that is being made may not be locked yet."""


def pack(paths: Iterable[Path]) -> Files:
    """Read files."""
    return {path.name: np.fromfile(path, np.uint8) for path in paths}


def pack_folder(folder: Path) -> Files:
    """Read all files of a folder, if it is there."""
    return pack(path for path in sorted(folder.glob("*")) if path.is_file()) if folder.is_dir() else {}


def unpack(files: Files, folder: Path) -> None:
    """Write files, each whole or not at all; of a cell's, what counts on others comes last.

    Raises:
        OSError: the disk is full, for one.
        ValueError: a name is none of a file in the folder.
    """
    cell = CellFolder(folder)
    last = [cell.checkpoint.name, cell.outcome.name]
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: (last.index(name) if name in last else -1, name)):
        if Path(name).name != name or name in ("", ".."):
            raise ValueError(f"not the name of a file: '{name}'")
        write_bytes(folder / name, files[name].tobytes())
    if cell.outcome.name in files:
        cell.checkpoint.unlink(missing_ok=True)


class Scratch:
    """A worker's own folder on a node that does not see the runs directory, for the cell that it is doing.

    What killed workers have left on this node is removed first: it is made of patients' images.
    """

    def __init__(self) -> None:
        """Make the folder."""
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_abandoned(left)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = filelock.FileLock(self.path / ".lock")
        self._lock.acquire()
        self._sent: tuple[int, int] | None = None
        self._loaded: Path | None = None

    def receive(self, task: CellTask, files: Files, arrays: Files) -> CellTask:
        """Write what came with a task; returns the task as it is to be done here.

        Args:
            task: the task, with the paths of its driver.
            files: what is in the cell's folder there.
            arrays: the prepared arrays.
        """
        from lge_sweep.data import load_arrays

        here = task.model_copy(
            update={
                "folder": self.path / "cells" / task.folder.name,
                "arrays": self.path / "arrays" / task.arrays.name,
                "speeds": self.path / "speeds.json",
            }
        )
        shutil.rmtree(here.folder, ignore_errors=True)
        unpack(files, here.folder)
        if self._loaded != here.arrays:
            unpack(arrays, here.arrays)
            load_arrays(here.arrays)  # stay in memory until others are loaded
            self._loaded = here.arrays
            shutil.rmtree(here.arrays)
        self._sent = _version(here.files.checkpoint)
        return here

    def new_checkpoint(self, task: CellTask) -> Files | None:
        """Return what a training is resumed from, if it was written since it was last asked for."""
        version = _version(task.files.checkpoint)
        if version is None or version == self._sent:
            return None
        self._sent = version
        return pack((task.files.history, task.files.best, task.files.checkpoint))

    def finish(self, task: CellTask) -> Files:
        """Return all files of a cell, and remove them."""
        files = pack_folder(task.folder)
        shutil.rmtree(task.folder, ignore_errors=True)
        return files

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


def _version(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    return about.st_mtime_ns, about.st_ino


def _remove_abandoned(folder: Path) -> None:
    """Remove the folder of a worker that has died; another user's stays."""
    with suppress(filelock.Timeout, OSError):
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or time.time() - about.st_mtime < _YOUNG:
            return
        with filelock.FileLock(folder / ".lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
