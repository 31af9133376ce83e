"""Labels of slices in a file: at the networks' size as one array, at their own each under its row of the manifest."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import write_bytes
from lge_sweep.data import resize_labels
from lge_sweep.study import read_predictions

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


def write_predictions(path: Path, labels: LabelImage) -> None:
    """Write labels of slices at the networks' size, which `read_predictions` reads.

    Args:
        path: the file; its folder is made.
        labels: [N, S, S], values of `Label`.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, prediction=labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, buffer.getvalue())


def read_at_size(path: Path, rows: Sequence[int], size: int) -> LabelImage:
    """Read labels of slices, at whichever size they were kept, at the networks'.

    Args:
        path: a file of `write_labels` or `write_predictions`.
        rows: of the manifest.
        size: rows and columns S.

    Returns:
        [N, S, S], values of `Label`, in the order of `rows`.

    Raises:
        DamagedError: it is neither.
    """
    kept = read_labels(path, rows)
    return read_predictions(path) if kept is None else np.stack([resize_labels(one, size, size) for one in kept])
