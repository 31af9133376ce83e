"""Corrected labels that became a version of a data set."""

from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.labels import STRUCTURES

if TYPE_CHECKING:
    from lge_sweep.deliver import Adopted, AdoptedCase


def print_adopted(console: Terminal, adopted: "Adopted") -> None:
    """Print what was changed in each exam, and the version that came of it.

    Args:
        console: where to print.
        adopted: what became of the labels.
    """
    record = adopted.record
    if adopted.new:
        changed = Column("slices\nchanged"), Column("which", "text"), Column("pixels\nchanged")
        dice = (Column(f"Dice\n{name}") for name in STRUCTURES)
        columns = [Column("case", "text", key=True), *changed, *dice, Column("by", "text")]
        print_table(console, columns, [_row(case) for case in adopted.new])
        console.explain("Dice is that of the corrected labels with the predicted ones, in the whole exam.")
    for note in dict.fromkeys(adopted.notes):
        console.note(note)
    for warning in adopted.warnings:
        console.print_line(f"warning: {warning}", style="yellow")
    if adopted.again:
        console.print_line(
            f"{adopted.folder}: version {record.version} holds these labels already; nothing was written"
        )
        return
    kept = len(record.cases) - len(adopted.new)
    before = f", {kept} as in version {record.version - 1}" * bool(kept)
    console.print_line(
        f"{adopted.folder}: version {record.version}, {len(record.cases)} case(s): {len(adopted.new)} adopted{before}"
    )
    console.print_line(f"next: {adopted.following}")


def _row(case: "AdoptedCase") -> list[str]:
    dice = (case.dice.get(name) for name in STRUCTURES)
    return [
        case.case,
        f"{len(case.changed_slices)} of {case.slices}",
        ", ".join(map(str, case.changed_slices)) or "-",
        str(case.changed_pixels),
        *("-" if value is None else f"{value:.4f}" for value in dice),
        case.by,
    ]
