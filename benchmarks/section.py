"""What `make bench` is made of: sections, each some figures with all their repetitions, and how one is run alone."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lge_sweep.machine import count_cores, cpu_name

CHECKOUT = Path(__file__).parents[1]
WIDTH = 110
"""Columns of the table where it is not printed on a terminal."""
_BEGAN = time.monotonic()


@dataclass(frozen=True)
class Options:
    """What a user may choose; each section uses what it needs.

    Attributes:
        full: whether to take longer and measure more.
        root: folder of image pairs as EMIDEC's (data `emidec_png`); None: the program's own phantom.
        workers: cells that the program trains at the same time; None: it is not told.
        steps: optimizer steps of a cell; None: the section's own number.
        size: rows and columns of the images; None: the section's own.
        rounds: repetitions of what is slow; None: the section's own number.
    """

    full: bool = False
    root: Path | None = None
    workers: int | None = None
    steps: int | None = None
    size: int | None = None
    rounds: int | None = None


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, or a ratio of two: all its repetitions, in their order."""

    name: str
    unit: str
    values: Sequence[float]


@dataclass(frozen=True)
class Section:
    """What a section has found."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def say(text: str) -> None:
    """Tell on stderr what is being done."""
    print(f"{time.monotonic() - _BEGAN:6.0f} s  {text}", file=sys.stderr, flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Do something and return how long it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratios(name: str, above: Sequence[float], below: Sequence[float]) -> Figure:
    """Return how many times as long one thing took as another, repetition by repetition."""
    return Figure(name, "x", [a / b for a, b in zip(above, below, strict=True)])


def program(*arguments: object) -> list[str]:
    """Return the command line of this checkout's program."""
    return [sys.executable, "-m", "lge_sweep.cli", *map(str, arguments)]


def run(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> float:
    """Run a command with this checkout's package; returns the seconds it took.

    Args:
        command: program and arguments.
        log: file for what it prints, which is shown if it fails.
        environment: variables beside those of this process.
    """
    began = time.perf_counter()
    with log.open("ab") as output, checkout(environment or {}) as variables:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=variables, check=False)
    if done.returncode:
        print(log.read_text(encoding="utf-8", errors="replace")[-3000:], file=sys.stderr)
        sys.exit(f"exit code {done.returncode}: {' '.join(command)}")
    return time.perf_counter() - began


@contextmanager
def checkout(more: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the environment in which Python finds this checkout's package first."""
    path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
    yield {**os.environ, **more, "PYTHONPATH": path}


def describe_machine() -> dict[str, Any]:
    """Say what was measured, on what, and when."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _told_by("git", "describe", "--always", "--dirty", "--abbrev=10"),
        "cpu": cpu_name(),
        "cores": count_cores(),
        "load": round(os.getloadavg()[0], 2),  # of other programs, as it is asked for before anything is measured
        "gpu": _told_by("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "pytorch-lightning", "monai", "mlflow", "optuna")},
    }


def _told_by(*command: str) -> str | None:
    """Return what a command prints; None if there is no such command, or nothing to tell."""
    try:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def print_sections(sections: Sequence[Section], console: Console | None = None) -> None:
    """Print one table of all figures: best, median and worst of each figure's repetitions."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    table = Table("", box=None, pad_edge=False)
    table.add_column("unit", min_width=10)
    for name in ("best", "median", "worst", "of"):
        table.add_column(name, justify="right", min_width=max(6, len(name)))
    for number, section in enumerate(sections):
        if number:
            table.add_section()
            table.add_row()
        table.add_row(f"[bold]{section.title}[/bold]", "" if section.figures else "none")
        for figure in section.figures:
            best, worst = min(figure.values), max(figure.values)
            numbers = (best, statistics.median(figure.values), worst)
            table.add_row(f"  {figure.name}", figure.unit, *map(_number, numbers), str(len(figure.values)))
    console.print(table)
    for section in sections:
        for note in section.notes:
            console.print(f"{section.title.partition(':')[0]}: {note}", highlight=False, soft_wrap=True)


def _number(value: float) -> str:
    """Write a number with three digits that count."""
    if value and abs(value) < 100:
        return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}"
    return f"{value:.0f}"


def write_json(path: Path, sections: Sequence[Section], machine: Mapping[str, Any]) -> None:
    """Write every repetition of every figure, and what `describe_machine` said."""
    content = {"machine": machine, "sections": [asdict(section) for section in sections]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def read_sections(path: Path) -> list[Section]:
    """Read the sections of a file that `write_json` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        Section(one["title"], [Figure(**figure) for figure in one["figures"]], one["notes"], one["settings"])
        for one in content["sections"]
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command line choose `Options`."""
    parser.add_argument("--full", action="store_true", help="take longer, measure more")
    parser.add_argument("--root", type=Path, help="folder of image pairs as EMIDEC's; else the program's phantom")
    parser.add_argument("--workers", type=int, help="cells that the program trains at the same time")
    parser.add_argument("--steps", type=int, help="optimizer steps of a cell, in `sweep`")
    parser.add_argument("--size", type=int, help="rows and columns of the images")
    parser.add_argument("--rounds", type=int, help="repetitions of what is slow")
    parser.add_argument("--json", type=Path, help="file to write")


def read_options(found: argparse.Namespace) -> Options:
    """Return what a command line has chosen."""
    return Options(found.full, found.root, found.workers, found.steps, found.size, found.rounds)


def run_alone(text: str | None, measure: Callable[[Options], Sequence[Section]]) -> None:
    """Run one section as a program of its own: measure, and print, or write JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    found = parser.parse_args()
    machine, sections = describe_machine(), measure(read_options(found))
    if found.json is None:
        print_sections(sections)
    else:
        write_json(found.json, sections, machine)
