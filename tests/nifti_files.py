"""NIfTI files as the tests read them back, and where their voxels may lie."""

from pathlib import Path

import numpy as np
from nibabel import Nifti1Image
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation


def load_nifti(path: str | Path) -> Nifti1Image:
    """Open a NIfTI-1 file; `nibabel.load` is typed as any file with an image."""
    return Nifti1Image.from_filename(path)


def turned(rng: np.random.Generator, spacing: tuple[float, float, float], shear: float = 0) -> NDArray[np.float64]:
    """Return index (row, column, slice) -> mm of a stack of any orientation and either handedness."""
    steps = Rotation.random(rng=rng).as_matrix() * rng.choice([-1, 1]) @ np.diag(spacing)
    steps[:, 2] += shear * steps[:, 0]
    affine = np.eye(4)
    affine[:3] = np.column_stack([steps, rng.uniform(-200, 200, 3)])
    return affine
