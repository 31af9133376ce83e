"""What a training is resumed from, written whole or not at all."""

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO


class AtomicCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place and then rename it: whole or not at all, on any file system.

    Lightning's own writes into the system's temporary folder and moves, which is a copy if that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Save whole or not at all; a full disk is an OSError.

        Args:
            checkpoint: Lightning's.
            path: the file.
            storage_options: not used.
        """
        save_atomically(checkpoint, Path(path))


class Checkpoints(ModelCheckpoint):
    """Keep one checkpoint to resume from, rewritten after a validation, though not more often than every so often.

    It holds several times the network: at 107 MB of weights, 430 MB. Written after every validation it took a tenth of
    a short training.
    """

    def __init__(self, path: Path, every: float, before: Callable[[], None]) -> None:
        """Note where and how often.

        Args:
            path: the file.
            every: seconds of training between two.
            before: called before each is written, to write what it counts on.
        """
        super().__init__(
            dirpath=path.parent,
            filename=path.stem,
            monitor=None,
            save_top_k=1,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        self.every, self.before = every, before
        self._written = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        super().on_train_start(trainer, pl_module)
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write one, if it is time."""
        if time.monotonic() - self._written >= self.every:
            self.before()
            super().on_train_epoch_end(trainer, pl_module)
            self._written = time.monotonic()


def save_atomically(content: dict[str, Any], path: Path) -> None:
    """`torch.save` through memory and a temporary name.

    Nothing waits for the disk here: what is resumed from is checked before (`check_resumable`), and what counts as a
    result is synced before its record is written.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(buffer.getvalue())
    unfinished.replace(path)
