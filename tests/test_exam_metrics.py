"""A whole exam in 3-D, in mm and mL: against MONAI, SciPy's distance transform, and cases worked out by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lge_sweep.labels import STRUCTURES, Label
from lge_sweep.metrics import DISTANCES, ExamGrid, Known, measure_exam
from lge_sweep.metrics.exam_surface import exam_surfaces, surface_voxels

Labels = NDArray[np.uint8]
SPACING = (1.6, 1.3, 9.0)


def grid(slices: int, spacing: tuple[float, float, float] = SPACING, slots: tuple[int, ...] = ()) -> ExamGrid:
    return ExamGrid(spacing, slots or tuple(range(slices)))


def exams(seed: int) -> tuple[Labels, Labels]:
    """Prediction and truth [6, 40, 36]: rings of a wall around a cavity with scar in a sector, moved and noisy."""
    random = np.random.default_rng(seed)
    slices, rows, columns = np.mgrid[:6, :40, :36]

    def drawn() -> Labels:
        shift = random.uniform(-2, 2, size=(2, 6))
        y, x = rows - 19 - shift[0][slices], columns - 17 - shift[1][slices]
        radius, angle = np.hypot(y, x) + random.normal(0, 0.7, y.shape), np.arctan2(y, x)
        labels = np.zeros(radius.shape, dtype=np.uint8)
        labels[radius < 13] = Label.MYOCARDIUM
        labels[radius < 8] = Label.CAVITY
        labels[(labels == Label.MYOCARDIUM) & (np.abs(angle - 1) < 0.6) & (slices > 1)] = Label.SCAR
        return labels

    return drawn(), drawn()


def row(table: pd.DataFrame, structure: str) -> Any:
    return table.set_index("structure").loc[structure]


@pytest.mark.filterwarnings("ignore:monai.metrics.utils get_mask_edges:FutureWarning")  # MONAI warns of its own call
@pytest.mark.parametrize("seed", range(2))
def test_distances_and_dice_of_an_exam_agree_with_monai(seed: int) -> None:
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    prediction, truth = exams(seed)
    tolerance = 2.5
    one_hot = [
        torch.from_numpy(np.stack([np.isin(labels, of) for of in STRUCTURES.values()])[None].astype(np.uint8))
        for labels in (prediction, truth)
    ]
    options: dict[str, Any] = {"include_background": True, "spacing": (SPACING[2], SPACING[0], SPACING[1])}
    want = {
        "dice": monai.compute_dice(*one_hot, include_background=True),
        "hd_mm": monai.compute_hausdorff_distance(*one_hot, **options),
        "hd95_mm": monai.compute_hausdorff_distance(*one_hot, percentile=95, **options),
        "assd_mm": monai.compute_average_surface_distance(*one_hot, symmetric=True, **options),
        "nsd": monai.compute_surface_dice(*one_hot, class_thresholds=[tolerance] * 3, **options),
    }
    got = measure_exam(prediction, truth, grid(6), tolerance)
    for name, theirs in want.items():
        np.testing.assert_allclose(got[name], theirs[0].numpy(), rtol=1e-5, err_msg=name)  # MONAI's are float32


def by_distance_transform(predicted: NDArray[np.bool_], true: NDArray[np.bool_], sampling: Any) -> list[float]:
    """Hausdorff distance, the two means and the pooled shares by a distance transform of the border's complement."""
    cross = ndimage.generate_binary_structure(3, 1)
    borders = [mask ^ ndimage.binary_erosion(mask, cross) for mask in (predicted, true)]
    maps = [ndimage.distance_transform_edt(~border, sampling=sampling) for border in borders]
    one, other = maps[1][borders[0]], maps[0][borders[1]]
    return [max(one.max(), other.max()), (one.sum() + other.sum()) / (len(one) + len(other))]


