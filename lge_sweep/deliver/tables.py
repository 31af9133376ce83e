"""Numbers as CSV: a row for the exam, and a row a slice."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lge_sweep.config.doubt import MEANINGS
from lge_sweep.csv_files import csv_text
from lge_sweep.deliver.result import RESEARCH_USE, Result
from lge_sweep.labels import Label
from lge_sweep.quantify import SEGMENT_NAMES, Burden

Row = Mapping[str, object]
_FOREGROUND = [label for label in Label if label != Label.BACKGROUND]


def exam_row(result: Result) -> Row:
    """Return the exam's numbers, name of a column with its unit -> value; None where unknown."""
    exam, model = result.exam, result.model
    row_mm, column_mm, slice_mm = exam.spacing_mm or (None, None, None)
    segments = (None,) * 17 if isinstance(result.segments, str) else result.segments.percent
    return {
        "case": exam.case,
        "use": RESEARCH_USE,
        "slices": len(exam.slices),
        "slices_without_cavity": len(result.without_cavity),
        "row_mm": row_mm,
        "column_mm": column_mm,
        "slice_mm": slice_mm,
        "voxel_ml": exam.voxel_ml,
        **class_amounts(result.burden),
        "wall_mass_g": result.burden.mass_g,
        "plausible": not result.findings,
        "findings": "; ".join(result.finding_texts) or None,
        "not_checked": "; ".join(result.unchecked) or None,
        **{name: result.doubt.numbers.get(name) for name in MEANINGS},
        "warnings": "; ".join(result.doubt.warnings) or None,
        **{
            f"scar_percent_{number:02d}_{name.replace(' ', '_')}": percent
            for number, name, percent in zip(range(1, 18), SEGMENT_NAMES, segments, strict=True)
        },
        "model": model.name,
        "model_version": model.version,
        "model_digest": model.digest,
    }


def slice_rows(result: Result) -> list[Row]:
    """Return the numbers of each slice, as in `exam_row`."""
    return [
        {
            "case": result.exam.case,
            "use": RESEARCH_USE,
            "slice": name,
            "level": result.levels.get(k),
            "cavity_found": name not in result.without_cavity,
            **class_amounts(burden),
            "findings": "; ".join(result.slice_finding_texts(k)) or None,
        }
        for k, (name, burden) in enumerate(zip(result.exam.slices, result.slice_burdens, strict=True))
    ]


def class_amounts(burden: Burden) -> Row:
    """Return pixels and millilitres of each class and of the wall, and the scar's share of the wall."""
    ml = burden.ml or dict.fromkeys(Label)
    return {
        **{f"{label.title}_pixels": burden.pixels[label] for label in _FOREGROUND},
        "wall_pixels": burden.wall_pixels,
        **{f"{label.title}_ml": ml[label] for label in _FOREGROUND},
        "wall_ml": burden.wall_ml,
        "scar_percent_of_wall": burden.scar_percent,
    }


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write rows of the same columns; a value that is None is an empty field.

    Raises:
        OSError: it cannot be written.
    """
    header = list(rows[0])
    path.write_text(csv_text(header, ([row[name] for name in header] for row in rows)), encoding="utf-8")
