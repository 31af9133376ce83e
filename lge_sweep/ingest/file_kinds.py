"""Files that are not read are named: how many, of which kinds, and one of each; what is known to be no image is not."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lge_sweep.ingest.image_files import IMAGE_SUFFIXES

TEXT_SUFFIXES = (
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".toml", ".pdf", ".html", ".htm", ".log",
    ".cfg", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".odt", ".py", ".m", ".sh", ".bat",
)  # fmt: skip
"""Endings of files that are for people to read."""
SYSTEM_SUFFIXES = (".db", ".ini", ".inf", ".exe", ".lnk", ".url", ".dll", ".pyc")
"""Endings of what systems and viewers leave: Thumbs.db, desktop.ini, a viewer beside DICOM files."""
BARE_NAMES = ("readme", "license", "licence", "dicomdir", "version", "changelog")
"""Names without an ending, of files that hold no image."""
ARCHIVE_SUFFIXES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".iso")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jp2", ".gif", ".webp", ".heic", ".svg", ".avi", ".mp4", ".mov")
"""Endings of pictures and films that are no exam."""
VOLUME_SUFFIXES = (".mha", ".mhd", ".nrrd", ".nhdr", ".mgz", ".mgh", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".vtk",
                   ".vti", ".mnc")  # fmt: skip
"""Endings of other files that hold volumes."""
WORKSPACE_SUFFIXES = (".cvi42wsx", ".cvi42ws")
"""Endings of workspaces of cvi42: contours, no images."""
RAW_SUFFIXES = (".img", ".hdr", ".raw", ".dat", ".par", ".rec")
"""Endings of files that hold volumes, or DICOM."""
_MAX_KINDS = 4
"""Kinds, or names, that a sentence names."""


def file_kind(path: Path) -> str:
    """Return a file's ending in small letters, with that of what is packed or unfinished in it.

    >>> [file_kind(Path(name)) for name in ("P1.JPG", "P1.nii.gz.part", "v1.2_P1.mha", "IM0001")]
    ['.jpg', '.nii.gz.part', '.mha', 'no ending']
    """
    found = re.search(r"(\.nii|\.tar)?(\.gz)?\.[^.\s]+$", path.name.lower())
    return found[0] if found else "no ending"


def is_known_non_image(path: Path) -> bool:
    """Whether a file is known to hold no image: a text, contours, or what a system leaves."""
    return (
        path.suffix.lower() in (*TEXT_SUFFIXES, *SYSTEM_SUFFIXES, *WORKSPACE_SUFFIXES)
        or path.name.lower() in BARE_NAMES
    )


def unreadable_advice(path: Path) -> str | None:
    """Say what a file is that was given as an exam, by its ending, and what to give; None where that tells nothing.

    >>> unreadable_advice(Path("P1.zip"))
    'is an archive (.zip), which is not read; unpack it and give the folder with its files'
    """
    ending = path.suffix.lower()
    if ending in ARCHIVE_SUFFIXES:
        return f"is an archive ({file_kind(path)}), which is not read; unpack it and give the folder with its files"
    if ending in (*PICTURE_SUFFIXES, *IMAGE_SUFFIXES):
        return (
            f"is a picture or a film ({ending}), which is no exam; give the DICOM or NIfTI files that it was made from"
        )
    if ending in VOLUME_SUFFIXES:
        return f"holds a volume in a format that is not read ({ending}); convert it to DICOM or NIfTI, and give that"
    if is_known_non_image(path):
        return f"is no image ({file_kind(path)}); give a DICOM or NIfTI file, or a folder of exams"
    return None


def count_by_kind(files: Iterable[Path], *, examples: bool = True) -> str:
    """Return how many files there are, of which kinds, and one of each kind; "" where there is none.

    Args:
        files: the files.
        examples: whether files are named; notes go into reports, and a name may tell who the patient is.

    >>> count_by_kind([Path("a.jpg"), Path("b.jpg"), Path("c.mha")])
    '2 .jpg (such as a.jpg), 1 .mha (c.mha)'
    """
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        kinds[file_kind(path)].append(path)
    told = [
        f"{len(of_it)} {name}" + f" ({'such as ' * (len(of_it) > 1)}{of_it[0].name})" * examples
        for name, of_it in sorted(kinds.items(), key=lambda item: -len(item[1]))
    ]
    others = len(told) - _MAX_KINDS
    return ", ".join(told[:_MAX_KINDS]) + (f" and {others} other kind{'s' * (others > 1)}" if others > 0 else "")
