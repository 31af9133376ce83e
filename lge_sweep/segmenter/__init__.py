"""Segmenter: what is shipped, both stages as one. Noun `TwoStageSegmenter`, verbs `load_segmenter`, `predict_exams`.

The latter is in the module `predict`: what is loaded here must do without torch, because a
registered model carries a copy of this package and is served with little else.
"""

from lge_sweep.segmenter.load import load_segmenter
from lge_sweep.segmenter.segment import Network, Segmentation, TwoStageSegmenter

__all__ = ["Network", "Segmentation", "TwoStageSegmenter", "load_segmenter"]
