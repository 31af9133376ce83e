"""Batches for Lightning: which slices, in which order, how augmented; all of it a function of seed and step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import albumentations
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lge_sweep.arrays import LabelImage, Mask, Pixels8, SliceIndices
from lge_sweep.config.schema import Augmentation, Training
from lge_sweep.data.inputs import REPEATED, Offsets, channel_rows, input_of_channels
from lge_sweep.data.preparation import load_arrays
from lge_sweep.data.schedule import Schedule, make_schedule
from lge_sweep.labels import Label, stage_target
from lge_sweep.seeding import derive_seed

Batch = dict[str, Tensor]


def _rich() -> list[albumentations.BasicTransform]:
    """As `_upright`, and before it one of the four quarter turns and mirroring, which keep every pixel."""
    return [albumentations.SquareSymmetry(p=1.0), *_upright()]


def _upright() -> list[albumentations.BasicTransform]:
    """Scaled, turned by 30 degrees at most, shifted; other contrast and brightness, gamma, noise and blur.

    Source: the kinds of change and roughly the ranges of nnU-Net's (Isensee et al., Nature Methods 2021, supplement
    4). The heart stays as it lies in the chest, which a network learns in fewer steps.
    """
    return [
        albumentations.Affine(
            scale=(0.8, 1.25), rotate=(-30, 30), translate_percent=(-0.08, 0.08), p=0.5,
            interpolation=cv2.INTER_LINEAR, mask_interpolation=cv2.INTER_NEAREST,
        ),
        albumentations.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.25, p=0.3),
        albumentations.RandomGamma(gamma_limit=(70, 150), p=0.3),
        albumentations.GaussNoise(std_range=(0.01, 0.06), p=0.2),
        albumentations.GaussianBlur(sigma_limit=(0.5, 1.0), blur_limit=0, p=0.2),
    ]  # fmt: skip


AUGMENTATIONS: dict[str, Callable[[], list[albumentations.BasicTransform]]] = {
    "none": list,
    "rotate90": lambda: [albumentations.RandomRotate90(p=1.0)],
    "rich": _rich,
    "upright": _upright,
}
"""What is done to a training slice. Intensities and masks are changed together, before the composite is made."""
assert AUGMENTATIONS.keys() == set(get_args(Augmentation))


Request = int | tuple[int, int]
"""A slice of a data set by its index, as it is; with a seed, augmented."""


@dataclass(frozen=True)
class _Slices:
    """Slices of one batch, before their inputs are made; all three are changed together.

    Attributes:
        channels: [B, 3, S, S], intensities of the slices that the channels show.
        targets: [B, S, S], channel indices of the stage.
        refined: [B, S, S], refined cavities.
    """

    channels: Pixels8
    targets: LabelImage
    refined: Mask


class SliceDataset(Dataset[Batch]):
    """Slices of one subset as tensors.

    An item is `image`, uint8 [3, S, S]: what the stage's network sees, guided by the true, refined cavity; and
    `target`, int64 [S, S]: channel indices of the stage. Batches are made whole.
    """

    def __init__(
        self, folder: Path, rows: Sequence[int], stage: int, augment: str, offsets: Offsets = REPEATED
    ) -> None:
        """Read the arrays (once per process) and note which rows are used.

        Args:
            folder: prepared arrays.
            rows: rows of the arrays, one an item.
            stage: 1, 2 or `SINGLE_STAGE`.
            augment: a key of `AUGMENTATIONS`.
            offsets: which slices the three channels show; of stage 2, all the slice itself.
        """
        arrays = load_arrays(folder)
        self.images, self.refined = arrays.images, arrays.refined
        self.rows, self.channel_rows, self.stage = (
            np.asarray(rows, dtype=np.intp),
            channel_rows(arrays.cases, offsets),
            stage,
        )
        self.targets = stage_target(arrays.labels[self.rows], stage)
        self.has_scar = (arrays.labels[self.rows] == Label.SCAR).any(axis=(1, 2))
        transforms = AUGMENTATIONS[augment]()
        turns = [step for step in transforms if isinstance(step, albumentations.RandomRotate90)]
        self._turn = turns[0] if len(turns) == len(transforms) == 1 else None
        self._augmentation = albumentations.Compose(transforms) if transforms else None

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)

    def times(self, scar_sampling: float) -> NDArray[np.float64]:
        """Return how many times as often as others each slice is drawn, where those with scar are drawn so often."""
        return np.where(self.has_scar, scar_sampling, 1.0)

    def __getitem__(self, index: Request) -> Batch:
        """Return one slice."""
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, requests: Sequence[Request]) -> Batch:
        """Return the slices of a batch: `image` [B, 3, S, S], `target` [B, S, S]."""
        pairs = [request if isinstance(request, tuple) else (request, None) for request in requests]
        indices = np.array([index for index, _ in pairs], dtype=np.intp)
        rows = self.rows[indices]
        slices = _Slices(self.images[self.channel_rows[rows]], self.targets[indices], self.refined[rows])
        self._augment(slices, [seed for _, seed in pairs], self.channel_rows[rows])
        seen = input_of_channels(slices.channels, slices.refined, self.stage)
        return {"image": torch.from_numpy(seen), "target": torch.from_numpy(slices.targets.astype(np.int64))}

    def _augment(self, slices: _Slices, seeds: Sequence[int | None], shown: SliceIndices) -> None:
        """Change those slices that have a seed, in place.

        Args:
            slices: of a batch.
            seeds: one a slice.
            shown: [B, 3], which slices the channels show.
        """
        if self._turn is not None:
            _turn(slices, np.array([self._quarter_turns(seed) for seed in seeds]))
        elif self._augmentation is not None:
            for place, seed in enumerate(seeds):
                if seed is not None:
                    self._change(slices, place, seed, shown[place])

    def _quarter_turns(self, seed: int | None) -> int:
        """Return by how many quarter turns a seed turns a slice: what albumentations would do, without doing it."""
        if seed is None:
            return 0
        assert self._turn is not None
        self._turn.set_random_seed(seed)
        return int(self._turn.get_params()["factor"])

    def _change(self, slices: _Slices, place: int, seed: int, shown: SliceIndices) -> None:
        """Augment one slice of a batch in place; a slice that several channels show is changed once."""
        assert self._augmentation is not None
        self._augmentation.set_random_seed(seed)
        _, first, channels = np.unique(shown, return_index=True, return_inverse=True)
        image = slices.channels[place, first]
        changed = self._augmentation(
            image=image[0] if len(first) == 1 else np.moveaxis(image, 0, -1),
            masks=[slices.targets[place], slices.refined[place].astype(np.uint8)],
        )
        image, (target, refined) = changed["image"], changed["masks"]
        image = image[np.newaxis] if len(first) == 1 else np.moveaxis(image, -1, 0)
        slices.channels[place], slices.targets[place], slices.refined[place] = image[channels], target, refined


def _turn(slices: _Slices, turns: NDArray[np.int_]) -> None:
    """Turn slices in place, each by so many quarter turns against the clock."""
    for number in (1, 2, 3):
        chosen = np.flatnonzero(turns == number)
        if len(chosen):
            for values in (slices.channels, slices.targets, slices.refined):
                values[chosen] = np.rot90(values[chosen], number, axes=(-2, -1))


class _Made(Dataset[Batch]):
    """Batches that are there, one an item."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Batch:
        return self.batches[index]


