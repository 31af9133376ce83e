"""A data set: its cases, and what is to be known about them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.labels import Label
from lge_sweep.text import cases_by_note, list_names

if TYPE_CHECKING:
    from lge_sweep.quantify import Description


def print_descriptions(console: Terminal, descriptions: Sequence["Description"], notes: Sequence[str]) -> str:
    """Print what a data set holds, and all that is to be known about it.

    Args:
        console: where to print.
        descriptions: of each case.
        notes: about the data set as a whole.

    Returns:
        The sentence to close with, if nothing else is wrong.
    """
    if descriptions:
        print_cases(console, descriptions)
    for line in _summary(descriptions):
        console.print_line(line)
    notes = [*_notes(descriptions), *notes]
    for note in notes:
        console.explain(f"note: {note}")
    for finding in _findings(descriptions):
        console.print_line(finding)
    return _closing(descriptions, len(notes))


def print_cases(console: Terminal, descriptions: Sequence["Description"]) -> None:
    """Print a row a case: its slices, their size, and how much of each class it has."""
    tissues = [label for label in Label if label != Label.BACKGROUND]
    amounts = [*(label.title for label in tissues), "myo. + scar"]
    if any(item.burden.mvo_pixels is not None for item in descriptions):
        amounts.append("mvo")
    titles = ("slices", "size", "spacing mm", "gap mm", "grey", *(f"{name}\npx (mL)" for name in amounts))
    rows = []
    for item in descriptions:
        ml = item.burden.ml or {}
        rows.append(
            (
                item.case,
                str(item.slices),
                f"{item.size[0]}x{item.size[1]}",
                "unknown" if item.spacing_mm is None else "x".join(f"{mm:.4g}" for mm in item.spacing_mm),
                "-" if item.gap_mm is None else f"{item.gap_mm:.3g}",
                f"{item.intensity_range[0]:g}-{item.intensity_range[1]:g}",
                *(_amount(item.burden.pixels[label], ml.get(label)) for label in tissues),
                _amount(item.burden.wall_pixels, item.burden.wall_ml),
                *([_amount(item.burden.mvo_pixels, item.burden.mvo_ml)] if "mvo" in amounts else []),
            )
        )
    print_table(console, [Column("case", "text", key=True), *map(Column, titles)], rows)


def _amount(pixels: int | None, ml: float | None) -> str:
    if pixels is None:
        return "-"
    return str(pixels) if ml is None else f"{pixels} ({ml:.2f})"


def _summary(descriptions: Sequence["Description"]) -> list[str]:
    if not descriptions:
        return []
    slices = sum(item.slices for item in descriptions)
    scarred = sum(1 for item in descriptions if item.burden.pixels[Label.SCAR])
    lines = [f"{len(descriptions)} case(s), {slices} slices; {scarred} case(s) with scar"]
    obstructed = [item for item in descriptions if item.burden.mvo_pixels]
    if obstructed:
        volumes = [item.burden.mvo_ml for item in obstructed if item.burden.mvo_ml is not None]
        total = f" (mvo_ml {sum(volumes):.2f} in all)" if len(volumes) == len(obstructed) else ""
        lines[0] += f"; {len(obstructed)} with no-reflow (mvo), which counts as scar{total}"
    return lines


def _notes(descriptions: Sequence["Description"]) -> list[str]:
    """Return every note once, with the cases that it is about."""
    notes = cases_by_note((item.case, note) for item in descriptions for note in item.notes)
    return [f"{note}: {list_names(cases, 8)}" for note, cases in notes.items()]


def _findings(descriptions: Sequence["Description"]) -> list[str]:
    from lge_sweep.quantify import case_sentences  # loads numpy

    return [f"finding: {text}" for text in case_sentences({item.case: item.findings for item in descriptions})]


def _closing(descriptions: Sequence["Description"], notes: int) -> str:
    found = sum(bool(item.findings) for item in descriptions)
    if not found and not notes:
        return "no problem found"
    if not found:
        counted = f"are {notes} notes" if notes > 1 else "is a note"
        return f"nothing was refused, but there {counted} above: read before use"
    count = f"{found} of {len(descriptions)} case(s) have findings"
    return f"{count}: labels that no heart has; are these the right masks, and their values the right classes?"
