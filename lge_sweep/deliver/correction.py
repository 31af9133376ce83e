"""Labels that a person corrected in a viewer, on the grid of their exam, beside what the model had found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import permutations
from math import isnan, nan
from pathlib import Path
from typing import Literal

import numpy as np

from lge_sweep.arrays import ClassCodes, LabelImage, Pixels
from lge_sweep.config.masks import IndexMask
from lge_sweep.deliver.label_names import CLASSES, LabelNames, name_segments, names_option, value_classes
from lge_sweep.ingest import (
    Exam,
    SegHeader,
    UnusableError,
    map_values,
    read_nifti_on_exam,
    read_or_report,
    read_seg_on_exam,
)
from lge_sweep.labels import CLASS_CODES, MVO, Label, split_mvo
from lge_sweep.metrics import ExamGrid, measure_exam
from lge_sweep.text import shorten

Kind = Literal["seg", "nifti", "as predicted"]
_PROGRAMS = {"slicer", "3d slicer", "dcmqi", "ohif", "mitk", "itk-snap", "unknown", "anonymous", "none"}
"""What programs write for the name of a person where they know none."""
_PUT_APART = (
    "in Slicer's Segment Editor paint there again with Modify other segments (under Masking) at Overwrite all, or "
    "subtract one from the other with Logical operators, and export it again"
)


@dataclass(frozen=True)
class Correction:
    """Labels that were saved for an exam.

    Attributes:
        where: the file, as it lies in the folder that was given.
        kind: what it is.
        codes: [S, H, W] values of `CLASS_CODES`, on the exam's slices.
        creator: who made it, as it says; "" where it names nobody.
        saved: when the file was written last, UTC, ISO 8601.
        notes: what a user should know.
    """

    where: str
    kind: Kind
    codes: ClassCodes
    creator: str
    saved: str
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> LabelImage:
        """[S, H, W] values of `Label`; no-reflow is scar."""
        return split_mvo(self.codes)[0]

    @property
    def tells_mvo(self) -> bool:
        """Whether no-reflow is told from other scar."""
        return bool((self.codes == MVO).any())


@dataclass(frozen=True)
class Change:
    """How corrected labels differ from those that the model found.

    Attributes:
        pixels: how many pixels have another class.
        slices: the slices that have such pixels, numbered from 0.
        dice: structure -> Dice of both in the whole exam; None where neither has it.
    """

    pixels: int
    slices: tuple[int, ...]
    dice: dict[str, float | None]


def compare_labels(corrected: LabelImage, predicted: LabelImage) -> Change:
    """Tell how labels were changed.

    Args:
        corrected: [S, H, W], values of `Label`.
        predicted: the same, as the model found them.
    """
    different = corrected != predicted
    slices = np.flatnonzero(different.any(axis=(1, 2)))
    grid = ExamGrid((nan, nan, nan), tuple(range(len(corrected))))  # no distances are asked for
    table = measure_exam(predicted, corrected, grid, 0.0)
    dice = zip(table["structure"], table["dice"], strict=True)
    return Change(
        int(different.sum()),
        tuple(int(place) for place in slices),
        {str(name): None if isnan(value) else float(value) for name, value in dice},
    )


def saved_at(path: Path) -> str:
    """Return when a file was written last, UTC, ISO 8601, to the second."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def read_seg_correction(path: Path, where: str, header: SegHeader, exam: Exam, names: LabelNames) -> Correction:
    """Read a SEG that a viewer saved.

    Args:
        path: the file.
        where: what it is called in messages.
        header: what it says of itself.
        exam: the exam that it is of.
        names: what the user says that segments are.

    Raises:
        UnusableError: it is of other images, lies elsewhere, its segments overlap or are unknown, or it is empty.
    """
    named = name_segments(header.segments, names)
    laid = read_seg_on_exam(path, exam, named.classes)
    if laid.overlaps:
        raise UnusableError(
            f"its segments overlap ({', '.join(laid.overlaps)}), and a pixel has one class; {_PUT_APART}"
        )
    _check_not_empty(laid.codes)
    creator = "" if header.creator.casefold().strip() in _PROGRAMS else shorten(header.creator.strip())
    return Correction(where, "seg", laid.codes, creator, saved_at(path), (*named.notes, *laid.notes))


