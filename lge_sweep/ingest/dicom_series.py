"""Order the images of a series into a stack."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lge_sweep.arrays import Vector
from lge_sweep.ingest.dicom_header import Frame, Header, Numbers
from lge_sweep.ingest.dicom_stack import Stack, make_stack, normal_positions
from lge_sweep.ingest.limits import PIXEL_MM, POSITION_MM, SLICE_MM, Range, check_size
from lge_sweep.ingest.volume import UnusableError

_SAME_POSITION_MM = 0.01
"""Slices nearer to each other than this are at the same position."""
_DIRECTION_TOLERANCE = 1e-3
"""Largest difference between two direction cosines that count as equal."""
_PHYSICAL_RANGES: dict[str, tuple[str, Range]] = {
    "spacing": ("PixelSpacing", PIXEL_MM),
    "thickness": ("SliceThickness", SLICE_MM),
    "position": ("ImagePositionPatient", POSITION_MM),
}
"""Attribute of a frame -> its keyword, and the values it may have."""
_SPACING_TOLERANCE = 1e-4
"""Share by which pixel spacings of one series may differ, by how they were rounded; their mean is taken."""
_STEP_TOLERANCE = 0.1
"""Share of the slice spacing by which steps between slices may differ and count as equal."""
_GAP_FACTOR = 1.75
"""Times the usual step from which on slices are missing."""
_OVERLAP_FACTOR = 0.6
"""Share of the slice spacing; slices nearer to each other than this are not of one even stack."""
_NO_DESCRIPTION = "its series has no description; taken for LGE because it is the only one"


def order_series(files: Sequence[Header], findings: list[str]) -> Stack | None:
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
    findings += _out_of_range(frames) or _inconsistent_frames(frames)
    if len(findings) > before:
        return None
    notes = [] if files[0].description else [_NO_DESCRIPTION]
    if problem := (_missing_geometry(frames) if len(frames) > 1 else None) or _orientation_problem(frames):
        findings.append(problem)
        return None
    if len(frames) == 1:
        distance, said = _single_slice_spacing(frames[0])
        return make_stack(frames, distance, [*notes, *said], [0])
    along = normal_positions(frames)
    order = np.argsort(along, kind="stable")
    frames, steps = [frames[k] for k in order], np.diff(along[order])
    if (steps < _SAME_POSITION_MM).any():
        findings.append(_same_position_problem(frames, steps))
        return None
    usual = _typical_step(steps, frames[0])
    if steps.min() < _OVERLAP_FACTOR * usual:
        findings.append(_overlap_problem(frames, steps, usual))
        return None
    strides, distance = _slot_steps(steps, usual)
    slots = [0, *np.cumsum(strides).tolist()]
    notes += _step_notes(steps, distance, slots[-1] - len(steps)) + _spacing_notes(frames[0], distance)
    try:
        SLICE_MM.check("slice spacing by their ImagePositionPatient", (distance,))
        check_size(*frames[0].size, slots[-1] + 1)
    except UnusableError as error:
        findings.append(str(error))
        return None
    return make_stack(frames, round(distance, 6), notes, slots)


def _single_slice_spacing(frame: Frame) -> tuple[float | None, list[str]]:
    """Return the distance that a single slice stands for, and a note where the scanner tells two that do not fit.

    It is SpacingBetweenSlices, from centre to centre; but where that is less than the slice is thick, it is not: some
    scanners write the gap there. Then, and where it is more than twice the thickness, it is the thickness, which is all
    that the slice shows.

    Source:
        DICOM PS3.3 C.8.3.1 (Spacing Between Slices is measured from the centre of each slice).
    """
    between, thickness = (abs(mm) if mm else None for mm in (frame.between, frame.thickness))
    if between is None or thickness is None:
        return between or thickness, []
    if thickness * (1 - _STEP_TOLERANCE) <= between <= 2 * thickness:
        return between, []
    less = between < thickness
    why = "less than the slice is thick, perhaps a gap" if less else "more than twice as much"
    said = f"SpacingBetweenSlices {between:.4g} mm of a single slice of {thickness:.4g} mm is {why}"
    return thickness, [f"{said}; the thickness is taken"]


def _step_notes(steps: Vector, distance: float, missing: int) -> list[str]:
    """Return a note where slices are not evenly spaced.

    Args:
        steps: [S - 1] mm between slices that follow each other.
        distance: the slice spacing that volumes take, mm.
        missing: how many slices are missing between others.
    """
    if np.ptp(steps) <= _STEP_TOLERANCE * distance:
        return []
    apart = f"slices are {steps.min():.3g} to {steps.max():.3g} mm apart"
    if missing:
        return [f"{apart} ({missing} missing?); volumes take {distance:.4g} mm a slice, nothing where one is missing"]
    return [f"{apart}; volumes take the mean, {distance:.4g} mm"]


def _overlap_problem(frames: Sequence[Frame], steps: Vector, usual: float) -> str:
    """Say which two slices are nearest to each other, and how far apart others are (mm)."""
    k = int(np.argmin(steps))
    return (
        f"{_frame_name(frames[k])} and {_frame_name(frames[k + 1])} are {steps[k]:.3g} mm apart, other slices "
        f"{usual:.4g} mm (a slice taken twice?); slices that overlap have no volume; keep one of them"
    )


def _spacing_notes(frame: Frame, distance: float) -> list[str]:
    """Return a note where SpacingBetweenSlices is not the distance in mm that the positions tell."""
    if not frame.between or abs(abs(frame.between) / distance - 1) <= _STEP_TOLERANCE:
        return []
    told = abs(frame.between)
    said = f"slices are {distance:.4g} mm apart by their positions, SpacingBetweenSlices says {told:.4g} mm"
    times = round(distance / told)
    if frame.thickness and told < frame.thickness and abs((told + frame.thickness) / distance - 1) <= _STEP_TOLERANCE:
        said += f", which is the gap between slices of {frame.thickness:.4g} mm"
    elif times > 1 and abs(distance / told / times - 1) <= _STEP_TOLERANCE:
        said += f" (of {times} slices, only one is there?)"
    return [f"{said}; volumes take the positions"]


def _typical_step(steps: Vector, frame: Frame) -> float:
    """Return the step from slice to slice where none is missing or too many.

    It is the commonest, of equally common ones that which is nearest to what the scanner tells, or else the smallest;
    or the smallest of all, where the scanner tells that distance (slices may be missing everywhere).

    Args:
        steps: [S - 1] mm between slices that follow each other.
        frame: a slice, for what its header tells.
    """
    told = _header_spacing(frame)
    if frame.between and abs(steps.min() / abs(frame.between) - 1) < _STEP_TOLERANCE:
        return float(steps.min())
    alike = (np.abs(steps[:, None] - steps) <= _STEP_TOLERANCE * steps[:, None]).sum(axis=1)
    common = steps[alike == alike.max()]
    return float(common[np.argmin(np.abs(np.log(common / told)))] if told else common.min())


def _slot_steps(steps: Vector, usual: float) -> tuple[NDArray[np.intp], float]:
    """Return how often the slice spacing goes into each step, and that distance, mm.

    Where it goes into all of them, it is their mean. Else steps from `_GAP_FACTOR` times the usual one on are gaps, and
    it is the mean of the others: what is not imaged makes no slice thicker.
    """
    strides = np.maximum(np.rint(steps / usual), 1).astype(int)
    distance = float(np.median(steps / strides))
    if (np.abs(steps / distance - strides) < _STEP_TOLERANCE).all():
        return strides, float(steps.sum() / strides.sum())
    gaps = steps >= _GAP_FACTOR * usual
    distance = float(steps[~gaps].mean())
    return np.where(gaps, np.maximum(np.rint(steps / distance), 2), 1).astype(int), distance


def _header_spacing(frame: Frame) -> float | None:
    told = frame.between or frame.thickness
    return abs(told) if told else None


def _out_of_range(frames: Sequence[Frame]) -> list[str]:
    """Return a sentence for the first image of each attribute with a value that no image of a patient has."""
    found: dict[str, str] = {}
    for frame in frames:
        for attribute, (keyword, physical) in _PHYSICAL_RANGES.items():
            value = getattr(frame, attribute)
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            if problem := physical.problem(keyword, values):
                found.setdefault(keyword, f"{_frame_name(frame)}: {problem}")
        if frame.between and (problem := SLICE_MM.problem("SpacingBetweenSlices", (abs(frame.between),))):
            found.setdefault("SpacingBetweenSlices", f"{_frame_name(frame)}: {problem}")
    return list(found.values())


def _inconsistent_frames(frames: Sequence[Frame]) -> list[str]:
    found = []
    sizes = sorted({frame.size for frame in frames})
    if len(sizes) > 1:
        found.append(f"its images differ in size ({', '.join(f'{h}x{w}' for h, w in sizes)}); one series has one size")
    spacings = {frame.spacing for frame in frames}
    if len(spacings) > 1 and not _differ_by_rounding([spacing for spacing in spacings if spacing], len(spacings)):
        listed = ", ".join(sorted("none" if s is None else f"{s[0]:.10g}x{s[1]:.10g} mm" for s in spacings))
        found.append(
            f"its images differ in PixelSpacing ({listed}) by more than {100 * _SPACING_TOLERANCE:g} %; one series has "
            "one spacing"
        )
    return found


def _differ_by_rounding(known: Sequence[Numbers], count: int) -> bool:
    """Whether spacings, `count` with those that are not known, differ by rounding alone."""
    return len(known) == count and bool((np.ptp(known, axis=0) <= _SPACING_TOLERANCE * np.min(known, axis=0)).all())


def _missing_geometry(frames: Sequence[Frame]) -> str | None:
    for keyword, name in (("orientation", "ImageOrientationPatient"), ("position", "ImagePositionPatient")):
        lacking = [frame for frame in frames if getattr(frame, keyword) is None]
        if lacking:
            return (
                f"{lacking[0].path.name}: has no {name}{_other_count(lacking)}, so {len(frames)} slices cannot be put "
                "in "
                "order; export the study again with geometry"
            )
    return None


def _orientation_problem(frames: Sequence[Frame]) -> str | None:
    """Say what is wrong with the images' directions, where they have some."""
    directions = np.array([frame.orientation for frame in frames if frame.orientation is not None]).reshape(-1, 6)
    if not len(directions):
        return None
    row, column = directions[:, :3], directions[:, 3:]
    lengths = np.linalg.norm([row, column], axis=-1) if np.abs(directions).max() < 2 else np.array(np.inf)
    if np.abs(lengths - 1).max() > 0.01 or np.abs((row * column).sum(axis=1)).max() > 0.01:
        return "ImageOrientationPatient is not two directions at right angles, of length 1"
    if np.abs(directions - directions[0]).max() > _DIRECTION_TOLERANCE * 10:
        return "its images are not parallel (long-axis views, a localiser?); a stack of short-axis slices is"
    return None


