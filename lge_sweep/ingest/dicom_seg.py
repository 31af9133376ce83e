"""DICOM Segmentations as masks: segments become classes, frames are laid where they lie."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from lge_sweep.arrays import ClassCodes, Mask
from lge_sweep.config.masks import SegMask
from lge_sweep.ingest.contours import PAINT_ORDER
from lge_sweep.ingest.dicom_header import Header, find_only_file, guard_decoding
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.limits import check_size
from lge_sweep.ingest.masks import unlisted_message
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.seg_alignment import align_frames, source_images
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.labels import CLASS_CODES

Regions = dict[str, Mask]
SegmentClasses = Callable[[Dataset], Mapping[int, str]]
"""Gives the class of each segment of a SEG by its number, background for those that are of no use.

Raises:
    UnusableError: it cannot be told.
"""


class LaidSeg(NamedTuple):
    """The segments of a SEG on the slices of a series."""

    codes: ClassCodes
    """[S, H, W] values of `CLASS_CODES`; what lies over what: see `PAINT_ORDER`."""
    notes: tuple[str, ...]
    """What a user should know of where its frames lie."""
    overlaps: tuple[str, ...]
    """Which classes lie over which, and in how many pixels."""


def read_seg(
    mask: SegMask, stack: Stack, headers: Sequence[Header], findings: list[str]
) -> tuple[ClassCodes | None, tuple[str, ...]]:
    """Lay the segments of a case's SEG on its series.

    Args:
        mask: the segments and their classes.
        stack: the series, in order.
        headers: every DICOM file of the case.
        findings: what is wrong; appended to.

    Returns:
        [S, H, W] values of `CLASS_CODES`, or None where something is wrong; and what a user should know.
    """
    path = find_only_file(headers, "seg", "DICOM SEG", findings)
    if path is None:
        return None, ()
    ours = {frame.instance for frame in stack.frames}
    try:
        references = {header.frame_of_reference for header in headers if header.instance in ours}
        laid = lay_seg(path, partial(_segment_classes, mask), stack, references)
    except UnusableError as error:
        findings.append(f"{path.name}: {error}")
        return None, ()
    told = f"segments of its SEG overlap: {', '.join(laid.overlaps)}"
    return laid.codes, (*laid.notes, *[told] * bool(laid.overlaps))


def lay_seg(path: Path, classes: SegmentClasses, stack: Stack, frames_of_reference: Collection[str]) -> LaidSeg:
    """Lay the segments of a SEG on a series.

    Args:
        path: the SEG.
        classes: what its segments are; it can be sent to another process, which reads a compressed file.
        stack: the series, in order.
        frames_of_reference: those of its images.

    Raises:
        UnusableError: it is of other images, lies elsewhere, cannot be read, or holds an unknown segment.
    """
    check_file(path)
    return read_safely(_read_seg, path, classes, stack, frames_of_reference)


def _read_seg(path: Path, classes: SegmentClasses, stack: Stack, frames_of_reference: Collection[str]) -> LaidSeg:
    with guard_decoding("DICOM SEG"):
        return _segment_codes(pydicom.dcmread(path), classes, stack, frames_of_reference)


def _segment_codes(
    seg: Dataset, classes_of: SegmentClasses, stack: Stack, frames_of_reference: Collection[str]
) -> LaidSeg:
    size = (int(seg.Rows), int(seg.Columns))
    if sorted(size) != sorted(stack.frames[0].size):
        wanted = "x".join(map(str, stack.frames[0].size))
        raise UnusableError(f"mask is {size[0]}x{size[1]}, its image {wanted}; they must be equal")
    check_size(*size, int(seg.NumberOfFrames))
    _check_references(seg, {frame.instance for frame in stack.frames})
    classes = classes_of(seg)
    places, notes = align_frames(seg, stack, frames_of_reference)
    shape = (len(stack.frames), *stack.frames[0].size)
    regions: Regions = {name: np.zeros(shape, dtype=np.bool_) for name in PAINT_ORDER if name in classes.values()}
    members = _frame_masks(seg, classes)
    for place, parts in zip(places, members, strict=True):
        for name, region in parts.items():
            regions[name][place.slice] |= place.turn.apply(region[..., None].view(np.uint8))[..., 0] > 0
    labels = np.zeros(shape, dtype=np.uint8)
    for name, region in regions.items():
        labels[region] = CLASS_CODES[name]
    return LaidSeg(labels, notes, _overlaps(regions))


def _check_references(seg: Dataset, ours: Collection[str]) -> None:
    """Refuse a SEG of other instances: those that its series reference names, or its frames.

    The frames count too: those that name another instance would be left out of the labels without a word.
    """
    referred = referred_instances(seg)
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, start=1):
        named = source_images(frame)
        if not named:
            raise UnusableError(f"its frame {number} does not say which image it belongs to; give a NIfTI mask")
        referred |= {str(source.ReferencedSOPInstanceUID) for source in named}
    if foreign := referred - set(ours):
        raise UnusableError(
            f"refers to {len(foreign)} instance{'s' * (len(foreign) > 1)} that the LGE series does not have (of "
            f"{len(referred)} it refers to); it belongs to another series, or files are missing"
        )


def referred_instances(seg: Dataset) -> set[str]:
    """Return the SOPInstanceUIDs that the series reference of a SEG names."""
    return {
        str(image.ReferencedSOPInstanceUID)
        for series in seg.get("ReferencedSeriesSequence", [])
        for image in series.get("ReferencedInstanceSequence", [])
    }


def segments_by_number(seg: Dataset) -> dict[int, Dataset]:
    """Return the segments of a SEG by their numbers, without that of a label map's background."""
    segments = {int(segment.SegmentNumber): segment for segment in seg.SegmentSequence}
    segments.pop(_background_value(seg), None)
    return segments


