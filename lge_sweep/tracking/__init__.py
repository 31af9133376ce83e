"""Tracking: MLflow runs of sweeps and trials. Noun `TrackedRun`, verb `Tracker.open_run`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
