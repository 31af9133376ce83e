"""What the labels of a heart cannot be: ranges, where each comes from, and the sentence for what is outside.

The ranges are wide. They are meant for labels that are no left ventricle, not for disease: who leaves the normal range
of a laboratory is far from leaving these. A finding says "look at this exam"; nothing is corrected because of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lge_sweep.text import digits_apart, write_digits


@dataclass(frozen=True)
class Check:
    """A number that is looked at.

    Attributes:
        title: what it is, in print.
        unit: its unit in print; empty for a count.
        low: the least that a heart has; None: there is no such bound.
        high: the most that a heart has; None: there is no such bound.
        source: where the range comes from.
    """

    title: str
    unit: str
    low: float | None
    high: float | None
    source: str


@dataclass(frozen=True)
class Finding:
    """A number that is outside what a heart can have.

    Attributes:
        check: a key of `CHECKS`.
        value: the number, in the check's unit.
        low: the least that was expected; None: no such bound.
        high: the most that was expected; None: no such bound.
        slice: index of the slice it is of; None: it is of the exam.
    """

    check: str
    value: float
    low: float | None
    high: float | None
    slice: int | None = None


_NOT_IN_EMIDEC = "no slice of 486 in the 70 true exams of EMIDEC has it, nor one of the phantom"
CHECKS: dict[str, Check] = {
    "wall_mass": Check(
        "mass of the wall",
        "g",
        10,
        600,
        "Healthy: 134 +- 21 g (men), 98 +- 21 g (women) (Kawel-Boehm et al., J Cardiovasc Magn Reson 17, 2015). "
        "Hypertrophic cardiomyopathy: 104 +- 40 g per m2 of body surface in men (Olivotto et al., J Am Coll Cardiol "
        "52, 2008), so that four standard deviations above the mean are 600 g at 2.3 m2. Low: for children too, who "
        "were measured from 7 kg on (Valsangiacomo Buechel et al., J Cardiovasc Magn Reson 11, 2009)",
    ),
    "cavity_volume": Check(
        "volume of the cavity",
        "mL",
        10,
        700,
        "Healthy, end-diastole: 160 +- 29 mL (men), 135 +- 26 mL (women) (Hudsmith et al., J Cardiovasc Magn Reson 7, "
        "2005). High: over four times that, a ball 11 cm wide, for dilated ventricles; low: as for the mass",
    ),
    "wall_thickness": Check(
        "thickest place of the wall",
        "mm",
        3,
        45,
        "30 mm is extreme in hypertrophic cardiomyopathy (Spirito et al., N Engl J Med 342, 2000); high: half as much "
        "again. A wall of 5.5 mm and less is thinned (Shah et al., JAMA 309, 2013), but never all around: a wall "
        "that is nowhere thicker than 3 mm is an outline, not a wall",
    ),
    "centre_jump": Check(
        "jump of the cavity's centre from the slice before",
        "mm",
        None,
        15,
        "Quiet breathing moves the heart by 2.4 to 8.0 mm (Shechter et al., IEEE Trans Med Imaging 23, 2004); slices "
        "taken in different breath-holds may be nearly twice that apart. To this is added the distance of the two "
        "slices, for an axis that is 45 degrees off the stack's",
    ),
    "cavity_pieces": Check("pieces of the cavity", "", None, 1, f"anatomy; {_NOT_IN_EMIDEC}"),
    "wall_pieces": Check("pieces of the wall", "", None, 1, f"anatomy: a ring, or a C at the base; {_NOT_IN_EMIDEC}"),
    "wall_around": Check(
        "share of the cavity's border that has wall",
        "%",
        50,
        None,
        "Towards the outflow tract the wall is open; a slice counts to the ventricle while half of the blood is "
        "surrounded by muscle (Petersen et al., J Cardiovasc Magn Reson 19, 2017)",
    ),
    "no_cavity": Check("slices with cavity", "", 1, None, "anatomy"),
    "no_wall": Check("slices with wall", "", 1, None, "anatomy"),
    "empty_slice": Check("labelled pixels between labelled slices", "", 1, None, f"anatomy; {_NOT_IN_EMIDEC}"),
    "cavity_gap": Check("pixels of cavity between slices with cavity", "", 1, None, f"anatomy; {_NOT_IN_EMIDEC}"),
    "scar_share": Check(
        "scar, share of the wall",
        "%",
        None,
        75,
        "The largest of EMIDEC is 48 %. Diffuse disease can be beyond: transmural enhancement all around in "
        "amyloidosis (Fontana et al., Circulation 132, 2015)",
    ),
    "stray_scar": Check(
        "scar away from cavity and myocardium, share of the slice's wall",
        "%",
        None,
        5,
        f"scar lies in the wall; {_NOT_IN_EMIDEC}",
    ),
    "outside_body": Check(
        "share of the labels outside the body",
        "%",
        None,
        40,
        "0 % of all slices of EMIDEC and of the phantom; 35 % at most where they are cut out tightly around the heart",
    ),
    "image_edge": Check(
        "labelled pixels on the image's edge", "", None, 0, f"the heart may go on outside the image; {_NOT_IN_EMIDEC}"
    ),
}
"""Name -> check."""
_MAX_NAMED = 4
"""Slices or cases that a sentence names."""


def check_range(
    check: str, value: float, index: int | None = None, *, more: float = 0, low: bool = True
) -> list[Finding]:
    """Return the finding if a number is out of its range, else nothing.

    Args:
        check: a key of `CHECKS`.
        value: the number.
        index: of the slice it is of; None: it is of the exam.
        more: what is added to the upper bound.
        low: whether the lower bound counts.
    """
    known = CHECKS[check]
    lowest = known.low if low else None
    highest = None if known.high is None else known.high + more
    outside = (lowest is not None and value < lowest) or (highest is not None and value > highest)
    return [Finding(check, value, lowest, highest, index)] if outside else []


def finding_sentences(findings: Sequence[Finding], slices: Sequence[str]) -> list[str]:
    """Say what was found in an exam: a sentence for each check and range, whatever the number of slices.

    Args:
        findings: of the exam.
        slices: names of its slices.

    >>> finding_sentences([Finding("wall_mass", 1484.2, 10, 600)], [])
    ['mass of the wall: 1484 g (expected 10 to 600 g)']
    >>> pieces = [Finding("cavity_pieces", 3, None, 1, 0), Finding("cavity_pieces", 2, None, 1, 1)]
    >>> finding_sentences(pieces, ["a", "b"])
    ['pieces of the cavity: 2 to 3 in a, b (expected at most 1)']
    """
    return _grouped_sentences([(one, None if one.slice is None else slices[one.slice]) for one in findings], "slices")


def case_sentences(findings: Mapping[str, Sequence[Finding]]) -> list[str]:
    """Say what was found in many exams: a sentence for each check and range, whatever the number of exams.

    Args:
        findings: case -> its findings.

    >>> case_sentences({"a": [Finding("wall_mass", 700, 10, 600)], "b": [], "c": [Finding("wall_mass", 1484, 10, 600)]})
    ['mass of the wall: 700 to 1484 g in a, c (expected 10 to 600 g)']
    """
    return _grouped_sentences([(one, case) for case, found in findings.items() for one in found], "cases")


def without_slices(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings that do not tell which slice they are of, for a text beside the slice's or the case's name."""
    return [replace(finding, slice=None) for finding in findings]


