"""DICOM RT Structure Sets as masks: contours in mm in the patient are laid on the slices that they lie in."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom

from lge_sweep.arrays import ClassCodes, Points, Vector
from lge_sweep.config.masks import RtstructMask
from lge_sweep.ingest.contours import MIN_CONTOUR_POINTS, Contour, fill_contours
from lge_sweep.ingest.dicom_header import Frame, Header, find_only_file, guard_decoding
from lge_sweep.ingest.dicom_stack import Stack
from lge_sweep.ingest.files import check_file
from lge_sweep.ingest.limits import MIB, POSITION_MM
from lge_sweep.ingest.masks import unlisted_message
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.labels import CLASS_CODES
from lge_sweep.text import shorten

_CLOSED_CONTOUR_TYPES = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_PLANE_TOLERANCE = 0.1
"""Share of the slice spacing by which a contour's points may lie off the plane of their slice."""
_PLANE_TOLERANCE_MM = 1.0
"""Most mm of it, and all of it where the distance is unknown."""
_MAX_RTSTRUCT_BYTES = 256 * MIB
OTHER_SERIES = "its contours were drawn on another series of the same frame of reference; laid by their positions"


class RtContour(NamedTuple):
    """A contour as it is stored."""

    kind: str
    """CLOSED_PLANAR, POINT ..."""
    points: Points
    """[N, 3] mm; left, back, head are positive."""
    images: tuple[str, ...]
    """SOPInstanceUIDs that it refers to."""


class RtStructure(NamedTuple):
    """A region of interest with its contours."""

    name: str
    frame_of_reference: str
    drawn: tuple[RtContour, ...]


def read_rtstruct(
    mask: RtstructMask, stack: Stack, headers: Sequence[Header], findings: list[str]
) -> tuple[ClassCodes | None, tuple[str, ...]]:
    """Lay the contours of a case's structure set on its series.

    Each closed contour is laid on the slice whose plane it lies in: no point may be further from it than
    `_PLANE_TOLERANCE` of the slice spacing, and `_PLANE_TOLERANCE_MM`. It must refer to that slice's image, or to
    images with the same frame of reference.

    Args:
        mask: the structures and their classes.
        stack: the series, in order.
        headers: every DICOM file of the case.
        findings: what is wrong; appended to.

    Returns:
        [S, H, W] values of `CLASS_CODES`, or None where something is wrong; and what a user should know.
    """
    path = find_only_file(headers, "rtstruct", "RTSTRUCT", findings)
    if path is None:
        return None, ()
    before = len(findings)
    try:
        check_file(path, _MAX_RTSTRUCT_BYTES)
        structures = _used_structures(read_safely(_read_structures, path), mask)
        notes = _check_reference(structures, stack, headers)
        contours = [
            contour
            for structure in structures
            for contour in _place_contours(structure, mask, stack, path.name, findings)
        ]
    except UnusableError as error:
        findings.append(f"{path.name}: {error}")
    if len(findings) > before:
        return None, ()
    codes, more = fill_contours(contours, (len(stack.frames), *stack.frames[0].size))
    if not codes.any():
        findings.append(f"{path.name}: no contour of source.mask.structures holds a pixel of the LGE series")
        return None, ()
    return codes, (*notes, *more)


def _read_structures(path: Path) -> list[RtStructure]:
    with guard_decoding("RTSTRUCT"):
        return _parse_structures(pydicom.dcmread(path))


def _parse_structures(dataset: pydicom.Dataset) -> list[RtStructure]:
    rois = {int(roi.ROINumber): roi for roi in dataset.get("StructureSetROISequence") or ()}
    found = []
    for item in dataset.get("ROIContourSequence") or ():
        roi = rois.get(int(item.ReferencedROINumber))
        if roi is None:
            raise UnusableError("broken RTSTRUCT: contours of a structure that its list of structures does not have")
        drawn = tuple(_parse_contour(contour) for contour in item.get("ContourSequence") or ())
        name = str(roi.get("ROIName") or "").strip()
        found += [RtStructure(name, str(roi.get("ReferencedFrameOfReferenceUID") or ""), drawn)] * bool(drawn)
    return found


def _parse_contour(contour: pydicom.Dataset) -> RtContour:
    numbers = np.array([float(number) for number in contour.get("ContourData") or ()])
    if numbers.size % 3 or not np.isfinite(numbers).all():
        raise UnusableError("broken RTSTRUCT: ContourData is not three finite numbers a point")
    if numbers.size:
        POSITION_MM.check("ContourData", [float(numbers[np.abs(numbers).argmax()])])
    images = tuple(str(image.ReferencedSOPInstanceUID) for image in contour.get("ContourImageSequence") or ())
    return RtContour(str(contour.get("ContourGeometricType") or ""), numbers.reshape(-1, 3), images)


