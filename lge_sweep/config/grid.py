"""The cells of a sweep: every combination of the grid's axes, in order."""

import itertools
from dataclasses import asdict, dataclass

from lge_sweep.config.schema import SweepConfig


@dataclass(frozen=True)
class Cell:
    """One point of a sweep's grid.

    Attributes:
        stage: 1 or 2.
        model: name of the architecture.
        loss: name of the loss.
        optimizer: name of the optimizer.
        seed: seed of initial weights, batches and augmentation.
    """

    stage: int
    model: str
    loss: str
    optimizer: str
    seed: int

    @property
    def name(self) -> str:
        """Unique within the sweep; a valid folder name. The seed is named where it is not 0."""
        return "-".join([self.model, self.loss, self.optimizer, *([f"seed{self.seed}"] if self.seed else [])])

    @property
    def configuration(self) -> str:
        """What seeds are repeats of: model, loss and optimizer."""
        return "-".join([self.model, self.loss, self.optimizer])

    @property
    def parameters(self) -> dict[str, str | int]:
        """The axes of the grid with this cell's values."""
        return {key: value for key, value in asdict(self).items() if key != "stage"}


def cells(config: SweepConfig) -> list[Cell]:
    """List the cells of a sweep in grid order: the last axis (seed) varies fastest."""
    grid = config.grid
    return [Cell(config.stage, *point) for point in itertools.product(grid.model, grid.loss, grid.optimizer, grid.seed)]


def short_names(config: SweepConfig) -> dict[str, str]:
    """Name each cell by the axes that vary in its sweep: `unet` in phase 1, `unet dice adam` in phase 2.

    Returns:
        Cell name -> short name, in grid order.
    """
    varying = _varying(config)
    return {
        cell.name: " ".join(f"seed {cell.seed}" if axis == "seed" else str(cell.parameters[axis]) for axis in varying)
        for cell in cells(config)
    }


def configurations(config: SweepConfig) -> dict[str, list[Cell]]:
    """Group the cells of a sweep by configuration; the cells of one differ in their seed alone."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells(config):
        groups.setdefault(cell.configuration, []).append(cell)
    return groups


def short_configurations(config: SweepConfig) -> dict[str, str]:
    """Name each configuration by the axes that vary: configuration -> short name."""
    varying = [axis for axis in _varying(config) if axis != "seed"] or ["model"]
    return {
        name: " ".join(str(group[0].parameters[axis]) for axis in varying)
        for name, group in configurations(config).items()
    }


def _varying(config: SweepConfig) -> list[str]:
    return [axis for axis, values in config.grid.model_dump().items() if len(values) > 1] or ["model"]