def read_nifti_correction(
    path: Path, where: str, exam: Exam, predicted: LabelImage, reading: tuple[LabelNames, bool]
) -> Correction | None:
    """Read a NIfTI label map that a viewer saved; None where the file is an image.

    Args:
        path: the file.
        where: what it is called in messages.
        exam: the exam that it is of.
        predicted: [S, H, W] what the model found, from which values that were exchanged are told.
        reading: what the user says that values are; and whether voxels are taken whatever the affine says.

    Raises:
        UnusableError: it lies elsewhere, holds an unknown value, is empty or broken, or its values seem exchanged.
    """
    names, trust = reading
    problems: list[str] = []
    laid = read_or_report(lambda one: read_nifti_on_exam(one, exam, trust=trust), path, "", problems)
    if problems:
        raise UnusableError(problems[0].removeprefix(": "))
    if laid is None:
        return None
    values, note = laid
    mask, _ = value_classes(names)
    _check_values(values, mask)
    codes = map_values(values, mask, f"NIfTI ({values.dtype})")
    _check_not_empty(codes)
    _check_order(values, predicted, names)
    return Correction(where, "nifti", codes, "", saved_at(path), (note,) * bool(note))


def _check_values(values: Pixels, mask: IndexMask) -> None:
    found, counts = np.unique(values, return_counts=True)
    unknown = {value: int(count) for value, count in zip(found.tolist(), counts.tolist(), strict=True)
               if value not in mask.classes}  # fmt: skip
    if unknown:
        known = ", ".join(f"{value} {label}" for value, label in sorted(mask.classes.items()))
        pairs = ",".join(f"{value:g}=CLASS" for value in unknown)
        held = ", ".join(f"{value:g} in {count} pixels" for value, count in unknown.items())
        raise UnusableError(
            f"holds values that are not known: {held} (known: {known}); say what they are with --names {pairs}, where "
            f"CLASS is one of {', '.join(CLASS_CODES)}"
        )


def _check_not_empty(codes: ClassCodes) -> None:
    if not codes.any():
        raise UnusableError("holds no label at all; export the segmentation again, with all its segments")


def _check_order(values: Pixels, predicted: LabelImage, names: LabelNames) -> None:
    """Refuse values that agree better with the prediction if exchanged: viewers number segments in their own order.

    Values that the user has named are what he says; the others are exchanged among themselves and with what is left.
    """
    mask, named = value_classes(names)
    present = [int(value) for value in np.unique(values) if mask.classes[int(value)] != Label.BACKGROUND.title]
    kept = {value: mask.classes[value] for value in present if value not in named}
    taken = {mask.classes[value] for value in present if value in named}
    left = [CLASSES[label.title] for label in Label if label != Label.BACKGROUND]
    left = [name for name in left if name not in taken or name in kept.values()]
    found = {value: np.bincount(predicted[values == value], minlength=len(Label)) for value in kept}
    agreeing = {order: sum(int(found[value][CLASS_CODES[name]]) for value, name in zip(kept, order, strict=True))
                for order in permutations(left, len(kept))}  # fmt: skip
    best, now = max(agreeing, key=lambda order: agreeing[order]), agreeing[tuple(kept.values())]
    if agreeing[best] > now:
        exchanged = {str(value): name for value, name in zip(kept, best, strict=True)}
        right = {str(value): name for value, name in kept.items()}
        raise UnusableError(
            f"its values seem exchanged, as viewers number segments anew: {now} pixels of value "
            f"{', '.join(exchanged)} agree with the prediction, {agreeing[best]} would with "
            f"{names_option({**names, **exchanged})}; give that, or, if they are right as they are, "
            f"{names_option({**names, **right})}"
        )


def choose_correction(corrections: Sequence[Correction], predicted: LabelImage) -> Correction | None:
    """Return the one correction among files of an exam; None where all are what the model had found.

    Args:
        corrections: what the files hold.
        predicted: [S, H, W] what the model found.

    Raises:
        UnusableError: two differ from each other and from the prediction.
    """
    changed = [item for item in corrections if item.tells_mvo or not np.array_equal(item.labels, predicted)]
    if not changed:
        return None
    others = [item.where for item in changed[1:] if not np.array_equal(item.codes, changed[0].codes)]
    if others:
        raise UnusableError(
            f"{changed[0].where} and {', '.join(others)} hold different corrections of one exam; keep one of them"
        )
    return next((item for item in changed if item.creator), changed[0])