@pytest.mark.parametrize("seed", range(2))
def test_a_slice_that_is_missing_between_keeps_its_place(seed: int) -> None:
    """Slices 0, 1, 3, 4, 7, 8: distances are those of the stack, and the gap opens no surface inside a structure."""
    prediction, truth = exams(seed)
    slots = (0, 1, 3, 4, 7, 8)
    got = measure_exam(prediction, truth, grid(6, slots=slots), 2.0)
    for name, of in STRUCTURES.items():
        masks = [np.isin(labels, of) for labels in (prediction, truth)]
        surfaces = [surface_voxels(mask) for mask in masks]
        cross = ndimage.generate_binary_structure(3, 1)
        for mask, surface in zip(masks, surfaces, strict=True):
            np.testing.assert_array_equal(surface, mask ^ ndimage.binary_erosion(mask, cross))
        places = [np.argwhere(surface) * 1.0 for surface in surfaces]
        for found in places:
            found[:, 0] = np.array(slots)[found[:, 0].astype(int)]
            found *= (SPACING[2], SPACING[0], SPACING[1])
        apart = np.sqrt(((places[0][:, None] - places[1][None]) ** 2).sum(axis=-1))
        one, other = apart.min(axis=1), apart.min(axis=0)
        assert row(got, name)["hd_mm"] == pytest.approx(max(one.max(), other.max()))
        assert row(got, name)["assd_mm"] == pytest.approx(np.concatenate([one, other]).mean())


def test_a_column_that_is_found_one_slice_too_far_by_hand() -> None:
    """One voxel a slice, slices 0 to 2 in the truth, 0 to 3 in the prediction, 9 mm apart: the last is 9 mm off."""
    truth, prediction = np.zeros((2, 5, 7, 7), dtype=np.uint8)
    truth[:3, 3, 3] = prediction[:4, 3, 3] = Label.SCAR
    found = row(measure_exam(prediction, truth, grid(5), 2.0), "scar")
    assert (found["true_voxels"], found["predicted_voxels"]) == (3, 4)
    assert found["dice"] == pytest.approx(6 / 7)
    assert found["hd_mm"] == 9
    assert found["hd95_mm"] == pytest.approx(0.85 * 9)  # place 0.95 * 3 = 2.85 among 0, 0, 0, 9
    assert found["assd_mm"] == pytest.approx(9 / 7)
    assert found["nsd"] == pytest.approx(6 / 7)
    ml = math.prod(SPACING) / 1000
    assert (found["true_ml"], found["predicted_ml"], found["error_ml"]) == pytest.approx((3 * ml, 4 * ml, ml))
    assert (found["true_percent"], found["predicted_percent"]) == (100, 100)  # all of the wall is scar
    assert found["ratio_percent"] == pytest.approx(100 / 3)


def test_shares_are_of_each_wall_and_emidecs_difference_of_the_true_one() -> None:
    truth, prediction = np.zeros((2, 1, 1, 20), dtype=np.uint8)
    truth[..., :10], truth[..., :4] = Label.MYOCARDIUM, Label.SCAR  # 4 of 10
    prediction[..., :8], prediction[..., :2] = Label.MYOCARDIUM, Label.SCAR  # 2 of 8
    found = row(measure_exam(prediction, truth, grid(1), 2.0), "scar")
    assert (found["true_percent"], found["predicted_percent"]) == (40, 25)
    assert (found["share_error_percent"], found["ratio_percent"]) == (-15, 20)
    whole = row(measure_exam(prediction, truth, grid(1), 2.0), "wall")
    assert (whole["true_voxels"], whole["predicted_voxels"]) == (10, 8)  # scar is wall
    assert whole["dice"] == pytest.approx(16 / 18)
    assert math.isnan(whole["ratio_percent"])


@pytest.mark.parametrize(
    ("true", "found", "dice", "emidec", "distance", "nsd"),
    [
        (False, False, math.nan, 1.0, math.nan, math.nan),
        (True, False, 0.0, 0.0, math.sqrt((3 * 9.0) ** 2 + (5 * 1.6) ** 2 + (6 * 1.3) ** 2), 0.0),
        (False, True, 0.0, 0.0, math.sqrt((3 * 9.0) ** 2 + (5 * 1.6) ** 2 + (6 * 1.3) ** 2), 0.0),
    ],
)
def test_the_conventions_of_a_scar_that_is_not_in_both(
    true: bool, found: bool, dice: float, emidec: float, distance: float, nsd: float
) -> None:
    truth, prediction = np.full((2, 2, 5, 6), Label.MYOCARDIUM, dtype=np.uint8)
    truth[0, 2, 2] = Label.SCAR if true else Label.MYOCARDIUM
    prediction[1, 3, 3] = Label.SCAR if found else Label.MYOCARDIUM
    got = row(measure_exam(prediction, truth, grid(2, slots=(3, 5)), 2.0), "scar")  # three slots with the one between
    assert [got["dice"], got["emidec_dice"], got["nsd"]] == pytest.approx([dice, emidec, nsd], nan_ok=True)
    for name in ("hd_mm", "hd95_mm", "assd_mm"):
        assert got[name] == pytest.approx(distance, nan_ok=True)
    assert got["error_ml"] == pytest.approx((found - true) * math.prod(SPACING) / 1000)


