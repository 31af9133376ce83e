"""Somebody else's labels beside our pipelines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Cell, Column, print_table

if TYPE_CHECKING:
    from lge_sweep.pipeline import ExternalEvaluation

SHOWN: tuple[str, ...] = (
    "mean_emidec_dice", "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "scar_volume_ml", "wall_dice",
    "wall_hd_mm", "wall_hd95_mm", "cavity_dice",
)  # fmt: skip
"""Measures that are printed; the files have more."""
COMPARED: tuple[str, ...] = (
    "mean_emidec_dice", "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "wall_dice", "wall_hd_mm",
)  # fmt: skip

"""Measures whose differences are printed."""
NOTHING = "Nothing of ours is beside it: no phase 3 (phase 4, of the test subset) has measured this data alike."


def print_external(console: Terminal, evaluation: "ExternalEvaluation") -> None:
    """Print somebody else's labels, ours beside them, and the differences.

    Args:
        console: where to print.
        evaluation: what they come to.
    """
    from lge_sweep.report import NEEDED_NOTE, NO_SPACING, count_without_spacing
    from lge_sweep.scoring import in_hundred

    record, ours = evaluation.record, evaluation.ours
    for finding in evaluation.findings:
        console.print_line(f"finding: {finding}", style="red")
    for note in evaluation.notes:
        console.note(note)
    names = evaluation.beside.report.summary["pipeline"].drop_duplicates().tolist()
    columns = [Column("mean and 95 % interval", "text", key=True), *(Column(name, "text") for name in names)]
    title = f"{record.name} on the {record.subset} subset of {record.data}: {record.cases} patients, in 3-D"
    print_table(console, columns, [*_means(evaluation), *_presence(evaluation)], title)
    if unknown := count_without_spacing(evaluation.beside.tables.patients):
        console.print_line(NO_SPACING.format(unknown, record.cases))
    if ours is None:
        console.print_line(NOTHING)
    else:
        titles = (f"{record.name} minus", "measure", "mean", "95 % interval", "patients", "would tell")
        kinds = [Column(name, "text", key=place < 2) for place, name in enumerate(titles)]
        print_table(console, kinds, _differences(evaluation), "differences, patient by patient")
        console.explain(NEEDED_NOTE)
        console.explain(f"Ours: {ours.folder.path}")
    few = in_hundred(record.cases, 0.95)
    console.explain(f"Intervals: over patients{f'; {few}' if few else ''}. What is measured how: docs/metrics.md")
    if record.test_access:
        console.print_line(f"Test subset: {record.test_access}.")
    if evaluation.again:
        console.print_line("These labels were measured before; shown again, not measured again.")
    console.print_line(f"Tables: {evaluation.files.subset_tables(record.subset)}")


def _means(evaluation: "ExternalEvaluation") -> list[Sequence[Cell]]:
    """A row a measure, a column for each of those that are side by side."""
    from lge_sweep.report import measure_cell
    from lge_sweep.scoring import MEASURES

    lines = evaluation.beside.report.summary.to_dict("records")
    rows: list[Sequence[Cell]] = []
    for key in SHOWN:
        own = [line for line in lines if line["measure"] == key]
        cells = [measure_cell(key, line["mean"], line["low"], line["high"], joint="  ") for line in own]
        rows.append((MEASURES[key].title, *cells))
    return rows


def _presence(evaluation: "ExternalEvaluation") -> list[Sequence[Cell]]:
    """Rows of how the presence of scar is told."""
    from lge_sweep.report import presence_cell
    from lge_sweep.scoring import EXPECTED_AUC

    found = evaluation.beside.report.presence
    found = found[found["measure"] != EXPECTED_AUC]  # of others' labels there are no probabilities
    rows: list[Sequence[Cell]] = []
    for (unit, measure), lines in found.groupby(["unit", "measure"], sort=False):
        cells = [presence_cell(line, joint="  ") for line in lines.to_dict("records")]
        rows.append((f"scar in {unit}s: {measure if measure != 'auc' else 'AUC'}", *cells))
    return rows


def _differences(evaluation: "ExternalEvaluation") -> list[Sequence[Cell]]:
    from lge_sweep.report import measure_cell, needed_text
    from lge_sweep.scoring import MEASURES

    rows: list[Sequence[Cell]] = []
    for line in evaluation.beside.differences.to_dict("records"):
        key = str(line["measure"])
        if key in COMPARED:
            cell = measure_cell(key, line["mean"], line["low"], line["high"], sign="+", joint="|")
            mean, _, ends = cell.partition("|")
            told = needed_text(line["needed"])
            rows.append((str(line["against"]), MEASURES[key].title, mean, ends or "-", str(line["patients"]), told))
    return rows
