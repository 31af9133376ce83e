"""The manifest: one row a slice, with content hashes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage, Pixels
from lge_sweep.config.data import Curate
from lge_sweep.errors import DataError
from lge_sweep.hashing import array_digest
from lge_sweep.ingest import Volume
from lge_sweep.labels import Label
from lge_sweep.text import cases_by_note, list_names

_MAX_LISTED = 8
"""Cases that a note names."""


@dataclass(frozen=True)
class Curated:
    """The slices a study uses.

    Attributes:
        manifest: one row a slice, in order: `slice`, `case`, `position` (index in its exam), `slot` (its place in an
            evenly spaced stack: other than the index where slices are missing), `height`, `width`, `spacing_row_mm`,
            `spacing_column_mm`, `spacing_slice_mm` (NaN if unknown; their product is the volume of a voxel, also where
            rows and columns are not at right angles), `image_hash` (SHA-256 of the intensities), `content_hash` (of
            intensities and labels), `perceptual_hash` (64 bit, hexadecimal), `has_scar`, and the number of pixels of
            each class; `mvo_pixels`, those of scar that are no-reflow, where the truth tells.
        images: intensities [H, W] of each row.
        labels: class values [H, W] of each row.
        notes: what a user should know about the choice, one sentence each.
        slices_found: how many slices the exams have, used or not.
    """

    manifest: pd.DataFrame
    images: tuple[Pixels, ...]
    labels: tuple[LabelImage, ...]
    notes: tuple[str, ...]
    slices_found: int


def curate(volumes: Sequence[Volume], settings: Curate) -> Curated:
    """Keep the mid-ventricular slices of every case.

    Of a case with S slices, the n central ones are kept, in the order in which they are read: from index
    ``(S - n) // 2`` on; all, where S <= n. Where S - n is odd, one more is left out at the end, so that an exam that is
    stored in reverse keeps other slices.

    Args:
        volumes: the exams.
        settings: how many slices to keep.

    Raises:
        DataError: there is no exam, or two slices or two exams have the same id.

    Source:
        Paper section III.A.
    """
    rows: list[dict[str, object]] = []
    images: list[Pixels] = []
    labels: list[LabelImage] = []
    for volume in volumes:
        for position in central_slices(len(volume.slices), settings.slices):
            rows.append(_row(volume, position))
            images.append(volume.pixels[position])
            labels.append(volume.labels[position])
    _check(volumes, rows)
    found = sum(len(volume.slices) for volume in volumes)
    return Curated(pd.DataFrame(rows), tuple(images), tuple(labels), tuple(_notes(volumes, labels)), found)


def central_slices(available: int, wanted: int | str) -> range:
    """Return the indices of the central `wanted` of `available` slices (all, for "all" or where there are fewer).

    Where an odd number is left out, the larger half of it is at the end.
    """
    if isinstance(wanted, str) or wanted >= available:
        return range(available)
    start = (available - wanted) // 2
    return range(start, start + wanted)


def perceptual_hash(image: Pixels) -> str:
    """Return a 64-bit hash that near-identical pictures share: the signs of the low frequencies of a 32x32 thumbnail.

    Args:
        image: [H, W] intensities in any unit; scale and offset do not matter. NaN, no anatomy, is the darkest of them.

    Returns:
        16 hexadecimal digits.

    Source:
        The DCT variant of Zauner, Implementation and benchmarking of perceptual image hash functions (2010).
    """
    image = np.where(np.isnan(image), np.nanmin(image), image)
    thumbnail = cv2.resize(image.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(thumbnail - thumbnail.min())[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


def _row(volume: Volume, position: int) -> dict[str, object]:
    image, labels = volume.pixels[position], volume.labels[position]
    counts = np.bincount(labels.ravel(), minlength=len(Label))
    row_mm, column_mm, slice_mm = volume.spacing_mm or (np.nan, np.nan, np.nan)
    if volume.voxel_ml is not None:
        slice_mm = round(volume.voxel_ml * 1000 / (row_mm * column_mm), 9)
    return {
        "slice": volume.slices[position],
        "case": volume.case,
        "position": position,
        "slot": volume.slots[position] if volume.slots else position,
        "height": image.shape[0],
        "width": image.shape[1],
        "spacing_row_mm": row_mm,
        "spacing_column_mm": column_mm,
        "spacing_slice_mm": slice_mm,
        "image_hash": array_digest(image),
        "content_hash": array_digest(image, labels),
        "perceptual_hash": perceptual_hash(image),
        "has_scar": bool(counts[Label.SCAR]),
        **{f"{label.title}_pixels": int(counts[label]) for label in Label},
        **({} if volume.mvo is None else {"mvo_pixels": int(volume.mvo[position].sum())}),
    }


def _check(volumes: Sequence[Volume], rows: Sequence[dict[str, object]]) -> None:
    findings = [] if rows else ["there is no exam"]
    for what, names in (("case", [v.case for v in volumes]), ("slice", [str(row["slice"]) for row in rows])):
        series = pd.Series(names, dtype=str)
        findings += [f"{what} {name}: occurs more than once" for name in series[series.duplicated()].unique()]
    if findings:
        raise DataError("data", findings)


def _notes(volumes: Sequence[Volume], labels: Sequence[LabelImage]) -> list[str]:
    notes = []
    single = [volume.case for volume in volumes if len(volume.slices) == 1]
    if single:
        notes.append(f"{len(single)} case(s) with a single slice: {list_names(single, _MAX_LISTED)}")
    empty = sum(1 for label in labels if not (label == Label.CAVITY).any())
    if empty:
        notes.append(f"{empty} slice(s) without cavity: their stage-2 guidance is empty")
    return notes + _exam_notes(volumes)


def _exam_notes(volumes: Sequence[Volume]) -> list[str]:
    return notes_by_case((volume.case, note) for volume in volumes for note in volume.notes)


def notes_by_case(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Say each note once, with the cases that it is about; `notes` are as for `cases_by_note`."""
    return [
        f"{len(cases)} case(s): {note}: {list_names(cases, _MAX_LISTED)}"
        for note, cases in cases_by_note(notes).items()
    ]
