"""The same sweep as a competent user writes it with Lightning, Optuna, MLflow, albumentations; of ours, networks alone.

Command: .venv/bin/python benchmarks/peer.py FOLDER FILE [--steps 32] [--size 96] [--precision 32-true]

FOLDER has images/ and labels/ with CASE_sliceNNN.png, cavity as 1. Everything is as the libraries' pages show it: a
DataLoader with workers that reads PNG files, a Trainer with its defaults, MLFlowLogger on SQLite, early stopping, the
best checkpoint, a GridSampler over the architectures. What it does not do, and the program does: metrics a slice,
figures, a ranking, results that survive a kill. Writes seconds a network to FILE (JSON), imports and setting up apart.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import albumentations as A  # noqa: N812
import cv2
import numpy as np
import optuna
import pytorch_lightning as pl
import torch
from albumentations.pytorch import ToTensorV2
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import MLFlowLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.segmentation import DiceScore

from lge_sweep.config.architectures import BASELINE
from lge_sweep.models.architectures import build_network

Batch = tuple[Tensor, Tensor]
EVERY, BATCH = 16, 8
LOADERS = min(4, os.cpu_count() or 1)


class Slices(Dataset[Batch]):
    """Slices and their cavities, read from files."""

    def __init__(self, folder: Path, names: list[str], size: int, augment: bool) -> None:
        """Note the names."""
        self.folder, self.names = folder, names
        turned = [A.RandomRotate90(p=1.0)] if augment else []
        self.transform = A.Compose([A.Resize(size, size), *turned, A.Normalize(), ToTensorV2()])

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.names)

    def __getitem__(self, index: int) -> Batch:
        """Read one."""
        image = cv2.imread(str(self.folder / "images" / self.names[index]), cv2.IMREAD_COLOR)
        labels = cv2.imread(str(self.folder / "labels" / self.names[index]), cv2.IMREAD_GRAYSCALE)
        assert labels is not None
        changed = self.transform(image=image, mask=np.equal(labels, 1).astype(np.uint8))
        return changed["image"], changed["mask"].long()


class Network(pl.LightningModule):
    """A network, cross entropy and Adam."""

    def __init__(self, model: str, width: float) -> None:
        """Build it."""
        super().__init__()
        self.network = build_network(model, 2, width)
        self.loss = nn.CrossEntropyLoss()
        self.dice = DiceScore(2, include_background=False, input_format="index")

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss."""
        loss: Tensor = self.loss(self.network(batch[0]), batch[1])
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and Dice."""
        scores = self.network(batch[0])
        self.log("val_loss", self.loss(scores, batch[1]), prog_bar=True)
        self.dice(scores.argmax(dim=1), batch[1])
        self.log("val_dice", self.dice)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3, weight_decay=1e-4)


def split(folder: Path, validation: int) -> tuple[list[str], list[str]]:
    """Return the names of training and validation slices: every seventh case validates, so many slices at most."""
    names = sorted(path.name for path in (folder / "images").glob("*.png"))
    cases = sorted({name.partition("_slice")[0] for name in names})
    held = set(cases[::7])
    kept = [name for name in names if name.partition("_slice")[0] in held]
    return [name for name in names if name.partition("_slice")[0] not in held], kept[:validation]


def fit(model: str, options: argparse.Namespace, folder: Path) -> float:
    """Train one network; returns its Dice."""
    training, validation = split(options.folder, options.validation)
    workers: dict[str, Any] = {"num_workers": LOADERS, "persistent_workers": True}
    to_train = Slices(options.folder, training, options.size, augment=True)
    to_validate = Slices(options.folder, validation, options.size, augment=False)
    trainer = pl.Trainer(
        max_steps=options.steps,
        val_check_interval=min(EVERY, options.steps),
        check_val_every_n_epoch=None,
        precision=options.precision,
        logger=MLFlowLogger("peer", tracking_uri=f"sqlite:///{folder}/mlflow.db", artifact_location=f"{folder}/files"),
        callbacks=[EarlyStopping("val_loss", patience=options.steps), ModelCheckpoint(folder, monitor="val_loss")],
        default_root_dir=folder,
        log_every_n_steps=1,
    )
    trainer.fit(
        Network(model, options.width),
        DataLoader(to_train, batch_size=BATCH, shuffle=True, drop_last=True, **workers),
        DataLoader(to_validate, batch_size=BATCH, **workers),
    )
    return float(trainer.callback_metrics["val_dice"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    for name, value in (("steps", 32), ("size", 96), ("validation", 63)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--precision", default="32-true", help="Lightning's name of the number format")
    options = parser.parse_args()
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:

        def objective(trial: optuna.Trial) -> float:
            began = time.perf_counter()
            model = trial.suggest_categorical("model", list(BASELINE))
            dice = fit(model, options, Path(folder))
            seconds[model] = time.perf_counter() - began
            return dice

        sampler = optuna.samplers.GridSampler({"model": list(BASELINE)}, seed=0)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(objective, n_trials=len(BASELINE))
        print(study.best_params, study.best_value)
    options.file.write_text(json.dumps(seconds), encoding="utf-8")


if __name__ == "__main__":
    main()
