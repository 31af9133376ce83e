"""Simulated short-axis LGE exams: anatomy in mm, inversion-recovery contrast, partial volume, coil shading and noise.

`phantom_heart` and `phantom_body` say what is where, `phantom_signal` what a scanner sees; here it becomes a `Volume`.
How bright and how uneven blood, wall and scar are is that of EMIDEC's exams, see `benchmarks/phantom_greys.py`.
"""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lge_sweep.arrays import FloatPixels, LabelImage, TissueMap
from lge_sweep.config.data import Phantom
from lge_sweep.ingest.phantom_body import Body, View
from lge_sweep.ingest.phantom_heart import Heart, Section, ventricle_tissue
from lge_sweep.ingest.phantom_signal import (
    SOLID,
    TISSUE_LABELS,
    Tissue,
    add_rician_noise,
    bias_field,
    quantise,
    tissue_signal,
)
from lge_sweep.ingest.volume import Volume, slice_ids

SUPERSAMPLE = 4
"""Samples along each side of a pixel."""
_BREATH_MM = 2.0
"""Standard deviation of a slice's shift in each direction: every slice is taken in a breath-hold of its own."""
_SMOOTH = 0.05
"""Standard deviation of the factor of the signal that varies over some 8 mm."""
_FINE = (0.07, 0.17)
"""Range of an exam's standard deviation of what is added to solid tissue's signal."""
_GAIN = 0.12
"""Standard deviation of the logarithm of a slice's brightness: a scanner scales each image on its own."""


def read_phantom(settings: Phantom, root: Path | None, findings: list[str]) -> list[Volume]:
    """Simulate every exam; through DICOM files, where the settings ask for it.

    Args:
        settings: what to simulate.
        root: not needed.
        findings: what is wrong with the files; appended to.
    """
    if settings.through == "memory":
        return simulate(settings)
    from lge_sweep.ingest.phantom_files import simulate_through_dicom  # takes a second to import

    return simulate_through_dicom(settings, findings)


def simulate(settings: Phantom) -> list[Volume]:
    """Simulate short-axis LGE exams.

    Exam k depends on the seed, on k and on the settings of an exam, never on how many exams there are. Anatomy, small
    structures, noise and greys have random streams of their own: another noise level or share without scar leaves the
    rest.
    Lengths are those of adults, so a field of view below 110 mm cuts the heart.

    Args:
        settings: how many exams, slices and pixels, the share without scar, and the noise.

    Returns:
        One `Volume` an exam: 12-bit intensities (uint16), slices from base to apex. A pixel's label is the class at
        its centre, from the geometry itself; papillary muscles count as cavity, no-reflow as scar.
    """
    return [simulate_case(settings, case) for case in range(settings.cases)]


def is_scar_free(case: int, share: float) -> bool:
    """Whether an exam has no scar. Of the first n exams exactly ``floor(n * share + 1/2)`` have none, evenly spread.

    Args:
        case: index of the exam, from 0.
        share: share of exams without scar, 0-1.
    """
    return math.floor((case + 1) * share + 0.5) > math.floor(case * share + 0.5)


def simulate_case(settings: Phantom, case: int) -> Volume:
    """Simulate one exam.

    Args:
        settings: as for `simulate`.
        case: index of the exam, from 0.

    Returns:
        The exam, with case id ``phantom000`` and slice ids ``phantom000_slice000``, numbered from the base.
    """
    anatomy, detail, noise, grey = np.random.default_rng((settings.seed, case)).spawn(4)
    heart = Heart.draw(anatomy, with_scar=not is_scar_free(case, settings.scar_free))
    body = Body.draw(anatomy)
    view = draw_view(settings, heart, anatomy)
    positions = slice_positions(settings, heart, anatomy)
    signal = tissue_signal(anatomy)
    bias = bias_field(settings.size, settings.pixel_mm, view.origin, anatomy)
    gain = float(anatomy.uniform(600, 1000))
    roughness = float(grey.uniform(*_FINE))
    pixels, labels = [], []
    for t in positions:
        section = heart.section(t)
        along_mm = heart.length * (t - sum(positions) / len(positions))
        breath = detail.normal(0, _BREATH_MM, 2)
        moved = view.shifted(*(np.array(heart.drift) * along_mm + breath))
        tissue = body.paint(moved, along_mm, section, detail)
        paint_ventricle(tissue, moved, section)
        labels.append(label_pixels(moved, section))
        added = roughness * fine_structure(settings, SOLID[tissue], grey)
        factor = 1 + _SMOOTH * random_field(settings, 8.0, detail)
        clean = ((mean_of_samples(signal[tissue], settings.size) * factor + added) * bias).astype(np.float32)
        sensed = add_rician_noise(clean, settings.noise, noise)
        brightness = gain * float(np.exp(grey.normal(0, _GAIN)))
        pixels.append(quantise(sensed, brightness))
    name = f"phantom{case:03d}"
    ids = slice_ids(name, settings.slices)
    spacing = (settings.pixel_mm, settings.pixel_mm, settings.slice_mm)
    return Volume(name, ids, np.stack(pixels), np.stack(labels), spacing_mm=spacing)


