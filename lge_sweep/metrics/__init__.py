"""Measure predictions against the truth: one row an image and class (`evaluate`), then their means (`aggregate`)."""

from lge_sweep.metrics.summary import Summary, aggregate
from lge_sweep.metrics.table import evaluate

__all__ = ["Summary", "aggregate", "evaluate"]
