"""Quantify: labels become volumes, mass and scar burden, whole and by segment. Noun `Burden`, verb `measure`."""

from lge_sweep.quantify.burden import Burden, measure
from lge_sweep.quantify.segments import ScarExtent, SegmentsError, scar_extent

__all__ = ["Burden", "ScarExtent", "SegmentsError", "measure", "scar_extent"]
