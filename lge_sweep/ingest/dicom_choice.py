"""Choose the LGE series of a study, or the series that make one LGE stack together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lge_sweep.config.data import DicomFolders
from lge_sweep.ingest.dicom_header import Header
from lge_sweep.ingest.dicom_stack import normal_positions
from lge_sweep.patterns import search_pattern
from lge_sweep.text import list_names, natural_key

_MAX_LISTED = 8
"""Series that a message lists."""
_GEOMETRY_TOLERANCE = 1e-3
"""Largest difference of direction cosines, and share of a pixel's spacing, that count as equal."""
_SAME_POSITION_MM = 0.1
"""Images nearer to each other than this along their normal are at the same position."""
_NAME_BY_UID = (
    "name one of them, or all of one stack, in source.series by SeriesInstanceUID (0020,000E; pydicom show "
    "FILE::SeriesInstanceUID prints it)"
)
SeriesFiles = list[Header]


def choose_series(
    source: DicomFolders, headers: Sequence[Header], folder: Path, findings: list[str]
) -> tuple[list[Header], tuple[str, ...]]:
    """Return the files of the LGE series; where it is not clear which that is, add a finding and return nothing.

    Several series are joined where they agree in study, frame of reference, size, orientation and PixelSpacing and no
    two of their images are at one position, if each has one image (scanners that make a series of each slice), or if
    `source.series` names them.

    Args:
        source: the pattern of descriptions, and series by UID.
        headers: the images of one study.
        folder: where they are; messages name files from there.
        findings: what is wrong; appended to.

    Returns:
        The files, and what a user should know of the choice.
    """
    groups: dict[str, SeriesFiles] = defaultdict(list)
    for header in headers:
        groups[header.series].append(header)
    named = [files for uid, files in groups.items() if uid in source.series]
    matching = named or [files for files in groups.values() if looks_like_lge(source, files[0])]
    if len(matching) == 1:
        return matching[0], ()
    if not matching and len(groups) == 1 and not headers[0].description:
        return list(headers), ()
    if not matching:
        findings.append(
            f"no SeriesDescription matches source.series_pattern {source.series_pattern}; there are "
            f"{_list_series(list(groups.values()), folder)}; change the pattern, or {_NAME_BY_UID}"
        )
        return [], ()
    clash = _describe_mismatch(matching)
    slices = all(_image_count(files) == 1 for files in matching)
    if not clash and (named or slices):
        of_what = " of one image each" * slices
        same = "orientation, PixelSpacing, size" + " and frame of reference" * bool(matching[0][0].frame_of_reference)
        note = f"{len(matching)} series{of_what} joined to a stack: same {same}, other positions"
        return [header for files in matching for header in files], (note,)
    findings.append(_ambiguity_message(bool(named), matching, clash, folder))
    return [], ()


def several_frames_of_reference(files: Sequence[Header], folder: Path) -> str | None:
    """Say that the images of one series are in several frames of reference, so that positions cannot be compared.

    Args:
        files: those that were chosen.
        folder: where they are; messages name files from there.
    """
    first: dict[str, Header] = {}
    for header in files:
        first.setdefault(header.frame_of_reference, header)
    first.pop("", None)
    if len(first) < 2:
        return None
    counts = Counter(header.frame_of_reference for header in files)
    shown = sorted(
        (f"{counts[uid]} like {h.path.relative_to(folder).as_posix()}" for uid, h in first.items()), key=natural_key
    )
    return (
        f"its images are in {len(first)} frames of reference (FrameOfReferenceUID (0020,0052) differs: "
        f"{list_names(shown, _MAX_LISTED)}), so that their positions cannot be compared (was the patient positioned "
        "anew?); keep those of one, or, where an anonymiser drew them, write the same FrameOfReferenceUID into all"
    )


def looks_like_lge(source: DicomFolders, header: Header) -> bool:
    """Whether a series is named in the settings, or has the description of an LGE series."""
    return header.series in source.series or (
        search_pattern("source.series_pattern", source.series_pattern, header.description) is not None
    )


def _ambiguity_message(named: bool, matching: Sequence[SeriesFiles], clash: str, folder: Path) -> str:
    what = f"source.series names {len(matching)} series of it" if named else f"{len(matching)} series look like LGE"
    why = clash or "they agree and could be one stack"
    descriptions = {files[0].description for files in matching}
    ways = ["make source.series_pattern stricter"] * (not named and len(descriptions) > 1)
    ways += ["name those of one stack only"] if named else [_NAME_BY_UID]
    ways += ["put the files of each study into a folder of their own in the root"] * ("StudyInstanceUID" in clash)
    return f"{what}: {_list_series(matching, folder)}; {why}; {', or '.join(ways)}"


def _describe_mismatch(groups: Sequence[SeriesFiles]) -> str:
    """Say in which tags series differ that one stack has alike, or what is wrong with their positions; "" if nothing.

    Args:
        groups: the files of each series.
    """
    headers = [header for files in groups for header in files]
    frames = [frame for header in headers for frame in header.frames]
    differ = [
        tag
        for tag, values in (
            ("StudyInstanceUID", {header.study for header in headers}),
            ("FrameOfReferenceUID", {header.frame_of_reference for header in headers}),
            ("Rows and Columns", {frame.size for frame in frames}),
        )
        if len(values) > 1
    ]
    orientation, spacing = (
        _all_close([getattr(frame, name) for frame in frames]) for name in ("orientation", "spacing")
    )
    differ += ["ImageOrientationPatient"] * (not orientation) + ["PixelSpacing"] * (not spacing)
    if differ:
        return f"they differ in {', '.join(differ)}"
    if any(frame.orientation is None or frame.position is None for frame in frames):
        return "they hold no ImageOrientationPatient or ImagePositionPatient, so that it cannot be told what they are"
    if _share_positions(groups):
        return "their images are at the same positions (magnitude and phase-sensitive images? the same stack twice?)"
    return ""


def _all_close(values: Sequence[tuple[float, ...] | None]) -> bool:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return not known
    return np.allclose(np.array(known), known[0], rtol=_GEOMETRY_TOLERANCE, atol=_GEOMETRY_TOLERANCE)


def _share_positions(groups: Sequence[SeriesFiles]) -> bool:
    """Whether images of two series are at one position along their common normal."""
    frames = [(frame, index) for index, files in enumerate(groups) for header in files for frame in header.frames]
    along = normal_positions([frame for frame, _ in frames])
    order = np.argsort(along, kind="stable")
    series = np.array([index for _, index in frames])[order]
    return bool(((np.diff(along[order]) < _SAME_POSITION_MM) & (np.diff(series) != 0)).any())


def _image_count(files: SeriesFiles) -> int:
    return sum(len(header.frames) for header in files)


def _list_series(groups: Sequence[SeriesFiles], folder: Path) -> str:
    def one(files: SeriesFiles) -> str:
        count, first = _image_count(files), files[0]
        number = f"series {first.number}, " if first.number else ""
        where = first.path.relative_to(folder).as_posix()
        return f"'{first.description[:40]}' ({number}{count} image{'s' * (count > 1)}, {where})"

    shown = sorted((one(files) for files in groups), key=natural_key)
    return list_names(shown, _MAX_LISTED)
