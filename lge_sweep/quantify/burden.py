"""How much cavity, myocardium and scar there is: pixels, millilitres, grams, per cent of the wall."""

from dataclasses import dataclass

import numpy as np

from lge_sweep.arrays import LabelImage, Mask
from lge_sweep.labels import Label

DENSITY_G_PER_ML = 1.05
"""Density of myocardium, the value that mass by cardiac MRI is calculated with."""


@dataclass(frozen=True)
class Burden:
    """Amounts of each class in an exam, or in a slice.

    The wall is myocardium and scar together: all of the left ventricle's muscle, alive or not.

    Attributes:
        pixels: number of pixels of each class.
        voxel_ml: volume that a pixel stands for, in mL; None where it is unknown.
        mvo_pixels: number of pixels of scar that are microvascular obstruction (no-reflow); None where nobody told.
    """

    pixels: dict[Label, int]
    voxel_ml: float | None
    mvo_pixels: int | None = None

    @property
    def ml(self) -> dict[Label, float] | None:
        """Volume of each class in mL, pixels x volume of a pixel; None where that is unknown."""
        if self.voxel_ml is None:
            return None
        return {label: count * self.voxel_ml for label, count in self.pixels.items()}

    @property
    def mvo_ml(self) -> float | None:
        """Volume of no-reflow, a part of the scar's, in mL; None where it or the volume of a pixel is unknown."""
        return None if self.mvo_pixels is None or self.voxel_ml is None else self.mvo_pixels * self.voxel_ml

    @property
    def wall_pixels(self) -> int:
        """Pixels of the wall."""
        return self.pixels[Label.MYOCARDIUM] + self.pixels[Label.SCAR]

    @property
    def wall_ml(self) -> float | None:
        """Volume of the wall in mL; None where the volume of a pixel is unknown."""
        return None if self.voxel_ml is None else self.wall_pixels * self.voxel_ml

    @property
    def mass_g(self) -> float | None:
        """Mass of the wall in g, 1.05 g/mL; None where its volume is unknown.

        Source:
            Schulz-Menger et al., Standardized image interpretation and post-processing in cardiovascular magnetic
            resonance, J Cardiovasc Magn Reson 2020;22:19.
        """
        return None if self.wall_ml is None else self.wall_ml * DENSITY_G_PER_ML

    @property
    def scar_percent(self) -> float | None:
        """Share of scar in the wall, 0-100, by pixels; None where there is no wall."""
        return 100 * self.pixels[Label.SCAR] / self.wall_pixels if self.wall_pixels else None


def measure(labels: LabelImage, voxel_ml: float | None, mvo: Mask | None = None) -> Burden:
    """Count the classes of a label image or stack.

    Args:
        labels: any shape, values of `Label`.
        voxel_ml: volume that a pixel stands for, row x column x slice spacing, in mL; None where it is unknown.
        mvo: same shape, where scar is no-reflow; None where nobody told.
    """
    counts = np.bincount(labels.ravel(), minlength=len(Label))
    pixels = {label: int(counts[label]) for label in Label}
    return Burden(pixels, voxel_ml, None if mvo is None else int(np.count_nonzero(mvo)))
