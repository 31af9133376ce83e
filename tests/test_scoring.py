"""Scores against the paper's Tables IV and V; selection against hand-made sweeps."""

import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import cells, load_sweep
from lge_sweep.errors import ConfigError, SelectionError
from lge_sweep.labels import SCORED
from lge_sweep.metrics import METRICS, Counts
from lge_sweep.run_folders import SweepFolder
from lge_sweep.scoring import (
    Result,
    all_scores,
    merge_seeds,
    override,
    score,
    score_table,
    select,
)
from lge_sweep.scoring.scores import RULES, global_metrics
from lge_sweep.study.results import read_result
from lge_sweep.text import visible

PAPER = Path(__file__).parents[1] / "docs" / "paper"
# Mean Score of paper Tables IV and V, in the order of their rows.
GOLDEN = {
    ("table4_phase1.csv", "mean"): [0.9548, 0.9205, 0.8939, 0.8684, 0.5665],
    ("table4_phase2.csv", "weighted"): [0.5287, 0.5170],
    ("table5_phase1.csv", "mean"): [0.3961, 0.3938, 0.3937, 0.3935, 0.3644],
    ("table5_phase2.csv", "weighted"): [0.6348, 0.6396],
}


@pytest.mark.parametrize(("file", "rule"), GOLDEN)
def test_all_rows_of_the_papers_tables_are_reproduced(file: str, rule: str) -> None:
    names = [line.split(",")[0] for line in (PAPER / file).read_text(encoding="utf-8").splitlines()[1:]]
    scores = dict(score_table(PAPER / file, rule))
    assert len(names) == len(GOLDEN[file, rule])
    for name, expected in zip(names, GOLDEN[file, rule], strict=True):
        assert scores[name].value == pytest.approx(expected, abs=1.5e-4), name


def test_the_weights_are_those_of_table_3() -> None:
    assert RULES["weighted"] == {
        "dice": 0.25,
        "iou": 0.20,
        "f1": 0.20,
        "bf": 0.10,
        "sensitivity": 0.15,
        "specificity": 0.10,
    }
    assert all(sum(weights.values()) == pytest.approx(1) for weights in RULES.values())


def test_a_missing_metric_gives_its_weight_to_the_others() -> None:
    points = score({"dice": 0.4, "iou": 0.2, "bf": None}, "weighted")
    assert points.value == pytest.approx((0.25 * 0.4 + 0.20 * 0.2) / 0.45)
    assert points.missing == ("f1", "bf", "sensitivity", "specificity")
    assert sum(points.weights.values()) == pytest.approx(1)


def test_no_metric_at_all_cannot_be_scored() -> None:
    with pytest.raises(SelectionError, match="none of the six"):
        score({"dice": None}, "mean")


def test_unknown_rule_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'weighted'"):
        score({"dice": 0.5}, "weigthed")


def by_class(**values: float | None) -> dict[str, dict[str, float | None]]:
    return {metric: dict(values) for metric in RULES["mean"]}


def test_emphasis_reweights_classes_and_a_missing_class_makes_the_global_missing() -> None:
    metrics = by_class(background=1.0, myocardium=0.6, scar=0.2)
    assert global_metrics(metrics)["dice"] == pytest.approx(0.6)
    assert global_metrics(metrics, {"scar": 2})["dice"] == pytest.approx((1.0 + 0.6 + 0.4) / 4)
    assert global_metrics(metrics, {"background": 0})["dice"] == pytest.approx(0.4)
    assert global_metrics(by_class(background=1.0, scar=None))["dice"] is None
    assert global_metrics(by_class(background=1.0, scar=None), {"scar": 0})["dice"] == 1.0


def test_foreground_scores_leave_the_background_out() -> None:
    scores = all_scores(Result("a", by_class(background=1.0, cavity=0.5)))
    assert scores == {
        "mean": pytest.approx(0.75), "weighted": pytest.approx(0.75),
        "mean_foreground": pytest.approx(0.5), "weighted_foreground": pytest.approx(0.5),
    }  # fmt: skip


def result(name: str, value: float, *collapsed: str) -> Result:
    return Result(name, by_class(background=1.0, cavity=value), collapsed)


def test_the_best_two_are_selected_with_their_margin() -> None:
    selection = select([result("a", 0.5), result("b", 0.9), result("c", 0.7)], "mean", keep=2)
    assert selection.selected == ("b", "c")
    assert [entry.rank for entry in selection.ranking] == [1, 2, 3]
    assert selection.margin == pytest.approx(0.1)
    assert selection.weights["dice"] == pytest.approx(1 / 6)


