"""Which slices of a case are kept, and what the manifest says about them."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lge_sweep.config.data import Curate, Phantom
from lge_sweep.curate import curate
from lge_sweep.curate.manifest import central_slices, perceptual_hash
from lge_sweep.errors import DataError
from lge_sweep.ingest import Volume
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import Label

ALL = Curate(slices="all")


def exam(case: str = "p1", slices: int = 3, seed: int = 0) -> Volume:
    """An exam of random pictures, each with 4 pixels of cavity, 3 of myocardium and none of scar."""
    labels = np.zeros((slices, 6, 8), dtype=np.uint8)
    labels[:, 0, :4], labels[:, 1, :3] = Label.CAVITY, Label.MYOCARDIUM
    pixels = np.random.default_rng(seed).integers(0, 4096, (slices, 6, 8), dtype=np.uint16)
    return Volume(case, tuple(f"{case}_slice{k}" for k in range(slices)), pixels, labels)


def relabelled(volume: Volume, position: int, value: int, where: tuple[int, int] = (5, 7)) -> Volume:
    labels = volume.labels.copy()
    labels[position, where[0], where[1]] = value
    return replace(volume, labels=labels)


def bits_apart(first: NDArray[np.number], second: NDArray[np.number]) -> int:
    return (int(perceptual_hash(first), 16) ^ int(perceptual_hash(second), 16)).bit_count()


# ------------------------------------------------------------------------------------------------------ central slices


@pytest.mark.parametrize(
    ("available", "wanted", "kept"),
    [
        (15, 11, list(range(2, 13))),
        (14, 11, list(range(1, 12))),  # 3 to drop: one at the start, two at the end
        (5, 3, [1, 2, 3]),
        (6, 3, [1, 2, 3]),
        (6, 2, [2, 3]),
        (5, 2, [1, 2]),
        (11, 11, list(range(11))),
        (3, 11, [0, 1, 2]),
        (1, 11, [0]),
        (7, 1, [3]),
        (15, "all", list(range(15))),
    ],
)
def test_central_slices(available: int, wanted: int | str, kept: list[int]) -> None:
    assert list(central_slices(available, wanted)) == kept


def test_the_central_slices_of_each_case_are_kept_with_their_images_and_labels() -> None:
    long, short = relabelled(exam("a", 5), 3, Label.SCAR), exam("b", 2, seed=1)
    curated = curate([long, short], Curate(slices=3))
    assert curated.manifest["slice"].tolist() == ["a_slice1", "a_slice2", "a_slice3", "b_slice0", "b_slice1"]
    assert curated.manifest["position"].tolist() == [1, 2, 3, 0, 1]
    assert np.array_equal(np.stack(curated.images), np.concatenate([long.pixels[1:4], short.pixels]))
    assert np.array_equal(np.stack(curated.labels), np.concatenate([long.labels[1:4], short.labels]))


# ------------------------------------------------------------------------------------------------------------ manifest


def test_manifest_columns() -> None:
    volume = replace(relabelled(exam(slices=2), 1, Label.SCAR), spacing_mm=(1.5, 1.25, 8.0))
    manifest = curate([volume], ALL).manifest
    assert manifest.columns.tolist() == [
        *("slice", "case", "position", "slot", "height", "width", "spacing_row_mm", "spacing_column_mm"),
        "spacing_slice_mm",
        *("image_hash", "content_hash", "perceptual_hash", "has_scar"),
        *("background_pixels", "cavity_pixels", "myocardium_pixels", "scar_pixels"),
    ]
    row = manifest.iloc[1].to_dict()
    assert (row["slice"], row["case"], row["position"]) == ("p1_slice1", "p1", 1)
    assert (row["height"], row["width"], row["spacing_row_mm"], row["spacing_column_mm"]) == (6, 8, 1.5, 1.25)
    assert row["spacing_slice_mm"] == 8.0
    assert [row[f"{label.title}_pixels"] for label in Label] == [40, 4, 3, 1]
    assert manifest["has_scar"].tolist() == [False, True]
    assert row["perceptual_hash"] == perceptual_hash(volume.pixels[1])


def test_unknown_spacing_is_missing_not_a_number() -> None:
    manifest = curate([exam()], ALL).manifest
    assert manifest[["spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"]].isna().all(axis=None)


def test_image_hash_is_sha256_of_type_shape_and_grey_levels() -> None:
    volume = exam(slices=1)
    digest = hashlib.sha256(b"<u2(6, 8)" + volume.pixels[0].tobytes()).hexdigest()
    assert curate([volume], ALL).manifest["image_hash"].tolist() == [digest]


def test_a_label_pixel_changes_the_content_hash_of_its_slice_only() -> None:
    before = curate([exam()], ALL).manifest
    after = curate([relabelled(exam(), 1, Label.SCAR)], ALL).manifest
    assert (before["content_hash"] != after["content_hash"]).tolist() == [False, True, False]
    assert before["image_hash"].tolist() == after["image_hash"].tolist()


def test_a_grey_level_changes_both_hashes() -> None:
    volume = exam(slices=1)
    pixels = volume.pixels.copy()
    pixels[0, 0, 0] += 1
    first, second = (curate([v], ALL).manifest for v in (volume, replace(volume, pixels=pixels)))
    assert (first[["image_hash", "content_hash"]] != second[["image_hash", "content_hash"]]).all(axis=None)


def test_the_same_numbers_in_another_shape_or_type_hash_differently() -> None:
    volume = exam(slices=1)
    turned = replace(volume, pixels=volume.pixels.reshape(1, 8, 6), labels=volume.labels.reshape(1, 8, 6))
    signed = replace(volume, pixels=volume.pixels.astype(np.int16))
    hashes = [curate([v], ALL).manifest["image_hash"][0] for v in (volume, turned, signed)]
    assert len(set(hashes)) == 3


def test_ids_do_not_enter_the_hashes() -> None:
    first, second = (curate([exam(case)], ALL).manifest for case in ("a", "b"))
    assert first["content_hash"].tolist() == second["content_hash"].tolist()


# --------------------------------------------------------------------------------------------------- refused and noted


def test_duplicate_case_and_slice_ids_are_refused_together() -> None:
    with pytest.raises(DataError) as caught:
        curate([exam("a", 1), exam("b", 1), exam("a", 1)], ALL)
    assert caught.value.findings == ("case a: occurs more than once", "slice a_slice0: occurs more than once")


def test_a_slice_id_may_not_occur_in_two_cases() -> None:
    with pytest.raises(DataError, match="slice s: occurs more than once"):
        curate([replace(exam(case, 1), slices=("s",)) for case in ("a", "b")], ALL)


def test_no_exam_is_refused() -> None:
    with pytest.raises(DataError, match="there is no exam"):
        curate([], ALL)


def test_a_case_with_one_slice_is_kept_and_noted() -> None:
    curated = curate([exam("a", 1), exam("b", 3)], Curate())
    assert curated.manifest["case"].tolist() == ["a", "b", "b", "b"]
    assert curated.notes == ("1 case(s) with a single slice: a",)


def test_a_long_list_of_single_slices_is_cut() -> None:
    curated = curate([exam(f"c{k}", 1) for k in range(10)], ALL)
    assert curated.notes == ("10 case(s) with a single slice: c0, c1, c2, c3, c4, c5, c6, c7 and 2 more",)


def test_kept_slices_without_cavity_are_noted() -> None:
    volume = exam(slices=4)
    labels = volume.labels.copy()
    labels[:2][labels[:2] == Label.CAVITY] = Label.MYOCARDIUM
    volume = replace(volume, labels=labels)
    note = "{} slice(s) without cavity: their stage-2 guidance is empty"
    assert curate([volume], ALL).notes == (note.format(2),)
    assert curate([volume], Curate(slices=2)).notes == (note.format(1),)
    assert curate([exam()], ALL).notes == ()


# ----------------------------------------------------------------------------------------------------- perceptual hash


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.float64]]:
    """One slice of each of eight simulated patients."""
    return [v.pixels[2].astype(float) for v in simulate(Phantom(kind="phantom", cases=8, size=96, pixel_mm=3.2))]


def test_perceptual_hash_is_64_bits_in_hexadecimal(pictures: list[NDArray[np.float64]]) -> None:
    assert all(len(perceptual_hash(p)) == 16 and int(perceptual_hash(p), 16) > 0 for p in pictures)


@pytest.mark.parametrize(("contrast", "brightness"), [(1.0, 500.0), (1.0, -1e4), (0.01, 0.0), (7.0, -2000.0)])
def test_brightness_and_contrast_leave_the_perceptual_hash(
    pictures: list[NDArray[np.float64]], contrast: float, brightness: float
) -> None:
    assert [bits_apart(p, contrast * p + brightness) for p in pictures] == [0] * len(pictures)


def test_mild_noise_moves_the_perceptual_hash_by_two_bits_at_most(pictures: list[NDArray[np.float64]]) -> None:
    rng = np.random.default_rng(0)
    assert max(bits_apart(p, p + rng.normal(0, 0.005 * p.max(), p.shape)) for p in pictures) <= 2


def test_another_size_of_a_picture_moves_its_perceptual_hash_by_two_bits_at_most(
    pictures: list[NDArray[np.float64]],
) -> None:
    assert max(bits_apart(p, p.repeat(2, axis=0).repeat(2, axis=1)) for p in pictures) <= 2


def test_other_patients_are_far_apart_in_perceptual_hash(pictures: list[NDArray[np.float64]]) -> None:
    assert min(bits_apart(p, q) for k, p in enumerate(pictures) for q in pictures[:k]) >= 6