@pytest.mark.parametrize("spacing", [(math.nan, math.nan, math.nan), (1.6, 1.3, math.nan)])
def test_without_a_spacing_there_are_no_mm_and_no_ml_but_shares(spacing: tuple[float, float, float]) -> None:
    prediction, truth = exams(0)
    known, unknown = (measure_exam(prediction, truth, grid(6, of), 2.0) for of in (SPACING, spacing))
    assert unknown[[*DISTANCES, "true_ml", "predicted_ml", "error_ml"]].isna().all(axis=None)
    for name in ("dice", "emidec_dice", "true_voxels", "true_percent", "share_error_percent", "ratio_percent"):
        pd.testing.assert_series_equal(known[name], unknown[name])


def test_the_exams_that_emidecs_code_was_written_for() -> None:
    """What its `main.py` of 2020-09-27 computes, written anew with SciPy: all but the order of its spacing."""
    prediction, truth = exams(3)
    got = measure_exam(prediction, truth, grid(6), 2.0)
    wall = np.isin(prediction, (2, 3)), np.isin(truth, (2, 3))
    scar = [labels == 3 for labels in (prediction, truth)]
    mm3 = math.prod(SPACING)
    assert row(got, "wall")["emidec_dice"] == pytest.approx(
        2 * (wall[0] & wall[1]).sum() / (wall[0].sum() + wall[1].sum())
    )
    assert abs(row(got, "wall")["error_ml"]) * 1000 == pytest.approx(abs(wall[0].sum() * mm3 - wall[1].sum() * mm3))
    assert row(got, "scar")["ratio_percent"] / 100 == pytest.approx(
        abs(scar[0].sum() * mm3 - scar[1].sum() * mm3) / (wall[1].sum() * mm3)
    )
    hd, assd = by_distance_transform(*wall, sampling=(SPACING[2], SPACING[0], SPACING[1]))
    assert (row(got, "wall")["hd_mm"], row(got, "wall")["assd_mm"]) == pytest.approx((hd, assd))
    published, _ = by_distance_transform(*wall, sampling=(SPACING[1], SPACING[0], SPACING[2]))  # x, y, z of z, y, x
    again = exam_surfaces(*wall, (SPACING[0], SPACING[2], SPACING[1]), range(6), 2.0)  # rows, columns, slices
    assert again.hd == pytest.approx(published)
    assert published != pytest.approx(hd)


def test_what_was_measured_before_is_not_measured_again() -> None:
    prediction, truth = exams(2)
    other = np.where(prediction == Label.SCAR, Label.MYOCARDIUM, prediction).astype(np.uint8)  # scar alone differs
    known: Known = {}
    for labels in (prediction, other, prediction):
        pd.testing.assert_frame_equal(
            measure_exam(labels, truth, grid(6), 2.0, known), measure_exam(labels, truth, grid(6), 2.0)
        )
    assert sorted(name for name, _ in known) == ["cavity", "scar", "scar", "wall"]


def test_what_does_not_fit_is_refused() -> None:
    labels = np.zeros((2, 4, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"of one shape \[S, H, W\], got \(2, 4, 4\) and \(1, 4, 4\)"):
        measure_exam(labels, labels[:1], grid(2), 2.0)
    with pytest.raises(ValueError, match="slots must be 2 rising places, one a slice"):
        measure_exam(labels, labels, grid(2, slots=(1, 1)), 2.0)
    with pytest.raises(ValueError, match="three numbers above 0"):
        measure_exam(labels, labels, grid(2, (1.0, 0.0, 1.0)), 2.0)
