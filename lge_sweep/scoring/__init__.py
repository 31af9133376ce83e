"""Scoring: from metrics to a ranking and a choice. Noun `Selection`, verbs `score` and `select`. No torch."""

from lge_sweep.scoring.scores import RULES, Score, global_metrics, mean_of_all, score
from lge_sweep.scoring.selection import (
    Override,
    Ranked,
    Result,
    Selection,
    all_scores,
    merge_seeds,
    override,
    score_result,
    select,
)
from lge_sweep.scoring.table import score_table

__all__ = [
    "RULES",
    "Override",
    "Ranked",
    "Result",
    "Score",
    "Selection",
    "all_scores",
    "global_metrics",
    "mean_of_all",
    "merge_seeds",
    "override",
    "score",
    "score_result",
    "score_table",
    "select",
]
