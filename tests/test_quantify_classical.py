"""Classical thresholds against numbers worked out by hand and scikit-image; agreement against scipy and by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from skimage.filters import threshold_otsu
from statsmodels.stats.weightstats import DescrStatsW

from lge_sweep.config.data import Phantom
from lge_sweep.errors import ConfigError
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import Label
from lge_sweep.quantify.limits_of_agreement import Agreement, agreement, complete_pairs
from lge_sweep.quantify.thresholds import METHODS, MIN_WALL_PIXELS, classical_scar, remote_region

SIDE = 81


def annulus(centre: tuple[int, int] = (40, 40)) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Wall and cavity around a centre, and every pixel's angle in degrees, 0 to the right, clockwise as displayed."""
    y, x = np.mgrid[:SIDE, :SIDE]
    radius = np.hypot(y - centre[0], x - centre[1])
    angle = np.degrees(np.arctan2(y - centre[0], x - centre[1])) % 360
    return (radius >= 15) & (radius < 25), radius < 15, angle


def test_the_remote_region_is_the_darkest_sixty_degrees() -> None:
    wall, cavity, angle = annulus()
    dark = wall & (angle >= 200) & (angle < 260)
    image = np.where(dark, 20, 50)
    assert np.array_equal(remote_region(image, wall, cavity), dark)


def test_the_remote_region_goes_over_zero_degrees() -> None:
    wall, cavity, angle = annulus()
    dark = wall & ((angle >= 340) | (angle < 40))
    assert np.array_equal(remote_region(np.where(dark, 20, 50), wall, cavity), dark)


def test_the_remote_region_turns_about_the_cavity_not_about_the_image() -> None:
    wall, cavity, angle = annulus((30, 50))
    dark = wall & (angle >= 95) & (angle < 155)
    assert np.array_equal(remote_region(np.where(dark, 20, 50), wall, cavity), dark)


def test_without_a_cavity_the_wall_s_own_centre_counts() -> None:
    wall, cavity, angle = annulus()
    image = np.where(wall & (angle >= 90) & (angle < 150), 20, 50)
    nothing = np.zeros_like(cavity)
    assert np.array_equal(remote_region(image, wall, nothing), remote_region(image, wall, cavity))


def test_the_darkest_sector_is_the_one_a_slow_search_finds() -> None:
    wall, cavity, angle = annulus()
    image = np.random.default_rng(1).normal(100, 10, wall.shape) + 30 * np.sin(np.radians(angle))
    means = [image[wall & ((angle - start) % 360 < 60)].mean() for start in range(360)]
    expected = wall & ((angle - int(np.argmin(means))) % 360 < 60)
    assert np.array_equal(remote_region(image, wall, cavity), expected)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_of_equally_dark_sectors_the_first_is_taken(scale: float) -> None:
    wall, cavity, angle = annulus()
    bright = wall & (angle >= 100) & (angle < 130)  # the first sector without any of it starts at 0 degrees
    image = np.where(bright, 0.9, 0.3) * scale
    assert np.array_equal(remote_region(image, wall, cavity), wall & (angle < 60))


def test_a_sliver_of_dark_wall_is_no_remote_region() -> None:
    wall, cavity, angle = annulus()
    sliver = wall & (angle >= 178) & (angle < 182)
    open_wall = (wall & (angle < 100)) | sliver
    region = remote_region(np.where(sliver, 0, 50), open_wall, cavity)
    assert not (region & sliver).any()
    assert region.any()


@pytest.mark.parametrize("deviations", [2, 3, 4, 5, 6])
def test_n_sd_counts_from_the_remote_mean_by_the_sample_deviation(deviations: int) -> None:
    wall, cavity, angle = annulus()
    y, x = np.mgrid[:SIDE, :SIDE]
    remote = wall & (angle >= 200) & (angle < 260)
    image = np.where(remote, np.where((y + x) % 2 == 0, 18, 22), 40).astype(float)
    mean, sd = image[remote].mean(), image[remote].std(ddof=1)
    rest = np.flatnonzero(wall & ~remote)
    threshold = mean + deviations * sd
    image.ravel()[rest] = np.where(np.arange(len(rest)) % 2 == 0, threshold - 1e-6, threshold + 1e-6) + 20
    # the rest is far above; a few levels around the threshold are put where they cannot move the remote region
    near = rest[:4]
    image.ravel()[near] = [threshold - 1e-6, threshold + 1e-6, threshold - 1, threshold + 1]
    assert np.array_equal(remote_region(image, wall, cavity), remote)
    found = classical_scar(image, wall, cavity, f"{deviations}sd").ravel()
    assert found[near].tolist() == [False, True, False, True]
    assert found[rest[4:]].all()
    assert np.array_equal(found.reshape(wall.shape)[remote], image[remote] > threshold)


