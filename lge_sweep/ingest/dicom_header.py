"""Read what is needed of DICOM headers, and nothing else: no name, no date of a patient is ever looked at."""

import logging
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from lge_sweep.ingest.file_kinds import (
    ARCHIVE_SUFFIXES,
    BARE_NAMES,
    PICTURE_SUFFIXES,
    SYSTEM_SUFFIXES,
    TEXT_SUFFIXES,
    VOLUME_SUFFIXES,
    WORKSPACE_SUFFIXES,
)
from lge_sweep.ingest.files import check_file, is_below, list_files
from lge_sweep.ingest.image_files import IMAGE_SUFFIXES
from lge_sweep.ingest.limits import FRAMES
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.volume import UnusableError

_LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation Storage, of which this pydicom has no name."""
_MASK_SOP_CLASSES: dict[str, Literal["seg", "rtstruct"]] = {
    SegmentationStorage: "seg", _LABEL_MAP_STORAGE: "seg", RTStructureSetStorage: "rtstruct"
}  # fmt: skip
"""SOP class -> kind of masks."""
Numbers = tuple[float, ...]
logging.getLogger("highdicom").addHandler(logging.NullHandler())  # as pydicom does: its log quotes UIDs
_HEADER_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "PatientID",
    "SeriesNumber", "FrameOfReferenceUID",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "TriggerTime",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
"""All that is read of a header. PatientID goes into a salted hash."""
_FUNCTIONAL_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
    "VOILUTSequence": "FrameVOILUTSequence",
}
"""Attribute -> functional group that holds it in an enhanced multi-frame file."""
_NON_DICOM_SUFFIXES = (
    *IMAGE_SUFFIXES,
    ".nii",
    *TEXT_SUFFIXES,
    *SYSTEM_SUFFIXES,
    *ARCHIVE_SUFFIXES,
    *PICTURE_SUFFIXES,
    *VOLUME_SUFFIXES,
    *WORKSPACE_SUFFIXES,
)
"""Endings of files that lie beside DICOM files and are passed over; `dicom_studies` names what could hold images."""


@dataclass(frozen=True)
class Frame:
    """One 2-D image of a DICOM file; mm, in the patient's coordinates (left, back, head are positive)."""

    path: Path
    number: int
    """Index in its file, from 0."""
    instance: str
    """SOPInstanceUID of its file."""
    size: tuple[int, int]
    """Rows, columns."""
    position: Numbers | None
    """x, y, z of the first pixel's centre."""
    orientation: Numbers | None
    """Direction of a row (x, y, z), then of a column."""
    spacing: Numbers | None
    """Distance between rows, between columns."""
    thickness: float | None
    between: float | None
    """Distance between slices as the scanner tells it."""
    trigger: float | None
    """Time after the R wave, ms."""


