"""What labels are that a viewer saved: segments by name, terminology or colour, values of NIfTI by --names."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

from highdicom.color import CIELabColor
from pydicom.sr.coding import Code

from lge_sweep.choices import look_up
from lge_sweep.config.masks import CLASS_NAMES, VALUES, ClassName, IndexMask, SegMask
from lge_sweep.deliver.seg import SEGMENTS
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import SegmentHeader, UnusableError
from lge_sweep.labels import COLOURS
from lge_sweep.text import shorten, whole_number

LabelNames = Mapping[str, ClassName]
"""What a user says that labels are: name of a segment, or a value -> class."""
CLASSES: Mapping[str, ClassName] = {name: name for name in get_args(ClassName)}
_KNOWN: LabelNames = {
    name.casefold(): label
    for table in (CLASSES, CLASS_NAMES, SegMask(kind="seg").segments)
    for name, label in table.items()
}
"""Names, in small letters, that need no explanation: those that `write_seg` gives among them."""
_PAIR = re.compile(r"\s*(?P<name>[^\s].*?)\s*=\s*(?P<label>\w+)\s*(?:,|$)")
_COLOUR_TOLERANCE = 8
"""Largest difference in red, green or blue to a class's colour; what a viewer rounds is 1 or 2."""
_MAX_VALUE = 65535


class NamedSegments(NamedTuple):
    """What the segments of a SEG are."""

    classes: dict[int, ClassName]
    """By their numbers."""
    notes: tuple[str, ...]
    """Which were not told by their name."""


def parse_names(texts: Sequence[str]) -> dict[str, ClassName]:
    """Read what labels are, such as `Segment_1=scar, 4=mvo`.

    Args:
        texts: pairs NAME=CLASS, joined by commas.

    Raises:
        ConfigError: one is not of this form, a class is none, or a name is there twice.

    >>> parse_names(["Segment_1=scar, Blood, old=cavity", "4=mvo"])
    {'Segment_1': 'scar', 'Blood, old': 'cavity', '4': 'mvo'}
    """
    names: dict[str, ClassName] = {}
    for text in texts:
        place = 0
        while place < len(text) or not text:
            found = _PAIR.match(text, place)
            if found is None:
                raise ConfigError(
                    f"--names: expected NAME=CLASS, joined by commas, such as Segment_1=scar, got "
                    f"'{shorten(text[place:])}'"
                )
            name, place = found["name"], found.end()
            if name.casefold() in {other.casefold() for other in names}:
                raise ConfigError(f"--names: '{shorten(name)}' is given twice; keep one")
            names[name] = look_up("class of --names", found["label"].lower(), CLASSES)
    return names


def name_segments(segments: Mapping[int, SegmentHeader], names: LabelNames) -> NamedSegments:
    """Tell what the segments of a SEG are: by what the user says, their names, their terminology, or their colour.

    Args:
        segments: the segments by their numbers.
        names: what the user says.

    Raises:
        UnusableError: nothing tells it of one; the message names all of them.
    """
    said = {name.casefold(): label for name, label in names.items()}
    classes: dict[int, ClassName] = {}
    notes, unknown = [], []
    for number, segment in segments.items():
        by_name = said.get(segment.label.casefold()) or _KNOWN.get(segment.label.casefold())
        by_code = _class_of_code(segment.code)
        label = by_name or by_code or _class_of_colour(segment.colour)
        if label is None:
            unknown.append(segment.label)
            continue
        classes[number] = label
        if by_name is None:
            told = "terminology" if by_code else "colour"
            notes.append(f"segment '{shorten(segment.label, 40)}' is taken for {label} by its {told}")
    if unknown:
        raise UnusableError(_unknown_message(unknown, [segment.label for segment in segments.values()]))
    return NamedSegments(classes, tuple(notes))


def value_classes(names: LabelNames) -> tuple[IndexMask, frozenset[int]]:
    """Return what the values of a NIfTI label map are, and of which the user has said so.

    Args:
        names: what the user says; names that are numbers are values.

    Raises:
        ConfigError: a value is none that a label map has.
    """
    numbers: dict[int, ClassName] = {}
    for name, label in names.items():
        if name.isascii() and name.isdecimal():
            if (value := whole_number(name, _MAX_VALUE)) is None:
                raise ConfigError(f"--names: values are 0 to {_MAX_VALUE}, got {shorten(name)}")
            numbers[value] = label
    return IndexMask(values={**VALUES, **numbers}), frozenset(numbers)


def names_option(names: LabelNames) -> str:
    """Return the option that says what labels are, as it is typed in a shell."""
    return f"--names {shlex.quote(','.join(f'{name}={label}' for name, label in names.items()))}"


def _unknown_message(unknown: Sequence[str], all_of_them: Sequence[str]) -> str:
    """Say which segments are not known, and how to name them."""
    listed = ", ".join(f"'{shorten(name, 40)}'" for name in dict.fromkeys(unknown))
    seen = ", ".join(f"'{shorten(name, 40)}'" for name in all_of_them)
    one = len(set(unknown)) == 1
    typed = ",".join(f"{name}=CLASS" for name in dict.fromkeys(unknown))
    return (
        f"segment{'s' * (not one)} {listed} {'is' if one else 'are'} not known by name, terminology or colour (its "
        f"segments: {seen}); say what {'it is' if one else 'they are'} with --names {shlex.quote(typed)}, where CLASS "
        f"is one of {', '.join(CLASSES)}; background is left out"
    )


def _class_of_code(code: tuple[str, str]) -> ClassName | None:
    if not all(code):
        return None
    given = Code(*code, meaning="")
    found = (label for label, (_, _, kind, _) in SEGMENTS.items() if kind == given)  # of SRT, too, which SCT was before
    return next((CLASSES[label.title] for label in found), None)


def _class_of_colour(colour: Sequence[int]) -> ClassName | None:
    if len(colour) != 3:
        return None
    shown = CIELabColor.from_dicom_value(list(colour)).to_rgb()
    near = [
        label
        for label in SEGMENTS
        if max(abs(a - b) for a, b in zip(shown, COLOURS[label], strict=True)) <= _COLOUR_TOLERANCE
    ]
    return CLASSES[near[0].title] if len(near) == 1 else None
