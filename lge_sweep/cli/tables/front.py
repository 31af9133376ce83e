"""The front of a search with several objectives."""

import shlex
from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_table

if TYPE_CHECKING:
    from pathlib import Path

    from lge_sweep.scoring import Front


def print_front(console: Terminal, front: "Front", selected: str, folder: "Path") -> None:
    """Print the trials between which a person has to choose, and how to choose another than the one selected.

    Args:
        console: where to print.
        front: the trials.
        selected: the configuration that was selected.
        folder: the sweep's.
    """
    from lge_sweep.scoring import FRONT_WORDS, front_texts  # loads pandas

    texts = front_texts(front, selected)
    first = {"score", *front.titles, ""}
    columns = [
        Column(title, "text" if title in FRONT_WORDS else "number", key=title == "trial", first=title in first)
        for title in texts.columns
    ]
    print_table(console, columns, texts.to_numpy().tolist(), "the front, highest score first")
    others = [trial.name for trial in front.best if trial.name != selected]
    if others:
        command = shlex.join(["lge-sweep", "select", str(folder), "--override", others[0], "--reason", "WHY"])
        console.explain(f"Another of them: {command}; the search's own command then says how to train it.")
