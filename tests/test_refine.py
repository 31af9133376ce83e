"""refine_cavity is pixel-exact with GNU Octave on every mask at every step; composite on a case worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lge_sweep.data import refine
from lge_sweep.data.inputs import channel_rows, network_inputs
from lge_sweep.data.refine import composite, refine_cavity, smooth_cavity
from lge_sweep.labels import SINGLE_STAGE

FIXTURES = Path(__file__).parent / "fixtures" / "refine" / "masks.npz"
Masks = dict[str, NDArray[np.bool_]]


def _read(stage: str) -> Masks:
    with np.load(FIXTURES) as arrays:
        shapes = arrays["shapes"].astype(int)
        pixels = np.unpackbits(arrays[stage], count=int(shapes.prod(axis=1).sum())).astype(bool)
        parts = np.split(pixels, np.cumsum(shapes.prod(axis=1))[:-1])
        named = zip(arrays["names"], parts, shapes, strict=True)
        return {str(name): part.reshape(shape) for name, part, shape in named}


@pytest.fixture(scope="module")
def octave() -> dict[str, Masks]:
    """The masks (stage "mask") and Octave's output of every step of Fig. 4."""
    return {stage: _read(stage) for stage in ("mask", "filled", "largest", "smoothed", "refined")}


def _bits(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(mask).view(np.uint8)


def _ellipse(height: int, width: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:height, :width]
    inside: NDArray[np.bool_] = ((rows - 30) / 14) ** 2 + ((columns - 25) / 9) ** 2 < 1
    inside[28:31, 20:24] = False
    inside[25, 30:45] = True
    return inside


# ------------------------------------------------------------------------------------------------------ against Octave


def test_fixtures_are_many_and_of_every_size(octave: dict[str, Masks]) -> None:
    shapes = {mask.shape for mask in octave["mask"].values()}
    assert len(octave["mask"]) >= 250
    assert {(1, 1), (17, 29), (64, 64), (96, 80), (320, 320)} <= shapes


def test_smoothed_is_octaves_before_the_edge_is_added(octave: dict[str, Masks]) -> None:
    different = [
        name for name, mask in octave["mask"].items() if (smooth_cavity(mask) != octave["smoothed"][name]).any()
    ]
    assert different == []


@pytest.mark.parametrize("stage", [1, SINGLE_STAGE])
def test_only_stage_2_sees_the_cavity(stage: int) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(6, 8)
    refined = image % 3 == 0
    one = channel_rows(np.zeros(1, dtype=np.int32))
    assert np.array_equal(network_inputs(image[None], one, stage, refined[None])[0], [image] * 3)
    assert np.array_equal(network_inputs(image[None], one, 2, refined[None])[0], composite(image, refined))


def test_refined_is_octaves(octave: dict[str, Masks]) -> None:
    different = [
        name for name, mask in octave["mask"].items() if (refine_cavity(mask) != octave["refined"][name]).any()
    ]
    assert different == []


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        ("mask", "filled", refine._fill_holes),
        ("filled", "largest", refine._largest_component),
        ("largest", "smoothed", refine._smooth),
        ("smoothed", "refined", refine._reinforce_edge),
    ],
)
def test_step_is_octaves(
    octave: dict[str, Masks], before: str, after: str, step: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> None:
    different = [
        name for name, mask in octave[before].items() if (step(_bits(mask)).astype(bool) != octave[after][name]).any()
    ]
    assert different == []


# ---------------------------------------------------------------------------------------------------------- properties


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (17, 29), (320, 320)])
def test_empty_stays_empty_and_full_stays_full(shape: tuple[int, int]) -> None:
    assert not refine_cavity(np.zeros(shape, dtype=bool)).any()
    assert refine_cavity(np.ones(shape, dtype=bool)).all()


def test_blob_smaller_than_the_disk_vanishes_but_the_disk_itself_stays() -> None:
    mask = np.zeros((15, 15), dtype=bool)
    mask[5:9, 5:9] = True
    assert not refine_cavity(mask).any()
    rows, columns = np.mgrid[:15, :15]
    distance = abs(rows - 7) + abs(columns - 7)
    np.testing.assert_array_equal(refine_cavity(distance <= 2), distance <= 3)


def test_equal_components_the_first_in_column_major_order_wins() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[1:9, 18:26] = True  # first by rows
    mask[18:26, 3:11] = True  # first by columns
    refined = refine_cavity(mask)
    assert refined[22, 7]
    assert not refined[5, 22]


def test_steps_are_idempotent_and_grow_or_shrink(octave: dict[str, Masks]) -> None:
    for mask in octave["mask"].values():
        filled = refine._fill_holes(_bits(mask))
        largest = refine._largest_component(filled)
        smoothed = refine._smooth(largest)
        assert (filled >= mask).all()
        assert (largest <= filled).all()
        assert (refine._reinforce_edge(smoothed) >= smoothed).all()
        np.testing.assert_array_equal(refine._fill_holes(filled), filled)
        np.testing.assert_array_equal(refine._largest_component(largest), largest)
        np.testing.assert_array_equal(refine._smooth(smoothed), smoothed)


