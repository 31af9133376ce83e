"""Slices become arrays, once, and arrays become batches that depend on seed and step alone."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lge_sweep.config.data import Curate, Intensity
from lge_sweep.config.schema import Training
from lge_sweep.curate import Curated, curate
from lge_sweep.data.grey import to_8_bit
from lge_sweep.data.inputs import Offsets, channel_rows
from lge_sweep.data.module import Batch, IntervalSampler, LgeDataModule, SliceDataset
from lge_sweep.data.preparation import (
    ARRAYS,
    DIGESTS,
    Arrays,
    content_digest,
    load_arrays,
    prepare,
    store_arrays,
    to_arrays,
)
from lge_sweep.data.refine import refine_cavity
from lge_sweep.data.schedule import Schedule, make_schedule
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import Volume
from lge_sweep.labels import Label, class_names, stage_target

SIZE = 16
WHOLE = Intensity(clip_percentiles=(0, 100))


def exam(case: str = "p1", slices: int = 3, seed: int = 0) -> Volume:
    """Random pictures with an off-centre ring of myocardium, a spot of scar on it, and a cavity inside."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    distance = np.hypot(rows - 6, columns - 8)
    labels = np.select([distance < 3.5, distance < 5.5], [Label.CAVITY, Label.MYOCARDIUM], 0).astype(np.uint8)
    labels[10:12, 8] = Label.SCAR
    pixels = np.random.default_rng(seed).integers(0, 4096, (slices, SIZE, SIZE), dtype=np.uint16)
    return Volume(case, tuple(f"{case}_slice{k}" for k in range(slices)), pixels, np.stack([labels] * slices))


def curated(*volumes: Volume) -> Curated:
    return curate(volumes or (exam(),), Curate(slices="all"))


# --------------------------------------------------------------------------------------------------------------- 8 bit


def test_percentiles_are_clipped_and_what_lies_between_is_spread() -> None:
    image = np.arange(101, dtype=np.uint16).reshape(1, 101)  # its p-th percentile is p
    levels = to_8_bit(image, Intensity(clip_percentiles=(10, 90)))
    assert levels.dtype == np.uint8
    assert (levels[0, :11] == 0).all()
    assert (levels[0, 90:] == 255).all()
    assert levels[0, [11, 26, 51, 89]].tolist() == [3, 51, 131, 252]  # 255/80 = 3.1875 an intensity


def test_percentiles_fall_between_grey_levels() -> None:
    levels = to_8_bit(np.array([[0.0, 10.0, 20.0, 30.0]]), Intensity(clip_percentiles=(50, 100)))
    assert levels.tolist() == [[0, 0, 85, 255]]  # from the median, 15, to 30


@pytest.mark.parametrize("shift", [-3000.0, 0.0, 0.25])
def test_unit_and_sign_of_grey_levels_do_not_matter(shift: float) -> None:
    image = exam().pixels[0]
    assert np.array_equal(to_8_bit(image * 0.125 + shift, Intensity()), to_8_bit(image, Intensity()))


def test_a_slice_whose_percentiles_coincide_is_spread_over_its_whole_range() -> None:
    image = np.zeros((20, 20), dtype=np.uint16)
    image[0, :2] = 20, 100  # 0.5 % of 400 pixels are 2: both percentiles are 0
    levels = to_8_bit(image, Intensity(clip_percentiles=(0.5, 99.0)))
    assert levels[0, :3].tolist() == [51, 255, 0]


def test_a_slice_of_a_single_grey_level_becomes_black() -> None:
    assert (to_8_bit(np.full((4, 4), 7.5), Intensity()) == 0).all()


# -------------------------------------------------------------------------------------------------------------- resize


def resized(image: NDArray[np.number], labels: NDArray[np.uint8], size: int) -> Arrays:
    return to_arrays([image], [labels], size, WHOLE)


def test_a_slice_of_the_right_size_stays_as_it_is() -> None:
    volume = exam(slices=2)
    arrays = to_arrays(tuple(volume.pixels), tuple(volume.labels), SIZE, WHOLE)
    assert np.array_equal(arrays.images, np.stack([to_8_bit(p, WHOLE) for p in volume.pixels]))
    assert np.array_equal(arrays.labels, volume.labels)
    assert np.array_equal(arrays.refined, np.stack([refine_cavity(lab == Label.CAVITY) for lab in volume.labels]))