def _same_position_problem(frames: Sequence[Frame], steps: Vector) -> str:
    places = 1 + int((steps >= _SAME_POSITION_MM).sum())
    triggers = {frame.trigger for frame in frames if frame.trigger is not None}
    if (places > 1 and len(frames) >= 3 * places) or len(triggers) > places:
        return (
            f"looks like a cine, not LGE: {len(frames)} images at {places} position{'s' * (places > 1)}"
            + (f", {len(triggers)} trigger times" if len(triggers) > 1 else "")
            + "; make source.series_pattern stricter, or name the series in source.series"
        )
    if places == 1 and len(frames) > 2:
        return (
            f"all {len(frames)} images have the same ImagePositionPatient: the export lost where slices lie, or they "
            "show one slice many times; export the series again with its positions, or name another in source.series"
        )
    first = int(np.argmax(steps < _SAME_POSITION_MM))
    a, b = (_frame_name(frame) for frame in frames[first : first + 2])
    pairs = int((steps < _SAME_POSITION_MM).sum())
    both = " (magnitude and phase-sensitive images in one series?)" if len(frames) == 2 * places else ""
    return f"{a} and {b} are at the same position (pairs of this kind: {pairs}); keep one of them{both}"


def _frame_name(frame: Frame) -> str:
    return frame.path.name + (f" frame {frame.number + 1}" if frame.number else "")


def _other_count(lacking: Sequence[Frame]) -> str:
    return f" (nor have {len(lacking) - 1} other images)" if len(lacking) > 1 else ""
