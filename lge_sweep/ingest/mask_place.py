"""Bring a mask onto the grid of its image by the positions of both; nothing is turned or mirrored without a word."""

from typing import NamedTuple

import numpy as np

from lge_sweep.ingest.geometry import AS_STORED, Matrix, Mismatch, Turn, is_lost, turn_between
from lge_sweep.ingest.nifti_grid import Voxels
from lge_sweep.ingest.volume import Pixels, UnusableError

TRUSTED = "its mask is taken voxel by voxel, whatever its affine says (source.trust_grid)"
TURNED_MASK = "its mask is stored with its axes in another order or direction; laid on the image by its affine"


class PlacedMask(NamedTuple):
    """A mask on the grid of its image."""

    array: Pixels
    """[I, J, K] values."""
    notes: tuple[str, ...]
    """What a user should know."""


def place_mask(mask: Voxels, image: Voxels, *, trust: bool = False) -> PlacedMask:
    """Bring a mask onto the grid of its image by the positions of both.

    A mask that is stored with its axes permuted or reversed is turned; one that lies elsewhere is refused. With `trust`
    its voxels are taken for those of the image, in the order in which both are stored, whatever their positions.

    Raises:
        UnusableError: it has another shape, or lies elsewhere.
    """
    if trust and mask.array.shape == image.array.shape:
        return PlacedMask(mask.array, (TRUSTED,))
    turn = turn_between(image.matrix, image.array.shape, mask.matrix, mask.array.shape)
    if turn == AS_STORED:
        return PlacedMask(mask.array, ())
    if isinstance(turn, Turn) and mask.placed and image.placed:
        return PlacedMask(turn.apply(mask.array), (TURNED_MASK,))
    if sorted(mask.array.shape) != sorted(image.array.shape):
        sizes = [f"{s} slices of {h}x{w}" for w, h, s in (mask.array.shape, image.array.shape)]
        raise UnusableError(f"mask is {sizes[0]}, its image {sizes[1]}; they must be equal")
    why = turn.why if isinstance(turn, Mismatch) else "its axes run another way"
    raise UnusableError(f"mask lies elsewhere than its image ({why}); {_way_out(mask, image)}")


def _way_out(mask: Voxels, image: Voxels) -> str:
    """Say what to do with a mask that lies elsewhere than its image."""
    lost = [
        f"the {name}'s affine is {_kind(voxels.matrix)}, so that its position may be lost"
        for name, voxels in (("mask", mask), ("image", image))
        if not voxels.placed or is_lost(voxels.matrix)
    ]
    if not lost:
        return "resample it onto the image"
    return (
        f"{' and '.join(lost)}; if its voxels are stored in the image's order, set source.trust_grid: true, else "
        "resample it onto the image"
    )


def _kind(matrix: Matrix) -> str:
    return "an identity" if np.array_equal(matrix, np.eye(4)) else "a bare diagonal"