def test_rotating_or_mirroring_before_or_after_is_the_same() -> None:
    mask = _ellipse(64, 48)
    refined = refine_cavity(mask)
    for turns in range(4):
        np.testing.assert_array_equal(refine_cavity(np.rot90(mask, turns)), np.rot90(refined, turns))
    np.testing.assert_array_equal(refine_cavity(mask[:, ::-1]), refined[:, ::-1])


def test_place_in_the_image_does_not_matter_away_from_its_border() -> None:
    refined = refine_cavity(np.pad(_ellipse(64, 48), 8))
    np.testing.assert_array_equal(refine_cavity(np.pad(_ellipse(64, 48), ((8, 90), (31, 8))))[:80, 23:87], refined)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("dtype", "value"), [(np.bool_, True), (np.uint8, 1), (np.uint8, 255)])
def test_every_kind_of_mask_gives_the_same_new_bool_array(dtype: type[np.generic], value: int, order: str) -> None:
    expected = refine_cavity(_ellipse(64, 48))
    mask = np.array(np.where(_ellipse(64, 48), value, 0).astype(dtype), order="C" if order == "C" else "F")
    before = mask.copy()
    refined = refine_cavity(mask)
    assert refined.dtype == np.bool_
    assert not np.shares_memory(refined, mask)
    np.testing.assert_array_equal(refined, expected)
    np.testing.assert_array_equal(mask, before)


# ----------------------------------------------------------------------------------------------------------- composite


def test_composite_by_hand() -> None:
    image = np.arange(10, 260, 10, dtype=np.uint8).reshape(5, 5)
    refined = np.zeros((5, 5), dtype=bool)
    refined[1, 2] = refined[2, 1:4] = refined[3, 2] = True
    hollow = [[10, 20, 30, 40, 50], [60, 70, 0, 90, 100], [110, 0, 0, 0, 150], [160, 170, 0, 190, 200]]
    cavity = [[0, 0, 0, 0, 0], [0, 0, 255, 0, 0], [0, 255, 255, 255, 0], [0, 0, 255, 0, 0], [0, 0, 0, 0, 0]]
    out = composite(image, refined)
    assert out.dtype == np.uint8
    assert out.shape == (3, 5, 5)
    np.testing.assert_array_equal(out[0], [*hollow, [210, 220, 230, 240, 250]])
    np.testing.assert_array_equal(out[1], cavity)
    np.testing.assert_array_equal(out[2], image)


def test_composite_without_a_cavity_is_image_zero_image_and_a_copy() -> None:
    image = np.full((4, 7), 255, dtype=np.uint8)
    out = composite(image, np.zeros((4, 7), dtype=bool))
    np.testing.assert_array_equal(out, np.stack([image, np.zeros_like(image), image]))
    assert not np.shares_memory(out, image)


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        ([[0, 1]], TypeError, "`mask` must be a numpy array of bool or uint8; got list"),
        (np.zeros((4, 4)), TypeError, "`mask` must be an array of bool or uint8; got float64"),
        (np.zeros((4, 4), dtype=np.int64), TypeError, "`mask` must be an array of bool or uint8; got int64"),
        (np.zeros((1, 4, 4), dtype=bool), ValueError, r"`mask` must have the shape \[H, W\] .* got \(1, 4, 4\)"),
        (np.zeros((0, 4), dtype=bool), ValueError, r"H and W at least 1; got \(0, 4\)"),
        (np.array([[0, 1, 2, 3]], dtype=np.uint8), ValueError, r"\{0, 1\} or \{0, 255\}; got \[0, 1, 2, 3\]"),
        (np.array([[0, 1, 255]], dtype=np.uint8), ValueError, r"\{0, 1\} or \{0, 255\}; got \[0, 1, 255\]"),
        (np.array([[0, 2]], dtype=np.uint8), ValueError, r"\{0, 1\} or \{0, 255\}; got \[0, 2\]"),
    ],
)
def test_refine_says_what_is_wrong_with_a_mask(mask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        refine_cavity(mask)


@pytest.mark.parametrize(
    ("image", "refined", "error", "message"),
    [
        (np.zeros((4, 4)), np.zeros((4, 4), dtype=bool), TypeError, "`image` must be an array of uint8; got float64"),
        (
            np.zeros((4, 4), dtype=np.uint8),
            np.zeros((4, 4), dtype=np.uint8),
            TypeError,
            "`refined` must be an array of bool; got uint8",
        ),
        (
            np.zeros((4, 5), dtype=np.uint8),
            np.zeros((5, 4), dtype=bool),
            ValueError,
            r"`refined` must have the shape of `image`, \(4, 5\); got \(5, 4\)",
        ),
        (
            np.zeros((4, 5, 3), dtype=np.uint8),
            np.zeros((4, 5), dtype=bool),
            ValueError,
            r"`image` must have the shape \[H, W\] .* got \(4, 5, 3\)",
        ),
    ],
)
def test_composite_says_what_is_wrong_with_its_arguments(
    image: NDArray[np.uint8], refined: NDArray[np.bool_], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        composite(image, refined)
