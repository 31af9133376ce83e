"""Deliver: labels predicted for an exam become clinical files. Noun `Result`, verb `deliver`."""

from lge_sweep.deliver.result import ModelFacts, Result
from lge_sweep.deliver.write import FORMATS, Delivery, deliver, read_delivery

__all__ = ["FORMATS", "Delivery", "ModelFacts", "Result", "deliver", "read_delivery"]
