"""Classical scar quantification: inside a wall that is given, pixels brighter than one threshold a slice are scar.

What is the same for all methods, and how it differs from a reading by hand:

- One threshold a slice, from that slice alone, as in the sources; nothing is carried over the exam.
- Strictly brighter than the threshold is scar. No component is removed, no hole (no-reflow) filled, no seed grown:
  the sources leave that to a person.
- Remote myocardium is found without a person: `remote_region`.
- A pixel that is declared to be no anatomy (NaN) is no wall, whatever is drawn there.
- Pixels are the image's own, unclipped and linear. Clipping (8-bit display levels) moves the standard deviation of
  dark myocardium and the maximum of bright scar, hence every threshold but Otsu's.

A slice without scar is not recognised as such: half of the maximum and Otsu's threshold always leave something
brighter, and n SD leaves the upper tail of normal myocardium. A person applies these methods where scar was seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from skimage.filters import threshold_otsu

from lge_sweep.arrays import Mask, Pixels, Vector
from lge_sweep.choices import look_up

_SECTOR_DEGREES = 60
"""Degrees of wall that are taken as remote: one of the six segments around a basal or middle slice (AHA 2002)."""

MIN_WALL_PIXELS = 12
"""A wall of fewer pixels has no scar by any method: its sectors would hold a single pixel, without a deviation."""


@dataclass(frozen=True)
class ClassicalMethod:
    """One way to a threshold.

    Attributes:
        title: the method's name in print, with the variant that was chosen.
        threshold: (image [H, W], wall [H, W], cavity [H, W]) -> intensity above which the wall is scar.
        source: where the method comes from, and what differs here.
    """

    title: str
    threshold: Callable[[Pixels, Mask, Mask], float]
    source: str


def classical_scar(image: Pixels, wall: Mask, cavity: Mask, method: str) -> Mask:
    """Segment the scar of one slice inside a given wall.

    Args:
        image: [H, W], intensity, integers or floats in any linear unit, within the wall finite or NaN (no anatomy).
        wall: [H, W], the myocardium, scar included.
        cavity: [H, W], the LV cavity; only its centre counts, and only for the n-SD methods. Empty: see
            `remote_region`.
        method: a key of `METHODS`.

    Returns:
        [H, W], a new array, True only within the wall. All False where the wall has fewer than `MIN_WALL_PIXELS` pixels
        or a single intensity.

    Raises:
        ConfigError: the method is unknown.
        ValueError: the arrays do not fit each other, or the wall has a pixel that is infinite.

    Source: see `METHODS`.

    >>> wall = np.ones((4, 8), dtype=bool)
    >>> image = np.full((4, 8), 10)
    >>> image[0] = 60
    >>> classical_scar(image, wall, np.zeros_like(wall), "fwhm").sum(axis=1)
    array([8, 0, 0, 0])
    """
    chosen = look_up("method", method, METHODS)
    _check_arrays(image, wall, cavity)
    wall = wall & ~np.isnan(image)
    levels = image[wall]
    if levels.size < MIN_WALL_PIXELS or levels.min() == levels.max():
        return np.zeros_like(wall)
    return wall & (image > chosen.threshold(image, wall, cavity))


def remote_region(image: Pixels, wall: Mask, cavity: Mask) -> Mask:
    """Find the remote (normal) myocardium of a slice: the 60-degree sector of the wall that is darkest on average.

    The sector turns about the centroid of the cavity (of the wall, where the cavity is empty) in steps of one degree.
    A sector with less than half of the pixels that an even wall would have in it (1/12 of the wall), or with fewer than
    2, is no candidate; of equal means the first counts, from the image's right, clockwise as displayed.

    This variant is ours, in place of a region that a person draws. It takes the lowest of 360 means, so that mean is a
    little low and the threshold a little low with it. Where scar is nearly all around, the darkest sector is scar too,
    and the result is too small.

    Args:
        image: [H, W].
        wall: [H, W], at least `MIN_WALL_PIXELS` pixels.
        cavity: [H, W].

    Returns:
        [H, W], True on the sector's wall pixels, at least 2.
    """
    around = cavity if cavity.any() else wall
    rows, columns = np.nonzero(wall)
    centre_row, centre_column = (axis.mean() for axis in np.nonzero(around))
    angle = np.degrees(np.arctan2(rows - centre_row, columns - centre_column))
    degree = np.floor(angle).astype(int) % 360
    levels = image[wall].astype(np.float64)
    levels = (levels - levels.min()) / max(np.ptp(levels), np.finfo(np.float64).tiny)
    pixels = _sector_sums(np.bincount(degree, minlength=360).astype(np.float64))
    total = _sector_sums(np.bincount(degree, levels, minlength=360).astype(np.float64))
    enough = pixels >= max(2.0, len(levels) * _SECTOR_DEGREES / 360 / 2)
    assert enough.any(), "the fullest sector holds at least a sixth of the wall"
    means = np.divide(total, pixels, out=np.full(360, np.inf), where=enough)
    start = int(np.argmin(np.round(means, 9)))  # running sums of equal levels differ in their last digits
    region = np.zeros_like(wall)
    region[rows, columns] = (degree - start) % 360 < _SECTOR_DEGREES
    return region


def _sector_sums(by_degree: Vector) -> Vector:
    """Sum [360] values over the sector of `_SECTOR_DEGREES` degrees that starts at each degree, around the circle."""
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([by_degree, by_degree[: _SECTOR_DEGREES - 1]]))])
    sums: Vector = running[_SECTOR_DEGREES:] - running[:-_SECTOR_DEGREES]
    return sums


def _above_remote(deviations: int, image: Pixels, wall: Mask, cavity: Mask) -> float:
    """Mean + n standard deviations (N - 1 in the denominator) of the remote region."""
    remote = image[remote_region(image, wall, cavity)].astype(np.float64)
    return float(remote.mean() + deviations * remote.std(ddof=1))


def _half_maximum(image: Pixels, wall: Mask, cavity: Mask) -> float:
    """Half of the brightest pixel of the wall."""
    return float(image[wall].max()) / 2


def _otsu(image: Pixels, wall: Mask, cavity: Mask) -> float:
    """Otsu's threshold of the wall's pixels; a bin an intensity for integers, 256 bins for floats."""
    return float(threshold_otsu(image[wall]))


_N_SD_SOURCE = (
    "Kim et al., Circulation 100, 1999 (2 SD); Flett et al., JACC Cardiovasc Imaging 4, 2011 (2 to 6 SD). Both draw "
    "the remote region by hand; here it is found"
)

METHODS: dict[str, ClassicalMethod] = {
    f"{count}sd": ClassicalMethod(
        f"{count} SD above remote (darkest {_SECTOR_DEGREES}-degree sector)",
        partial(_above_remote, count),
        _N_SD_SOURCE,
    )
    for count in range(2, 7)
}
"""Name -> method; one that begins with a number is that many SD."""

METHODS["fwhm"] = ClassicalMethod(
    "FWHM (half of the wall's maximum on the slice)",
    _half_maximum,
    "Amado et al., J Am Coll Cardiol 44, 2004: half of the maximum within the infarct, grown from a seed that a person "
    "sets. Here the maximum is that of the whole wall of the slice, and all of the wall above half of it counts, "
    "connected or not. The baseline is intensity 0, as for magnitude images of nulled myocardium",
)
METHODS["otsu"] = ClassicalMethod(
    "Otsu (within the wall)",
    _otsu,
    "Otsu, IEEE Trans Syst Man Cybern 9, 1979, on the wall's pixels alone. Tao et al., Magn Reson Med 64, 2010, begin "
    "with Otsu's threshold on LGE and then clean the result by connectivity, which is left out here",
)


def _check_arrays(image: Pixels, wall: Mask, cavity: Mask) -> None:
    """Raise ValueError unless the three fit each other and no pixel of the wall is infinite."""
    if image.ndim != 2:
        raise ValueError(f"image must have shape [H, W], got {image.shape}")
    for name, mask in (("wall", wall), ("cavity", cavity)):
        if mask.dtype != np.bool_ or mask.shape != image.shape:
            raise ValueError(f"{name} must be bool of shape {image.shape}, got {mask.dtype} of shape {mask.shape}")
    if infinite := int(np.isinf(image[wall]).sum()):
        raise ValueError(f"image must be finite within the wall, or NaN (no anatomy); got {infinite} that are infinite")
