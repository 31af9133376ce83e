"""What the scanner makes of the phantom's tissues: contrast, coil shading, noise and 12-bit intensities."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lge_sweep.arrays import FloatPixels, Pixels16
from lge_sweep.labels import Label


class Tissue(IntEnum):
    """What a point of the phantom is made of; the values index the tables below."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    LUNG = 5
    CONNECTIVE = 6
    LIVER = 7
    SPLEEN = 8
    BOWEL_GAS = 9
    BLOOD = 10
    MYOCARDIUM = 11
    CAVITY = 12
    PAPILLARY = 13
    SCAR = 14
    NO_REFLOW = 15


_RELAXATION: dict[Tissue, tuple[float, float, float]] = {
    Tissue.AIR: (0.00, 500, 500),
    Tissue.FAT: (0.85, 260, 285),
    Tissue.MUSCLE: (0.85, 480, 560),
    Tissue.BONE: (0.08, 400, 600),
    Tissue.MARROW: (0.70, 290, 330),
    Tissue.LUNG: (0.14, 500, 700),
    Tissue.CONNECTIVE: (0.85, 310, 345),
    Tissue.LIVER: (0.80, 300, 345),
    Tissue.SPLEEN: (0.90, 300, 340),
    Tissue.BOWEL_GAS: (0.10, 400, 600),
    Tissue.BLOOD: (1.00, 325, 365),
    Tissue.MYOCARDIUM: (0.95, 405, 455),
    Tissue.SCAR: (1.00, 310, 345),
    Tissue.NO_REFLOW: (0.95, 375, 430),
}
"""Relative proton density, and the range of T1 in ms some 10 min after 0.1-0.2 mmol/kg of gadolinium at 1.5 T. That of
infarct and blood are much alike, and below the wall's (Kellman and Arai 2012); within that they are chosen so that wall
and scar are as bright beside the blood as in EMIDEC (Lalande et al. 2020; `benchmarks/phantom_greys.py`). The cavity is
blood, a papillary muscle is remote myocardium; neither is listed."""

SOLID: NDArray[np.bool_] = np.array([_RELAXATION.get(tissue, (1.0, 0, 0))[0] > 0.2 for tissue in Tissue])
"""Tissue -> whether it has structure of its own that an image shows; air, gas, lung and bone have none."""

TISSUE_LABELS: NDArray[np.uint8] = np.zeros(len(Tissue), dtype=np.uint8)
"""Tissue -> class. Papillary muscles belong to the cavity (the endocardial contour is drawn around them) and no-reflow
to the scar; the right ventricle is background."""
TISSUE_LABELS[[Tissue.CAVITY, Tissue.PAPILLARY]] = Label.CAVITY
TISSUE_LABELS[Tissue.MYOCARDIUM] = Label.MYOCARDIUM
TISSUE_LABELS[[Tissue.SCAR, Tissue.NO_REFLOW]] = Label.SCAR


def tissue_signal(rng: np.random.Generator) -> FloatPixels:
    """Draw one exam's T1 values and inversion time, and return each tissue's signal.

    The inversion-recovery signal is ``density * (1 - 2 exp(-TI / T1))``. The operator sets TI to null remote myocardium
    (``TI = T1 ln 2``) and waits 3-30 % too long, so that myocardium is dark but not black. Signals keep their sign:
    where tissues of opposite sign share a pixel they cancel, which draws the thin dark lines of magnitude images.

    Args:
        rng: the exam's generator.

    Returns:
        [len(Tissue)] float32, in units of the blood pool's signal.

    Source: Simonetti et al. 2001 (inversion-recovery LGE); Kellman and Arai 2012 (nulling, T1 after contrast).
    """
    density, low, high = (np.array(column) for column in zip(*_RELAXATION.values(), strict=True))
    t1 = np.zeros(len(Tissue))
    amount = np.zeros(len(Tissue))
    t1[list(_RELAXATION)] = rng.uniform(low, high)
    amount[list(_RELAXATION)] = density
    for copy, original in ((Tissue.CAVITY, Tissue.BLOOD), (Tissue.PAPILLARY, Tissue.MYOCARDIUM)):
        t1[copy], amount[copy] = t1[original], amount[original]
    inversion_ms = t1[Tissue.MYOCARDIUM] * np.log(2) * rng.uniform(1.03, 1.30)
    signal = amount * (1 - 2 * np.exp(-inversion_ms / t1))
    return np.asarray(signal / signal[Tissue.BLOOD], dtype=np.float32)


def bias_field(size: int, pixel_mm: float, heart_mm: tuple[float, float], rng: np.random.Generator) -> FloatPixels:
    """Draw the smooth sensitivity of a surface coil: two or three elements in front of the chest, one behind the back.

    Args:
        size: rows and columns of the field, in pixels.
        pixel_mm: distance between pixel centres, in mm.
        heart_mm: (x right, y down) of the heart from the image's centre, in mm; the field is 1 there.
        rng: the exam's generator.

    Returns:
        [size, size] float32, positive; about 0.7 far from the coils to 1.5 under them.
    """
    axis = (np.arange(size) + 0.5 - size / 2) * pixel_mm
    x, y = np.append(axis, heart_mm[0])[None, :], np.append(axis, heart_mm[1])[:, None]
    field = np.full((size + 1, size + 1), 0.75)
    anterior = [(rng.uniform(-90, 90), -rng.uniform(95, 140)) for _ in range(rng.integers(2, 4))]
    for centre_x, centre_y in [*anterior, (rng.uniform(-60, 60), rng.uniform(110, 150))]:
        reach = rng.uniform(60, 85)
        strength = rng.uniform(0.15, 0.4)
        field += (
            strength * np.exp(-((x - centre_x) ** 2) / (2 * reach**2)) * np.exp(-((y - centre_y) ** 2) / (2 * reach**2))
        )
    return np.asarray(field[:-1, :-1] / field[-1, -1], dtype=np.float32)


def add_rician_noise(signal: FloatPixels, sigma: float, rng: np.random.Generator) -> FloatPixels:
    """Add Gaussian noise to the real and the imaginary channel and take the magnitude.

    Args:
        signal: noise-free signal (any shape, either sign).
        sigma: standard deviation of the noise in each channel, in units of `signal`, at least 0.
        rng: the exam's generator of noise.

    Returns:
        Same shape, non-negative: Rice distributed, Rayleigh distributed where the signal is 0.

    Source: Gudbjartsson and Patz 1995.
    """
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) * np.float32(sigma)
    return np.asarray(np.hypot(signal + noise[0], noise[1]), dtype=np.float32)


def quantise(magnitude: FloatPixels, gain: float) -> Pixels16:
    """Round to the 12-bit integers that a scanner stores.

    Args:
        magnitude: non-negative signal, 1 is the blood pool.
        gain: intensity of the blood pool, about 600-1000.

    Returns:
        Same shape, 0-4095.
    """
    return np.asarray(np.clip(np.rint(magnitude * gain), 0, 4095), dtype=np.uint16)
