"""Write the page: one HTML file that needs nothing from elsewhere; its script draws, and computes no number."""

import base64
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lge_sweep import __version__
from lge_sweep.arrays import Pixels8
from lge_sweep.atomic import write_text
from lge_sweep.browse.shown import SUBSETS, ShownCases
from lge_sweep.labels import COLOURS
from lge_sweep.pages import page_templates
from lge_sweep.report import zoom_box
from lge_sweep.text import RESEARCH_USE, visible

_NO_VALUE = "-"
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class _Case:
    """A case as the page has it.

    Attributes:
        name: its id.
        places: its slices, from one end of the heart to the other, as places among all.
        error: 1 minus the mean of `dice`; NaN where no class has one.
        dice: of each class, over the pixels of all its slices.
    """

    name: str
    places: tuple[int, ...]
    error: float
    dice: tuple[float, ...]


def write_page(shown: ShownCases, path: Path) -> int:
    """Write the page, whole; returns its size in bytes.

    It holds the slices as the networks get them, true and predicted labels, ids of cases and slices as the study has
    them, and the numbers of the tables; of the images' files nothing.

    Args:
        shown: what to show.
        path: the file; its folder is made.

    Raises:
        OSError: it cannot be written.
    """
    text = render_page(shown)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return len(text.encode())


def render_page(shown: ShownCases) -> str:
    """Return the page: cases sorted by error, largest first, and what draws their slices."""
    environment = page_templates(_HERE)
    cases = _sort_cases(shown)
    style, script = ((_HERE / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    script = f"//<![CDATA[\n{script}//]]>"  # read as XML, too, it is text
    titles = [label.title for label in shown.classes]
    rows = [_slice_rows(shown, case) for case in cases]
    return environment.get_template("page.html.j2").render(
        research=RESEARCH_USE,
        version=__version__,
        shown=shown,
        subset=shown.subset_words,
        mind=SUBSETS[shown.subset][1],
        table=shown.table.relative_to(next(one for one in shown.table.parents if one.name == shown.run)).as_posix(),
        classes=titles,
        colours={label.title: _css_colour(COLOURS[label]) for label in shown.classes},
        counts=f"{len(shown.slices)} slices of {len(cases)} cases",
        overall=_overall(shown, titles),
        cases=[_case_row(case) for case in cases],
        rows=rows,
        study=_study(shown, cases, rows),
        pixels=[_packed(shown, case) for case in cases],
        style=Markup(style),
        script=Markup(script),
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )  # fmt: skip


def _sort_cases(shown: ShownCases) -> list[_Case]:
    """Return the cases, the one with the largest error first; those without any number last."""
    cases = []
    for name, slices in shown.slices.groupby("case", sort=False):
        ordered = slices.sort_values("position", kind="stable")
        dice = shown.pooled(ordered["slice"].tolist())
        known = [value for value in dice if not math.isnan(value)]
        error = 1 - sum(known) / len(known) if known else math.nan
        cases.append(_Case(str(name), tuple(map(int, ordered.index)), error, tuple(dice)))
    return sorted(cases, key=lambda case: (math.isnan(case.error), -case.error))


def _case_row(case: _Case) -> dict[str, Any]:
    return {
        "name": case.name,
        "error": _number(case.error),
        "dice": [_number(value) for value in case.dice],
    }


def _slice_rows(shown: ShownCases, case: _Case) -> list[dict[str, Any]]:
    """Return the slices of a case: name, Dice of each class, and the pixels that are wrong."""
    rows = []
    for place in case.places:
        true, found = shown.truth[place], shown.prediction[place]
        wrong = true != found
        rows.append(
            {
                "name": str(shown.slices["slice"].iloc[place]),
                "dice": [_number(value) for value in shown.dice.iloc[place]],
                "missed": int((wrong & (found == 0)).sum()),
                "extra": int((wrong & (true == 0)).sum()),
                "mixed": int((wrong & (true != 0) & (found != 0)).sum()),
            }
        )
    return rows


def _overall(shown: ShownCases, titles: list[str]) -> list[tuple[str, str, int, str]]:
    """Return of each class its mean Dice over slices, on how many, and its Dice over all pixels."""
    pooled = shown.pooled(shown.slices["slice"].tolist())
    return [
        (title, _number(shown.dice[title].mean()), int(shown.dice[title].notna().sum()), _number(value))
        for title, value in zip(titles, pooled, strict=True)
    ]


def _study(shown: ShownCases, cases: list[_Case], rows: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what the script knows of the study beside the pixels; numbers as they are printed."""
    return {
        "size": shown.size,
        "classes": [
            {"code": int(label), "name": label.title, "colour": _css_colour(COLOURS[label])} for label in shown.classes
        ],
        "cases": [
            {
                "name": visible(case.name),
                "error": None if math.isnan(case.error) else case.error,
                "dice": [None if math.isnan(value) else value for value in case.dice],
                "aspect": _aspect(shown.slices.iloc[case.places[0]]),
                "heart": zoom_box([*shown.truth[list(case.places)], *shown.prediction[list(case.places)]]),
                "slices": [{**row, "name": visible(row["name"])} for row in own],
            }
            for case, own in zip(cases, rows, strict=True)
        ],
    }


def _aspect(row: pd.Series) -> float:
    """Return height by width of a slice as it is in mm (in pixels, where their size is not known)."""
    high, wide = float(row["height"]), float(row["width"])
    sizes = [float(row[name]) for name in ("spacing_row_mm", "spacing_column_mm")]
    return high / wide if any(map(math.isnan, sizes)) else high * sizes[0] / (wide * sizes[1])


def _packed(shown: ShownCases, case: _Case) -> str:
    """Return the pixels of a case: intensities, then true, then predicted labels, packed by zlib, in base64.

    Of intensities each has the one to the left taken off, modulo 256: so they pack better by a tenth.
    """
    places = list(case.places)
    differences: Pixels8 = np.diff(shown.images[places], axis=2, prepend=np.uint8(0))
    whole = b"".join(array.tobytes() for array in (differences, shown.truth[places], shown.prediction[places]))
    return base64.b64encode(zlib.compress(whole, 9)).decode()


def _number(value: float) -> str:
    return _NO_VALUE if math.isnan(value) else f"{value:.3f}"


def _css_colour(colour: tuple[int, int, int]) -> str:
    return "#" + bytes(colour).hex()


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
