"""What Fig. 4 takes, the refinement of a cavity and the composite image, beside scikit-image and scipy doing the same.

Command: .venv/bin/python benchmarks/refinement.py [--full] [--size 96]

40 simulated slices whose cavities have errors, at 96 and 320 px. Both are first shown to give the same pixels. The peer
is Fig. 4 line by line: fill holes, largest component, open and close with disk(2), add the dilated perimeter.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from section import Figure, Options, Section, ratios, run_alone, say, seconds
from skimage import measure as regions
from skimage import morphology
from slices import make_errors, simulate_slices

from lge_sweep.arrays import Mask, Pixels8
from lge_sweep.data import refine_cavity
from lge_sweep.data.refine import composite
from lge_sweep.labels import Label

SLICES = 40


def refine_ours(image: Pixels8, cavity: Mask) -> Pixels8:
    """Return stage 2's input [3, S, S], by the program."""
    return composite(image, refine_cavity(cavity))


def refine_peer(image: Pixels8, cavity: Mask) -> NDArray[np.uint8]:
    """Return the same by scikit-image and scipy."""
    filled = ndimage.binary_fill_holes(cavity)
    components = regions.label(filled.T, connectivity=2).T  # numbered by columns, as MATLAB does it: that decides a tie
    if components.any():
        filled = components == np.argmax(np.bincount(components.ravel())[1:]) + 1
    disk = morphology.disk(2)
    smooth = morphology.closing(morphology.opening(filled, disk), disk)
    perimeter = smooth & ~ndimage.binary_erosion(smooth)
    refined = smooth | morphology.dilation(perimeter, morphology.disk(1))
    return np.stack([np.where(refined, 0, image), np.where(refined, 255, 0), image]).astype(np.uint8)


def compare(slices: int, size: int, times: int) -> Section:
    """Measure both on the same slices, after both have given the same pixels."""
    images, labels, _ = simulate_slices(slices, size)
    pairs = list(zip(images, make_errors(labels) == Label.CAVITY, strict=True))
    for image, cavity in pairs:
        np.testing.assert_array_equal(refine_ours(image, cavity), refine_peer(image, cavity))
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(times):
        say(f"refinement at {size} px: {turn + 1} of {times}")
        ours.append(seconds(lambda: [refine_ours(*pair) for pair in pairs]) * 1e6 / slices)
        theirs.append(seconds(lambda: [refine_peer(*pair) for pair in pairs]) * 1e6 / slices)
    title = f"refinement: {size} px, {slices} slices, the same pixels"
    figures = [Figure("ours", "µs a slice", ours), Figure("scikit-image, scipy", "µs a slice", theirs)]
    return Section(title, [*figures, ratios("peer / ours", theirs, ours)], settings={"size": size, "slices": slices})


def measure(options: Options) -> Sequence[Section]:
    """Measure at the sizes asked for."""
    sizes = (options.size,) if options.size else (96, 320)
    return [compare(SLICES, size, options.rounds or (20 if options.full else 7)) for size in sizes]


if __name__ == "__main__":
    run_alone(__doc__, measure)
