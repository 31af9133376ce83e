"""Deliver: labels predicted for an exam become clinical files. Noun `Result`, verb `deliver`."""

from lge_sweep.deliver.exam_files import FORMATS, Delivery, deliver, read_delivery
from lge_sweep.deliver.result import ModelFacts, Result

__all__ = ["FORMATS", "Delivery", "ModelFacts", "Result", "deliver", "read_delivery"]
