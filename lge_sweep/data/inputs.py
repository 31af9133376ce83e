"""What a stage's network sees of slices: made here, for training and for use alike."""

import numpy as np

from lge_sweep.arrays import CaseNumbers, Mask, Pixels8, SliceIndices
from lge_sweep.data.refine import composites

Offsets = tuple[int, int, int]
"""Which slice each of three channels shows: so many places on from the slice itself, in its case."""

REPEATED: Offsets = (0, 0, 0)
"""The slice itself, three times (paper)."""

NEIGHBOURS: Offsets = (-1, 0, 1)
"""The slice between its neighbours in the exam."""


def channel_rows(cases: CaseNumbers, offsets: Offsets = REPEATED) -> SliceIndices:
    """Return which slices the three channels of each slice show; at either end of a case, the last one there.

    Args:
        cases: [N], number of each slice's case; the slices of a case lie together, in their order.
        offsets: of the three channels.

    Returns:
        [N, 3], indices into the N slices.

    >>> channel_rows(np.array([0, 0, 0, 1]), (-1, 0, 1)).tolist()
    [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 3]]
    """
    places = np.arange(len(cases))
    ends = np.flatnonzero(np.diff(cases, append=-1))
    starts = np.concatenate([[0], ends[:-1] + 1])
    case = np.searchsorted(ends, places)
    rows: SliceIndices = np.clip(places[:, None] + offsets, starts[case][:, None], ends[case][:, None])
    return rows


def input_of_channels(channels: Pixels8, refined: Mask, stage: int) -> Pixels8:
    """Return what a stage's network sees of slices whose channels are there.

    Args:
        channels: [N, 3, S, S], intensities of the slices that the channels show; the second is the slice itself.
        refined: [N, S, S], the slices' refined cavities; seen in stage 2 alone.
        stage: 1, 2 or `SINGLE_STAGE`.

    Returns:
        [N, 3, S, S]: the channels, or the composites (I_m, 255 M_r, I) of paper Fig. 4.
    """
    return composites(channels[:, 1], refined) if stage == 2 else channels


def network_inputs(images: Pixels8, channels: SliceIndices, stage: int, refined: Mask | None = None) -> Pixels8:
    """Return what a stage's network sees of slices.

    Args:
        images: [N, S, S], intensities.
        channels: [N, 3], which of them each slice's channels show, as `channel_rows` returns it.
        stage: 1, 2 or `SINGLE_STAGE`.
        refined: [N, S, S], their refined cavities; needed in stage 2 alone.

    Returns:
        [N, 3, S, S].
    """
    masks = np.zeros(images.shape, dtype=np.bool_) if refined is None else refined
    return input_of_channels(images[channels], masks, stage)