def test_images_are_enlarged_bilinearly_about_pixel_centres() -> None:
    image = np.array([[0, 200], [0, 255]], dtype=np.uint8)
    arrays = resized(image, np.zeros((2, 2), dtype=np.uint8), 4)
    assert arrays.images[0, 0].tolist() == [0, 50, 150, 200]  # centres at -1/4, 1/4, 3/4, 5/4 of the two columns
    assert arrays.images[0, :, 3].tolist() == [200, 214, 241, 255]


def test_masks_are_enlarged_pixel_by_pixel() -> None:
    labels = exam().labels[0]
    arrays = resized(exam().pixels[0], labels, 3 * SIZE)
    assert np.array_equal(arrays.labels[0], labels.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("size", [7, 11, 40])
def test_resizing_a_mask_makes_no_new_class(size: int) -> None:
    checkers = np.where(np.indices((SIZE, SIZE)).sum(axis=0) % 2, Label.SCAR, Label.BACKGROUND).astype(np.uint8)
    arrays = resized(exam().pixels[0], checkers, size)
    assert set(np.unique(arrays.labels)) <= {Label.BACKGROUND, Label.SCAR}


def test_shrinking_averages_instead_of_skipping_pixels() -> None:
    checkers = np.where(np.indices((64, 64)).sum(axis=0) % 2, 255, 0).astype(np.uint8)
    arrays = resized(checkers, np.zeros((64, 64), dtype=np.uint8), 8)
    assert np.abs(arrays.images.astype(int) - 127).max() <= 2


def test_slices_that_are_not_square_or_differ_in_size_become_one_square_size() -> None:
    volumes = [exam("a", 1), replace(exam("b", 1), pixels=exam().pixels[:1, :, :9], labels=exam().labels[:1, :, :9])]
    arrays = to_arrays([v.pixels[0] for v in volumes], [v.labels[0] for v in volumes], 8, WHOLE)
    assert {name: getattr(arrays, name).shape for name in ARRAYS} == dict.fromkeys(ARRAYS, (2, 8, 8)) | {"cases": (2,)}
    assert [getattr(arrays, name).dtype for name in ARRAYS] == [np.uint8, np.uint8, np.bool_, np.int32]


def test_the_cavity_is_refined_at_the_final_size() -> None:
    arrays = resized(exam().pixels[0], exam().labels[0], 40)
    assert np.array_equal(arrays.refined[0], refine_cavity(arrays.labels[0] == Label.CAVITY))
    assert arrays.refined[0].sum() > (arrays.labels[0] == Label.CAVITY).sum()


# --------------------------------------------------------------------------------------------------------------- cache


def written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_what_is_read_is_what_was_prepared(tmp_path: Path) -> None:
    data = curated()
    arrays = load_arrays(prepare(data, 8, WHOLE, tmp_path))
    expected = to_arrays(data.images, data.labels, 8, WHOLE, data.manifest["case"].tolist())
    assert len(set(expected.cases.tolist())) == data.manifest["case"].nunique()
    assert all(np.array_equal(getattr(arrays, name), getattr(expected, name)) for name in ARRAYS)


def test_the_same_data_and_settings_are_not_written_again(tmp_path: Path) -> None:
    folder = prepare(curated(), 8, WHOLE, tmp_path)
    before = written(folder)
    time.sleep(0.01)
    assert prepare(curated(), 8, WHOLE, tmp_path) == folder
    assert written(folder) == before
    assert sorted(before) == sorted([DIGESTS, *(f"{name}.npy" for name in ARRAYS)])


def test_whatever_changes_the_arrays_changes_the_folder(tmp_path: Path) -> None:
    volume = exam()
    pixels, labels = volume.pixels.copy(), volume.labels.copy()
    pixels[0, 0, 0] += 1
    labels[0, 0, 0] = Label.SCAR
    folders = [
        prepare(curated(volume), 8, WHOLE, tmp_path),
        prepare(curated(volume), 16, WHOLE, tmp_path),
        prepare(curated(volume), 8, Intensity(), tmp_path),
        prepare(curated(replace(volume, pixels=pixels)), 8, WHOLE, tmp_path),
        prepare(curated(replace(volume, labels=labels)), 8, WHOLE, tmp_path),
        prepare(curated(exam("b"), exam("a")), 8, WHOLE, tmp_path),
        prepare(curated(exam("a"), exam("b")), 8, WHOLE, tmp_path),
    ]
    assert len(set(folders)) == len(folders)
    assert len(list(tmp_path.iterdir())) == len(folders)


def test_the_digest_covers_ids_cases_and_content_in_order() -> None:
    one = curated(exam("a", seed=1), exam("b", seed=2)).manifest
    other_case = one.assign(case=one["case"].replace("b", "c"))
    other_name = one.assign(slice=one["slice"] + "x")
    other_label = one.assign(content_hash=one["content_hash"].str.replace("0", "1"))
    digests = {content_digest(m) for m in (one, other_case, other_name, other_label, one.iloc[::-1])}
    assert len(digests) == 5
    assert content_digest(one.assign(position=7)) in digests


def test_the_digest_covers_spacing_where_it_is_known() -> None:
    unknown = curated(replace(exam("a"), spacing_mm=None)).manifest
    columns = [name for name in map(str, unknown) if name.startswith("spacing_")]
    assert len(columns) == 3
    manifests = [unknown] + [unknown.assign(**dict.fromkeys(columns, 1.0) | {name: 2.0}) for name in columns]
    assert len({content_digest(manifest) for manifest in manifests}) == 4
    before = hashlib.sha256(json.dumps(unknown[["slice", "case", "content_hash"]].to_numpy().tolist()).encode())
    assert content_digest(unknown) == before.hexdigest()  # sweeps of such data keep their names


def test_an_unfinished_folder_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[Path] = []

    def full_disk(path: Path, *_: object, **__: object) -> None:
        saved.append(path)
        path.write_bytes(b"half")
        if len(saved) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        prepare(curated(), 8, WHOLE, tmp_path)
    assert list(tmp_path.iterdir()) == []  # nothing is left behind either

    # As a killed process leaves it, even one with this process's number.
    monkeypatch.undo()
    saved[0].parent.mkdir()
    saved[0].write_bytes(b"half")
    folder = prepare(curated(), 8, WHOLE, tmp_path)
    assert folder != saved[0].parent
    assert load_arrays(folder).images.shape == (3, 8, 8)


def test_arrays_are_read_once_per_process(tmp_path: Path) -> None:
    folder = prepare(curated(), 8, WHOLE, tmp_path)
    assert load_arrays(folder) is load_arrays(folder)


# ------------------------------------------------------------------------------------------------------------- targets


def test_targets_of_both_stages() -> None:
    labels = np.array([[Label.BACKGROUND, Label.CAVITY], [Label.MYOCARDIUM, Label.SCAR]], dtype=np.uint8)
    assert stage_target(labels, 1).tolist() == [[0, 1], [0, 0]]
    assert stage_target(labels, 2).tolist() == [[0, 0], [1, 2]]
    assert class_names(1) == ("background", "cavity")
    assert class_names(2) == ("background", "myocardium", "scar")


# ------------------------------------------------------------------------------------------------------------ schedule


def test_schedule_of_the_paper() -> None:
    schedule = make_schedule(140, Training())
    assert schedule == Schedule(steps_per_epoch=17, total_steps=510, interval=50)
    assert schedule.intervals == 11
    assert schedule.steps(0) == range(50)
    assert schedule.steps(10) == range(500, 510)
    assert [step for k in range(11) for step in schedule.steps(k)] == list(range(510))


@pytest.mark.parametrize(
    ("slices", "max_steps", "expected", "intervals"),
    [(140, 120, 120, 3), (140, 10_000, 510, 11), (8, None, 30, 1), (15, 1, 1, 1), (80, 300, 300, 6)],
)
def test_max_steps_ends_a_training_early_but_never_late(
    slices: int, max_steps: int | None, expected: int, intervals: int
) -> None:
    schedule = make_schedule(slices, Training(max_steps=max_steps))
    assert (schedule.total_steps, schedule.intervals) == (expected, intervals)


def test_a_training_part_smaller_than_a_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"training\.batch_size: the training subset has 7 slices, fewer than"):
        make_schedule(7, Training())


