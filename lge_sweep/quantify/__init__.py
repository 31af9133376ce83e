"""Quantify: labels become volumes, mass and scar burden, whole and by segment. Noun `Burden`, verb `measure`."""

from lge_sweep.quantify.burden import Burden, measure
from lge_sweep.quantify.findings import Finding, case_sentences, sentences, without_slices
from lge_sweep.quantify.plausible import implausible, unchecked, unchecked_note
from lge_sweep.quantify.segments import ScarExtent, SegmentsError, scar_extent

__all__ = [
    "Burden",
    "Finding",
    "ScarExtent",
    "SegmentsError",
    "case_sentences",
    "implausible",
    "measure",
    "scar_extent",
    "sentences",
    "unchecked",
    "unchecked_note",
    "without_slices",
]
