"""Exams whose names begin with a dot are not read, as others are not that systems or we hide; they are named."""

from collections.abc import Collection, Sequence
from pathlib import Path

from lge_sweep.atomic import is_unfinished
from lge_sweep.ingest.file_kinds import VOLUME_SUFFIXES, is_known_non_image
from lge_sweep.ingest.files import is_below, is_folder, is_hidden, list_files, walk_folders
from lge_sweep.ingest.image_files import IMAGE_SUFFIXES
from lge_sweep.text import list_names

_SYSTEM_NAMES = (".git", ".hg", ".svn", ".dvc", ".datalad", ".ipynb_checkpoints", ".cache", ".venv", ".vscode", ".idea",
              ".trash", ".trashes", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".documentrevisions-v100",
              ".appledouble", ".thumbnails", ".snapshot", ".snapshots", ".zfs", ".sync", ".ds_store")  # fmt: skip
"""Names of what programs hide, in small letters."""
_SYSTEM_PREFIXES = ("._", ".trash-", ".nfs", ".~")
"""Beginnings of such names: AppleDouble files beside files, what was deleted on Linux and NFS, locks."""
_RENAME_ADVICE = "rename what is to be read so that it begins with another character, and move the rest elsewhere"


def find_hidden_exams(
    root: Path, places: Sequence[Path], *, known: Collection[str] = (), skip: Collection[Path] = ()
) -> list[str]:
    """Return a sentence on hidden files and folders that could hold exams; none where there is none.

    Args:
        root: the folder that was given; what is hidden is named as it lies in it.
        places: the folders that are looked through, with those inside.
        known: names that settings name, and that are read therefore.
        skip: folders that are passed over, resolved.
    """
    folders, files = [], []
    for place in places:
        for here, entries in walk_folders(place, deep=True) if place.is_dir() else ():
            for entry in entries or ():
                path = here / entry.name
                if not is_hidden(entry.name) or entry.name in known or _is_system_name(entry.name):
                    continue
                if is_below(path, skip):
                    continue
                if not is_folder(entry):
                    files += [path] * _could_be_an_exam(path)
                elif _holds_an_exam(path):
                    folders.append(path)
    if not folders and not files:
        return []
    count = " and ".join(
        f"{len(paths)} {name}{'s' * (len(paths) > 1)}"
        for name, paths in (("folder", folders), ("file", files))
        if paths
    )
    one = len(folders) + len(files) == 1
    are, begin = ("is", "its name begins") if one else ("are", "their names begin")
    names = list_names([path.relative_to(root).as_posix() for path in (*sorted(folders), *sorted(files))])
    return [f"{count} that could hold exams {are} passed over, as {begin} with a dot: {names}; {_RENAME_ADVICE}"]


def _is_system_name(name: str) -> bool:
    return name.lower() in _SYSTEM_NAMES or name.lower().startswith(_SYSTEM_PREFIXES) or is_unfinished(name)


def _holds_an_exam(folder: Path) -> bool:
    try:
        return any(_could_be_an_exam(path) for path in list_files(folder, deep=True))
    except OSError:  # it may not be looked into
        return True


def _could_be_an_exam(path: Path) -> bool:
    if path.name.lower().endswith((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES, ".nii", ".nii.gz", ".dcm")):
        return True
    if is_known_non_image(path) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:  # importing pydicom takes a second, which images of other kinds need not wait for
            return file.read(132).endswith(b"DICM")
    except OSError:
        return False
