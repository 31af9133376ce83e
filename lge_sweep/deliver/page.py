"""A result as one self-contained HTML page."""

import base64
import math
from collections.abc import Sequence
from pathlib import Path

from lge_sweep import __version__
from lge_sweep.deliver.pictures import bullseye_png, heart_pngs
from lge_sweep.deliver.result import RESEARCH_USE, Result
from lge_sweep.ingest import Exam
from lge_sweep.labels import COLOURS, Label
from lge_sweep.pages import page_templates
from lge_sweep.quantify import DENSITY_G_PER_ML, Burden

_PICTURE_PIXELS = 300
"""Side of a picture of the heart, in pixels."""
_UNKNOWN = "unknown"


def render_page(result: Result, notes: Sequence[str]) -> str:
    """Return a page with the exam, its numbers, the bull's-eye, every slice, the model and what a reader must know.

    Pictures are in the page itself; it refers to nothing outside. It names the patient by the pseudonym only.

    Args:
        result: the labels.
        notes: what a reader should know beyond the exam's own notes and those on segments.
    """
    environment = page_templates(Path(__file__).parent)
    extent = None if isinstance(result.segments, str) else result.segments
    slices = [
        {
            "name": name,
            "level": result.levels.get(k, ""),
            "cavity": name not in result.without_cavity,
            "amounts": [
                _format_pixels(result.slice_burdens[k], label) for label in COLOURS if label != Label.BACKGROUND
            ],
            "scar_percent": format_percent(result.slice_burdens[k].scar_percent),
            "finding": bool(result.slice_finding_texts(k)),
            "picture": _data_uri(picture),
        }
        for k, (name, picture) in enumerate(zip(result.exam.slices, heart_pngs(result, _PICTURE_PIXELS), strict=True))
    ]
    return environment.get_template("page.html.j2").render(
        research=RESEARCH_USE,
        version=__version__,
        case=result.exam.case,
        facts=exam_facts(result.exam),
        amounts=amount_lines(result.burden),
        findings=result.finding_texts,
        warnings=result.doubt.warnings,
        doubts=[f"{name} {number:.3g}" for name, number in result.doubt.numbers.items()],
        without_cavity=result.without_cavity,
        bullseye=_data_uri(bullseye_png(extent)) if extent else None,
        no_bullseye=result.segments if extent is None else "",
        slices=slices,
        levels=bool(result.levels),
        unit="px" if result.burden.ml is None else "px (mL)",
        model=result.model,
        colours={label.title: _css_colour(label) for label in Label if label != Label.BACKGROUND},
        notes=[*result.exam.notes, *(extent.notes if extent else ()), *notes],
    )


def exam_facts(exam: Exam) -> list[tuple[str, str]]:
    """Return what the images are, name and value with its unit."""
    rows, columns = exam.pixels.shape[1:]
    row_mm, column_mm, slice_mm = exam.spacing_mm or (math.nan, math.nan, math.nan)
    return [
        ("source", "DICOM" if exam.sources else "NIfTI"),
        ("slices", f"{len(exam.slices)} of {rows} x {columns} pixels"),
        ("pixel (row x column)", _UNKNOWN if math.isnan(row_mm) else f"{row_mm:.4g} x {column_mm:.4g} mm"),
        ("slice spacing", _format_mm(slice_mm)),
        ("thickness of a slice", _format_mm(exam.thickness_mm)),
        ("position in the patient", "unknown" if exam.affine is None else "known"),
    ]


def amount_lines(burden: Burden) -> list[tuple[str, str, str]]:
    """Return name, pixels and volume (or another measure) of each amount."""
    ml = burden.ml or dict.fromkeys(Label)

    def line(name: str, pixels: int, volume: float | None) -> tuple[str, str, str]:
        return name, str(pixels), _UNKNOWN if volume is None else f"{volume:.2f} mL"

    scar, myocardium = burden.pixels[Label.SCAR], burden.pixels[Label.MYOCARDIUM]
    mass = _UNKNOWN if burden.mass_g is None else f"{burden.mass_g:.1f} g"
    return [
        line("LV cavity", burden.pixels[Label.CAVITY], ml[Label.CAVITY]),
        line("wall (myocardium + scar)", burden.wall_pixels, burden.wall_ml),
        line("myocardium without scar", myocardium, ml[Label.MYOCARDIUM]),
        line("scar", scar, ml[Label.SCAR]),
        (f"mass of the wall ({DENSITY_G_PER_ML} g/mL)", "", mass),
        ("scar, share of the wall", "", format_percent(burden.scar_percent)),
    ]


def format_percent(value: float | None) -> str:
    """Return a share in words; there is none where there is no wall."""
    return "no wall" if value is None else f"{value:.1f} %"


def _format_pixels(burden: Burden, label: Label) -> str:
    ml = burden.ml
    return f"{burden.pixels[label]}" + ("" if ml is None else f" ({ml[label]:.2f})")


def _format_mm(value: float | None) -> str:
    return _UNKNOWN if value is None or math.isnan(value) else f"{value:.4g} mm"


def _css_colour(label: Label) -> str:
    return "#" + bytes(COLOURS[label]).hex()


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
