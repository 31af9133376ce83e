"""The table of a sweep's slices: a row a slice, with its subset ("" where the slice is not used)."""

from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.csv_files import read_frame
from lge_sweep.split import SUBSETS
from lge_sweep.study.records import REMEDY

TEXT = ("slice", "case", "subset", "image_hash", "content_hash", "perceptual_hash")
NUMBERS = ("spacing_row_mm", "spacing_column_mm", "spacing_slice_mm", "has_scar")


def read_manifest(path: Path) -> pd.DataFrame:
    """Read the manifest of a sweep's folder.

    Raises:
        DamagedError: it is not such a table.
    """
    return read_frame(path, TEXT, NUMBERS, REMEDY)


def rows_of(manifest: pd.DataFrame, subset: str) -> list[int]:
    """Return the rows of a manifest that belong to a subset."""
    return [int(row) for row in np.flatnonzero(manifest["subset"] == subset)]


def pixel_sizes(manifest: pd.DataFrame) -> list[tuple[float, float] | None]:
    """Return the size of each slice's pixels along a column and along a row, mm; None where it is not known."""
    sizes = manifest[["spacing_row_mm", "spacing_column_mm"]].to_numpy(dtype=float)
    return [None if np.isnan(size).any() else (float(size[0]), float(size[1])) for size in sizes]


def cases_without_spacing(manifest: pd.DataFrame) -> set[str]:
    """Return the cases of all subsets of which some slice's pixels have no known size."""
    used = manifest[manifest["subset"] != ""]
    return {case for case, size in zip(used["case"], pixel_sizes(used), strict=True) if size is None}


def subset_counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count cases, slices and slices with scar of each subset."""
    return {
        subset: {
            "cases": int(rows["case"].nunique()),
            "slices": len(rows),
            "with_scar": int(rows["has_scar"].sum()),
        }
        for subset in SUBSETS
        for rows in [manifest[manifest["subset"] == subset]]
    }
