"""Which slices of a study are meant, and which of them are one exam: the one place where slices are put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.metrics import ExamGrid
from lge_sweep.study import pixel_sizes, rows_of

OUT_OF_FOLD: Literal["out_of_fold"] = "out_of_fold"
"""The subset that the network of a fold is measured on."""
SUBSETS = ("train", "val")
"""Whose cases are dealt to folds."""


@dataclass(frozen=True)
class StudyExam:
    """The slices of a case among those that are meant, such as a subset's.

    A case is one exam, and all its slices have one size and one spacing (`lge_sweep.curate` sees to it).

    Attributes:
        case: id of the case.
        rows: its rows of the manifest.
        places: their places among the slices that are meant.
        slices: ids of the slices.
        size: rows and columns of each slice.
        pixel_mm: size of a pixel along a column and along a row, mm; None where it is not known.
        grid: where the slices lie; a slice that is missing between others has its place.
    """

    case: str
    rows: tuple[int, ...]
    places: tuple[int, ...]
    slices: tuple[str, ...]
    size: tuple[int, int]
    pixel_mm: tuple[float, float] | None
    grid: ExamGrid

    def stack(self, of_slices: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Put what the slices have of their own, [H, W] each, in a stack [S, H, W].

        Args:
            of_slices: of all slices that are meant, in their order.
        """
        return np.stack([of_slices[place] for place in self.places])


def out_of_fold_rows(manifest: pd.DataFrame) -> list[int]:
    """Return the rows of all slices that are dealt to folds, in the order of the manifest."""
    return sorted(row for subset in SUBSETS for row in rows_of(manifest, subset))


def rows_measured(manifest: pd.DataFrame, subset: str) -> list[int]:
    """Return the rows of a subset on which pipelines are compared; "out_of_fold" is all that were dealt to folds."""
    return out_of_fold_rows(manifest) if subset == OUT_OF_FOLD else rows_of(manifest, subset)


def group_exams(manifest: pd.DataFrame, rows: Sequence[int]) -> list[StudyExam]:
    """Put slices together to exams, in the order in which the cases come.

    Args:
        manifest: one row a slice.
        rows: those that are meant, in its order.
    """
    meant = manifest.iloc[list(rows)].reset_index(drop=True)
    sizes = pixel_sizes(meant)
    exams = []
    for case, slices in meant.groupby("case", sort=False):
        places = tuple(int(place) for place in slices.index)
        height, width = slices[["height", "width"]].iloc[0]
        row_mm, column_mm, slice_mm = slices[["spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"]].iloc[0]
        exams.append(
            StudyExam(
                case=str(case),
                rows=tuple(int(rows[place]) for place in places),
                places=places,
                slices=tuple(slices["slice"].astype(str)),
                size=(int(height), int(width)),
                pixel_mm=sizes[places[0]],
                grid=ExamGrid((float(row_mm), float(column_mm), float(slice_mm)), tuple(map(int, slices["slot"]))),
            )
        )
    return exams