def draw_view(settings: Phantom, heart: Heart, rng: np.random.Generator) -> View:
    """Turn the scene and put the heart near the image's middle, the left ventricle wholly inside where it fits.

    Args:
        settings: size of the image.
        heart: the exam's heart.
        rng: the exam's generator.
    """
    room = max(0.0, settings.size * settings.pixel_mm / 2 - 1.3 * heart.radius)
    x, y = float(np.clip(rng.uniform(-30, 45), -room, room)), float(np.clip(rng.uniform(-35, 35), -room, room))
    turn = float(np.deg2rad(rng.uniform(-30, 30)))
    return View(settings.size * SUPERSAMPLE, settings.pixel_mm / SUPERSAMPLE, turn, (x, y))


def slice_positions(settings: Phantom, heart: Heart, rng: np.random.Generator) -> list[float]:
    """Lay the slices along the ventricle, `slice_mm` apart; a ventricle too short for them is stretched.

    Args:
        settings: number of slices and their distance.
        heart: the exam's heart.
        rng: the exam's generator.

    Returns:
        Position of each slice, 0 (base) to 1 (apex).
    """
    span = (settings.slices - 1) * settings.slice_mm
    length = max(heart.length, span / 0.9)
    first = 0.03 + (0.92 - span / length) * rng.uniform(0.3, 0.7)
    return [float(first + index * settings.slice_mm / length) for index in range(settings.slices)]


def paint_ventricle(tissue: TissueMap, view: View, section: Section) -> None:
    """Paint the left ventricle into a slice.

    Args:
        tissue: [S, S] values of `Tissue`, S samples a side; changed in place.
        view: how the scene lies on it, its origin the left ventricle's centre.
        section: the heart's cut.
    """
    reach = float(section.epi.max()) + view.sample_mm
    edges = [(middle + side * reach) / view.sample_mm + view.size / 2 for middle in view.origin for side in (-1, 1)]
    left, right, top, bottom = (min(max(round(edge), 0), view.size) for edge in edges)
    painted = ventricle_tissue(section, *view.scene(slice(top, bottom), slice(left, right)))
    np.copyto(tissue[top:bottom, left:right], painted, where=painted != Tissue.AIR)


def label_pixels(view: View, section: Section) -> LabelImage:
    """Label each pixel by what is at its centre.

    Args:
        view: how the scene lies on the samples.
        section: the heart's cut.

    Returns:
        [H, W] uint8, values of `Label`; pixels, not samples.
    """
    pixels = replace(view, size=view.size // SUPERSAMPLE, sample_mm=view.sample_mm * SUPERSAMPLE)
    everything = slice(0, pixels.size)
    return np.asarray(TISSUE_LABELS[ventricle_tissue(section, *pixels.scene(everything, everything))])


def fine_structure(settings: Phantom, solid: NDArray[np.bool_], rng: np.random.Generator) -> FloatPixels:
    """Draw what solid tissue has besides its signal: trabeculae, fat and vessels too small to see, blood that moves.

    Args:
        settings: size of the image and of a pixel.
        solid: [S, S] samples of tissue that has it.
        rng: generator of the exam's greys.

    Returns:
        [H, W] float32, about 0 +- 1, which varies over some 4 mm; 0 outside.
    """
    return np.asarray(random_field(settings, 4.0, rng) * mean_of_samples(solid, settings.size))


def mean_of_samples(samples: NDArray[np.generic], size: int) -> FloatPixels:
    """Return the mean over each pixel's samples, [size, size] float32."""
    mean = cv2.resize(samples.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(mean, dtype=np.float32)


def random_field(settings: Phantom, knot_mm: float, rng: np.random.Generator) -> FloatPixels:
    """Draw a smooth field of random values, about 0 +- 1 at its knots.

    Args:
        settings: size of the image and of a pixel.
        knot_mm: distance between knots.
        rng: generator of the slice's small structures.

    Returns:
        [H, W] float32.
    """
    size = settings.size
    knots = max(4, round(size * settings.pixel_mm / knot_mm))
    coarse = rng.standard_normal((knots, knots), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
