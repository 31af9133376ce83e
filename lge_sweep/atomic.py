"""Files and folders that are there whole or not at all.

What is written here is on disk before it takes its name: a file that has its name survives a power failure whole.
"""

import glob
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from lge_sweep.errors import DamagedError
from lge_sweep.text import error_text

_log = logging.getLogger(__name__)
_DAY_SECONDS = 24 * 3600
_DAMAGED_FOLDER = "damaged"
"""Folder, in a runs directory, of what was found damaged."""
_UNFINISHED = re.compile(r"\..+-[0-9a-f]{8}", re.DOTALL)
"""Names that `_unfinished` gives."""


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which becomes `folder` once everything is in it.

    Unfinished ones that a killed process left here are removed once they are a day old.

    Args:
        folder: a new or an empty one.

    Yields:
        The unfinished folder, beside it; it is gone where anything failed.

    Raises:
        OSError: it cannot be made or renamed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_left_over(folder.parent, f".{glob.escape(folder.name)}-*")
    unfinished = folder.with_name(_unfinished(folder))
    unfinished.mkdir()
    try:
        yield unfinished
        for path in unfinished.rglob("*"):
            fsync_path(path)
        fsync_path(unfinished)
        unfinished.rename(folder)
        _log.debug("wrote %s", folder)
        fsync_path(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def is_unfinished(name: str) -> bool:
    """Whether a name is that of a file or folder that is being written here, or that a killed process left so.

    >>> is_unfinished(".exam_1-1a2b3c4d"), is_unfinished("exam_1-1a2b3c4d"), is_unfinished(".data-v1")
    (True, False, False)
    """
    return bool(_UNFINISHED.fullmatch(name))


def folders_with(file: str, root: Path) -> list[Path]:
    """Return the folders in a folder that hold a file, sorted; without those that `atomic_folder` has not finished.

    Args:
        file: its name.
        root: the folder, which need not be there.
    """
    return [path.parent for path in sorted(root.glob(f"*/{glob.escape(file)}")) if not is_unfinished(path.parent.name)]


def remove_left_over(folder: Path, pattern: str) -> None:
    """Remove the folders that killed processes left in a folder, once they are a day old.

    Args:
        folder: where they are.
        pattern: of their names.
    """
    for left_over in folder.glob(pattern):
        with suppress(OSError):  # of another's, or a link, which `rmtree` refuses
            if time.time() - left_over.lstat().st_mtime > _DAY_SECONDS:
                shutil.rmtree(left_over)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes the place of `path` once it is written.

    Args:
        path: the file, which may exist; its folder does.

    Yields:
        The unfinished file, beside it; it is gone where anything failed.

    Raises:
        OSError: it cannot be renamed.
    """
    unfinished = path.with_name(_unfinished(path))
    try:
        yield unfinished
        fsync_path(unfinished)
        unfinished.replace(path)
        _log.debug("wrote %s", path)
        fsync_path(path.parent)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _unfinished(path: Path) -> str:
    # by chance, not by process: two containers on one disk have the same process numbers
    return f".{path.name}-{secrets.token_hex(4)}"


def fsync_path(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def quarantine(path: Path, root: Path) -> Path:
    """Move a damaged file or folder out of the way, to `damaged` under a root folder; nothing is lost.

    Args:
        path: what is damaged, somewhere under `root`.
        root: the runs directory.

    Returns:
        Where it is now: its path under `root`, with a number that makes it new.
    """
    place = root / _DAMAGED_FOLDER / path.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    taken = {other.name for other in place.parent.iterdir()}
    place = place.with_name(next(name for k in count(1) if (name := f"{place.name}.{k}") not in taken))
    path.rename(place)
    return place


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, so that a reader never sees half of it."""
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file, so that a reader never sees half of it."""
    write_bytes(path, text.encode())


def write_new(path: Path, text: str) -> None:
    """Write a text file unless there is one; of many that do so at once, on whatever machines, the first wins."""
    unfinished = path.with_name(_unfinished(path))
    unfinished.write_text(text, encoding="utf-8")
    fsync_path(unfinished)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON; missing values are null, never NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file of ours.

    Raises:
        DamagedError: it is not there, cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DamagedError(path, error_text(error)) from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not JSON ({error_text(error)})") from error
