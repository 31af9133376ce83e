"""The ranking on a terminal of any usual width: nothing that matters is cut."""

from io import StringIO

import pytest

from lge_sweep.cli.tables.selection import print_ranking
from lge_sweep.cli.terminal import Terminal
from lge_sweep.labels import SCORED, class_names
from lge_sweep.scoring import Result, Selection, select

MODELS = ("deeplabv3plus_mobilenetv2", "deeplabv3plus_xception")
LOSSES = ("weighted_ce", "dice", "focal", "dice_ce", "dice_focal")
PHASE_2 = [f"{model} {loss} {optimizer}" for model in MODELS for loss in LOSSES for optimizer in ("adam", "sgdm")]
PHASE_1 = ["unet", "segnet", *MODELS]


def selection(names: list[str], collapsed: list[int]) -> Selection:
    """A selection among configurations that get worse in the order given, each metric a little apart."""
    results = []
    for k, name in enumerate(names):
        values = {m: 0.99 - 0.01 * k - 0.001 * i for i, m in enumerate(SCORED)}
        metrics = {m: dict.fromkeys(class_names(2), value) for m, value in values.items()}
        results.append(Result(name, metrics, ("scar",) if k in collapsed else ()))
    return select(results, "weighted", keep=2)


def lines(names: list[str], collapsed: list[int], width: int) -> list[str]:
    out = StringIO()
    console = Terminal(width=width, file=out)
    print_ranking(console, "phase2 stage 2: emidec_png, cpu", selection(names, collapsed), {n: n for n in names})
    return [line.rstrip() for line in out.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def rows(printed: list[str]) -> list[list[str]]:
    """The cells of all lines that begin with a rank; a line of a single cell after one goes on with its name."""
    found: list[list[str]] = []
    for line in map(cells, printed):
        if line and line[0].isdigit():
            found.append(line)
        elif len(line) == 1 and found and len(found[-1]) > 1 and line[0].split(" ")[0] in (*LOSSES, "adam", "sgdm"):
            found[-1][1] += f" {line[0]}"
    return found


def expected(names: list[str], collapsed: list[int]) -> list[tuple[list[str], list[str], list[str]]]:
    """Rank, name and score; foreground and metrics; marks: as they must stand in the table, by hand."""
    wanted = []
    for entry in selection(names, collapsed).ranking:
        marks = ["selected"] * entry.selected + ["collapsed"] * bool(entry.collapsed)
        wanted.append(
            (
                [str(entry.rank), entry.name, f"{entry.score:.4f}"],
                [f"{value:.4f}" for value in (entry.scores["weighted_foreground"], *entry.metrics.values())],
                [", ".join(marks)] if marks else [],
            )
        )
    return wanted


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("collapsed", [[], [0, 3, 19], list(range(20))], ids=["none", "some", "all"])
def test_a_narrow_terminal_gets_two_tables_of_one_line_each(width: int, collapsed: list[int]) -> None:
    printed = lines(PHASE_2, collapsed, width)
    wanted = expected(PHASE_2, collapsed)
    got = [cells(line) for line in printed if line.strip()[:1].isdigit()]
    first, second = got[:20], got[20:]
    beside = len(first[0]) - len(wanted[0][0]) - len(wanted[0][2])  # metrics that there is room for beside the names
    assert first == [names + numbers[:beside] + marks for names, numbers, marks in wanted]
    assert second == [[names[0], *numbers[beside:]] for names, numbers, _ in wanted]
    assert max(len(line) for line in printed) <= width
    assert printed[-1].startswith(f"(one table in 2 parts: this terminal has {width} columns, it needs ")


@pytest.mark.parametrize("width", [132, 160])
def test_a_wide_terminal_gets_one_table_of_one_line_each(width: int) -> None:
    collapsed = [2, 3, 19]
    printed = lines(PHASE_2, collapsed, width)
    got = [cells(line) for line in printed if line.strip()[:1].isdigit()]
    assert got == [first + numbers + marks for first, numbers, marks in expected(PHASE_2, collapsed)]
    header = ["rank", "configuration", "score", "foreground", "dice", "iou", "f1", "bf", "sens.", "spec."]
    assert header in [cells(line) for line in printed]


def test_names_that_do_not_quite_fit_are_broken_between_words() -> None:
    printed = lines(PHASE_2, [2, 3, 19], 120)
    assert rows(printed) == [first + numbers + marks for first, numbers, marks in expected(PHASE_2, [2, 3, 19])]
    assert ["weighted_ce adam"] in [cells(line) for line in printed]
    assert max(len(line) for line in printed) <= 120


@pytest.mark.parametrize(("width", "tables"), [(80, 2), (120, 1), (132, 1)])
def test_the_four_of_phase_1(width: int, tables: int) -> None:
    got = rows(lines(PHASE_1, [1], width))
    wanted = expected(PHASE_1, [1])
    assert len(got) == tables * len(PHASE_1)
    if tables == 1:
        assert got == [first + numbers + marks for first, numbers, marks in wanted]