def test_a_collapsed_cell_is_not_selected_while_another_stands() -> None:
    selection = select([result("a", 0.9, "cavity"), result("b", 0.5), result("c", 0.4)], "mean", keep=2)
    assert selection.selected == ("b", "c")
    assert selection.ranking[0].name == "a"
    assert selection.margin is None
    assert any("a collapsed: cavity never predicted" in note for note in selection.notes)


def test_what_collapsed_is_selected_only_where_nothing_else_stands() -> None:
    results = [result("a", 0.9, "cavity"), result("b", 0.5), result("c", 0.8, "cavity"), result("d", 0.1, "cavity")]
    selection = select(results, "mean", keep=2)
    assert selection.selected == ("b", "a")
    assert selection.margin == pytest.approx(0.05)  # a before c
    assert any(note.startswith("a collapsed") and "no other stands" in note for note in selection.notes)
    assert (
        "2 configurations collapsed: cavity never predicted where present; not selectable: c, d" in selection.notes
    )  # one note, however many: a ranking shows three
    assert select(results, "mean", keep=1).selected == ("b",)


def test_fewer_are_selected_when_there_are_fewer() -> None:
    selection = select([result("b", 0.5)], "mean", keep=2)
    assert selection.selected == ("b",)
    assert any("only 1 of the 2" in note for note in selection.notes)


def test_when_all_collapsed_the_best_is_selected_and_called_moot() -> None:
    selection = select([result("a", 0.2, "cavity"), result("b", 0.5, "cavity")], "mean", keep=1)
    assert selection.selected == ("b",)
    assert any("every configuration collapsed" in note for note in selection.notes)


def test_a_tie_at_the_border_is_said() -> None:
    selection = select([result("a", 0.5), result("b", 0.5)], "mean", keep=1)
    assert selection.selected == ("a",)
    assert any("tie" in note for note in selection.notes)


def test_without_ties_the_first_of_equals_is_taken_whatever_its_spread() -> None:
    first, second = (replace(result(name, 0.5), spread=spread) for name, spread in (("a", 0.2), ("b", 0.1)))
    assert select([first, second], "mean", keep=1).selected == ("b",)
    selection = select([first, second], "mean", keep=1, tie_margin=None)
    assert selection.selected == ("a",)
    assert selection.notes == ("a tie at the border of the selection was decided by what it costs",)


def paper_results(file: str, spreads: list[float]) -> list[Result]:
    """The rows of one of the paper's tables; the one class "global" stands for what is already a mean over classes."""
    header, *rows = [line.split(",") for line in (PAPER / file).read_text(encoding="utf-8").splitlines()]
    columns = {"Dice": "dice", "IoU": "iou", "F1-Score": "f1", "BF-Score": "bf"}
    results = []
    for row, spread in zip(rows, spreads, strict=True):
        values = {columns.get(name, name.lower()): value for name, value in zip(header[1:], row[1:], strict=True)}
        metrics = {name: {"global": None if value == "-" else float(value)} for name, value in values.items()}
        results.append(Result(row[0], metrics, spread=spread))
    return results


def test_the_papers_stage_2_choice_is_the_tie_rules() -> None:
    """Dice+Adam scores .6348 against .6396, and its global metrics spread least (paper Fig. 17, section IV.B.2)."""
    results = paper_results("table5_phase2.csv", [0.10, 0.12])
    selection = select(results, "weighted", keep=1, tie_margin=0.01)
    assert selection.selected == ("DeepLabV3+ Xception + Dice + Adam",)
    assert set(selection.tied) == {result.name for result in results}
    assert selection.margin == pytest.approx(0.6348 - 0.6396, abs=3e-4)
    assert "spread least" in selection.notes[0]
    # outside the margin, or were it the other that spreads least, the higher score wins
    for margin, spreads in ((0.004, [0.10, 0.12]), (0.01, [0.12, 0.10])):
        other = select(paper_results("table5_phase2.csv", spreads), "weighted", keep=1, tie_margin=margin)
        assert other.selected == ("DeepLabV3+ Xception + (Dice + CE) + Adam",)


def test_the_papers_stage_1_choice_is_no_tie() -> None:
    """.5287 against .5170 is more than the margin; BF is missing, and its weight goes to the others."""
    selection = select(paper_results("table4_phase2.csv", [0.2, 0.1]), "weighted", keep=1, tie_margin=0.01)
    assert selection.selected == ("DeepLabV3+ ResNet50 + Dice + Adam",)
    assert selection.tied == ()
    assert selection.ranking[0].missing == ("bf",)
    assert any("without bf" in note for note in selection.notes)


