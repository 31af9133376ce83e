"""Folders are walked here, and what is no plain file is refused: a pipe would be waited for, a device has no end."""

import stat
from pathlib import Path

from lge_sweep.ingest.limits import FILE_BYTES, MI
from lge_sweep.ingest.volume import UnusableError


def list_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return everything in a folder that is not a folder, sorted; hidden files, and those in hidden folders, aside.

    Pipes, devices and broken links are among them, for `check_file` to name: a slice that is missing must be noticed.

    Args:
        folder: the folder.
        deep: whether folders inside are walked, too. Links to folders are not, so that there is no loop.
    """
    found = sorted(folder.rglob("*") if deep else folder.iterdir())
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and not path.is_dir()
    ]


def subfolders(root: Path) -> list[Path]:
    """Return the folders in a folder, hidden ones aside, sorted."""
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def check_file(path: Path, most: int = FILE_BYTES) -> int:
    """Return a file's size in bytes before it is opened.

    Raises:
        UnusableError: it is no plain file, cannot be looked at, or is larger than what is allowed.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UnusableError(f"cannot be opened ({error.strerror}); mend the link or remove it") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError(
            "is a pipe, a socket, a device or a folder; expected a file; remove it, or put the file here"
        )
    if status.st_size > most:
        raise UnusableError(
            f"holds {status.st_size // MI} MiB; expected at most {most // MI} MiB; give the slices of the heart only"
        )
    return status.st_size
