"""Curate: choose the slices of each case and write down what was chosen. Noun `Curated`, verb `curate`."""

from lge_sweep.curate.classes import absent_classes, check_classes
from lge_sweep.curate.manifest import Curated, curate, of_cases

__all__ = ["Curated", "absent_classes", "check_classes", "curate", "of_cases"]