def _segment_classes(mask: SegMask, seg: Dataset) -> dict[int, str]:
    """Return number of a segment -> class; each must be listed."""
    known = {label.casefold(): name for label, name in mask.segments.items()}
    titles = {number: str(segment.SegmentLabel) for number, segment in segments_by_number(seg).items()}
    if unknown := [title for title in titles.values() if title.strip().casefold() not in known]:
        raise UnusableError(unlisted_message("segment", unknown, "source.mask.segments", mask.segments))
    return {number: known[title.strip().casefold()] for number, title in titles.items()}


def _frame_masks(seg: Dataset, classes: Mapping[int, str]) -> list[Regions]:
    """Return for each frame the pixels [rows, columns] of each class but the background; half is enough."""
    frames = seg.pixel_array.reshape(-1, int(seg.Rows), int(seg.Columns))
    if seg.SegmentationType == "LABELMAP":
        if unknown := set(np.unique(frames).tolist()) - {*classes, 0, _background_value(seg)}:
            raise UnusableError(f"its pixels have the value {min(unknown)}, which is of no segment; export it again")
        numbers = {name: [n for n, other in classes.items() if other == name] for name in classes.values()}
        return [{name: np.isin(frame, numbers[name]) for name in PAINT_ORDER if name in numbers} for frame in frames]
    half = int(seg.MaximumFractionalValue) / 2 if seg.SegmentationType == "FRACTIONAL" else 0.5
    shared = seg.SharedFunctionalGroupsSequence[0]
    found: list[Regions] = []
    for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        identity = groups.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        name = classes[int(identity[0].ReferencedSegmentNumber)]
        found.append({name: frame >= half} if name in PAINT_ORDER else {})
    return found


def _background_value(seg: Dataset) -> int:
    """Return the value of a label map's pixels that are of no segment; a segment's number may say so."""
    return int(seg.get("PixelPaddingValue", 0))


def _overlaps(regions: Regions) -> tuple[str, ...]:
    """Say how many pixels are of two classes; regions are in the order in which they are put over each other."""
    pairs = {(a, b): int(np.count_nonzero(regions[a] & regions[b])) for a, b in combinations(regions, 2)}
    return tuple(f"{upper} over {lower} in {count} pixels" for (lower, upper), count in pairs.items() if count)
