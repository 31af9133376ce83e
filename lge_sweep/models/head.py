"""Where the class scores of a network begin."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.losses import LOSSES

RAREST = 1e-4
"""Least share of the pixels that a class is taken to have."""


def begin_at_shares(network: nn.Module, cell: Cell, class_weights: Sequence[float]) -> None:
    """Set the biases of a slow head to the classes' shares of the pixels.

    Scores that begin at 0 call half of the image cavity. Until they have fallen, every pixel pulls every layer the same
    way, and what tells one pixel from another is lost in that pull. They fall by the learning rate times the head's
    inputs a step: 64 of about 1/2 for U-Net. A balanced loss wants all classes alike, where scores begin anyway.

    Args:
        network: as `build_network` built it.
        cell: its architecture and loss.
        class_weights: a weight a class, as `class_weights` of the training subset returns it.

    Source:
        Lin et al., ICCV 2017 (focal loss), section 3.3, begin a rare class at its share.
    """
    name = ARCHITECTURES[cell.model].slow_head
    if name is None or LOSSES[cell.loss].balanced:
        return
    bias = network.get_submodule(name).get_parameter("bias")
    with torch.no_grad():
        bias.copy_(class_shares(class_weights).log())


def class_shares(class_weights: Sequence[float]) -> Tensor:
    """Return the classes' shares of the pixels, which their median-frequency weights are the inverse of.

    Frequencies are of the slices that have the class, so that a class which many lack, as scar, is given a little more.

    Args:
        class_weights: a weight a class; 0 where the class has no pixel.

    Returns:
        [K], each at least `RAREST`, in all 1 before that.

    >>> class_shares((0.5, 9.5))
    tensor([0.9500, 0.0500])
    """
    frequency = torch.tensor([1 / weight if weight else 0.0 for weight in class_weights])
    return (frequency / frequency.sum()).clamp(min=RAREST)
