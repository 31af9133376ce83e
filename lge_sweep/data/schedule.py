"""How many steps a training has, and when it validates; knows no torch."""

import math
from dataclasses import dataclass

from lge_sweep.config.schema import Training
from lge_sweep.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """How many optimizer steps a training has, and when it validates.

    Attributes:
        steps_per_epoch: whole batches in the training subset.
        total_steps: optimizer steps if nothing stops training early.
        interval: steps between two validations; the last interval may be shorter.
    """

    steps_per_epoch: int
    total_steps: int
    interval: int

    @property
    def intervals(self) -> int:
        """Number of validations."""
        return math.ceil(self.total_steps / self.interval)

    def steps(self, interval: int) -> range:
        """Return the optimizer steps of one interval, counted from 0."""
        return range(interval * self.interval, min((interval + 1) * self.interval, self.total_steps))


def make_schedule(slices: int, training: Training) -> Schedule:
    """Work out the schedule of a training.

    Args:
        slices: size of the training subset.
        training: batch size, epochs, validation interval.

    Raises:
        ConfigError: the training subset does not fill one batch.
    """
    per_epoch = slices // training.batch_size
    if per_epoch == 0:
        raise ConfigError(
            f"training.batch_size: the training subset has {slices} slices, fewer than one batch of "
            f"{training.batch_size}; lower the batch size or add data"
        )
    total = min(training.max_epochs * per_epoch, training.max_steps or math.inf)
    return Schedule(per_epoch, int(total), training.validation_every)
