"""Files and folders that are there whole or not at all, and what tells one content from another."""

import glob
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

DAY = 24 * 3600


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
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
    for left_over in folder.parent.glob(f".{glob.escape(folder.name)}-*"):
        with suppress(OSError):
            if time.time() - left_over.stat().st_mtime > DAY:
                shutil.rmtree(left_over)
    unfinished = folder.with_name(_unfinished(folder))
    unfinished.mkdir()
    try:
        yield unfinished
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
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
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _unfinished(path: Path) -> str:
    # by chance, not by process: two containers on one disk have the same process numbers
    return f".{path.name}-{secrets.token_hex(4)}"


def write_text(path: Path, text: str) -> None:
    """Write a text file, so that a reader never sees half of it."""
    with whole_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON; missing values are null, never NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