class IntervalSampler(Sampler[list[tuple[int, int]]]):
    """Batches of one interval between validations, as lists of (index, augmentation seed).

    Each epoch is a new order of all slices; the last partial batch is dropped. Where some are drawn more often, an
    epoch has as many batches as before, of slices without replacement. Nothing depends on what was drawn
    before, so that a training resumed at an interval sees the batches it would have seen.
    """

    def __init__(self, times: NDArray[np.float64], batch: int, schedule: Schedule, interval: int, seed: int) -> None:
        """Note the interval; draw nothing yet.

        Args:
            times: a number for each slice of the training subset, at least 1: how many times as often it is drawn.
            batch: slices of a batch.
            schedule: of the training.
            interval: its number, from 0.
            seed: of order and augmentation.
        """
        self.times, self.batch, self.schedule, self.seed = times, batch, schedule, seed
        self.steps = schedule.steps(interval)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches."""
        for step in self.steps:
            epoch, position = divmod(step, self.schedule.steps_per_epoch)
            order = self._order(epoch)
            chosen = order[position * self.batch : (position + 1) * self.batch]
            yield [(int(index), derive_seed(self.seed, "augment", step, place)) for place, index in enumerate(chosen)]

    def _order(self, epoch: int) -> SliceIndices:
        """Return the slices of an epoch in their order: each as often as it is to be drawn, by chance for fractions."""
        rng = np.random.default_rng(derive_seed(self.seed, "order", epoch))
        order: SliceIndices = rng.permutation(len(self.times))
        if (self.times == 1).all():
            return order
        copies = np.floor(self.times + rng.random(len(self.times))).astype(np.intp)
        return rng.permutation(np.repeat(np.arange(len(self.times)), copies))


class LgeDataModule(LightningDataModule):
    """Batches of a prepared and split data set for one stage.

    One Lightning "epoch" is one interval between validations, so that Lightning checkpoints and resumes exactly
    where the study validates.
    """

    def __init__(
        self,
        folder: Path,
        subsets: Mapping[str, Sequence[int]],
        stage: int,
        training: Training,
        seed: int,
        *,
        offsets: Offsets = REPEATED,
    ):
        """Note where the arrays are.

        Args:
            folder: prepared arrays.
            subsets: subset -> rows of the arrays.
            stage: 1 or 2.
            training: batch size, augmentation, schedule.
            seed: order of batches and augmentation.
            offsets: which slices the three channels show.
        """
        super().__init__()
        self.training, self.seed = training, seed
        self._validation: _Made | None = None
        self.schedule = make_schedule(len(subsets["train"]), training)
        self.datasets = {
            subset: SliceDataset(folder, rows, stage, training.augment if subset == "train" else "none", offsets)
            for subset, rows in subsets.items()
        }

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the current interval."""
        assert self.trainer is not None
        dataset, interval = self.datasets["train"], self.trainer.current_epoch
        batches = IntervalSampler(
            dataset.times(self.training.scar_sampling), self.training.batch_size, self.schedule, interval, self.seed
        )
        return DataLoader(dataset, batch_sampler=batches, collate_fn=_as_it_is, pin_memory=torch.cuda.is_available())

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation subset in order; its batches are made once."""
        if self._validation is None:
            self._validation = _Made(list(self.in_order("val")))
        return DataLoader(self._validation, batch_size=None)

    def in_order(self, subset: str) -> DataLoader[Batch]:
        """Return a subset in manifest order, not augmented."""
        return DataLoader(
            self.datasets[subset], self.training.batch_size, collate_fn=_as_it_is, pin_memory=torch.cuda.is_available()
        )


def _as_it_is(batch: Any) -> Any:
    """A batch that was made whole needs no putting together."""
    return batch
