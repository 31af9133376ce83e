"""A ranking as one table: `ranking_frame` of numbers, for CSV, and `ranking_texts` of what people read of them.

The console, Markdown and MLflow show columns of the second, so that a number is written alike wherever it is read.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from lge_sweep.labels import SCORED
from lge_sweep.scoring.selection import Ranked
from lge_sweep.scoring.uncertainty import Standing, Uncertainty
from lge_sweep.scoring.wording import chance, interval
from lge_sweep.text import format_number

INTERVAL, BEST, FOREGROUND = "95 % interval", "P(best)", "foreground"
"""Columns of `ranking_texts`."""

TEXTS = ("configuration", "selected", "alike", "missing", "collapsed")
"""Columns of `ranking_frame` that are text; its others are numbers."""


def ranking_frame(ranking: Sequence[Ranked], uncertainty: Uncertainty | None = None) -> pd.DataFrame:
    """Put a ranking and how sure it is side by side.

    Args:
        ranking: the configurations, best first.
        uncertainty: how sure it is; a configuration without a standing lacks its numbers.

    Returns:
        A row a configuration, best first. Columns: rank, configuration, selected ("yes" or ""), score, score_low,
        score_high, probability_best, expected_rank, alike ("yes": as `Uncertainty.alike`), spread,
        score_<rule> and score_<rule>_foreground, global_<metric>, missing and collapsed (names). A missing number is
        NaN.
    """
    known = {standing.name: standing for standing in uncertainty.standings} if uncertainty else {}
    alike = uncertainty.alike if uncertainty else ()
    frame = pd.DataFrame([_row(entry, known.get(entry.name), entry.name in alike) for entry in ranking])
    return frame.astype(dict.fromkeys(frame.columns.difference(["rank", *TEXTS]), float))


def _row(entry: Ranked, standing: Standing | None, alike: bool) -> Mapping[str, object]:
    return {
        "rank": entry.rank,
        "configuration": entry.name,
        "selected": "yes" if entry.selected else "",
        "score": entry.score,
        "score_low": standing and standing.low,
        "score_high": standing and standing.high,
        "probability_best": standing and standing.best,
        "expected_rank": standing and standing.expected_rank,
        "alike": "yes" if alike else "",
        "spread": entry.spread,
        **{f"score_{name}": value for name, value in entry.scores.items()},
        **{f"global_{name}": value for name, value in entry.metrics.items()},
        "missing": " ".join(entry.missing),
        "collapsed": " ".join(entry.collapsed),
    }


def ranking_texts(frame: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Write a ranking for people; a missing number is a dash.

    Args:
        frame: what `ranking_frame` gives.
        rule: the rule that ranked; its score over the foreground classes is shown.

    Returns:
        The rows of `frame`, as texts. Columns: rank, configuration, score, `INTERVAL`, `BEST`, `FOREGROUND`, each of
        `SCORED`, selected and collapsed (as in `frame`).
    """
    bounds = zip(frame["score_low"], frame["score_high"], strict=True)
    return pd.DataFrame(
        {
            "rank": frame["rank"].map(str),
            "configuration": frame["configuration"],
            "score": frame["score"].map(format_number),
            INTERVAL: [interval(low, high) for low, high in bounds],
            BEST: frame["probability_best"].map(chance),
            FOREGROUND: frame[f"score_{rule}_foreground"].map(format_number),
            **{name: frame[f"global_{name}"].map(format_number) for name in SCORED},
            "selected": frame["selected"],
            "collapsed": frame["collapsed"],
        }
    )
