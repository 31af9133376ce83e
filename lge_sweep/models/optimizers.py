"""The optimizers (paper Table II and section III.H); L2 regularisation is coupled, as in MATLAB."""

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, Adam, Optimizer

from lge_sweep.choices import look_up
from lge_sweep.config.optimizers import OPTIMIZERS
from lge_sweep.config.registry import resolve
from lge_sweep.config.schema import Training

Parameters = Iterable[nn.Parameter]
OptimizerBuilder = Callable[[Parameters, Training], Optimizer]


def optimizer_builder(name: str) -> OptimizerBuilder:
    """Return what builds an optimizer, of the parameters that it changes and the training options.

    Raises:
        ConfigError: there is no such optimizer.
    """
    build: OptimizerBuilder = resolve(look_up("optimizer", name, OPTIMIZERS))
    return build


def adam(parameters: Parameters, training: Training) -> Optimizer:
    """Adam (Kingma and Ba 2015), all parameters in one kernel unless gradients are clipped (Lightning)."""
    fused = training.clip_norm is None
    return Adam(parameters, lr=training.learning_rate, weight_decay=training.weight_decay, fused=fused)


def sgdm(parameters: Parameters, training: Training) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    return SGD(parameters, lr=training.learning_rate, momentum=training.momentum, weight_decay=training.weight_decay)
