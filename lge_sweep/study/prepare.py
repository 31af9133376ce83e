"""From the images that a configuration names to arrays that are split and ready."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.config import SweepConfig
from lge_sweep.curate import curate
from lge_sweep.data import content_digest, prepare
from lge_sweep.ingest import read
from lge_sweep.run_store import RunStore
from lge_sweep.split import split_cases
from lge_sweep.study.manifest import rows_of


@dataclass(frozen=True)
class PreparedData:
    """A data set, read, split and prepared.

    Attributes:
        arrays: folder of the prepared arrays.
        manifest: one row a slice, with its `subset` ("" if not used).
        digest: SHA-256 of the data's content.
        leaky: whether the split lets a case be on two sides.
        leak_share: share of test slices that have a training slice of the same case.
        notes: what a user should know about the data, one sentence each.
        images: the slices as they were read: intensities [H, W] of each row of the manifest, in the source's units.
        labels: theirs, [H, W] values of `Label`.
        slices_found: how many slices the exams have, used or not.
    """

    arrays: Path
    manifest: pd.DataFrame
    digest: str
    leaky: bool
    leak_share: float
    notes: tuple[str, ...]
    images: tuple[NDArray[np.number], ...]
    labels: tuple[NDArray[np.uint8], ...]
    slices_found: int

    def rows(self, subset: str) -> list[int]:
        """Return the rows of the manifest (and of the arrays) that belong to a subset."""
        return rows_of(self.manifest, subset)


def prepare_data(config: SweepConfig, root: Path | None, runs: Path) -> PreparedData:
    """Read, curate, split and prepare the data that a configuration names.

    Args:
        config: every setting.
        root: folder of the images.
        runs: the runs directory, which keeps the prepared arrays.

    Raises:
        DataError: the data cannot be used.
    """
    curated = curate(read(config.source, root), config.curate)
    split = split_cases(curated.manifest, config.split)
    return PreparedData(
        arrays=prepare(curated, config.training.image_size, config.intensity, RunStore(runs).cache),
        manifest=curated.manifest.assign(subset=curated.manifest["slice"].map(split.subsets).fillna("")),
        digest=content_digest(curated.manifest),
        leaky=split.leaky,
        leak_share=split.leak_share,
        notes=(*curated.notes, *split.notes),
        images=curated.images,
        labels=curated.labels,
        slices_found=curated.slices_found,
    )