def _grouped_sentences(found: Sequence[tuple[Finding, str | None]], noun: str) -> list[str]:
    """Say what was found, each with the place where it was."""
    groups: dict[tuple[str, float | None, float | None], list[tuple[float, str | None]]] = {}
    for one, place in found:
        groups.setdefault((one.check, one.low, one.high), []).append((one.value, place))
    return [
        f"{CHECKS[check].title}: {_value_phrase([value for value, _ in members], CHECKS[check].unit, digits)}"
        f"{_place_phrase([place for _, place in members], noun)} (expected "
        f"{_range_phrase(low, high, CHECKS[check].unit, digits)})"
        for (check, low, high), members in groups.items()
        for digits in (digits_apart([value for value, _ in members], low, high),)
    ]


def _value_phrase(values: Sequence[float], unit: str, digits: int) -> str:
    low, high = write_digits(min(values), digits), write_digits(max(values), digits)
    return f"{high if low == high else f'{low} to {high}'} {unit}".strip()


def _place_phrase(places: Sequence[str | None], noun: str) -> str:
    names = list(dict.fromkeys(place for place in places if place is not None))
    if not names:
        return ""
    listed = ", ".join(names[:_MAX_NAMED])
    return f" in {listed}" if len(names) <= _MAX_NAMED else f" in {len(names)} {noun}, such as {listed}"


def _range_phrase(low: float | None, high: float | None, unit: str, digits: int) -> str:
    if low is not None and high is not None:
        words = f"{write_digits(low, digits)} to {write_digits(high, digits)}"
    else:
        words = (
            f"at least {write_digits(low, digits)}" if low is not None else f"at most {write_digits(high or 0, digits)}"
        )
    return f"{words} {unit}".strip()
