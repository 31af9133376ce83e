"""What is converted to another format: exams, what is curated of them, and the data file that they came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from lge_sweep.config.data import DataFile
from lge_sweep.curate import Curated
from lge_sweep.ingest import Volume


@dataclass(frozen=True)
class CuratedDataset:
    """What is to be written.

    Attributes:
        volumes: whole exams.
        curated: the slices of them that a study would use, from which the split is made.
        settings: the data file that they came from.
    """

    volumes: Sequence[Volume]
    curated: Curated
    settings: DataFile
