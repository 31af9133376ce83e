"""Every table that the program prints is whole on a terminal of any width: no number is cut, no column lost."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.text import Text

import lge_sweep.cli.terminal_table
from lge_sweep.cli import status
from lge_sweep.cli.tables import comparison as comparison_table
from lge_sweep.cli.tables import data as data_tables
from lge_sweep.cli.tables import pipelines as pipelines_table
from lge_sweep.cli.tables import scores as scores_table
from lge_sweep.cli.tables import selection as selection_tables
from lge_sweep.cli.terminal import Terminal
from lge_sweep.cli.terminal_table import Column, print_markdown, print_table
from lge_sweep.engine.ledger import CellState, SweepEntries
from lge_sweep.errors import RunsError
from lge_sweep.labels import SCORED, Label, class_names
from lge_sweep.quantify.burden import Burden
from lge_sweep.quantify.description import Description
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result, select
from lge_sweep.scoring.paired import Paired, WinnerTest
from lge_sweep.scoring.scores import Score
from lge_sweep.scoring.uncertainty import Standing, Uncertainty
from lge_sweep.text import escape_markdown, visible

WIDTHS = (20, 40, 60, 80, 100, 140)
NAMES = (
    "unet dice adam", "deeplabv3plus_mobilenetv2 weighted_ce sgdm seed=2 learning_rate=0.000123", "P[red]1", "x" * 250,
    "医院の症例の名前はとても長い", "NA", "a|b `c` <br>", "-" * 40,
)  # fmt: skip
Recorded = list[tuple[Sequence[Column], Sequence[Sequence[Any]]]]


def standing(name: str) -> Standing:
    return Standing(name, 0.12345, 0.1, 0.2, 0.4123, 12.3, (), -0.1234, -0.2345, 0.0123, False, ())


def ranking(console: Terminal) -> None:
    metrics = {m: dict.fromkeys(class_names(2), 0.1234 + 0.01 * k) for k, m in enumerate(SCORED)}
    results = [Result(name, metrics, ("scar",) if k % 2 else ()) for k, name in enumerate(NAMES)]
    uncertainty = Uncertainty(
        "one is best", NAMES[0], 0.95, tuple(map(standing, NAMES)),
        tuple(WinnerTest(name, "dice", 41, 0.1, 0.001, 0.012345) for name in NAMES[1:]),
        (), 41, 358, 2000, 0, (),
    )  # fmt: skip
    outcome = SimpleNamespace(
        uncertainty=uncertainty,
        names={n: n for n in NAMES},
        selection=select(results, "weighted", keep=1),
        registered=None,
        front=None,
    )
    plan: Any = SimpleNamespace(title="phase2", folder=Path("phase2-x"))
    selection_tables.print_outcome(console, plan, outcome)  # type: ignore[arg-type]  # as far as it is printed


def comparison(console: Terminal) -> None:
    pairs = [
        Paired(f"dice/{name}", unit, 1234567, 0.1234, 0.5678, -0.4444, 100000, 200000, 0.0312, 0.0624)
        for unit in ("image", "case")
        for name in ("myocardium", "scar")
    ]
    comparison_table.print_comparison(console, (NAMES[0], NAMES[1]), "weighted", standing("a"), pairs)


def pipelines(console: Terminal) -> None:
    dice = {"dice": {"cavity": 0.9123, "myocardium": 0.8123, "scar": 0.7123}}
    summary = SimpleNamespace(image_mean=dice, pooled=dice, present_only=dice)
    names = ("two-stage", *NAMES)
    compared = SimpleNamespace(
        subset="val", failed={}, summaries=dict.fromkeys(names, summary), meanings=dict.fromkeys(names, "what it is"),
        standings={name: standing(name) for name in names},
    )  # fmt: skip
    pipelines_table.print_pipelines(console, compared)  # type: ignore[arg-type]  # as far as it is printed


def description(console: Terminal) -> None:
    pixels = {label: 12345678 + label for label in Label}
    burden = Burden(pixels=pixels, voxel_ml=0.0256)
    item = Description("", 1234, (4096, 4096), (1.40625, 1.40625, 10.25), 1.125, (-32768.5, 32767.5), burden, (), ())
    rows = [replace(item, case=visible(name)) for name in NAMES]
    data_tables.print_cases(console, rows)


def scores(console: Terminal) -> None:
    ranked = [(name, Score(0.1234, {}, ("bf", "sensitivity", "specificity"))) for name in NAMES]
    scores_table.print_scores(console, Path("t" * 300), "mean", ranked)


def sweeps(console: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [CellState(NAMES[1], "complete", 0, 0.1234567)]
    monkeypatch.setattr(status, "read_ledger", lambda runs: [SweepEntries(name, {}, entries) for name in NAMES])
    monkeypatch.setattr(status, "is_held", lambda runs: False)
    status.print_status(console, RunStore(Path("runs")))


def markdown(console: Terminal) -> None:
    lines = [
        "Unet is best.", "", "| pipeline | scar Dice, image mean | images in it | scar Dice, minus two-stage |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {escape_markdown(n)} | 0.1234<br>0.111 to 0.222 | 123456 | -0.0200<br>-0.031 to +0.004 |" for n in NAMES),
        "", "- a note",
    ]  # fmt: skip
    print_markdown(console, "\n".join(lines), "lge-sweep table SWEEP")


TABLES: dict[str, Callable[[Terminal], None]] = {
    "ranking": ranking,
    "comparison": comparison,
    "pipelines": pipelines,
    "description": description,
    "scores": scores,
    "markdown": markdown,
}


def printed(table: Callable[[Terminal], None], width: int, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Recorded]:
    """What a terminal of a width is sent, and the tables that were to be printed."""
    tables: Recorded = []

    def record(console: Terminal, columns: Sequence[Column], rows: Sequence[Sequence[Any]], *title: str) -> None:
        tables.append((columns, rows))
        print_table(console, columns, rows, *title)

    modules = (status, comparison_table, data_tables, pipelines_table, scores_table, selection_tables)
    for module in (*modules, lge_sweep.cli.terminal_table):
        monkeypatch.setattr(module, "print_table", record)
    out = StringIO()
    table(Terminal(file=out, width=width, force_terminal=True, color_system=None))
    return out.getvalue(), tables


def texts(cell: str | Text) -> list[str]:
    return (visible(cell) if isinstance(cell, str) else cell.plain).split("\n")


def dense(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [*TABLES, "sweeps"])
def test_every_number_is_whole_and_every_name_is_there(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = TABLES.get(name) or (lambda console: sweeps(console, monkeypatch))
    text, tables = printed(table, width, monkeypatch)
    assert tables
    for columns, rows in tables:
        for k, column in enumerate(columns):
            for part in column.title.split("\n"):
                assert dense(part) in dense(text)
            for line in [line for row in rows for line in texts(row[k]) if column.kind == "number"]:
                assert re.search(rf"(?<!\S){re.escape(line)}(?!\S)", text), (column.title, line)
    for line in text.split("\n"):  # rows of a table; sentences and paragraphs are broken by the terminal itself
        if line.startswith(" "):
            assert len(line.rstrip()) <= width, line


@pytest.mark.parametrize("width", [w for w in WIDTHS if w > 20])
def test_a_long_name_is_folded_and_loses_nothing(width: int) -> None:
    out = StringIO()
    rows = [(name, "1234.5678", "-0.1234 to +0.5678") for name in NAMES]
    columns = [Column("case", "text", key=True), Column("volume mL"), Column("95 % interval")]
    print_table(Terminal(file=out, width=width), columns, rows)
    for name in NAMES:
        found = dense(re.sub(r"1234\.5678|-0\.1234 to \+0\.5678", "", out.getvalue()))
        assert dense(visible(name)) in found


def test_what_does_not_fit_is_said() -> None:
    columns, rows = (
        [Column("case", "text", key=True), *(Column(f"number {k}") for k in range(8))],
        [("a", *["1234.5678"] * 8)],
    )

    def said(width: int) -> str:
        out = StringIO()
        print_table(Terminal(file=out, width=width), columns, rows)
        return out.getvalue()

    needed = 6 + 8 * 11
    assert "(" not in said(needed)
    assert f"(one table in 2 parts: this terminal has {needed - 1} columns, it needs {needed})" in said(needed - 1)
    assert "(a row is a paragraph: a table needs a terminal of 17 columns)" in said(16)
    assert "number 7: 1234.5678" in said(16)


def test_what_fits_or_goes_to_a_file_stays_markdown() -> None:
    text = "| a | b |\n| --- | ---: |\n| x | 0.1234<br>0.1 to 0.2 |\n"
    for width, terminal in ((80, True), (20, False)):
        out = StringIO()
        print_markdown(Terminal(file=out, width=width, force_terminal=terminal), text, "lge-sweep table")
        assert out.getvalue() == f"{text}\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_status_is_watched_until_it_is_stopped(terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that cannot be read for a while is shown as such, and looked at again."""
    console = Terminal(file=StringIO(), width=120, force_terminal=terminal)
    looks: list[float] = []

    def look(shown: Terminal, store: RunStore) -> None:
        if len(looks) == 1:
            raise RunsError("the ledger cannot be used")
        shown.print_line(f"look {len(looks)} at {store.root.name}")

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) >= 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status, "print_status", look)
    # not `time.sleep` itself, which other threads of the tests' process call
    clock = SimpleNamespace(sleep=sleep, monotonic=time.monotonic, strftime=time.strftime)
    monkeypatch.setattr(status, "time", clock)
    status.watch_status(console, RunStore(tmp_path))
    assert isinstance(console.file, StringIO)
    said = console.file.getvalue()
    positions = [said.index(text) for text in ("look 0 at", "the ledger cannot be used", "look 2 at")]
    assert positions == sorted(positions)
    assert ("\x1b[" in said) is terminal
    assert min(looks) >= status.EVERY
