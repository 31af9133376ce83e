"""Batches for Lightning: which slices, in which order, how augmented; all of it a function of seed and step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import albumentations
import cv2
import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lge_sweep.config.schema import Augmentation, Training
from lge_sweep.data.inputs import channel_rows, network_input
from lge_sweep.data.preparation import load_arrays
from lge_sweep.data.schedule import Schedule, make_schedule
from lge_sweep.labels import stage_target
from lge_sweep.seeding import derive_seed

Batch = dict[str, Tensor]


def _rich() -> list[albumentations.BasicTransform]:
    """Turned, mirrored, scaled, shifted; other contrast and brightness, gamma, noise and blur.

    Source: the kinds of change and roughly the ranges of nnU-Net's (Isensee et al., Nature Methods 2021, supplement
    4); the four quarter turns and mirroring first, which keep every pixel.
    """
    return [
        albumentations.SquareSymmetry(p=1.0),
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
}
"""What is done to a training slice. Intensities and masks are changed together, before the composite is made."""
assert AUGMENTATIONS.keys() == set(get_args(Augmentation))


class SliceDataset(Dataset[Batch]):
    """Slices of one subset as tensors.

    An item is `image`, uint8 [3, S, S]: what the stage's network sees (`network_input`), guided by the true, refined
    cavity; and `target`, int64 [S, S]: channel indices of the stage.
    """

    def __init__(self, folder: Path, rows: Sequence[int], stage: int, augment: str) -> None:
        """Read the arrays (once per process) and note which rows are used.

        Args:
            folder: prepared arrays.
            rows: rows of the arrays, one an item.
            stage: 1, 2 or `SINGLE_STAGE`.
            augment: a key of `AUGMENTATIONS`.
        """
        arrays = load_arrays(folder)
        self.images, self.refined = arrays.images, arrays.refined
        self.rows, self.channel_rows, self.stage = np.asarray(rows, dtype=np.intp), channel_rows(arrays.cases), stage
        self.targets = stage_target(arrays.labels[self.rows], stage)
        transforms = AUGMENTATIONS[augment]()
        self.augmentation = albumentations.Compose(transforms) if transforms else None

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.rows)

    def __getitem__(self, index: int | tuple[int, int]) -> Batch:
        """Return one slice; a pair (index, seed) asks for an augmented one."""
        index, seed = index if isinstance(index, tuple) else (index, None)
        row = self.rows[index]
        rows, channels = np.unique(self.channel_rows[row], return_inverse=True)
        shown, target, refined = self.images[rows], self.targets[index], self.refined[row]
        if seed is not None and self.augmentation is not None:
            self.augmentation.set_random_seed(seed)
            image = shown[0] if len(rows) == 1 else np.moveaxis(shown, 0, -1)  # a slice shown twice is changed once
            changed = self.augmentation(image=image, masks=[target, refined.astype(np.uint8)])
            image, (target, refined) = changed["image"], changed["masks"]
            shown = image[np.newaxis] if len(rows) == 1 else np.moveaxis(image, -1, 0)
        seen = network_input(shown[channels], refined.astype(bool), self.stage)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(seen)),
            "target": torch.from_numpy(target.astype(np.int64)),
        }


class IntervalSampler(Sampler[list[tuple[int, int]]]):
    """Batches of one interval between validations, as lists of (index, augmentation seed).

    Each epoch is a new order of all slices; the last partial batch is dropped. Nothing depends on what was drawn
    before, so that a training resumed at an interval sees the batches it would have seen.
    """

    def __init__(self, slices: int, batch: int, schedule: Schedule, interval: int, seed: int) -> None:
        """Note the interval; draw nothing yet.

        Args:
            slices: size of the training subset.
            batch: slices of a batch.
            schedule: of the training.
            interval: its number, from 0.
            seed: of order and augmentation.
        """
        self.slices, self.batch, self.schedule, self.seed = slices, batch, schedule, seed
        self.steps = schedule.steps(interval)

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.steps)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches."""
        for step in self.steps:
            epoch, position = divmod(step, self.schedule.steps_per_epoch)
            order = np.random.default_rng(derive_seed(self.seed, "order", epoch)).permutation(self.slices)
            chosen = order[position * self.batch : (position + 1) * self.batch]
            yield [(int(index), derive_seed(self.seed, "augment", step, place)) for place, index in enumerate(chosen)]


class LgeDataModule(LightningDataModule):
    """Batches of a prepared and split data set for one stage.

    One Lightning "epoch" is one interval between validations, so that Lightning checkpoints and resumes exactly
    where the study validates.
    """

    def __init__(self, folder: Path, subsets: Mapping[str, Sequence[int]], stage: int, training: Training, seed: int):
        """Note where the arrays are.

        Args:
            folder: prepared arrays.
            subsets: subset -> rows of the arrays.
            stage: 1 or 2.
            training: batch size, augmentation, schedule.
            seed: order of batches and augmentation.
        """
        super().__init__()
        self.training, self.seed = training, seed
        self.schedule = make_schedule(len(subsets["train"]), training)
        self.datasets = {
            subset: SliceDataset(folder, rows, stage, training.augment if subset == "train" else "none")
            for subset, rows in subsets.items()
        }

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the batches of the current interval."""
        assert self.trainer is not None
        dataset, interval = self.datasets["train"], self.trainer.current_epoch
        batches = IntervalSampler(len(dataset), self.training.batch_size, self.schedule, interval, self.seed)
        return DataLoader(dataset, batch_sampler=batches)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the validation subset in order."""
        return self.in_order("val")

    def in_order(self, subset: str) -> DataLoader[Batch]:
        """Return a subset in manifest order, not augmented."""
        return DataLoader(self.datasets[subset], batch_size=self.training.batch_size)
