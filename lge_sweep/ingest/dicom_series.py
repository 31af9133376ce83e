"""Choose the LGE series of a study, and order its images into a stack."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lge_sweep.config.data import DicomFolders
from lge_sweep.ingest.dicom_header import Frame, Header

TOUCHING_MM = 0.01
"""Slices nearer to each other than this are at the same position."""
PARALLEL = 1e-3
"""Largest difference between two direction cosines that count as equal."""
NO_SPACING = "no PixelSpacing: no length, area or volume is valid"
NO_DISTANCE = "a single slice without thickness: no volume is valid"
NO_DESCRIPTION = "its series has no description; taken for LGE because it is the only one"


@dataclass(frozen=True)
class Stack:
    """The images of one series, in the order of their positions along the slices' normal.

    Attributes:
        frames: S images of one size.
        spacing_mm: (row, column, slice) distance, or None; slice is NaN where only it is unknown.
        thickness_mm: thickness of a slice, or None.
        notes: what a user should know.
    """

    frames: tuple[Frame, ...]
    spacing_mm: tuple[float, float, float] | None
    thickness_mm: float | None
    notes: tuple[str, ...]

    def affine(self, alone_mm: float | None = None) -> NDArray[np.float64] | None:
        """Return where the stack lies: [4, 4] index (row, column, slice) -> mm; right, front, head are positive.

        The step from slice to slice is that of the positions, (last - first) / (S - 1).

        Args:
            alone_mm: the distance to give to a single slice of which none is known.

        Returns:
            None where position, orientation, spacing or the distance of slices is unknown.

        Source:
            DICOM PS3.3 C.7.6.2.1.1, whose left and back are turned into nibabel's right and front.
        """
        first, last, steps = self.frames[0], self.frames[-1], len(self.frames) - 1
        if first.orientation is None or first.position is None or last.position is None or self.spacing_mm is None:
            return None
        rows_mm, columns_mm, distance = self.spacing_mm
        if steps == 0 and alone_mm is not None:
            distance = alone_mm
        if not np.isfinite(distance):
            return None
        along_row, along_column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
        origin = np.array(first.position)
        step = (last.position - origin) / steps if steps else np.cross(along_row, along_column) * distance
        affine = np.eye(4)
        affine[:3] = np.stack([along_column * rows_mm, along_row * columns_mm, step, origin], axis=1)
        return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def choose_series(source: DicomFolders, headers: Sequence[Header], findings: list[str]) -> list[Header]:
    """Return the files of the LGE series; where it is not clear which that is, add a finding and return nothing.

    Args:
        source: the pattern of descriptions, and series by UID.
        headers: the images of one study.
        findings: what is wrong; appended to.
    """
    groups: dict[str, list[Header]] = defaultdict(list)
    for header in headers:
        groups[header.series].append(header)
    named = [files for uid, files in groups.items() if uid in source.series]
    matching = named or [f for f in groups.values() if re.search(source.series_pattern, f[0].description)]
    if len(matching) == 1:
        return matching[0]
    if not matching and len(groups) == 1 and not headers[0].description:
        return list(headers)
    name_it = "or name one in source.series by its SeriesInstanceUID (0020,000E)"
    if matching:
        findings.append(
            f"{len(matching)} series look like LGE: {_listed(matching)}; make source.series_pattern stricter, {name_it}"
        )
    else:
        findings.append(
            f"no SeriesDescription matches source.series_pattern {source.series_pattern}; there are "
            f"{_listed(list(groups.values()))}; change the pattern, {name_it}"
        )
    return []


def arrange(files: Sequence[Header], findings: list[str]) -> Stack | None:
    """Order a series' images along the normal of their planes.

    The position of an image is ImagePositionPatient . (row x column), of the directions in ImageOrientationPatient.

    Args:
        files: one series.
        findings: what is wrong; appended to.

    Returns:
        The stack, or None where something is wrong.

    Source:
        DICOM PS3.3 C.7.6.2.1.1.
    """
    frames = [frame for header in files for frame in header.frames]
    before = len(findings)
    findings += [
        f"{h.path.name}: image is in colour ({h.colour}); LGE is grey (a screenshot?)" for h in files if h.colour
    ]
    findings += _one_kind(frames)
    if len(findings) > before:
        return None
    notes = [] if files[0].description else [NO_DESCRIPTION]
    if len(frames) == 1:
        return _stack(frames, _told_distance(frames[0]), notes)
    if problem := _unplaced(frames):
        findings.append(problem)
        return None
    along = _along(frames)
    order = np.argsort(along, kind="stable")
    frames, along = [frames[k] for k in order], along[order]
    steps = np.diff(along)
    if (steps < TOUCHING_MM).any():
        findings.append(_crowded(frames, steps))
        return None
    distance = float(np.median(steps))
    if np.ptp(steps) > 0.1 * distance:
        notes.append(
            f"slices are {steps.min():.3g} to {steps.max():.3g} mm apart (one missing?); volumes take the median"
        )
    return _stack(frames, round(distance, 4), notes)


def _stack(frames: Sequence[Frame], distance: float | None, notes: list[str]) -> Stack:
    spacing = frames[0].spacing
    if spacing is None:
        return Stack(tuple(frames), None, frames[0].thickness, (*notes, NO_SPACING))
    if distance is None:
        notes = [*notes, NO_DISTANCE]
    rows, columns = spacing
    return Stack(tuple(frames), (rows, columns, distance or float("nan")), frames[0].thickness, tuple(notes))


def _told_distance(frame: Frame) -> float | None:
    told = frame.between or frame.thickness
    return abs(told) if told else None


def _one_kind(frames: Sequence[Frame]) -> list[str]:
    found = []
    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        found.append(f"its images differ in size ({', '.join(f'{h}x{w}' for h, w in sizes)}); one series has one size")
    spacings = {frame.spacing for frame in frames}
    if len(spacings) > 1:
        listed = ", ".join(sorted("none" if s is None else f"{s[0]:g}x{s[1]:g} mm" for s in spacings))
        found.append(f"its images differ in PixelSpacing ({listed}); one series has one spacing")
    return found


def _unplaced(frames: Sequence[Frame]) -> str | None:
    for keyword, name in (("orientation", "ImageOrientationPatient"), ("position", "ImagePositionPatient")):
        lacking = [frame for frame in frames if getattr(frame, keyword) is None]
        if lacking:
            return (
                f"{lacking[0].path.name}: has no {name}{_others(lacking)}, so {len(frames)} slices cannot be put in "
                "order; export the study again with geometry"
            )
    directions = np.array([frame.orientation for frame in frames])
    row, column = directions[:, :3], directions[:, 3:]
    lengths = np.linalg.norm([row, column], axis=-1)
    if np.abs(lengths - 1).max() > 0.01 or np.abs((row * column).sum(axis=1)).max() > 0.01:
        return "ImageOrientationPatient is not two directions at right angles, of length 1"
    if np.abs(directions - directions[0]).max() > PARALLEL * 10:
        return "its images are not parallel (long-axis views, a localiser?); a stack of short-axis slices is"
    return None


def _along(frames: Sequence[Frame]) -> NDArray[np.float64]:
    directions = np.array(frames[0].orientation)
    normal = np.cross(directions[:3], directions[3:])
    along: NDArray[np.float64] = np.array([frame.position for frame in frames]) @ normal
    return along


def _crowded(frames: Sequence[Frame], steps: NDArray[np.float64]) -> str:
    places = 1 + int((steps >= TOUCHING_MM).sum())
    triggers = {frame.trigger for frame in frames if frame.trigger is not None}
    if len(frames) >= 3 * places or len(triggers) > places:
        return (
            f"looks like a cine, not LGE: {len(frames)} images at {places} position{'s' * (places > 1)}"
            + (f", {len(triggers)} trigger times" if len(triggers) > 1 else "")
            + "; make source.series_pattern stricter, or name the series in source.series"
        )
    first = int(np.argmax(steps < TOUCHING_MM))
    a, b = (f"{f.path.name}" + (f" frame {f.number + 1}" if f.number else "") for f in frames[first : first + 2])
    pairs = int((steps < TOUCHING_MM).sum())
    both = " (magnitude and phase-sensitive images in one series?)" if len(frames) == 2 * places else ""
    return f"{a} and {b} are at the same position (pairs of this kind: {pairs}); keep one of them{both}"


def _others(lacking: Sequence[Frame]) -> str:
    return f" (nor have {len(lacking) - 1} other images)" if len(lacking) > 1 else ""


def _listed(groups: Sequence[Sequence[Header]]) -> str:
    def one(files: Sequence[Header]) -> str:
        count = sum(len(header.frames) for header in files)
        return f"'{files[0].description[:40]}' ({count} image{'s' * (count > 1)}, {files[0].path.name})"

    return ", ".join(one(files) for files in groups)
