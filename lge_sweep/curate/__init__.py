"""Curate: choose the slices of each case and write down what was chosen. Noun `Curated`, verb `curate`."""

from lge_sweep.curate.classes import absent_classes, check_classes
from lge_sweep.curate.manifest import Curated, curate, notes_by_case

__all__ = ["Curated", "absent_classes", "check_classes", "curate", "notes_by_case"]