# ------------------------------------------------------------------------------------------------------------- sampler

TRAINING = Training(batch_size=4, max_epochs=6, validation_every=5)
SLICES = 15  # 3 batches an epoch, 18 steps, intervals of 5, 5, 5 and 3 steps


def batches(interval: int, seed: int = 0) -> list[list[tuple[int, int]]]:
    return list(IntervalSampler(np.ones(SLICES), 4, make_schedule(SLICES, TRAINING), interval, seed))


def epochs(seed: int = 0) -> list[list[int]]:
    drawn = [index for k in range(4) for batch in batches(k, seed) for index, _ in batch]
    return [drawn[k : k + 12] for k in range(0, 72, 12)]


def test_an_interval_is_the_same_whether_or_not_earlier_ones_were_drawn() -> None:
    in_a_row = [batches(k) for k in range(4)]
    assert [batches(k) for k in (3, 1)] == [in_a_row[3], in_a_row[1]]
    sampler = IntervalSampler(np.ones(SLICES), 4, make_schedule(SLICES, TRAINING), 2, 0)
    assert list(sampler) == list(sampler) == in_a_row[2]
    assert [len(interval) for interval in in_a_row] == [5, 5, 5, 3]
    assert len(sampler) == 5


def test_an_epoch_has_whole_batches_of_slices_that_do_not_repeat() -> None:
    assert all(len(batch) == 4 for k in range(4) for batch in batches(k))
    assert all(len(set(epoch)) == len(epoch) == 12 for epoch in epochs())
    assert {index for epoch in epochs() for index in epoch} == set(range(SLICES))