def test_the_tie_rule_needs_every_spread_and_a_single_place() -> None:
    tied = [Result("a", by_class(background=1.0, cavity=0.5), (), 0.3), result("b", 0.499)]
    assert select(tied, "mean", keep=1, tie_margin=0.01).selected == ("a",)  # b's spread is missing
    tied[1] = Result("b", by_class(background=1.0, cavity=0.499), (), 0.2)
    assert select(tied, "mean", keep=1, tie_margin=0.01).selected == ("b",)
    assert select(tied, "mean", keep=2, tie_margin=0.01).selected == ("a", "b")


def test_the_spread_is_that_of_what_is_scored(tmp_path: Path) -> None:
    """Two images; without the background b spreads more than a, with it less."""
    outcomes: dict[str, Any] = {}
    columns = (*Counts._fields, *METRICS)
    cell = cells(load_sweep("phase1", 1, "phantom", "smoke"))[0]
    for name, background, cavity in (("a", (1, 1), (0.55, 0.65)), ("b", (1, 0.8), (0.5, 0.7))):
        table = SweepFolder(tmp_path / name).cell(cell.name).per_image
        table.parent.mkdir(parents=True)
        rows = [
            {"image": image, "case": image, "class": label, **dict.fromkeys(columns, values[image])}
            for image in (0, 1)
            for label, values in (("background", background), ("cavity", cavity))
        ]
        pd.DataFrame(rows).to_csv(table, index=False)
        plain = statistics.stdev((b + c) / 2 for b, c in zip(background, cavity, strict=True))
        means = {"background": sum(background) / 2, "cavity": sum(cavity) / 2}
        both = {"image_mean": dict.fromkeys(SCORED, means), "std": dict.fromkeys(SCORED, plain)}
        outcomes[name] = SimpleNamespace(summary=SimpleNamespace(**both, collapsed=()))
    found = {}
    for emphasis in ({}, {"background": 0.0}):
        for name in "ab":
            config = SimpleNamespace(selection=SimpleNamespace(emphasis=emphasis))
            files = SweepFolder(tmp_path / name).cell(cell.name)
            plan: Any = SimpleNamespace(config=config, cell_files={cell: files}.get)
            found[name, bool(emphasis)] = read_result(outcomes[name], plan, cell).spread
    assert found == pytest.approx(
        {("a", False): 0.05 / 2**0.5, ("b", False): 0, ("a", True): 0.1 / 2**0.5, ("b", True): 0.2 / 2**0.5}
    )


def test_a_collapsed_cell_does_not_win_a_tie() -> None:
    tied = [
        Result("a", by_class(background=1.0, cavity=0.5), (), 0.3),
        Result("b", by_class(background=1.0, cavity=0.5), ("cavity",), 0.1),
    ]
    assert select(tied, "mean", keep=1, tie_margin=0.01).selected == ("a",)


def test_seeds_are_averaged_and_one_collapse_is_enough() -> None:
    repeats = [
        Result("a", by_class(background=1.0, scar=0.2), (), 0.1),
        Result("a-seed1", by_class(background=0.5, scar=None), ("scar",), 0.3),
    ]
    merged = merge_seeds("a", repeats)
    assert merged.metrics["dice"] == {"background": 0.75, "scar": None}
    assert (merged.name, merged.collapsed) == ("a", ("scar",))
    assert merged.spread == pytest.approx(0.2)


def test_a_person_may_choose_another_with_a_reason() -> None:
    selection = select([result("a", 0.9), result("b", 0.5), result("c", 0.1, "cavity")], "mean", keep=1)
    chosen = override(selection, "b", " cleaner contours ")
    assert chosen.selected == ("b",)
    assert [entry.selected for entry in chosen.ranking] == [False, True, False]
    assert chosen.override is not None
    assert (chosen.override.reason, chosen.override.beat) == ("cleaner contours", ("a",))
    assert chosen.margin == pytest.approx(-0.2)
    three = select([result(name, score) for name, score in (("a", 0.9), ("b", 0.5), ("c", 0.4))], "mean", keep=2)
    assert override(three, "c", "why").selected == ("c", "a")
    assert "chosen by a person over a: cleaner contours" in chosen.notes
    for name, reason, message in (
        ("bb", "why", "did you mean 'b'"),
        ("c", "why", "c collapsed: it never predicted cavity"),
        ("b", "  ", "needs a reason"),
        ("a", "why", "nothing to override"),
    ):
        with pytest.raises(ConfigError, match=message):
            override(selection, name, reason)


def test_a_person_s_choice_has_a_margin_as_the_rule_s_has() -> None:
    equal = select([result("a", 0.3), result("b", 0.3 + 1e-13)], "mean", keep=1)
    assert override(equal, "b", "why").margin == 0.0
    collapsed = select([result("a", 0.9, "cavity"), result("b", 0.5, "cavity")], "mean", keep=1)
    assert override(collapsed, "b", "why").margin == pytest.approx(-0.2)


