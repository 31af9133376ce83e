"""Scoring: from metrics to a ranking and a choice. Noun `Selection`, verbs `score` and `select`. No torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