def test_n_sd_by_hand() -> None:
    # Six wall pixels left of the cavity, at 180 degrees, and six right of it, at 0: two sectors. The left one's levels
    # have mean 10 and squared deviations 6 * 4, so their SD is sqrt(24 / 5) = 2.19; 2 SD above is 14.38, 3 SD 16.57.
    wall = np.zeros((3, 40), dtype=bool)
    wall[1, 0:6] = wall[1, 34:40] = True
    cavity = np.zeros_like(wall)
    cavity[1, 20] = True
    image = np.zeros(wall.shape, dtype=np.uint16)
    image[1, 0:6] = [8, 12, 8, 12, 8, 12]
    image[1, 34:40] = [16, 18, 19, 100, 15, 13]
    assert classical_scar(image, wall, cavity, "2sd")[1, 34:].tolist() == [True, True, True, True, True, False]
    assert classical_scar(image, wall, cavity, "3sd")[1, 34:].tolist() == [False, True, True, True, False, False]
    assert not classical_scar(image, wall, cavity, "2sd")[1, :34].any()


def test_fwhm_is_strictly_above_half_of_the_wall_s_maximum() -> None:
    wall, cavity, _ = annulus()
    image = np.full(wall.shape, 1000)  # brighter outside the wall: must not count
    image[wall] = 30
    places = np.flatnonzero(wall)[:3]
    image.ravel()[places] = [200, 101, 100]
    assert np.flatnonzero(classical_scar(image, wall, cavity, "fwhm")).tolist() == places[:2].tolist()


def test_otsu_is_scikit_image_s_threshold_of_the_wall_alone() -> None:
    wall, cavity, angle = annulus()
    random = np.random.default_rng(0)
    image = random.integers(900, 1000, wall.shape)
    image[wall] = np.where(angle[wall] < 90, random.normal(150, 15, wall.sum()), random.normal(50, 10, wall.sum()))
    found = classical_scar(image, wall, cavity, "otsu")
    assert np.array_equal(found, wall & (image > threshold_otsu(image[wall])))
    assert np.array_equal(found, wall & (angle < 90))
    levels = image[wall]  # Otsu by its definition: the split with the largest variance between the two sides
    between = {}
    for level in np.unique(levels)[:-1]:
        low, high = levels[levels <= level], levels[levels > level]
        between[level] = len(low) * len(high) * (low.mean() - high.mean()) ** 2
    best = max(between, key=lambda level: between[level])
    assert np.array_equal(found, wall & (image > best))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["uint8", "int16", "float32"])
def test_every_method_finds_a_clear_scar_whatever_the_pixels_are(method: str, kind: str) -> None:
    wall, cavity, angle = annulus()
    image = np.where(wall & (angle < 45), 200, 40) + np.random.default_rng(2).integers(-5, 6, wall.shape)
    found = classical_scar(image.astype(kind), wall, cavity, method)
    assert found.dtype == np.bool_
    assert not (found & ~wall).any()
    assert found[wall & (angle < 45)].all()
    assert found[wall & (angle >= 45)].mean() < 0.06  # 2 SD of flat noise of +-5 is above all of it but its tail


@pytest.mark.parametrize("method", METHODS)
def test_a_tiny_or_even_wall_has_no_scar(method: str) -> None:
    wall, cavity, _ = annulus()
    image = np.random.default_rng(3).integers(0, 255, wall.shape)
    assert not classical_scar(image, np.zeros_like(wall), cavity, method).any()
    assert not classical_scar(np.full(wall.shape, 9), wall, cavity, method).any()
    few = np.zeros_like(wall)
    few.ravel()[np.flatnonzero(wall)[: MIN_WALL_PIXELS - 1]] = True
    assert not classical_scar(image, few, cavity, method).any()


@pytest.mark.parametrize("seed", range(20))
def test_the_smallest_wall_of_any_shape_is_handled(seed: int) -> None:
    random = np.random.default_rng(seed)
    wall = np.zeros((9, 9), dtype=bool)
    wall.ravel()[random.choice(81, MIN_WALL_PIXELS, replace=False)] = True
    image = random.integers(0, 255, wall.shape)
    assert remote_region(image, wall, np.zeros_like(wall)).sum() >= 2
    for method in METHODS:
        assert not (classical_scar(image, wall, np.zeros_like(wall), method) & ~wall).any()


def test_wrong_input_is_refused() -> None:
    wall, cavity, _ = annulus()
    image = np.ones(wall.shape)
    with pytest.raises(ConfigError, match="unknown method 'fhwm': did you mean 'fwhm'"):
        classical_scar(image, wall, cavity, "fhwm")
    with pytest.raises(ValueError, match="wall must be bool"):
        classical_scar(image, wall.astype(np.uint8), cavity, "2sd")
    with pytest.raises(ValueError, match="cavity must be bool of shape"):
        classical_scar(image, wall, cavity[1:], "2sd")
    with pytest.raises(ValueError, match=r"image must have shape \[H, W\]"):
        classical_scar(image[None], wall, cavity, "2sd")
    image[np.nonzero(wall)[0][0], np.nonzero(wall)[1][0]] = np.inf
    with pytest.raises(ValueError, match=r"finite within the wall, or NaN \(no anatomy\); got 1 that are infinite"):
        classical_scar(image, wall, cavity, "2sd")
    image = np.where(np.isinf(image), 1, image)
    image[0, 0] = np.inf  # outside the wall it does not matter
    classical_scar(image, wall, cavity, "2sd")