def _used_structures(structures: Sequence[RtStructure], mask: RtstructMask) -> list[RtStructure]:
    """Return the structures whose class is not the background; each must be listed."""
    known = {name.strip().casefold(): found for name, found in mask.structures.items()}
    if unknown := [structure.name for structure in structures if structure.name.casefold() not in known]:
        raise UnusableError(unlisted_message("structure", unknown, "source.mask.structures", mask.structures))
    used = [structure for structure in structures if known[structure.name.casefold()] != "background"]
    if not used:
        raise UnusableError("has no contour of a structure that source.mask.structures gives a class to")
    return used


def _check_reference(structures: Sequence[RtStructure], stack: Stack, headers: Sequence[Header]) -> list[str]:
    """Refuse contours that are in another frame of reference than the series."""
    ours = {frame.instance for frame in stack.frames}
    frame_of_reference = {header.frame_of_reference for header in headers if header.instance in ours}
    notes = []
    for structure in structures:
        referred = {image for drawn in structure.drawn for image in drawn.images}
        shared = bool(structure.frame_of_reference) and frame_of_reference == {structure.frame_of_reference}
        told = bool(structure.frame_of_reference) and frame_of_reference != {""}
        if shared or (referred and referred <= ours and not told):
            notes += [OTHER_SERIES] * (not referred <= ours)
            continue
        refers = "refers to images of another series" if referred - ours else "refers to no image"
        if referred and referred <= ours:
            refers = "refers to images of the LGE series"
        raise UnusableError(
            f"structure '{shorten(structure.name, 40)}' {refers}, and its frame of reference (0020,0052) is "
            f"{'another than' if told else 'not known to be'} that of the LGE series, so that positions cannot be "
            "compared; export the structure set that was drawn on this series"
        )
    return list(dict.fromkeys(notes))


def _place_contours(
    structure: RtStructure, mask: RtstructMask, stack: Stack, file: str, findings: list[str]
) -> list[Contour]:
    """Return a structure's contours in pixels of the slices that they lie in."""
    name = f"{file}: structure '{shorten(structure.name, 40)}'"
    classes = {key.strip().casefold(): CLASS_CODES[found] for key, found in mask.structures.items()}
    odd = [
        drawn
        for drawn in structure.drawn
        if drawn.kind not in _CLOSED_CONTOUR_TYPES or len(drawn.points) < MIN_CONTOUR_POINTS
    ]
    if odd:
        kinds = ", ".join(sorted({shorten(drawn.kind, 20) or "unknown" for drawn in odd}))
        findings.append(
            f"{name} has {len(odd)} of {len(structure.drawn)} contours that hold no area ({kinds}, or fewer than "
            f"{MIN_CONTOUR_POINTS} points); close them where they were drawn, or list the structure as background"
        )
        return []
    planes = [_plane(frame) for frame in stack.frames]
    limit = min(_PLANE_TOLERANCE * _slice_mm(stack), _PLANE_TOLERANCE_MM)
    laid, off, elsewhere = [], [], 0
    for drawn in structure.drawn:
        away = np.array([np.abs(plane.off(drawn.points)).max() for plane in planes])
        index = int(away.argmin())
        frame = stack.frames[index]
        ours = {other.instance for other in stack.frames} & set(drawn.images)
        if away[index] > limit:
            off.append(away[index])
        elif ours and frame.instance not in ours:
            elsewhere += 1
        else:
            points = planes[index].pixels(drawn.points)
            laid.append(Contour(structure.name, classes[structure.name.casefold()], index, points))
    if off:
        findings.append(
            f"{name} has {len(off)} of {len(structure.drawn)} contours up to {max(off):.3g} mm off the nearest slice "
            f"of the LGE series ({limit:.2g} mm count as on it): a slice is missing, or they were drawn on other "
            "images; add the slice, or remove these contours where they were drawn"
        )
    if elsewhere:
        findings.append(
            f"{name} has {elsewhere} of {len(structure.drawn)} contours that refer to one slice and lie in another; "
            "export the structure set again"
        )
    return laid


class _Plane(NamedTuple):
    """Where a slice lies; mm, left, back, head are positive."""

    origin: Vector
    along_row: Vector
    along_column: Vector
    spacing: Vector
    """Distance between rows, between columns."""

    def off(self, points: Points) -> Vector:
        """Return the signed distances of points [N, 3] from the plane."""
        return np.asarray((points - self.origin) @ np.cross(self.along_row, self.along_column))

    def pixels(self, points: Points) -> Points:
        """Return [N, 2] row and column of points [N, 3].

        Source:
            DICOM PS3.3 C.7.6.2.1.1, solved for the indices.
        """
        across = np.stack([(points - self.origin) @ self.along_column, (points - self.origin) @ self.along_row], axis=1)
        return np.asarray(across / self.spacing)


def _plane(frame: Frame) -> _Plane:
    if frame.position is None or frame.orientation is None or frame.spacing is None:
        raise UnusableError("contours in mm need ImagePositionPatient, ImageOrientationPatient and PixelSpacing")
    directions = np.array(frame.orientation)
    return _Plane(np.array(frame.position), directions[:3], directions[3:], np.array(frame.spacing))


def _slice_mm(stack: Stack) -> float:
    distance = stack.spacing_mm[2] if stack.spacing_mm else float("inf")
    return distance if np.isfinite(distance) else float("inf")
