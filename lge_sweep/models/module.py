"""One Lightning module for every cell of every sweep."""

from collections.abc import Sequence
from functools import partial
from typing import Self

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics.segmentation import DiceScore

from lge_sweep.choices import look_up
from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES, MemoryFormat
from lge_sweep.config.schema import Training
from lge_sweep.labels import STAGES
from lge_sweep.models.architectures import build_network
from lge_sweep.models.head import begin_at_shares
from lge_sweep.models.losses import LossInputs, build_loss
from lge_sweep.models.optimizers import optimizer_builder
from lge_sweep.models.weights import load_encoder
from lge_sweep.seeding import derive_seed

MEMORY_FORMATS: dict[MemoryFormat, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}


class SegmentationModule(LightningModule):
    """A network, its loss and its optimizer.

    Shape:
        Input uint8 [B, 3, H, W] in 0-255; output class scores [B, K, H, W], K the classes of the stage.
    """

    def __init__(self, cell: Cell, training: Training, class_weights: Sequence[float] | None = None) -> None:
        """Build the network of a cell with random weights that depend on its seed alone.

        Args:
            cell: model, loss, optimizer, seed, stage.
            training: the profile's options.
            class_weights: a weight a class, for a balanced loss and for where scores begin; None: all alike.

        Raises:
            ConfigError: the cell names an unknown model, loss or optimizer.
        """
        super().__init__()
        classes = len(STAGES[cell.stage])
        self.cell, self.options = cell, training
        architecture = look_up("model", cell.model, ARCHITECTURES)
        self.memory_format: MemoryFormat = architecture.memory_formats[0]
        self.total_steps: int | None = None
        self.loss = build_loss(cell.loss, LossInputs(training.loss, classes, class_weights))
        self.optimizer = optimizer_builder(cell.optimizer)
        torch.manual_seed(derive_seed(cell.seed, "weights"))
        self.network = build_network(cell.model, classes, training.width)
        if class_weights is not None:
            begin_at_shares(self.network, cell, class_weights)
        self.overlap = DiceScore(classes, include_background=False, aggregation_level="global", input_format="index")
        mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in architecture.normalisation)
        self.register_buffer("mean", mean * 255, persistent=False)
        self.register_buffer("deviation", deviation * 255, persistent=False)

    def lay_out(self, memory_format: MemoryFormat) -> Self:
        """Change the order of the numbers in memory, of weights and of what is computed."""
        self.memory_format = memory_format
        return self.to(memory_format=MEMORY_FORMATS[memory_format])

    def forward(self, image: Tensor) -> Tensor:
        """Return class scores; whatever speeds up training steps is for them alone."""
        network = self.network if self.training else self.network.forward
        scores: Tensor = network(self.normalised(image))
        return scores.float()

    def normalised(self, image: Tensor) -> Tensor:
        """Return what the network sees, float32, as its encoder was trained."""
        assert isinstance(self.mean, Tensor)
        assert isinstance(self.deviation, Tensor)
        x = (image - self.mean) / self.deviation
        if self.device.type in {"cpu", "cuda"}:
            x = x.contiguous(memory_format=MEMORY_FORMATS[self.memory_format])
        return x

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        # Dropout is a function of seed and step, so that a resumed training draws what it would have drawn.
        torch.manual_seed(derive_seed(self.cell.seed, "dropout", self.global_step))
        scores = self(batch["image"])
        if scores.ndim == 4:
            loss: Tensor = self.loss(scores, batch["target"])
            return loss
        # scores of several depths [B, D, K, H, W], the last one's first: each counts half of the one before it
        weights = [0.5**depth for depth in range(scores.shape[1])]
        losses = [weight * self.loss(scores[:, depth], batch["target"]) for depth, weight in enumerate(weights)]
        return torch.stack(losses).sum() / sum(weights)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Log the loss, averaged over slices, and the Dice of all slices' pixels, averaged over foreground classes."""
        scores = self(batch["image"])
        self.log("val/loss", self.loss(scores, batch["target"]), on_epoch=True, batch_size=len(batch["image"]))
        self.overlap.update(scores.argmax(dim=1), batch["target"])

    def on_validation_epoch_end(self) -> None:
        """Log the foreground Dice; unlike the losses it compares between cells of different losses."""
        self.log("val/foreground_dice", self.overlap.compute())
        self.overlap.reset()

    def build_optimizer(self) -> Optimizer:
        """Return the cell's optimizer."""
        return self.optimizer(self.network.parameters(), self.options)

    def configure_optimizers(self) -> Optimizer | OptimizerLRSchedulerConfig:
        """Return the cell's optimizer and, where its learning rate changes from step to step, how."""
        optimizer = self.build_optimizer()
        if self.options.learning_rate_schedule == "constant" and not self.options.warmup_steps:
            return optimizer
        schedule = LambdaLR(optimizer, partial(rate_factor, self.options, self.total_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @torch.inference_mode()
    def predict_classes(self, image: Tensor) -> Tensor:
        """Return the most probable class of each pixel, uint8 [B, H, W]."""
        scores: Tensor = self(image.to(self.device))
        return scores.argmax(dim=1).to(torch.uint8)


def rate_factor(training: Training, total_steps: int | None, step: int) -> float:
    """Return by what the learning rate of a step is multiplied, 0 to 1.

    Args:
        training: schedule and warm-up.
        total_steps: of the training; needed where the rate falls.
        step: optimizer steps that were done.

    Source:
        Chen et al., TPAMI 2018 (DeepLab), "poly" with the power .9, as nnU-Net (Isensee et al. 2021) has it.

    >>> options = Training(learning_rate_schedule="poly", warmup_steps=4)
    >>> [round(rate_factor(options, 10, step), 3) for step in (0, 3, 9)]
    [0.2, 0.58, 0.126]
    """
    warm: float = min(1.0, (step + 1) / (training.warmup_steps + 1)) if training.warmup_steps else 1.0
    if training.learning_rate_schedule == "constant":
        return warm
    assert total_steps is not None
    return warm * float(max(0.0, 1 - step / total_steps) ** 0.9)


def build_module(
    cell: Cell, training: Training, pretrained: bool = True, class_weights: Sequence[float] | None = None
) -> SegmentationModule:
    """Build the module of a cell.

    Args:
        cell: model, loss, optimizer, seed, stage.
        training: the profile's options.
        pretrained: load `training.encoder_weights`; not needed before a checkpoint is loaded.
        class_weights: a weight a class, for a balanced loss and for where scores begin; None: all alike.

    Raises:
        ConfigError: the cell names something unknown.
        WeightsError: the encoder's weights cannot be had or do not fit.
    """
    module = SegmentationModule(cell, training, class_weights)
    if pretrained:
        load_encoder(module.network, cell.model, training.encoder_weights, training.width)
    return module.lay_out(module.memory_format)
