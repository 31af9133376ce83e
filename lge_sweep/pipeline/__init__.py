"""Pipeline: both stages as one segmenter. Noun `TwoStageSegmenter`, verb `load_segmenter`."""

from lge_sweep.pipeline.load import load_segmenter
from lge_sweep.pipeline.segment import Network, Segmentation, TwoStageSegmenter

__all__ = ["Network", "Segmentation", "TwoStageSegmenter", "load_segmenter"]
