"""Ingest: images and labels of patient exams from any source. Noun `Volume`, verb `read`."""

from lge_sweep.ingest.sources import read, survey
from lge_sweep.ingest.volume import Exam, Volume

__all__ = ["Exam", "Volume", "read", "survey"]
