"""Tracking: MLflow runs of sweeps and trials. Noun `TrackedRun`, verb `Tracker.open_run`."""

from lge_sweep.tracking.mlflow import EXPERIMENT, Tracker
from lge_sweep.tracking.run import DataVersion, Point, TrackedRun, finishing

__all__ = ["EXPERIMENT", "DataVersion", "Point", "TrackedRun", "Tracker", "finishing"]
