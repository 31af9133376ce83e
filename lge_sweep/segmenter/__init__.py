"""Segmenter: what is shipped, both stages as one. Noun `TwoStageSegmenter`, verbs `load_segmenter`, `predict_exams`.

The latter is in the module `predict`: what is loaded here must do without torch, because a
registered model carries a copy of this package and is served with little else.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
