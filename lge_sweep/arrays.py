"""Types of arrays: what numbers, of which kind, and in which order. mypy checks the kind of number, readers the rest.

Shapes are S slices or N images, H rows, W columns; where an array has another, its docstring says so.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.number]
"""[S, H, W] or [H, W], any kind of number: intensities in the unit of their file; NaN where there is no anatomy."""
Pixels8 = NDArray[np.uint8]
"""[N, H, W] or [H, W], 0 to 255: intensities, or channels, as networks and screens get them."""
Pixels16 = NDArray[np.uint16]
"""[H, W], 0 to 65535: intensities as scanners store them."""
FloatPixels = NDArray[np.float32]
"""[H, W]: simulated signal, or positions in mm, of each pixel."""
Mask = NDArray[np.bool_]
"""[S, H, W] or [H, W]: where something is."""
LabelImage = NDArray[np.uint8]
"""[S, H, W] or [H, W], values of `lge_sweep.labels.Label`; or channel indices of a stage (`stage_target`)."""
ClassCodes = NDArray[np.uint8]
"""[S, H, W] or [H, W], values of `lge_sweep.labels.CLASS_CODES`: labels as they are read, no-reflow apart from scar."""
TissueMap = NDArray[np.uint8]
"""[H, W], values of `lge_sweep.ingest.phantom_signal.Tissue`."""
Probabilities = NDArray[np.float32]
"""[N, C, H, W] or [C, H, W], 0 to 1: of each of the C classes of a stage, 1 in sum."""
Vector = NDArray[np.float64]
"""[N]: numbers in a row, such as a direction (x, y, z), distances in mm, or a radius an angle."""
Points = NDArray[np.float64]
"""[N, 2] or [N, 3]: coordinates of a point a row."""
Matrix = NDArray[np.float64]
"""[4, 4] where it maps indices to mm; else a table of rows and columns."""
CaseNumbers = NDArray[np.int32]
"""[N]: number of each slice's case; the slices of a case lie together, in their order."""
SliceIndices = NDArray[np.intp]
"""[N, 3]: which slice each of three channels shows, of each slice."""
PixelIndices = NDArray[np.intp]
"""[N, 3] slice, row and column of a pixel a row."""
