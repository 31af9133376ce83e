"""Tracking: MLflow runs of sweeps and trials. Noun `TrackedRun`, verb `Tracker.open_run`."""

from lge_sweep.tracking.mlflow import EXPERIMENT, DataVersion, Point, TrackedRun, Tracker, database_uri, finishing

__all__ = ["EXPERIMENT", "DataVersion", "Point", "TrackedRun", "Tracker", "database_uri", "finishing"]
