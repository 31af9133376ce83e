"""Folders are walked here, and what is no plain file is refused: a pipe would be waited for, a device has no end."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from lge_sweep.ingest.limits import FILE_BYTES, MI
from lge_sweep.ingest.volume import UnusableError

CLOSED = "cannot be looked into ({}); get the right to read it, or remove it"


def list_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return everything in a folder that is not a folder, sorted; hidden files, and those in hidden folders, aside.

    Pipes, devices, broken links, and folders inside that cannot be listed are among them, for `check_file` to name: a
    slice that is missing must be noticed.

    Args:
        folder: the folder.
        deep: whether folders inside are walked, too. A link to a folder is followed if it leads out of `folder` and of
            what it lies in, and no folder is walked twice, so that there is no loop.

    Raises:
        OSError: the folder itself cannot be listed.
    """
    root = folder.resolve()
    found: list[Path] = []
    seen, waiting = {root}, [folder]
    while waiting:
        here = waiting.pop()
        try:
            entries = _shown(here)
        except OSError:
            if here == folder:
                raise
            found.append(here)
            continue
        found += [here / entry.name for entry in entries if not _is_folder(entry)]
        for entry in entries if deep else []:
            target = (here / entry.name).resolve() if _is_folder(entry) else root
            known = target in seen or root.is_relative_to(target)
            if not known and not (entry.is_symlink() and target.is_relative_to(root)):
                seen.add(target)
                waiting.append(here / entry.name)
    return sorted(found)


def subfolders(root: Path) -> list[Path]:
    """Return the folders in a folder, hidden ones aside, sorted.

    Raises:
        OSError: the folder cannot be listed.
    """
    return sorted(root / entry.name for entry in _shown(root) if _is_folder(entry))


def is_below(path: Path, folders: Collection[Path]) -> bool:
    """Whether a path is one of some folders, which are resolved, or lies in one."""
    if not folders:
        return False
    place = path.parent.resolve() / path.name  # the path itself may be a link to itself
    return any(folder in folders for folder in (place, *place.parents))


def closed(folder: Path) -> str | None:
    """Say why a folder cannot be looked into, or return None."""
    try:
        _shown(folder)
    except OSError as error:
        return CLOSED.format(error.strerror)
    return None


def _shown(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def check_file(path: Path, most: int = FILE_BYTES) -> int:
    """Return a file's size in bytes before it is opened.

    Raises:
        UnusableError: it is no plain file, cannot be looked at, or is larger than what is allowed.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableError(f"cannot be opened ({error.strerror}); mend the link or remove it") from None
    if stat.S_ISDIR(status.st_mode) and (problem := closed(path)):
        raise UnusableError(problem)
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError(
            "is a pipe, a socket, a device or a folder; expected a file; remove it, or put the file here"
        )
    if status.st_size > most:
        raise UnusableError(
            f"holds {status.st_size // MI} MiB; expected at most {most // MI} MiB; give the slices of the heart only"
        )
    return status.st_size