def test_each_epoch_and_each_seed_has_an_order_of_its_own() -> None:
    orders = [tuple(epoch) for seed in (0, 1) for epoch in epochs(seed)]
    assert len(set(orders)) == len(orders) == 12


def test_each_slice_of_each_step_has_an_augmentation_seed_of_its_own() -> None:
    seeds = [seed for k in range(4) for batch in batches(k) for _, seed in batch]
    assert len(set(seeds)) == len(seeds) == 18 * 4


# ------------------------------------------------------------------------------------------------------------- dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(curated(exam(slices=8)), SIZE, WHOLE, tmp_path_factory.mktemp("cache"))


def turns(before: Batch, after: Batch) -> int:
    """How many quarter turns take one item to another; fails if none does, or image and target disagree."""
    (found,) = (
        k
        for k in range(4)
        if torch.equal(torch.rot90(before["image"], k, (1, 2)), after["image"])
        and torch.equal(torch.rot90(before["target"], k, (0, 1)), after["target"])
    )
    return found


def test_stage_1_sees_grey_three_times_and_learns_the_cavity(folder: Path) -> None:
    item, arrays = SliceDataset(folder, [5, 2], 1, "none")[1], load_arrays(folder)
    assert np.array_equal(item["image"].numpy(), np.stack([arrays.images[2]] * 3))
    assert np.array_equal(item["target"].numpy(), arrays.labels[2] == Label.CAVITY)


def test_stage_2_sees_the_composite_with_the_true_refined_cavity(folder: Path) -> None:
    item, arrays = SliceDataset(folder, [5, 2], 2, "none")[0], load_arrays(folder)
    image, cavity = arrays.images[5], refine_cavity(exam().labels[0] == Label.CAVITY)
    assert cavity.any()
    assert np.array_equal(item["image"][0].numpy(), np.where(cavity, 0, image))
    assert np.array_equal(item["image"][1].numpy(), np.where(cavity, 255, 0))
    assert np.array_equal(item["image"][2].numpy(), image)
    expected = np.select([arrays.labels[5] == Label.MYOCARDIUM, arrays.labels[5] == Label.SCAR], [1, 2], 0)
    assert np.array_equal(item["target"].numpy(), expected)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("index", [0, (0, 7)])
