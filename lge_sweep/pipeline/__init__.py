"""Pipeline: the two selected networks as one segmenter. Noun `TwoStage`, verb `fit_two_stage`."""

from lge_sweep.pipeline.fit import TwoStage, fit_two_stage

__all__ = ["TwoStage", "fit_two_stage"]
