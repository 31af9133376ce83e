"""Measure predictions against the truth: one row an image and class (`evaluate`), then their means (`aggregate`).

Each metric is a row of `METRICS`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
