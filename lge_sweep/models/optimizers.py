"""The optimizers by name (paper Table II and section III.H); L2 regularisation is coupled, as in MATLAB."""

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer

from lge_sweep.config.schema import Training

Parameters = Iterable[nn.Parameter]


def _adam(parameters: Parameters, training: Training) -> Optimizer:
    return Adam(parameters, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True)


def _sgdm(parameters: Parameters, training: Training) -> Optimizer:
    return SGD(parameters, lr=training.learning_rate, momentum=training.momentum, weight_decay=training.weight_decay)


OPTIMIZERS: dict[str, Callable[[Parameters, Training], Optimizer]] = {"adam": _adam, "sgdm": _sgdm}
