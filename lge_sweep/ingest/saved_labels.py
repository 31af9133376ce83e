"""Label files that a viewer saved: which a folder holds, which images a SEG is of, and their labels on an exam."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom

from lge_sweep.arrays import Pixels
from lge_sweep.ingest.dicom_header import dicom_files, guard_decoding, read_header
from lge_sweep.ingest.dicom_seg import LaidSeg, lay_seg, referred_instances, segments_by_number
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.external_labels import lay_on_exam
from lge_sweep.ingest.file_kinds import VOLUME_SUFFIXES, count_by_kind
from lge_sweep.ingest.files import check_file, list_files
from lge_sweep.ingest.label_maps import describe_label_map
from lge_sweep.ingest.nifti import is_nifti, read_or_report
from lge_sweep.ingest.nifti_grid import read_nifti_voxels
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.seg_alignment import source_images
from lge_sweep.ingest.volume import Exam, UnusableError

_SEG_TAGS = [
    "SOPClassUID", "ReferencedSeriesSequence", "PerFrameFunctionalGroupsSequence", "ContentCreatorName",
    "SegmentSequence", "PixelPaddingValue",
]  # fmt: skip
"""All that is read of a SEG before its pixels."""
_SLICER_BUNDLE = ".mrb"
"""Ending of a whole scene of 3D Slicer."""


@dataclass(frozen=True)
class LabelFiles:
    """What a folder and those inside it hold that may be labels.

    Attributes:
        segs: DICOM SEG.
        niftis: NIfTI files, images among them.
        unread: files of volumes of other kinds, counted; "" where there is none.
        problems: files that cannot be read, a sentence each.
    """

    segs: tuple[Path, ...]
    niftis: tuple[Path, ...]
    unread: str
    problems: tuple[str, ...]


class SegmentHeader(NamedTuple):
    """What a SEG says of one of its segments."""

    label: str
    """SegmentLabel, else SegmentDescription, else its number in words."""
    code: tuple[str, str]
    """Value and scheme of SegmentedPropertyTypeCodeSequence; "" where there is none."""
    colour: tuple[int, ...]
    """RecommendedDisplayCIELabValue as it is stored; empty where there is none."""


class SegHeader(NamedTuple):
    """What is read of a SEG before it is known which exam it is of."""

    instances: frozenset[str]
    """SOPInstanceUIDs of the images that it refers to."""
    creator: str
    """ContentCreatorName, given name first; "" where there is none."""
    segments: Mapping[int, SegmentHeader]
    """By their numbers."""


def find_label_files(folder: Path) -> LabelFiles:
    """Find the files below a folder that may be labels.

    Raises:
        OSError: the folder cannot be listed.
    """
    files = list_files(folder, deep=True)
    segs, problems = [], []
    for path in dicom_files(folder):
        try:
            if read_header(path).kind == "seg":
                segs.append(path)
        except UnusableError as error:
            if _looks_dicom(path):
                problems.append(f"{path.relative_to(folder)}: {error}")
    niftis = []
    for path in filter(is_nifti, files):
        try:
            check_file(path)
            niftis.append(path)
        except UnusableError as error:
            problems.append(f"{path.relative_to(folder)}: {error}")
    unread = [path for path in files if path.suffix.lower() in (*VOLUME_SUFFIXES, _SLICER_BUNDLE)]
    return LabelFiles(tuple(segs), tuple(niftis), count_by_kind(unread), tuple(problems))


def _looks_dicom(path: Path) -> bool:
    try:
        check_file(path)
        return is_dicom(path)
    except (OSError, UnusableError):  # to be told: it may be a correction
        return True


def read_seg_header(path: Path) -> SegHeader:
    """Read which images a SEG is of, and who made it.

    Raises:
        UnusableError: it cannot be read.
    """
    check_file(path)
    return read_safely(_read_seg_header, path)


def _read_seg_header(path: Path) -> SegHeader:
    with guard_decoding("DICOM SEG"):
        seg = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_SEG_TAGS))
        frames = seg.get("PerFrameFunctionalGroupsSequence", [])
        named = {str(image.ReferencedSOPInstanceUID) for frame in frames for image in source_images(frame)}
        name = seg.get("ContentCreatorName") or ""
        parts = [str(getattr(name, part, "") or "") for part in ("given_name", "family_name")]
        segments = {number: _segment_header(number, one) for number, one in segments_by_number(seg).items()}
        creator = " ".join(filter(None, parts)) or str(name)
        return SegHeader(frozenset(referred_instances(seg) | named), creator, segments)


def _segment_header(number: int, segment: Dataset) -> SegmentHeader:
    kinds = segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    code = str(kinds[0].get("CodeValue") or ""), str(kinds[0].get("CodingSchemeDesignator") or "")
    colour = tuple(map(int, segment.get("RecommendedDisplayCIELabValue") or ()))
    titles = (str(segment.get(keyword) or "").strip() for keyword in ("SegmentLabel", "SegmentDescription"))
    return SegmentHeader(next(filter(None, titles), f"segment {number}"), code, colour)


def exam_instances(exam: Exam) -> frozenset[str]:
    """Return the SOPInstanceUIDs of an exam's images; none of an exam that is no DICOM.

    Raises:
        UnusableError: an image cannot be read any more.
    """
    return frozenset(read_header(path).instance for path in dict.fromkeys(source.path for source in exam.sources))


def read_seg_on_exam(path: Path, exam: Exam, classes: Mapping[int, str]) -> LaidSeg:
    """Lay a SEG on the slices of a DICOM exam.

    Args:
        path: the SEG.
        exam: the exam.
        classes: number of a segment -> its class; all segments are there.

    Raises:
        UnusableError: as `lay_seg` raises it; or an image cannot be read any more.
    """
    headers = {path: read_header(path) for path in dict.fromkeys(source.path for source in exam.sources)}
    frames = tuple(headers[source.path].frames[source.number] for source in exam.sources)
    slots = exam.slots or tuple(range(len(frames)))
    stack = Stack(frames, exam.spacing_mm, exam.thickness_mm, (), slots)
    references = {header.frame_of_reference for header in headers.values()}
    return lay_seg(path, partial(_as_given, classes), stack, references)


def _as_given(classes: Mapping[int, str], seg: Dataset) -> Mapping[int, str]:
    return classes


def may_be_label_map(path: Path) -> bool:
    """Whether a NIfTI file is a label map by its content, or cannot be read."""
    problems: list[str] = []
    voxels = read_or_report(read_nifti_voxels, path, "", problems)
    return voxels is None or describe_label_map(voxels.array, named=True) is not None


def read_nifti_on_exam(path: Path, exam: Exam, *, trust: bool) -> tuple[Pixels, str] | None:
    """Lay a NIfTI label map on the slices of an exam.

    Args:
        path: the file.
        exam: the exam.
        trust: take it voxel by voxel, whatever its affine says.

    Returns:
        [S, H, W] values as they are stored, and what a user should know; None where it is an image, no label map.

    Raises:
        UnusableError: it lies elsewhere than the exam.
        Whatever nibabel raises for broken files.
    """
    voxels = read_nifti_voxels(path)
    if describe_label_map(voxels.array, named=True) is None:
        return None
    return lay_on_exam(voxels, exam, trust=trust)
