"""The cells of a sweep: every combination of the grid's axes, in order, or what a search draws."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from lge_sweep.config.losses import SEARCHED
from lge_sweep.config.schema import SweepConfig, Training

AXES = ("model", "loss", "optimizer", "seed")


@dataclass(frozen=True)
class Cell:
    """One point of a sweep's grid, or of a search.

    Attributes:
        stage: 1, 2 or `lge_sweep.labels.SINGLE_STAGE`.
        model: name of the architecture.
        loss: name of the loss.
        optimizer: name of the optimizer.
        seed: seed of initial weights, batches and augmentation.
        variant: what sets it apart from another of the same configuration, in phase 3 (a fold, a kind of guidance).
        trial: number of the trial that drew it, in a search.
        drawn: training options that a search drew, name and value.
    """

    stage: int
    model: str
    loss: str
    optimizer: str
    seed: int
    variant: str = ""
    trial: int | None = None
    drawn: tuple[tuple[str, int | float], ...] = ()

    @property
    def name(self) -> str:
        """Unique within the sweep; a valid folder name. The seed is named where it is not 0."""
        if self.trial is not None:
            return f"trial{self.trial:04d}"
        if self.variant:
            return self.variant
        return "-".join([self.model, self.loss, self.optimizer, *([f"seed{self.seed}"] if self.seed else [])])

    @property
    def configuration(self) -> str:
        """What seeds are repeats of: model, loss and optimizer; in a search and in phase 3 each cell is its own."""
        alone = self.trial is not None or self.variant
        return self.name if alone else "-".join([self.model, self.loss, self.optimizer])

    @property
    def parameters(self) -> dict[str, str | int | float]:
        """The axes of the grid, and what was drawn, with this cell's values."""
        variant = {"variant": self.variant} if self.variant else {}
        return {axis: getattr(self, axis) for axis in AXES} | variant | dict(self.drawn)

    def training(self, common: Training) -> Training:
        """Return a sweep's training options with those that were drawn for this cell."""
        drawn = self._drawn_options()
        loss = common.loss.model_copy(update=drawn["training.loss"])
        return common.model_copy(update={**drawn["training"], "loss": loss})

    @property
    def settings(self) -> list[str]:
        """`KEY=VALUE` settings that make a grid of this cell alone, with the training options drawn for it."""
        axes = [f"grid.{axis}=[{getattr(self, axis)}]" for axis in AXES]
        for place, options in self._drawn_options().items():
            axes += [f"{place}.{option}={number!r}" for option, number in options.items()]
        return axes

    def _drawn_options(self) -> dict[str, dict[str, int | float]]:
        """Return what was drawn, by its place among the settings: option -> number."""
        options: dict[str, dict[str, int | float]] = {"training": {}, "training.loss": {}}
        for name, value in self.drawn:
            if name in SEARCHED:
                options["training.loss"] |= SEARCHED[name](value)
            else:
                options["training"][name] = value
        return options


def cells(config: SweepConfig) -> list[Cell]:
    """List the cells of a sweep in grid order: the last axis (seed) varies fastest. A search has none yet."""
    if config.search is not None:
        return []
    grid = config.grid
    return [Cell(config.stage, *point) for point in itertools.product(grid.model, grid.loss, grid.optimizer, grid.seed)]


def short_names(chosen: Sequence[Cell]) -> dict[str, str]:
    """Name each cell by the axes that vary among them: `unet` in phase 1, `unet dice adam` in phase 2.

    Returns:
        Cell name -> short name, in order.
    """
    varying = _varying(chosen)
    return {
        cell.name: _describe(cell, [f"seed {cell.seed}" if axis == "seed" else getattr(cell, axis) for axis in varying])
        for cell in chosen
    }


def configurations(chosen: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Group cells by configuration; the cells of one differ in their seed alone."""
    groups: dict[str, list[Cell]] = {}
    for cell in chosen:
        groups.setdefault(cell.configuration, []).append(cell)
    return groups


def short_configurations(chosen: Sequence[Cell]) -> dict[str, str]:
    """Name each configuration by the axes that vary: configuration -> short name."""
    varying = [axis for axis in _varying(chosen) if axis != "seed"] or ["model"]
    return {
        name: _describe(group[0], [getattr(group[0], axis) for axis in varying])
        for name, group in configurations(chosen).items()
    }


def _describe(cell: Cell, words: Sequence[str]) -> str:
    if cell.variant:
        return cell.variant
    return " ".join([*([] if cell.trial is None else [f"#{cell.trial}"]), *words])


def _varying(chosen: Sequence[Cell]) -> list[str]:
    if any(cell.trial is not None for cell in chosen):
        return ["model", "loss", "optimizer"]
    return [axis for axis in AXES if len({getattr(cell, axis) for cell in chosen}) > 1] or ["model"]
