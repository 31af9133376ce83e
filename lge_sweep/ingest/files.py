"""Folders are walked here, and what is no plain file is refused: a pipe would be waited for, a device has no end."""

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from lge_sweep.ingest.limits import MAX_FILE_BYTES, MIB
from lge_sweep.ingest.volume import UnusableError

_UNREADABLE_FOLDER = "cannot be looked into ({}); get the right to read it, or remove it"


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
    found: list[Path] = []
    for here, entries in walk_folders(folder, deep=deep):
        if entries is None:
            found.append(here)
        else:
            found += [here / entry.name for entry in entries if not is_hidden(entry.name) and not is_folder(entry)]
    return sorted(found)


Entries = list[os.DirEntry[str]]


def walk_folders(folder: Path, *, deep: bool) -> Iterator[tuple[Path, Entries | None]]:
    """Yield a folder, and those inside it that are not hidden, with all entries, or None where it cannot be listed.

    For its arguments and errors see `list_files`.
    """
    root = folder.resolve()
    seen, waiting = {root}, [folder]
    while waiting:
        here = waiting.pop()
        try:
            entries = _scan(here)
        except OSError:
            if here == folder:
                raise
            yield here, None
            continue
        yield here, entries
        for entry in entries if deep else []:
            if is_hidden(entry.name) or not is_folder(entry):
                continue
            target = (here / entry.name).resolve()
            known = target in seen or root.is_relative_to(target)
            if not known and not (entry.is_symlink() and target.is_relative_to(root)):
                seen.add(target)
                waiting.append(here / entry.name)


def subfolders(root: Path) -> list[Path]:
    """Return the folders in a folder, hidden ones aside, sorted.

    Raises:
        OSError: the folder cannot be listed.
    """
    return sorted(root / entry.name for entry in _scan(root) if not is_hidden(entry.name) and is_folder(entry))


def is_below(path: Path, folders: Collection[Path]) -> bool:
    """Whether a path is one of some folders, which are resolved, or lies in one."""
    if not folders:
        return False
    place = path.parent.resolve() / path.name  # the path itself may be a link to itself
    return any(folder in folders for folder in (place, *place.parents))


def unreadable_reason(folder: Path) -> str | None:
    """Say why a folder cannot be looked into, or return None."""
    try:
        _scan(folder)
    except OSError as error:
        return _UNREADABLE_FOLDER.format(error.strerror)
    return None


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or folder."""
    return name.startswith(".")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # such as a link to itself
        return False


def _scan(folder: Path) -> Entries:
    with os.scandir(folder) as entries:
        return list(entries)


def check_file(path: Path, most: int = MAX_FILE_BYTES) -> int:
    """Return a file's size in bytes before it is opened.

    Raises:
        UnusableError: it is no plain file, cannot be looked at, or is larger than what is allowed.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableError(f"cannot be opened ({error.strerror}); mend the link or remove it") from None
    if stat.S_ISDIR(status.st_mode) and (problem := unreadable_reason(path)):
        raise UnusableError(problem)
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError(
            "is a pipe, a socket, a device or a folder; expected a file; remove it, or put the file here"
        )
    if status.st_size > most:
        raise UnusableError(
            f"holds {status.st_size // MIB} MiB; expected at most {most // MIB} MiB; give the slices of the heart only"
        )
    return status.st_size
