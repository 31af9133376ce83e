"""Pipeline: both stages as one segmenter. Noun `TwoStageSegmenter`, verbs `fit_two_stage`, `evaluate_once`, `predict`.

The verbs are in the modules `fit`, `evaluate` and `predict`: what is loaded here must do without torch, because a
registered model carries a copy of this package and is served with little else.
"""

from lge_sweep.pipeline.load import load_segmenter
from lge_sweep.pipeline.segment import Network, Segmentation, TwoStageSegmenter

__all__ = ["Network", "Segmentation", "TwoStageSegmenter", "load_segmenter"]
