"""Burden and the 17-segment model, against hand-made numbers and analytically drawn rings."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from lge_sweep.labels import Label
from lge_sweep.quantify import SegmentsError, measure, scar_extent
from lge_sweep.quantify.segments import SEGMENT_NAMES

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]
APEX = np.array([-0.65, 0.55, -0.52]) / np.linalg.norm([-0.65, 0.55, -0.52])
"""Base to apex of a usual heart; right, front, head."""
HEAD = np.array([0.0, 0.0, 1.0])
MM = (1.2, 1.7, 9.0)
"""Row, column, slice."""
SIZE = (76, 64)


# -------------------------------------------------------------------------------------------------------------- burden


def test_burden_by_hand() -> None:
    labels = np.repeat(np.arange(4, dtype=np.uint8), [10, 3, 6, 2])
    burden = measure(labels.reshape(3, 7), voxel_ml=0.5)
    assert burden.pixels == {Label.BACKGROUND: 10, Label.CAVITY: 3, Label.MYOCARDIUM: 6, Label.SCAR: 2}
    assert burden.ml == {Label.BACKGROUND: 5.0, Label.CAVITY: 1.5, Label.MYOCARDIUM: 3.0, Label.SCAR: 1.0}
    assert (burden.wall_pixels, burden.wall_ml) == (8, 4.0)
    assert burden.mass_g == pytest.approx(4.2)
    assert burden.scar_percent == 25.0


def test_burden_without_volume_or_wall() -> None:
    burden = measure(np.array([[0, 1], [2, 3]], dtype=np.uint8), None)
    assert (burden.ml, burden.wall_ml, burden.mass_g, burden.scar_percent) == (None, None, None, 50.0)
    assert measure(np.ones((2, 2), dtype=np.uint8), 1.0).scar_percent is None


# ------------------------------------------------------------------------------------------------------------ segments


def place(apex: Floats = APEX, turn: float = 0.0, flip: bool = False, mirror: bool = False) -> Floats:
    """Return the affine of short-axis slices, the image turned by degrees; slices base to apex, or flipped."""
    up = HEAD - (HEAD @ apex) * apex
    up /= np.linalg.norm(up)
    right = np.cross(apex, up)
    c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    row, column = c * up + s * right, (-s * up + c * right) * (-1 if mirror else 1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * MM[0], column * MM[1], apex * MM[2] * (-1 if flip else 1)
    affine[:3, 3] = (12.0, -40.0, 7.0)
    return affine


def positions(affine: Floats, slices: int) -> Floats:
    """Return [S, H, W, 3] mm of every pixel."""
    index = np.stack(np.meshgrid(np.arange(slices), *map(np.arange, SIZE), indexing="ij"), axis=-1)
    return index[..., [1, 2, 0]] @ affine[:3, :3].T + affine[:3, 3]


def ventricle(affine: Floats, scarred: set[int], radii: list[float], closed: int = 0) -> Labels:
    """Draw rings of 10 mm wall from base to apex, `closed` discs after them, with scar in the segments given.

    Segments are told from patient coordinates alone: an azimuth from the head direction towards the patient's right
    and front, which is how the model is defined here, independently of how images lie.
    """
    slices = len(radii) + closed
    points = positions(affine, slices)
    along = points @ APEX
    depth = np.argsort(np.argsort(along[:, 0, 0]))
    middle = points[:, SIZE[0] // 2, SIZE[1] // 2]
    away = points - middle[:, None, None]
    up = HEAD - (HEAD @ APEX) * APEX
    septum = np.array([1.0, -APEX[0] / APEX[1], 0.0])  # horizontal, at right angles to the long axis, to the right
    x, y = away @ up / np.linalg.norm(up), away @ septum / np.linalg.norm(septum)
    radius, azimuth = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    labels = np.zeros((slices, *SIZE), dtype=np.uint8)
    level = list(itertools.chain(*[[k] * len(part) for k, part in enumerate(np.array_split(radii, 3))]))
    for k in range(slices):
        d = int(depth[k])
        if d >= len(radii):
            labels[k][radius[k] < 12] = Label.SCAR if 17 in scarred else Label.MYOCARDIUM
            continue
        cavity, wall = radius[k] < radii[d], radius[k] < radii[d] + 10
        labels[k][wall] = Label.MYOCARDIUM
        for segment in scarred - {17}:
            if segment > 12 and level[d] == 2:
                middle_of, half = 90 * (segment - 13), 45
            elif segment <= 12 and level[d] == (segment - 1) // 6:
                middle_of, half = 60 * ((segment - 1) % 6), 30
            else:
                continue
            labels[k][wall & (np.abs((azimuth[k] - middle_of + 180) % 360 - 180) < half)] = Label.SCAR
        labels[k][cavity] = Label.CAVITY
    return labels


RADII = [24.0, 23.0, 22.0, 21.0, 19.0, 16.0, 12.0]


@pytest.mark.parametrize("segment", range(1, 18))
def test_scar_drawn_in_a_segment_is_found_in_it(segment: int) -> None:
    affine = place(turn=23)
    extent = scar_extent(ventricle(affine, {segment}, RADII, closed=1), affine)
    for k, percent in enumerate(extent.percent, start=1):
        assert percent == pytest.approx(100.0 if k == segment else 0.0, abs=2.5), SEGMENT_NAMES[k - 1]


def test_the_septum_is_on_the_patients_right_and_the_anterior_wall_towards_the_head() -> None:
    affine = place(turn=200, mirror=True)
    points = positions(affine, 3)
    middle = points[:, SIZE[0] // 2, SIZE[1] // 2]
    labels = ventricle(affine, set(), [20.0, 18.0, 16.0])
    wall = labels == Label.MYOCARDIUM
    away = (points - middle[:, None, None])[wall]
    labels[wall] = np.where(away[:, 0] > 12, Label.SCAR, Label.MYOCARDIUM)  # right
    percent = dict(zip(SEGMENT_NAMES, scar_extent(labels, affine).percent, strict=True))
    assert percent["basal inferolateral"] == percent["basal anterolateral"] == percent["apical lateral"] == 0
    assert min(percent["basal anteroseptal"] or 0, percent["basal inferoseptal"] or 0) > 20
    labels[wall] = np.where(away[:, 2] > 15, Label.SCAR, Label.MYOCARDIUM)  # head
    percent = dict(zip(SEGMENT_NAMES, scar_extent(labels, affine).percent, strict=True))
    assert percent["mid inferior"] == percent["mid inferoseptal"] == 0
    assert (percent["mid anterior"] or 0) > 50


@pytest.mark.parametrize("flip", [False, True])
def test_missing_slices_do_not_move_the_thirds(flip: bool) -> None:
    affine = place(turn=23, flip=flip)
    whole = ventricle(affine, {7, 14}, [24.0, 23.0, 22.0, 21.0, 20.0, 19.0, 16.0, 14.0, 12.0])
    kept = [0, 1, 5, 6, 7, 8]
    full, holed = scar_extent(whole, affine), scar_extent(whole[kept], affine, kept)
    assert holed.levels == {index: full.levels[k] for index, k in enumerate(kept)}
    assert holed.percent[13] == full.percent[13] == pytest.approx(100, abs=2.5)
    with pytest.raises(SegmentsError, match="too many slices are missing"):
        scar_extent(whole[[0, 1, 2, 8]], affine, [0, 1, 2, 8])


@pytest.mark.parametrize(("turn", "flip", "mirror"), [(7, True, False), (97, False, True), (190, True, True)])
def test_neither_the_order_of_slices_nor_the_turn_of_images_changes_the_result(
    turn: float, flip: bool, mirror: bool
) -> None:
    scarred = {2, 8, 9, 14}
    plain = scar_extent(ventricle(place(turn=31), scarred, RADII, closed=2), place(turn=31))
    affine = place(turn=turn, flip=flip, mirror=mirror)
    moved = scar_extent(ventricle(affine, scarred, RADII, closed=2), affine)
    assert np.array(moved.percent, dtype=float) == pytest.approx(np.array(plain.percent, dtype=float), abs=2.5)


def test_arrays_turned_with_their_affine_give_the_very_same_numbers() -> None:
    affine = place(turn=10)
    labels = ventricle(affine, {1, 5, 10, 16}, RADII)
    expected = scar_extent(labels, affine).percent
    slices, rows, _ = labels.shape
    backwards, upside, transposed = np.eye(4), np.eye(4), np.eye(4)
    backwards[2, 2:] = -1, slices - 1
    upside[0] = -1, 0, 0, rows - 1
    transposed[:2, :2] = [[0, 1], [1, 0]]
    assert scar_extent(labels[::-1], affine @ backwards).percent == expected
    assert scar_extent(labels[:, ::-1], affine @ upside).percent == expected
    assert scar_extent(labels.transpose(0, 2, 1), affine @ transposed).percent == expected


def test_half_a_segment_of_scar_is_half() -> None:
    affine = place()
    labels = ventricle(affine, {4}, RADII)
    plane = np.indices(SIZE)[1] < SIZE[1] // 2
    labels[:, plane] = np.where(labels[:, plane] == Label.SCAR, Label.MYOCARDIUM, labels[:, plane])
    assert scar_extent(labels, affine).percent[3] == pytest.approx(50, abs=4)


@pytest.mark.parametrize(("slices", "sizes"), [(3, (1, 1, 1)), (7, (3, 2, 2)), (8, (3, 3, 2)), (9, (3, 3, 3))])
def test_thirds(slices: int, sizes: tuple[int, int, int]) -> None:
    labels = ventricle(place(flip=True), set(), list(np.linspace(24, 12, slices)), closed=1)
    extent = scar_extent(labels, place(flip=True))
    levels = [extent.levels[k] for k in sorted(extent.levels, reverse=True)]
    expected = ["basal"] * sizes[0] + ["mid"] * sizes[1] + ["apical"] * sizes[2] + ["apex"]
    assert levels == expected


def test_no_apex_and_wall_without_cavity_at_the_base() -> None:
    labels = ventricle(place(), {3}, RADII)
    assert scar_extent(labels, place()).percent[16] is None
    labels[0][labels[0] == Label.CAVITY] = Label.BACKGROUND
    labels[1] = 0
    extent = scar_extent(labels, place())
    assert 0 not in extent.levels
    assert extent.levels[2] == "basal"
    assert extent.notes[1] == "Slices of wall without cavity above the apex belong to no segment: 0."


def planes(row: tuple[int, int, int], column: tuple[int, int, int]) -> Floats:
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row, column, np.cross(row, column)], axis=1)
    return affine


@pytest.mark.parametrize(
    ("affine", "message"),
    [
        (None, "where the slices lie in the patient is unknown"),
        (planes((0, -1, 0), (-1, 0, 0)), "not plausibly short-axis: their normal is 55 degrees off"),
        (planes((0, 0, -1), (-1, 0, 0)), "not plausibly short-axis"),
        (planes((0, 0, -1), (0, -1, 0)), "not plausibly short-axis"),
        (place(flip=True), "the cavity is larger at the end that the slices' positions tell to be the apex"),
    ],
    ids=["unknown", "transversal", "coronal", "sagittal", "upside down"],
)
def test_segments_are_refused_with_a_reason(affine: Floats | None, message: str) -> None:
    with pytest.raises(SegmentsError, match=message):
        scar_extent(ventricle(place(), {1}, RADII), affine)


def test_too_few_slices() -> None:
    with pytest.raises(SegmentsError, match="at least 3 slices with wall and cavity; there are 2"):
        scar_extent(ventricle(place(), {1}, RADII[:2], closed=3), place())


def test_how_far_off_a_stack_is_is_said_exactly_enough() -> None:
    """45.04 degrees are not "45 degrees, more than 45"."""
    usual, aside, angle = np.array([-1, 1, -1]) / np.sqrt(3), np.array([1, 1, 0]) / np.sqrt(2), np.radians(45.04)
    with pytest.raises(SegmentsError, match=r"normal is 45\.04 degrees off .*, more than 45$"):
        scar_extent(ventricle(place(), set(), RADII), place(usual * np.cos(angle) + aside * np.sin(angle)))


@pytest.mark.parametrize("apex", [(-0.8, 0.6, 0.0), (-0.4, 0.4, -0.82), (-0.75, 0.6, -0.28)])
def test_hearts_that_lie_or_stand_are_short_axis_still(apex: tuple[float, float, float]) -> None:
    direction = np.array(apex) / np.linalg.norm(apex)
    labels = ventricle(place(), set(), RADII)
    assert len(scar_extent(labels, place(direction)).levels) == len(RADII)
