"""Quantify: labels become volumes, mass and scar burden, whole and by segment. Noun `Burden`, verb `measure`."""

from lge_sweep.quantify.burden import Burden, measure
from lge_sweep.quantify.findings import Finding, case_sentences, finding_sentences, without_slices
from lge_sweep.quantify.plausibility import find_implausible, unchecked_note, unchecked_titles
from lge_sweep.quantify.segments import ScarExtent, SegmentsError, scar_extent

__all__ = [
    "Burden",
    "Finding",
    "ScarExtent",
    "SegmentsError",
    "case_sentences",
    "find_implausible",
    "finding_sentences",
    "measure",
    "scar_extent",
    "unchecked_note",
    "unchecked_titles",
    "without_slices",
]
