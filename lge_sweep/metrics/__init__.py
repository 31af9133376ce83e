"""Measure predictions against the truth: one row an image and class (`evaluate`), then their means (`aggregate`).

Each metric is a row of `METRICS`.
"""

from lge_sweep.metrics.overlap import Counts
from lge_sweep.metrics.registry import METRICS, POOLED, Metric, MetricInputs, pooled_scores
from lge_sweep.metrics.summary import Summary, aggregate
from lge_sweep.metrics.table import evaluate

__all__ = ["METRICS", "POOLED", "Counts", "Metric", "MetricInputs", "Summary", "aggregate", "evaluate", "pooled_scores"]
