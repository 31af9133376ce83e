"""What a page shows: slices with true and predicted labels, and what the tables of the run say of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage, Pixels8
from lge_sweep.errors import DamagedError
from lge_sweep.labels import STAGES, Label
from lge_sweep.report import dice_of
from lge_sweep.study import REMEDY

COUNTS = ("tp", "fp", "fn")
SUBSETS = {
    "train": ("training subset", "The networks have learned from these cases: the numbers flatter."),
    "val": ("validation subset", "What is shown was selected with the help of these cases: the numbers flatter."),
    "test": ("test subset", "Whoever changes anything after a look at these cases has no test subset any more."),
    "out_of_fold": (
        "training and validation subsets, out of fold",
        "Each case is labelled by networks that never saw it; the pipeline was chosen by these cases.",
    ),
}
"""Subset -> its name, and what to keep in mind when its numbers are read."""


@dataclass(frozen=True, eq=False)
class ShownCases:
    """Labels of a subset, by a cell or a pipeline.

    Attributes:
        run: name of the folder that they are of.
        title: what was run, on what data.
        what: the cell or pipeline.
        meaning: what that is, "" if its name says it.
        subset: "train", "val", "test" or "out_of_fold".
        stage: which classes are told apart: 1, 2 or `SINGLE_STAGE`.
        slices: the N slices, a row of the manifest each.
        images: [N, S, S], intensities 0 to 255, as the networks get them.
        truth: [N, S, S], values of `Label`.
        prediction: the same.
        per_image: what was measured of them, a row a slice and class.
        table: the file of that, in the runs directory.
    """

    run: str
    title: str
    what: str
    meaning: str
    subset: str
    stage: int
    slices: pd.DataFrame
    images: Pixels8
    truth: LabelImage
    prediction: LabelImage
    per_image: pd.DataFrame
    table: Path

    @property
    def subset_words(self) -> str:
        """The subset, in words."""
        return SUBSETS[self.subset][0]

    @property
    def classes(self) -> list[Label]:
        """The classes that are looked for, background left out."""
        return [label for label in STAGES[self.stage] if label != Label.BACKGROUND]

    @property
    def size(self) -> int:
        """Rows and columns of each slice."""
        return int(self.images.shape[1])

    @cached_property
    def counts(self) -> pd.DataFrame:
        """Pixels tp, fp and fn: a row a slice (by its name) and class (by its title)."""
        return self.per_image.set_index(["image", "class"])[list(COUNTS)].astype(int).sort_index()

    @cached_property
    def dice(self) -> pd.DataFrame:
        """Dice as the table has it: a row a slice, in the order of `slices`; a column a class; NaN where in neither."""
        wide = self.per_image.pivot(index="image", columns="class", values="dice")
        return wide.loc[self.slices["slice"].tolist(), [label.title for label in self.classes]].astype(float)

    def pooled(self, names: Sequence[str]) -> list[float]:
        """Return each class's Dice over all pixels of some slices, in the order of `classes`.

        Args:
            names: of the slices.
        """
        sums = self.counts.loc[list(names)].groupby(level="class").sum()
        ordered = sums.loc[[label.title for label in self.classes], list(COUNTS)].to_numpy(float)
        return [dice_of(*row) for row in ordered.tolist()]

    def check(self) -> None:
        """Make sure that the labels are those that the table was made of.

        Raises:
            DamagedError: they are not; numbers and pictures would be of different things.
        """
        names = self.slices["slice"].tolist()
        shapes = {array.shape for array in (self.images, self.truth, self.prediction)}
        if shapes != {(len(names), self.size, self.size)}:
            raise DamagedError(self.table, f"the labels are not those of its {len(names)} slices", REMEDY)
        if set(names) != set(self.per_image["image"]):
            raise DamagedError(self.table, "it is of other slices than the labels beside it", REMEDY)
        for label in self.classes:
            found, true = self.prediction == label, self.truth == label
            pixels = [both.sum(axis=(1, 2)) for both in (found & true, found & ~true, ~found & true)]
            told = self.counts.xs(label.title, level="class").loc[names]
            if not np.array_equal(np.stack(pixels, axis=1), told.to_numpy()):
                raise DamagedError(self.table, f"it counts other pixels of {label.title} than the labels have", REMEDY)
