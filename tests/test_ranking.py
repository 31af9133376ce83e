"""The one ranking: its numbers, and the same words for them on the console, in Markdown, in CSV and in MLflow."""

import math
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lge_sweep.cli.tables.selection import print_outcome, print_ranking, print_selected, print_uncertainty
from lge_sweep.cli.terminal import Terminal
from lge_sweep.csv_files import frame_text, read_frame
from lge_sweep.engine.publish import Chosen, describe_selection
from lge_sweep.labels import SCORED
from lge_sweep.scoring import Result, Selection, select
from lge_sweep.scoring.ranking import BEST, FOREGROUND, INTERVAL, TEXTS, ranking_frame, ranking_texts
from lge_sweep.scoring.uncertainty import Candidate, Uncertainty, assess_uncertainty, describe_friedman

CLASSES = ("background", "scar")
NAMES = ("=unet", "a|b", "lost")


def table(dice: list[float]) -> pd.DataFrame:
    """One image a case; the background is .9, the scar's metrics are all the same."""
    rows = [
        {"image": f"s{case}", "case": f"c{case}", "class": name, **dict.fromkeys(SCORED, value)}
        for case, scar in enumerate(dice)
        for name, value in zip(CLASSES, (0.9, scar), strict=True)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def outcome() -> tuple[Selection, Uncertainty]:
    """Of two cases: a configuration ahead on both, one that lacks bf, and one that collapsed."""
    dice = {"=unet": [0.5, 0.6], "a|b": [0.4, 0.5], "lost": [0.0, 0.0]}
    results, candidates = [], []
    for name, values in dice.items():
        metrics: dict[str, dict[str, float | None]] = {
            metric: dict(zip(CLASSES, (0.9, float(np.mean(values))), strict=True)) for metric in SCORED
        }
        if name == "a|b":
            metrics["bf"] = {"background": 0.9, "scar": None}
        collapsed = ("scar",) if name == "lost" else ()
        results.append(Result(name, metrics, collapsed, spread=None if name == "lost" else 0.05))
        candidates.append(Candidate(name, [table(values)], collapsed))
    return select(results, "mean", keep=1), assess_uncertainty(candidates, "=unet", "mean", resamples=300)


@pytest.fixture(scope="module")
def frame(outcome: tuple[Selection, Uncertainty]) -> pd.DataFrame:
    selection, uncertainty = outcome
    return ranking_frame(selection.ranking, uncertainty)


def test_the_frame_has_the_numbers_of_ranking_and_standings(
    outcome: tuple[Selection, Uncertainty], frame: pd.DataFrame
) -> None:
    selection, uncertainty = outcome
    standings = {standing.name: standing for standing in uncertainty.standings}
    assert frame["configuration"].tolist() == [entry.name for entry in selection.ranking] == list(NAMES)
    for entry, row in zip(selection.ranking, frame.to_dict("records"), strict=True):
        standing = standings[entry.name]
        assert (row["rank"], row["score"], row["score_low"]) == (entry.rank, entry.score, standing.low)
        assert row["probability_best"] == standing.best
        assert row["global_dice"] == entry.metrics["dice"]
    assert frame["selected"].tolist() == ["yes", "", ""]
    assert frame["collapsed"].tolist() == ["", "", "scar"]
    assert frame["missing"].tolist() == ["", "bf", ""]
    assert frame["alike"].tolist() == ["", "yes", ""]  # two cases tell nothing apart; "lost" cannot be selected
    assert uncertainty.alike == ("a|b",)
    assert "1 other configuration cannot be told apart from it" in uncertainty.sentence
    assert math.isnan(frame["global_bf"][1])
    assert math.isnan(frame["expected_rank"][2])


def test_the_frame_survives_csv(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "ranking.csv"
    path.write_text(frame_text(frame), encoding="utf-8")
    assert "'=unet" in path.read_text(encoding="utf-8")  # no formula for a spreadsheet
    pd.testing.assert_frame_equal(read_frame(path, TEXTS), frame, check_dtype=False)


def test_a_ranking_without_standings_lacks_their_numbers_alone(outcome: tuple[Selection, Uncertainty]) -> None:
    texts = ranking_texts(ranking_frame(outcome[0].ranking), "mean")
    assert texts[INTERVAL].tolist() == texts[BEST].tolist() == ["-"] * 3
    assert "-" not in texts["score"].tolist()


def test_all_tables_say_the_same(outcome: tuple[Selection, Uncertainty], frame: pd.DataFrame) -> None:
    selection, uncertainty = outcome
    texts = ranking_texts(frame, "mean")
    assert texts[BEST].tolist() == [".75", ".25", "below .01"]  # what two cases can show
    out = StringIO()
    console, names = Terminal(file=out, width=200), {name: name for name in NAMES}
    print_ranking(console, "title", selection, names, {one.name: one.best for one in uncertainty.standings})
    print_uncertainty(console, uncertainty, names)
    markdown = describe_selection(Chosen(selection, uncertainty)).splitlines()
    assert uncertainty.sentence.startswith("=unet is best with probability .75;")
    assert markdown[0] == f"**{uncertainty.sentence}.**"
    rows = [row.split() for row in out.getvalue().splitlines() if not row.startswith("Note")]
    for line in texts.to_dict("records"):
        name = line["configuration"]
        in_ranking, in_uncertainty = (row for row in rows if name in row[:2] and len(row) > 8)
        numbers = " ".join(line[title] for title in ("score", BEST, FOREGROUND, *SCORED)).split()
        assert in_ranking[: 2 + len(numbers)] == [line["rank"], name, *numbers]
        assert f" {line[INTERVAL]} " in f" {' '.join(in_uncertainty)} "
        assert f" {line[BEST]} " in f" {' '.join(in_uncertainty)} "
        shown = " | ".join(line[title] for title in ("score", INTERVAL, BEST, FOREGROUND))
        assert any(f"{line['rank']} | " in row and f" | {shown} | " in row for row in markdown if row.startswith("|"))


@pytest.mark.parametrize("whole", [False, True])
def test_what_may_change_a_decision_is_printed_and_the_rest_if_asked_for(
    outcome: tuple[Selection, Uncertainty], whole: bool
) -> None:
    selection, uncertainty = outcome
    out = StringIO()
    came_to: Any = SimpleNamespace(
        selection=selection, uncertainty=uncertainty, names={name: name for name in NAMES}, registered=None, front=None
    )
    plan: Any = SimpleNamespace(title="phase2", folder=Path("runs/phase2-x"))
    print_outcome(Terminal(file=out, width=200, whole=whole), plan, came_to)
    printed = out.getvalue().splitlines()
    assert printed[1] == f"{uncertainty.sentence}."
    every = [*selection.notes, *uncertainty.notes, *describe_friedman(uncertainty.friedman)]
    assert len(every) > 4
    notes = [line.removeprefix("Note: ").removesuffix(".") for line in printed if line.startswith("Note: ")]
    assert notes == (every if whole else every[:3])
    rest = (
        f"{len(every) - 3} more notes and intervals: lge-sweep table runs/phase2-x; tests, too: lge-sweep --explain "
        "select runs/phase2-x"
    )
    assert (rest in printed, any("p (Dice)" in line for line in printed)) == (not whole, whole)
    assert "2 cases tell no two configurations apart at 95 %: it takes 6" in notes


def test_a_level_score_is_no_lead(outcome: tuple[Selection, Uncertainty]) -> None:
    out = StringIO()
    selection = replace(outcome[0], margin=0.0)
    print_selected(Terminal(file=out, width=200), selection, {name: name for name in NAMES})
    assert "Selected: =unet, level with the next." in out.getvalue()
