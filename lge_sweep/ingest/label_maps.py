"""Label maps among images are told from them, so that a mask is never segmented as a patient."""

import re
from pathlib import Path

import numpy as np

from lge_sweep.arrays import Pixels

MAX_LABEL_VALUES = 10
"""Most different values of a label map; a scanner's image has hundreds."""
_MIN_BACKGROUND_SHARE = 0.5
"""Smallest share of its voxels that are 0, where its name does not tell; of an exam's labels 90 % and more are."""
_LABEL_MAP_NAME = re.compile(
    r"(^|[_.\s-])(gt|gd|seg|segm\w*|masks?|labels?|labelmap|roi|contours?|manual|annot\w*|truth|ground-?truth)([_.\s-]|$)",
    re.IGNORECASE,
)
"""What names of label maps have: P1_gt (ACDC), _gd (MyoPS), _seg, -label, mask_P1."""
_LABEL_MAP_FOLDER = re.compile(r"^(labels?|masks?|contours?|seg|segm\w*|gt|annot\w*)(tr|ts|val)?$", re.IGNORECASE)
"""Names of folders of label maps: labelsTr (nnU-Net), masks, Contours."""


def describe_label_map(array: Pixels, *, named: bool = False) -> str | None:
    """Say what makes an array a label map, or return None.

    It is one if it holds whole numbers only, at most `MAX_LABEL_VALUES` different ones, none of them negative, and if
    it is called one, or holds two and 0 in at least the share `_MIN_BACKGROUND_SHARE` of it.

    Args:
        array: any shape.
        named: whether its name says that it is one.
    """
    sample = np.unique(array.ravel()[:: max(1, array.size // 4096)])  # of an image it is long since too many
    if len(sample) > MAX_LABEL_VALUES:
        return None
    values, counts = np.unique(array, return_counts=True)
    if (
        len(values) > MAX_LABEL_VALUES
        or not np.isfinite(values).all()
        or (values != np.rint(values)).any()
        or values[0] < 0
    ):
        return None
    empty = counts[values == 0].sum() / array.size
    if not named and (len(values) < 2 or empty < _MIN_BACKGROUND_SHARE):
        return None
    return f"{len(values)} different whole number{'s' * (len(values) > 1)}, {empty:.0%} of it 0"


def is_named_as_label_map(path: Path, name: str) -> bool:
    """Whether a file's name or its folder's says that it is a label map.

    Args:
        path: the file.
        name: its name without ending.
    """
    return bool(_LABEL_MAP_NAME.search(name) or _LABEL_MAP_FOLDER.match(path.parent.name))