@dataclass(frozen=True)
class Header:
    """One DICOM file."""

    path: Path
    kind: Literal["image", "seg", "rtstruct", "other"]
    name: str
    """Name of its SOP class, such as MR Image Storage."""
    instance: str
    study: str
    series: str
    description: str
    number: str
    """SeriesNumber; "" where there is none."""
    patient: str
    frame_of_reference: str
    """FrameOfReferenceUID, of what positions refer to; "" where there is none."""
    colour: str | None
    """Photometric interpretation where it is not grey; a palette may hold greys alone, which its pixels tell."""
    frames: tuple[Frame, ...]


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom and highdicom from complaining about values: their warnings and logs quote them."""
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def guard_decoding(what: str) -> Iterator[None]:
    """Read what may be broken: pydicom raises whatever that leads to, and its messages may quote a patient's data.

    Args:
        what: is read, such as "DICOM header".

    Raises:
        UnusableError: in place of all that is raised; those of ours stay.
    """
    try:
        with quiet_pydicom():
            yield
    except UnusableError:
        raise
    except Exception as error:
        raise UnusableError(f"broken {what} ({type(error).__name__})") from None


def dicom_files(folder: Path, skip: Collection[Path] = ()) -> list[Path]:
    """Return the files below a folder that may be DICOM, sorted.

    Args:
        folder: the folder. Hidden files and other known kinds are left out.
        skip: folders, resolved, whose files are left out, too.
    """
    return [
        path
        for path in list_files(folder, deep=True)
        if path.suffix.lower() not in _NON_DICOM_SUFFIXES
        and path.name.lower() not in BARE_NAMES
        and not is_below(path, skip)
    ]


def read_header(path: Path) -> Header:
    """Read a file's header.

    Raises:
        UnusableError: it is not DICOM, is cut off, or holds values that are not what the standard says.
    """
    size = check_file(path)
    return read_safely(_read_header, path, size)


def _read_header(path: Path, size: int) -> Header:
    with guard_decoding("DICOM header"):
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER_TAGS))
        except InvalidDicomError:
            raise UnusableError("not a DICOM file (no 'DICM' at byte 128), or cut off before it") from None
        return _header(path, size, dataset)


def find_only_file(headers: Sequence[Header], kind: str, name: str, findings: list[str]) -> Path | None:
    """Return a case's one file of a kind of masks; where there is none or several, add a finding.

    Args:
        headers: every DICOM file of the case.
        kind: that of `Header`.
        name: what it is called in messages.
        findings: what is wrong; appended to.
    """
    files = [header.path for header in headers if header.kind == kind]
    if len(files) == 1:
        return files[0]
    which = ", ".join(path.name for path in files)
    findings.append(f"holds {len(files)} {name} files ({which}); keep one" if files else f"holds no {name} file")
    return None


def read_numbers(dataset: Dataset, keyword: str, count: int, frame: int = 0) -> Numbers | None:
    """Return the numbers of an attribute, or None where it is absent or empty.

    Args:
        dataset: the file's header.
        keyword: the attribute; in an enhanced multi-frame file it is looked up in the frame's functional groups.
        count: how many numbers it must have.
        frame: index of the frame.

    Raises:
        UnusableError: it has another number of values, or they are not finite numbers.
    """
    value = read_element(dataset, keyword, frame)
    if value is None or value == "" or (not isinstance(value, str | float | int) and len(value) == 0):
        return None
    wrong = UnusableError(f"{keyword} is not {count} finite number{'s' * (count > 1)}")
    try:
        found = tuple(float(item) for item in ([value] if isinstance(value, str | float | int) else value))
    except (TypeError, ValueError):
        raise wrong from None
    if len(found) != count or any(item != item or abs(item) == float("inf") for item in found):
        raise wrong
    return found


def read_element(dataset: Dataset, keyword: str, frame: int) -> Any:
    """Return the raw value of an attribute: the frame's own, else that shared by all frames, else the file's.

    Args:
        dataset: the file's header.
        keyword: the attribute.
        frame: index of the frame.
    """
    group = _FUNCTIONAL_GROUPS.get(keyword)
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    items = ([per_frame[frame]] if per_frame and frame < len(per_frame) else []) + ([shared[0]] if shared else [])
    for item in items:
        inner = item.get(group) if group else None
        if inner and keyword in inner[0]:
            return inner[0].get(keyword)
    return dataset.get(keyword)


def _header(path: Path, size: int, dataset: Dataset) -> Header:
    for keyword in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        if not dataset.get(keyword):
            raise UnusableError(f"broken DICOM file: it has no {keyword} (cut off?)")
    name = dataset.SOPClassUID.name
    kind: Literal["image", "seg", "rtstruct", "other"] = "image" if name.endswith("Image Storage") else "other"
    kind = _MASK_SOP_CLASSES.get(dataset.SOPClassUID, kind)
    if kind == "image" and not (dataset.get("Rows") and dataset.get("Columns")):
        raise UnusableError(f"broken DICOM file: {name} without Rows and Columns (cut off?)")
    count = _frame_count(dataset, size) if kind in ("image", "seg") else 0
    photometric = str(dataset.get("PhotometricInterpretation") or "MONOCHROME2")
    grey = photometric.startswith(("MONOCHROME", "PALETTE")) and int(dataset.get("SamplesPerPixel") or 1) == 1
    return Header(
        path,
        kind,
        name,
        instance=str(dataset.SOPInstanceUID),
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        description=str(dataset.get("SeriesDescription") or "").strip(),
        number=_series_number(dataset),
        patient=str(dataset.get("PatientID") or "").strip(),
        colour=None if grey else photometric,
        frames=tuple(_frame(path, dataset, k) for k in range(count)) if kind == "image" else (),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID") or ""),
    )


def _series_number(dataset: Dataset) -> str:
    told = str(dataset.get("SeriesNumber") or "").strip()
    return told if told.isdecimal() and len(told) < 10 else ""  # what else is there may tell who the patient is


def _frame_count(dataset: Dataset, size: int) -> int:
    """Return the number of frames, of which each has at least a byte in the file."""
    count = (read_numbers(dataset, "NumberOfFrames", 1) or (1,))[0]
    FRAMES.check("NumberOfFrames", (count,))
    if count > size:
        raise UnusableError(f"NumberOfFrames is {count:g}, in a file of {size} bytes (broken?); export it again")
    return int(count)


def _frame(path: Path, dataset: Dataset, number: int) -> Frame:
    def one(keyword: str) -> float | None:
        found = read_numbers(dataset, keyword, 1, number)
        return found[0] if found else None

    trigger = one("NominalCardiacTriggerDelayTime")
    return Frame(
        path,
        number,
        str(dataset.SOPInstanceUID),
        (int(dataset.Rows), int(dataset.Columns)),
        position=read_numbers(dataset, "ImagePositionPatient", 3, number),
        orientation=read_numbers(dataset, "ImageOrientationPatient", 6, number),
        spacing=read_numbers(dataset, "PixelSpacing", 2, number),
        thickness=one("SliceThickness") or None,  # some scanners write 0 where it is unknown
        between=one("SpacingBetweenSlices"),
        trigger=one("TriggerTime") if trigger is None else trigger,
    )