def test_types_and_shapes_of_an_item(folder: Path, stage: int, index: int | tuple[int, int]) -> None:
    item = SliceDataset(folder, [0], stage, "rotate90")[index]
    assert (item["image"].dtype, item["image"].shape) == (torch.uint8, (3, SIZE, SIZE))
    assert (item["target"].dtype, item["target"].shape) == (torch.int64, (SIZE, SIZE))


@pytest.mark.parametrize("stage", [1, 2])
def test_augmentation_turns_image_and_mask_together_by_quarter_turns_and_all_four_occur(
    folder: Path, stage: int
) -> None:
    dataset = SliceDataset(folder, range(8), stage, "rotate90")
    plain = dataset[3]
    assert {turns(plain, dataset[3, seed]) for seed in range(40)} == {0, 1, 2, 3}


def test_the_seed_decides_the_turn(folder: Path) -> None:
    first, second = (SliceDataset(folder, range(8), 1, "rotate90") for _ in range(2))
    forwards = [turns(first[0], first[0, seed]) for seed in range(12)]
    backwards = [turns(second[4], second[4, seed]) for seed in reversed(range(12))]
    assert forwards == backwards[::-1]


def test_without_augmentation_nothing_turns(folder: Path) -> None:
    dataset = SliceDataset(folder, range(8), 1, "none")
    assert {turns(dataset[0], dataset[0, seed]) for seed in range(20)} == {0}