def test_more_deviations_find_less_and_scar_on_the_phantom() -> None:
    (volume,) = simulate(
        Phantom(kind="phantom", cases=1, slices=6, size=128, pixel_mm=1.5, seed=3, scar_free=0.0, noise=0.02)
    )
    found = dict.fromkeys(METHODS, 0)
    hit = dict.fromkeys(METHODS, 0)
    scar = 0
    for image, labels in zip(volume.pixels, volume.labels, strict=True):
        true = labels == Label.SCAR
        if not true.any():
            continue
        scar += int(true.sum())
        wall = true | (labels == Label.MYOCARDIUM)
        for name in METHODS:
            mask = classical_scar(image, wall, labels == Label.CAVITY, name)
            found[name] += int(mask.sum())
            hit[name] += int((mask & true).sum())
    assert scar > 50
    assert found["2sd"] >= found["3sd"] >= found["4sd"] >= found["5sd"] >= found["6sd"] > 0
    for name in METHODS:
        assert 2 * hit[name] / (found[name] + scar) > 0.5, name


# ---- agreement


def test_limits_and_intervals_against_scipy_and_statsmodels() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(100, 20, 31)
    measured = truth + random.normal(3, 6, 31)
    found = agreement(measured.tolist(), truth.tolist())
    differences = measured - truth
    described = DescrStatsW(differences)
    assert (found.cases, found.missing) == (31, 0)
    assert found.bias == pytest.approx(described.mean)
    assert found.sd == pytest.approx(math.sqrt(described.var_ddof(1)))
    assert (found.bias_low, found.bias_high) == pytest.approx(described.tconfint_mean(0.05))
    interval = stats.ttest_rel(measured, truth).confidence_interval(0.95)
    assert (found.bias_low, found.bias_high) == pytest.approx((interval.low, interval.high))
    assert found.sd is not None
    assert found.upper == pytest.approx(differences.mean() + 1.96 * found.sd)
    assert found.lower == pytest.approx(differences.mean() - 1.96 * found.sd)


def test_the_worked_example_of_bland_and_altman() -> None:
    # Bland and Altman 1999, Table 1 and section 2: systolic pressure, 85 subjects: mean difference -16.29, SD 19.61;
    # limits -54.7 and 22.1, with 95 % intervals -61.9 to -47.5 and 14.9 to 29.3 (t = 1.99). Differences of exactly
    # this mean and SD:
    base = np.random.default_rng(5).normal(size=85)
    base = (base - base.mean()) / base.std(ddof=1)
    found = agreement((base * 19.61 - 16.29).tolist(), [0.0] * 85)
    numbers = (found.lower, found.upper, found.lower_low, found.lower_high, found.upper_low, found.upper_high)
    assert numbers == pytest.approx((-54.7, 22.1, -61.9, -47.5, 14.9, 29.3), abs=0.12)


def test_concordance_is_correlation_times_lin_s_bias_correction() -> None:
    random = np.random.default_rng(1)
    truth = random.normal(50, 10, 25)
    measured = 1.3 * truth - 8 + random.normal(0, 4, 25)
    ratio = measured.std() / truth.std()
    shift = (measured.mean() - truth.mean()) / math.sqrt(measured.std() * truth.std())
    expected = stats.pearsonr(measured, truth).statistic * 2 / (ratio + 1 / ratio + shift**2)
    assert agreement(measured.tolist(), truth.tolist()).concordance == pytest.approx(expected)
    assert agreement([1, 2, 3], [1, 2, 3]).concordance == pytest.approx(1)
    assert agreement([1, 2, 3], [3, 2, 1]).concordance == pytest.approx(-1)
    assert agreement([2, 3, 4], [1, 2, 3]).concordance == pytest.approx(4 / 7)  # by hand: 2*2/3 / (2/3 + 2/3 + 1)
    assert agreement([0.1, 0.1, 0.1], [0.1, 0.1, 0.1]).concordance is None
    assert agreement([0.1, 0.1], [0.2, 0.2]).concordance == 0


def test_missing_values_are_left_out_in_pairs_and_counted() -> None:
    found = agreement([1, None, 3, float("nan"), 7], [2, 5, None, float("nan"), 4])
    assert found == agreement([1, 7], [2, 4]).__class__(**{**vars(agreement([1, 7], [2, 4])), "missing": 3})
    assert (found.cases, found.missing, found.bias) == (2, 3, 1.0)
    both, missing = complete_pairs([1, None], [2, 3])
    assert both.tolist() == [[1, 2]]
    assert missing == 1


def test_fewer_than_two_cases_have_no_agreement() -> None:
    assert agreement([], []) == Agreement(0, 0)
    assert agreement([1.0, None], [2.0, 3.0]) == Agreement(1, 1)
    assert all(value is None for name, value in vars(Agreement(1, 1)).items() if name not in ("cases", "missing"))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="of the same cases, got 1 and 2 values"):
        agreement([1], [1, 2])
    with pytest.raises(ValueError, match="finite or missing, got 1 infinite"):
        agreement([1, math.inf], [1, 2])
