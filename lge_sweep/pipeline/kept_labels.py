"""Labels of slices in a file, at the size that they have: each slice under the number of its row in the manifest."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import write_bytes

NPZ_ERRORS = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a file of arrays raises that is not there, damaged, or another's."""


def write_labels(path: Path, rows: Sequence[int], labels: Sequence[LabelImage]) -> None:
    """Write labels of slices.

    Args:
        path: the file; its folder is made.
        rows: of the manifest.
        labels: of each of them, [H, W] values of `Label`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, allow_pickle=False, **{f"row{row}": found for row, found in zip(rows, labels, strict=True)}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def read_labels(path: Path, rows: Sequence[int]) -> list[LabelImage] | None:
    """Read what `write_labels` wrote, in the order of `rows`; None where it is not there, damaged, or of other slices.

    Args:
        path: the file.
        rows: of the manifest.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return [kept[f"row{row}"] for row in rows]
    except NPZ_ERRORS:
        return None