@pytest.mark.parametrize("augment", ["rich", "upright"])
def test_rich_augmentation_moves_image_target_and_guidance_together(tmp_path: Path, augment: str) -> None:
    """A bright square that is scar and guidance at once must be one and the same in every channel and the target."""
    side = 64
    square = np.zeros((40, side, side), dtype=np.uint8)
    square[:, 20:40, 12:36] = 1
    rows, columns = np.mgrid[:side, :side]
    images = (square * 200 + ((rows + columns) % 40)[None]).astype(np.uint8)
    arrays = Arrays(images, square * Label.SCAR, square.astype(bool), np.zeros(40, dtype=np.int32))
    dataset = SliceDataset(store_arrays(arrays, tmp_path), range(40), 2, augment)
    sizes = set()
    for index in range(40):
        item = dataset[index, index]
        masked, guidance, grey = item["image"].numpy().astype(int)
        assert np.array_equal(guidance, 255 * (item["target"].numpy() == 2))
        assert np.array_equal(masked, np.where(guidance > 0, 0, grey))
        inside = grey > 140
        overlap = 2 * (inside & (guidance > 0)).sum() / (inside.sum() + (guidance > 0).sum())
        assert overlap > 0.9, index
        sizes.add(int(guidance.sum() // 255))
        assert torch.equal(item["image"], dataset[index, index]["image"])  # the seed decides
    assert len(sizes) > 10  # scaled, not only turned


@pytest.mark.parametrize(("augment", "moved"), [("rich", True), ("upright", False)])
def test_an_upright_heart_stays_upright(tmp_path: Path, augment: str, moved: bool) -> None:
    """A square in the upper left corner stays in that quarter, or goes to all four."""
    square = np.zeros((40, 64, 64), dtype=np.uint8)
    square[:, 12:20, 12:20] = 1
    arrays = Arrays(square * 200, square * Label.SCAR, square.astype(bool), np.zeros(40, dtype=np.int32))
    dataset = SliceDataset(store_arrays(arrays, tmp_path), range(40), 2, augment)
    quarters = set()
    for index in range(40):
        rows, columns = np.nonzero(dataset[index, index]["target"].numpy() == 2)
        quarters.add((rows.mean() > 31.5, columns.mean() > 31.5))
    assert len(quarters) == (4 if moved else 1)


def test_channels_can_show_other_slices_of_the_case_changed_as_one(folder: Path) -> None:
    dataset, images = SliceDataset(folder, range(8), 1, "rotate90"), load_arrays(folder).images
    dataset.channel_rows = channel_rows(np.array([0, 0, 0, 0, 1, 1, 1, 1]), (-1, 0, 1))
    assert np.array_equal(dataset[1]["image"].numpy(), images[[0, 1, 2]])
    assert np.array_equal(dataset[4]["image"].numpy(), images[[4, 4, 5]])
    assert {turns(dataset[5], dataset[5, seed]) for seed in range(20)} == {0, 1, 2, 3}


@pytest.mark.parametrize("offsets", [(0, 0, 0), (-1, 0, 1), (-2, 0, 3)])
def test_channels_never_leave_the_case(offsets: Offsets) -> None:
    cases = np.array([0, 0, 0, 1, 2, 2])
    for row, shown in enumerate(channel_rows(cases, offsets)):
        inside = np.flatnonzero(cases == cases[row])
        assert shown.tolist() == [min(max(row + offset, inside[0]), inside[-1]) for offset in offsets]


def test_items_do_not_share_memory_with_the_cached_arrays(folder: Path) -> None:
    item = SliceDataset(folder, [0], 1, "none")[0]
    before = load_arrays(folder).images[0].copy()
    item["image"].zero_()
    assert np.array_equal(load_arrays(folder).images[0], before)


# -------------------------------------------------------------------------------------------------------------- module


@pytest.fixture
def module(folder: Path) -> LgeDataModule:
    subsets = {"train": [0, 2, 3, 5, 7], "val": [6, 1, 4]}
    training = Training(batch_size=2, max_epochs=4, validation_every=3)
    return LgeDataModule(folder, subsets, stage=1, training=training, seed=9)


def at_interval(module: LgeDataModule, interval: int) -> Iterator[Batch]:
    trainer: Any = SimpleNamespace(current_epoch=interval)
    module.trainer = trainer
    return iter(module.train_dataloader())


def test_training_batches_are_those_of_the_interval(module: LgeDataModule) -> None:
    assert module.schedule == Schedule(steps_per_epoch=2, total_steps=8, interval=3)
    sampler = IntervalSampler(np.ones(5), 2, module.schedule, 1, 9)
    dataset = module.datasets["train"]
    for batch, chosen in zip(at_interval(module, 1), sampler, strict=True):
        assert batch["image"].shape == (2, 3, SIZE, SIZE)
        assert torch.equal(batch["image"], torch.stack([dataset[item]["image"] for item in chosen]))
        assert torch.equal(batch["target"], torch.stack([dataset[item]["target"] for item in chosen]))


def test_training_slices_are_turned_and_come_from_the_training_part(module: LgeDataModule, folder: Path) -> None:
    images = load_arrays(folder).images
    seen = [image[0].numpy() for k in range(3) for batch in at_interval(module, k) for image in batch["image"]]
    origin = [
        {(row, k) for row in range(8) for k in range(4) if np.array_equal(np.rot90(images[row], k), picture)}
        for picture in seen
    ]
    assert all(len(found) == 1 for found in origin)
    assert {row for found in origin for row, _ in found} == {0, 2, 3, 5, 7}
    assert len({k for found in origin for _, k in found}) > 1


def test_validation_is_in_order_whole_and_not_turned(module: LgeDataModule, folder: Path) -> None:
    found = list(module.val_dataloader())
    assert [len(batch["image"]) for batch in found] == [2, 1]
    assert np.array_equal(torch.cat([b["image"] for b in found])[:, 0].numpy(), load_arrays(folder).images[[6, 1, 4]])
    dataset = module.datasets["val"]
    assert {turns(dataset[0], dataset[0, seed]) for seed in range(20)} == {0}
    targets = stage_target(load_arrays(folder).labels[[6, 1, 4]], 1)
    assert np.array_equal(torch.cat([b["target"] for b in found]).numpy(), targets)


def test_a_training_part_smaller_than_a_batch_is_refused_before_any_training(folder: Path) -> None:
    with pytest.raises(ConfigError, match="the training subset has 2 slices"):
        LgeDataModule(folder, {"train": [0, 1], "val": [2]}, stage=1, training=Training(), seed=0)
