"""Deliver: labels predicted for an exam become clinical files. Noun `Result`, verb `deliver`."""

from lge_sweep.deliver.result import ModelFacts, Result
from lge_sweep.deliver.write import FORMATS, Delivery, deliver

__all__ = ["FORMATS", "Delivery", "ModelFacts", "Result", "deliver"]
