"""Bring a mask onto the grid of its image by the positions of both; nothing is turned or mirrored without a word."""

from typing import NamedTuple

import numpy as np

from lge_sweep.arrays import Matrix, Pixels
from lge_sweep.ingest.geometry import IDENTITY, AxisTransform, GridMismatch, grid_transform, may_lack_position
from lge_sweep.ingest.nifti_grid import NiftiVoxels
from lge_sweep.ingest.volume import UnusableError

GRID_TRUSTED = "its mask is taken voxel by voxel, whatever its affine says (source.trust_grid)"
TURNED_MASK = "its mask is stored with its axes in another order or direction; laid on the image by its affine"


class AlignedMask(NamedTuple):
    """A mask on the grid of its image."""

    array: Pixels
    """[I, J, K] values."""
    notes: tuple[str, ...]
    """What a user should know."""


def align_mask(mask: NiftiVoxels, image: NiftiVoxels, *, trust: bool = False) -> AlignedMask:
    """Bring a mask onto the grid of its image by the positions of both.

    A mask that is stored with its axes permuted or reversed is turned; one that lies elsewhere is refused. With `trust`
    its voxels are taken for those of the image, in the order in which both are stored, whatever their positions.

    Args:
        mask: the mask and where it lies.
        image: the image and where it lies.
        trust: take the mask voxel by voxel.

    Raises:
        UnusableError: it has another shape, or lies elsewhere.
    """
    if trust and mask.array.shape == image.array.shape:
        return AlignedMask(mask.array, (GRID_TRUSTED,))
    turn = grid_transform(image.matrix, image.array.shape, mask.matrix, mask.array.shape)
    if turn == IDENTITY:
        return AlignedMask(mask.array, ())
    if isinstance(turn, AxisTransform) and mask.placed and image.placed:
        return AlignedMask(turn.apply(mask.array), (TURNED_MASK,))
    if sorted(mask.array.shape) != sorted(image.array.shape):
        sizes = [f"{s} slices of {h}x{w}" for w, h, s in (mask.array.shape, image.array.shape)]
        raise UnusableError(f"mask is {sizes[0]}, its image {sizes[1]}; they must be equal")
    why = turn.why if isinstance(turn, GridMismatch) else "its axes run another way"
    raise UnusableError(f"mask lies elsewhere than its image ({why}); {_mismatch_advice(mask, image)}")


def _mismatch_advice(mask: NiftiVoxels, image: NiftiVoxels) -> str:
    """Say what to do with a mask that lies elsewhere than its image."""
    lost = [
        f"the {name}'s affine is {_affine_kind(voxels.matrix)}, so that its position may be lost"
        for name, voxels in (("mask", mask), ("image", image))
        if not voxels.placed or may_lack_position(voxels.matrix)
    ]
    if not lost:
        return "resample it onto the image"
    return (
        f"{' and '.join(lost)}; if its voxels are stored in the image's order, set source.trust_grid: true, else "
        "resample it onto the image"
    )


def _affine_kind(matrix: Matrix) -> str:
    return "an identity" if np.array_equal(matrix, np.eye(4)) else "a bare diagonal"