def test_an_incomplete_sweep_is_refused_unless_told_otherwise() -> None:
    with pytest.raises(SelectionError, match=r"1 of 2 cells have no result:\n  - b: out of memory"):
        select([result("a", 0.5)], "mean", 1, unfinished={"b": "out of memory"})
    selection = select([result("a", 0.5)], "mean", 1, unfinished={"b": "out of memory"}, allow_incomplete=True)
    assert any("selected without b" in note for note in selection.notes)


def test_nothing_finished_cannot_be_selected() -> None:
    with pytest.raises(SelectionError):
        select([], "mean", 1, unfinished={"a": "killed"}, allow_incomplete=True)


def test_selection_on_the_test_part_is_marked() -> None:
    assert any("test subset" in note for note in select([result("a", 0.5)], "mean", 1, subset="test").notes)


HEAD = "Model,Dice,IoU,F1,BF,Sensitivity,Specificity"
NINES = "9" * 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Model,Dice,IoU\na,1,1\n", "no column f1, bf, sensitivity, specificity"),
        ("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\n", "at least one row"),
        ("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\na,x,1,1,1,1,1\n", "line 2: dice is 'x'"),
        ("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\na,95,1,1,1,1,1\n", "dice is 95; expected a number in 0-1"),
        ("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\na,1,1\n", "line 2 has 3 cells, the header 7"),
        (f"{HEAD},F1-Score\na,1,1,1,1,1,1,0\n", "two columns are the same metric: f1 (F1, F1-Score)"),
        (f"{HEAD},Dice\na,1,1,1,1,1,1,0\n", "the column 'Dice' is there twice"),
        ("Model;Dice;IoU\na;0,9;0,8\n", "its columns are separated by semicolons"),
        (f'{HEAD}\na,"0,9",1,1,1,1,1\n', "expected a number in 0-1, with a decimal point"),
        (f"{HEAD}\na,inf,1,1,1,1,1\n", "dice is inf; expected a number in 0-1"),
        (f"{HEAD}\na,-0.1,1,1,1,1,1\n", "dice is -0.1; expected"),
        (f"{HEAD}\na,{NINES},1,1,1,1,1\n", "expected a number in 0-1"),
        (f'{HEAD}\n"a,1,1\n', "it is no CSV"),
        ("", "it is empty"),
        ("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\na,-,-,-,-,-,-\n", "none of the six metrics has a value"),
    ],
)
def test_a_bad_table_ends_in_one_message_and_exit_code_2(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["score", str(table)])
    assert done.exit_code == 2
    assert message in done.output.replace("\n", "")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["score", str(tmp_path / "no.csv")])
    assert done.exit_code == 2
    assert "cannot be read" in done.output


@pytest.mark.parametrize("content", [f"{HEAD}\nca\xf1on,1,1,1,1,1,1\n".encode("latin-1"), b"\x00\xff"])
def test_a_table_in_another_encoding_is_explained(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    done = CliRunner().invoke(app, ["score", str(tmp_path / "table.csv")])
    assert done.exit_code == 2
    assert "it is not UTF-8" in done.output


@pytest.mark.parametrize("name", ["[/nope]", "[red]a", "=1+1", "a\x1b[31mb", ":smile:", "\u202etxt"])
def test_rows_are_shown_by_the_very_name_that_they_have(tmp_path: Path, name: str) -> None:
    text = f"\ufeff{HEAD}\r\n{name},1,1,1,1,1,-\r\n"
    (tmp_path / "table.csv").write_bytes(text.encode())
    done = CliRunner().invoke(app, ["score", str(tmp_path / "table.csv")])
    assert done.exit_code == 0, done.output
    assert visible(name) in done.output
    assert name.isprintable() or name not in done.output


def test_a_long_table_is_printed_as_lines_in_time_that_is_linear(tmp_path: Path) -> None:
    rows = "".join(f"[/{k}],{k / 20_000:.5f},1,1,1,1,1\n" for k in range(20_000))
    (tmp_path / "table.csv").write_text(f"{HEAD}\n{rows}", encoding="utf-8")
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        done = CliRunner().invoke(app, ["score", str(tmp_path / "table.csv")])
    finally:
        sys.setprofile(None)
    lines = done.output.splitlines()
    assert (lines[2].split(), lines[-1].split()) == (["1", "1.0000", "[/19999]"], ["20000", "0.8333", "[/0]"])
    assert calls < 60 * 20_000  # of functions of Python; rich's table makes some 350 a row


def test_a_device_and_a_pipe_are_no_tables(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path)):
        done = CliRunner().invoke(app, ["score", path])
        assert (done.exit_code, "a device, not a file" in done.output) == (2, True)
