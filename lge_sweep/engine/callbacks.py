"""What happens around the steps of a training: speed them up, stop early, average the weights."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import EarlyStopping, WeightAveraging
from torch import Tensor
from torch.optim import Optimizer

from lge_sweep.models import Execution, Hardware, SegmentationModule

_PIECE = 2**16
"""Numbers that are averaged at a time on a CPU: three such pieces stay in its cache."""


class SpedUp(Callback):
    """Let the network compute its steps as was chosen, once it lies on its device with the weights it begins with.

    What the optimizer remembers of a weight is laid out as the weight: a checkpoint may be of a training in another
    memory format, and Adam in one kernel takes both number by number as they lie.
    """

    def __init__(self, execution: Execution, hardware: Hardware) -> None:
        """Take the choice."""
        self.execution, self.hardware = execution, hardware

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prepare network and optimizer."""
        assert isinstance(pl_module, SegmentationModule)
        for optimizer in trainer.optimizers:
            lay_out_as_weights(optimizer)
        self.execution.speed_up(pl_module, self.hardware)


def lay_out_as_weights(optimizer: Optimizer) -> None:
    """Order what an optimizer remembers of each weight in memory as the weight is; no number changes."""
    for weight, memory in optimizer.state.items():
        for name, value in memory.items():
            if isinstance(value, Tensor) and value.shape == weight.shape and value.stride() != weight.stride():
                memory[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


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
        super().__init__(device=device)
        self.decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep the number of updates on the CPU: a GPU's answer would have to be waited for, at every step."""
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            self._average_model.n_averaged = self._average_model.n_averaged.cpu()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Average weights and buffers after an optimizer step; the first is copied."""
        average = self._average_model
        assert average is not None
        if trainer.global_step <= self._latest_update_step:
            return
        means, currents = (
            [tensor.detach() for tensor in itertools.chain(module.parameters(), module.buffers())]
            for module in (average.module, pl_module)
        )
        updates = int(average.n_averaged)
        if updates == 0:
            torch._foreach_copy_(means, currents)
        else:
            move_towards(means, currents, 1 - min(self.decay, (1 + updates) / (10 + updates)))
        average.n_averaged += 1
        self._latest_update_step = trainer.global_step

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the current weights."""
        super().on_validation_epoch_end(trainer, pl_module)


def move_towards(means: Sequence[Tensor], currents: Sequence[Tensor], share: float) -> None:
    """Move tensors a share of the way to others, in place: ``mean + (current - mean) * share``.

    In this form, what does not change stays as it is. On a CPU it is done in pieces that stay in the cache, on a GPU in
    two launches: one, which rounds once less, and one for whole numbers, which are taken as they are.

    Args:
        means: what is moved.
        currents: as many, of the same shapes.
        share: 0 to 1.
    """
    together: list[tuple[Tensor, Tensor]] = []
    counts: list[tuple[Tensor, Tensor]] = []
    for mean, current in zip(means, currents, strict=True):
        if mean.is_cuda:
            (together if mean.is_floating_point() else counts).append((mean, current))
            continue
        for part, towards in _pieces(mean, current):
            part.copy_(part + (towards - part) * share)
    if together:
        torch._foreach_lerp_([mean for mean, _ in together], [current for _, current in together], share)
    if counts:
        torch._foreach_copy_([mean for mean, _ in counts], [current for _, current in counts])


def _pieces(mean: Tensor, current: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Part two tensors that lie alike in memory, and without holes; others are one piece."""
    if mean.numel() <= _PIECE or mean.stride() != current.stride() or not _is_dense(mean):
        return [(mean, current)]
    flat = (tensor.as_strided((tensor.numel(),), (1,)) for tensor in (mean, current))
    return list(zip(*(tensor.split(_PIECE) for tensor in flat), strict=True))


def _is_dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
