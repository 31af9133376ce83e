"""The history of a training, its best weights, and word of how far it is."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from lge_sweep.csv_files import csv_text
from lge_sweep.engine.checkpoints import save_atomically
from lge_sweep.engine.memory_peak import MemoryPeak
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


class _Pending(NamedTuple):
    """A step whose loss is not known here yet: it may still be computed, on a GPU."""

    step: int
    seconds: float
    loss: Tensor


class Recorder(Callback):
    """Write the history of a training, keep its best weights, and report how far it is.

    `memory`, if it is set, measures how much the training holds.

    With `keeps_last` the weights of the last validation are kept, whatever its loss: it follows the last step.

    The loss of a step is looked at when somebody is told of it: asking a GPU for it would wait for the step's end.

    Args:
        history: CSV file, one `Row` a step. Rewritten at each validation.
        best: file of the weights with the lowest validation loss, see `write_best`.
        steps_per_epoch: optimizer steps in one pass over the training subset.
        step_done: told of steps and validations.
    """

    def __init__(self, history: Path, best: Path, steps_per_epoch: int, step_done: StepCallback) -> None:
        """Start with nothing recorded."""
        self.history, self.best, self.steps_per_epoch, self.step_done = history, best, steps_per_epoch, step_done
        self.rows: list[Row] = []
        self.best_loss, self.best_step = float("inf"), 0
        self.keeps_last = False
        self.val_loss: float | None = None
        self.earlier_seconds = 0.0
        self.memory: MemoryPeak | None = None
        self._earlier_memory: float | None = None
        self._pending: list[_Pending] = []
        self._best_weights: dict[str, Tensor] | None = None
        self._started = self._reported = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions."""
        return self.earlier_seconds + time.monotonic() - self._started

    @property
    def memory_mb(self) -> float | None:
        """The most memory that the training has held, over all sessions, MB; None: not known."""
        known = [self._earlier_memory, None if self.memory is None else self.memory.megabytes()]
        return max((peak for peak in known if peak is not None), default=None)

    def facts(self) -> TrainingFacts:
        """Return plain facts about the finished training."""
        return TrainingFacts(
            steps=self.rows[-1].step if self.rows else 0,
            epochs=self.rows[-1].epoch if self.rows else 0,
            best_step=self.best_step,
            best_val_loss=self.best_loss,
        )

    def write_best(self) -> None:
        """Write the best weights, unless they are written; before each checkpoint, and when training has ended."""
        if self._best_weights is not None:
            save_atomically(self._best_weights, self.best)
            self._best_weights = None

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        best = {"best_loss": self.best_loss, "best_step": self.best_step}
        return {"step": self.rows[-1].step, **best, "memory_mb": self.memory_mb}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history where the checkpoint was made."""
        self.best_loss, self.best_step = state_dict["best_loss"], state_dict["best_step"]
        self._earlier_memory = state_dict.get("memory_mb")  # a checkpoint of before has none
        table = read_history(self.history)
        known = table[table["step"] <= state_dict["step"]].astype(object)
        self.rows = [Row(**row) for row in known.where(known.notna(), None).to_dict("records")]
        self.earlier_seconds = self.rows[-1].seconds
        self._started = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record one step."""
        self._pending.append(_Pending(trainer.global_step, self.seconds, outputs["loss"].detach()))
        due = time.monotonic() - self._reported >= REPORT_EVERY
        if due or self._pending[-1].loss.device.type == "cpu":
            self._settle()
        if due:
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
        self._settle()
        loss = float(trainer.callback_metrics["val/loss"])
        _check_finite("validation", loss, trainer.global_step)
        dice = float(trainer.callback_metrics["val/foreground_dice"])
        self.rows[-1] = self.rows[-1]._replace(val_loss=loss, val_dice=dice)
        self.val_loss = loss
        if loss < self.best_loss or self.keeps_last:
            self.best_loss, self.best_step = loss, self.rows[-1].step
            network = pl_module.network
            assert isinstance(network, torch.nn.Module)
            self._best_weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
        unfinished = self.history.with_suffix(".tmp")
        unfinished.write_text(csv_text(Row._fields, self.rows), encoding="utf-8")
        unfinished.replace(self.history)
        self.step_done(self.rows[-1], loss)

    def _settle(self) -> None:
        """Record the steps whose losses were not asked for yet.

        Raises:
            TrialError: a loss is not a finite number.
        """
        if not self._pending:
            return
        losses = torch.stack([step.loss for step in self._pending]).tolist()
        for step, loss in zip(self._pending, losses, strict=True):
            _check_finite("training", loss, step.step)
            self.rows.append(
                Row(step.step, (step.step - 1) // self.steps_per_epoch + 1, loss, None, None, step.seconds)
            )
        self._pending.clear()


def _check_finite(what: str, loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise TrialError(f"{what} loss became {loss} at step {step}; try a lower training.learning_rate")
