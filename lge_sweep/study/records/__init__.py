"""What a sweep's folder keeps beside tables and weights: each record a frozen, checked model of one file."""

from lge_sweep.study.records.base import REMEDY, Record, read_record, set_damaged_aside, write_record
from lge_sweep.study.records.cell import CellRecord, HardwareFacts, Seconds, TrainingFacts
from lge_sweep.study.records.plan import PlanRecord
from lge_sweep.study.records.selection import OverrideRecord, SelectionRecord, read_selection

__all__ = [
    "REMEDY",
    "CellRecord",
    "HardwareFacts",
    "OverrideRecord",
    "PlanRecord",
    "Record",
    "Seconds",
    "SelectionRecord",
    "TrainingFacts",
    "read_record",
    "read_selection",
    "set_damaged_aside",
    "write_record",
]
