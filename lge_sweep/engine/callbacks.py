"""What happens around the steps of a training: record, keep the best, stop early, checkpoint."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, WeightAveraging
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from lge_sweep.csv_files import csv_text
from lge_sweep.errors import TrialError
from lge_sweep.study import TrainingFacts, read_history

REPORT_EVERY = 0.25
"""Seconds between two reports of a step."""


class Row(NamedTuple):
    """One step of a history: counted from 1, with the validation that followed it, if one did."""

    step: int
    epoch: int
    train_loss: float
    val_loss: float | None
    val_dice: float | None
    """Dice of all pixels of the validation subset, mean over the foreground classes."""
    seconds: float
    """Of training so far."""


StepCallback = Callable[[Row, float | None], None]
"""Called with a step, and the latest validation loss."""


class Patience(EarlyStopping):
    """Stop after `patience` validations without a lower loss; a tie counts as none (MATLAB's ValidationPatience)."""

    def __init__(self, patience: int) -> None:
        """Watch the validation loss."""
        super().__init__(
            "val/loss", patience=patience, min_delta=0.0, mode="min", check_on_train_epoch_end=False, check_finite=False
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once if the checkpoint resumed from had run out of patience."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class MovingAverage(WeightAveraging):
    """Exponential moving average of the weights, which is what is validated; it must come after the `Recorder`.

    After n updates the average keeps min(decay, (1 + n) / (10 + n)) of itself, so that it forgets the random weights
    that it began with. Lightning changes back to the current weights before the validation's loss is known; here that
    waits until the recorder has kept what was validated.
    """

    def __init__(self, decay: float, device: torch.device) -> None:
        """Average with this decay a step, 0 to 1, on the device that the network is trained on."""

        def average(means: Sequence[Tensor], currents: Sequence[Tensor], updates: Tensor | int) -> None:
            kept = min(decay, (1 + int(updates)) / (10 + int(updates)))
            for mean, current in zip(means, currents, strict=True):
                mean.copy_(mean + (current - mean) * (1 - kept))  # in this form, what does not change stays as it is

        super().__init__(device=device, multi_avg_fn=average)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the current weights."""
        super().on_validation_epoch_end(trainer, pl_module)


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


def make_checkpoints(path: Path) -> ModelCheckpoint:
    """Keep one checkpoint to resume from, rewritten after each validation."""
    return ModelCheckpoint(
        dirpath=path.parent,
        filename=path.stem,
        monitor=None,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


class Recorder(Callback):
    """Write the history of a training, keep its best weights, and report how far it is.

    Args:
        history: CSV file, one `Row` a step. Rewritten at each validation.
        best: file of the weights with the lowest validation loss.
        steps_per_epoch: optimizer steps in one pass over the training subset.
        step_done: told of steps and validations.
    """

    def __init__(self, history: Path, best: Path, steps_per_epoch: int, step_done: StepCallback) -> None:
        """Start with nothing recorded."""
        self.history, self.best, self.steps_per_epoch, self.step_done = history, best, steps_per_epoch, step_done
        self.rows: list[Row] = []
        self.best_loss, self.best_step = float("inf"), 0
        self.val_loss: float | None = None
        self.earlier_seconds = 0.0
        self._started = self._reported = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions."""
        return self.earlier_seconds + time.monotonic() - self._started

    def facts(self) -> TrainingFacts:
        """Return plain facts about the finished training."""
        return TrainingFacts(
            steps=self.rows[-1].step if self.rows else 0,
            epochs=self.rows[-1].epoch if self.rows else 0,
            best_step=self.best_step,
            best_val_loss=self.best_loss,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"step": self.rows[-1].step, "best_loss": self.best_loss, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history where the checkpoint was made."""
        self.best_loss, self.best_step = state_dict["best_loss"], state_dict["best_step"]
        table = read_history(self.history)
        known = table[table["step"] <= state_dict["step"]].astype(object)
        self.rows = [Row(**row) for row in known.where(known.notna(), None).to_dict("records")]
        self.earlier_seconds = self.rows[-1].seconds
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record one step."""
        step, loss = trainer.global_step, float(outputs["loss"].detach())
        self.rows.append(Row(step, (step - 1) // self.steps_per_epoch + 1, loss, None, None, self.seconds))
        if time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            self.step_done(self.rows[-1], self.val_loss)

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Say that work goes on."""
        self.heartbeat()

    def heartbeat(self) -> None:
        """Say that work goes on, although no step is being done; whoever listens tells it from a worker that hangs."""
        if self.rows and time.monotonic() - self._reported >= REPORT_EVERY:
            self._reported = time.monotonic()
            self.step_done(self.rows[-1]._replace(val_loss=None, val_dice=None), self.val_loss)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record one validation and keep the weights if they are the best so far."""
        loss = float(trainer.callback_metrics["val/loss"])
        if not torch.isfinite(torch.tensor(loss)):
            raise TrialError(
                f"validation loss became {loss} at step {trainer.global_step}; try a lower training.learning_rate"
            )
        dice = float(trainer.callback_metrics["val/foreground_dice"])
        self.rows[-1] = self.rows[-1]._replace(val_loss=loss, val_dice=dice)
        self.val_loss = loss
        if loss < self.best_loss:
            self.best_loss, self.best_step = loss, self.rows[-1].step
            network = pl_module.network
            assert isinstance(network, torch.nn.Module)
            save_weights(network, self.best)
        unfinished = self.history.with_suffix(".tmp")
        unfinished.write_text(csv_text(Row._fields, self.rows), encoding="utf-8")
        unfinished.replace(self.history)
        self.step_done(self.rows[-1], loss)


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Save a network's weights whole or not at all; a full disk is an OSError."""
    save_atomically(network.state_dict(), path)


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
