"""Plan the networks of the pipelines past the paper: one a pipeline, fold and seed; of a cascade, two.

Their folds are of all training and validation cases, so that pipelines can be compared on every one of these, each
labelled by networks that never saw it, stage 1's on validation cases excepted: those it was selected on. The paper's
own pipeline is among them, to be compared with.

A network that stops early by a validation loss takes the next fold's cases for that, and is trained on the others
without them; one that is trained to the end is trained on all others. The cavity that tells a network where to look is
stage 1's, as in the fits of stage 2: out of fold for training cases, the champion's for validation cases. The second
network of a cascade is trained, and as a cell measured, on the true wall; as a part of the cascade it is measured on
the wall that the first network of its fold and seed finds. Neither of the two saw the fold's cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import CaseNumbers, Mask, Pixels8
from lge_sweep.config import Cell, SweepConfig
from lge_sweep.config.pipelines import PAPER, Cleaning, Pipeline, TrainingChanges, Window
from lge_sweep.config.schema import Fit, Training
from lge_sweep.data import (
    NEIGHBOURS,
    REPEATED,
    Arrays,
    class_weights,
    load_arrays,
    make_schedule,
    store_arrays,
    to_8_bit,
)
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.labels import SINGLE_STAGE, WALL
from lge_sweep.pipeline.champions import Champion
from lge_sweep.pipeline.exams import OUT_OF_FOLD, SUBSETS, group_exams, out_of_fold_rows
from lge_sweep.pipeline.folds import assign_folds
from lge_sweep.pipeline.parts import member_names, parts_of
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter import cut_image, cut_labels, place_window
from lge_sweep.study import (
    CellInputs,
    CellSet,
    Plan,
    PreparedData,
    cases_without_spacing,
    plan_sweep,
)


def compositions(fit: Fit) -> dict[str, Pipeline]:
    """Return the pipelines that are compared out of fold, the paper's first; none where none is asked for."""
    return {PAPER: Pipeline(), **fit.pipelines} if fit.pipelines else {}


_FINDS = {
    "wall": "two stages",
    "everything": "finds everything at once",
    "wall_then_scar": "finds cavity and wall, then scar in that wall",
}


def describe_pipeline(pipeline: Pipeline) -> str:
    """Say in words what a pipeline is."""
    words = [_FINDS[pipeline.finds]]
    if pipeline.finds == "wall" and not pipeline.guided:
        words.append("no guidance")
    if pipeline.window is not None:
        side = f"{pipeline.window.pixels} pixels" if pipeline.window.pixels else f"{pipeline.window.mm:g} mm"
        words.append(f"a square of {side} around the heart")
    words += ["neighbouring slices"] * pipeline.neighbours
    words += [pipeline.model] if pipeline.model else []
    words += _describe_changes(pipeline.training)
    words += [f"for scar {change}" for change in _describe_changes(pipeline.scar_training)]
    words += [f"{pipeline.seeds} seeds a fold"] if pipeline.seeds > 1 else []
    words += [f"mean of {pipeline.symmetries} views"] if pipeline.symmetries > 1 else []
    return ", ".join(words)


def _describe_changes(training: TrainingChanges) -> list[str]:
    return [f"{name.replace('_', ' ')} {value}" for name, value in training.given.items()]


def describe_cleaning(cleaning: Cleaning) -> str:
    """Say in words what cleans up an exam's labels.

    >>> describe_cleaning(Cleaning(largest_heart=True, least_scar_share=0.02))
    'the largest piece of the heart, scar of at least 2 % of the wall'
    >>> describe_cleaning(Cleaning())
    'nothing'
    """
    words = ["the largest piece of the heart"] * cleaning.largest_heart
    words += ["scar that touches the heart"] * cleaning.confine_scar
    words += [f"pieces of scar of at least {cleaning.least_scar_pixels} pixels"] * bool(cleaning.least_scar_pixels)
    words += [f"scar of at least {100 * cleaning.least_scar_share:g} % of the wall"] * bool(cleaning.least_scar_share)
    return ", ".join(words) or "nothing"


def fold_rows(config: SweepConfig, manifest: pd.DataFrame) -> list[list[int]]:
    """Return the rows of each fold's slices, in the order of the manifest.

    Raises:
        DataError: there are fewer cases than folds.
    """
    folds = config.fitting.folds
    assigned = assign_folds(manifest, folds, config.split.seed, SUBSETS)
    rows = out_of_fold_rows(manifest)
    return [[row for row in rows if assigned[manifest["case"].iloc[row]] == fold] for fold in range(folds)]


@dataclass(frozen=True)
class _Shown:
    """What networks see.

    Attributes:
        arrays: folder of the arrays.
        shares: as of `CellInputs`.
    """

    arrays: Path
    shares: list[tuple[float, float]] | None = None


@dataclass(frozen=True)
class _Maker:
    """Makes what the pipelines' networks see."""

    config: SweepConfig
    data: PreparedData
    guidance: Mask
    cache: Path
    _cut: dict[Window, _Shown] = field(default_factory=dict)

    def inputs(self, network: Pipeline) -> _Shown:
        """Return what a network sees: one of `parts_of`."""
        whole = load_arrays(self.data.arrays)
        if network.finds == "wall":
            guidance = self.guidance if network.guided else np.zeros_like(self.guidance)
            return _Shown(store_arrays(replace(whole, refined=guidance), self.cache))
        shown = _Shown(self.data.arrays)
        if network.window is not None:
            if network.window not in self._cut:
                self._cut[network.window] = self._windows(network.window, whole.cases)
            shown = self._cut[network.window]
        if network.finds == "everything":
            return shown
        seen = load_arrays(shown.arrays)
        return replace(shown, arrays=store_arrays(replace(seen, refined=np.isin(seen.labels, WALL)), self.cache))

    def _windows(self, window: Window, cases: CaseNumbers) -> _Shown:
        manifest = self.data.manifest
        size, count = window.rows, len(manifest)
        images, labels = (np.zeros((count, size, size), dtype=np.uint8) for _ in range(2))
        shares = [(1.0, 1.0)] * count
        for exam in group_exams(manifest, out_of_fold_rows(manifest)):
            square = place_window(self.guidance[list(exam.rows)], exam.size, window, exam.pixel_mm)
            for row in exam.rows:
                image: Pixels8 = to_8_bit(self.data.images[row], self.config.intensity)
                images[row] = cut_image(image, square, size)
                labels[row] = cut_labels(self.data.labels[row], square, size)
                shares[row] = (square.rows / exam.size[0], square.columns / exam.size[1])
        arrays = Arrays(images, labels, np.zeros_like(images, dtype=np.bool_), cases)
        return _Shown(store_arrays(arrays, self.cache), shares)


def network_training(config: SweepConfig, network: Pipeline) -> Training:
    """Return how a network, one of `parts_of`, is trained."""
    changes = network.training.given
    if network.window is not None:
        changes["image_size"] = network.window.rows
    training = Training.model_validate({**dict(config.fitting.stage2_training(config.training)), **changes})
    most = [steps for steps in (training.max_steps, config.fitting.pipeline_steps) if steps is not None]
    return training.model_copy(update={"max_steps": min(most, default=None)})


def plan_pipelines(
    config: SweepConfig, data: PreparedData, runs: Path, champions: Mapping[int, Champion], guidance: Mask
) -> Plan | None:
    """Plan the networks of all pipelines that are compared out of fold; None where none is asked for.

    Args:
        config: settings of phase 3, stage 2.
        data: the data.
        runs: the runs directory.
        champions: what phase 2 selected for each stage.
        guidance: [N, S, S], the cavity as `gather_cavity` gives it, refined.

    Raises:
        DataError: there are fewer cases than folds, or a window is in mm and the spacing of a slice not known.
        ConfigError: the cases of some fold do not fill one batch, or there are too few folds.
    """
    chosen = compositions(config.fitting)
    if not chosen:
        return None
    _check_spacing(config, data.manifest)
    _check_folds(config, chosen)
    maker, folds = _Maker(config, data, guidance, RunStore(runs).cache), fold_rows(config, data.manifest)
    inputs: dict[str, CellInputs] = {}
    cells: list[Cell] = []
    for name, pipeline in chosen.items():
        for part, network in enumerate(parts_of(pipeline)):
            shown = maker.inputs(network)
            labels, training = load_arrays(shown.arrays).labels, network_training(config, network)
            offsets = NEIGHBOURS if network.neighbours else REPEATED
            for fold, mine in enumerate(folds):
                others = _others(folds, fold, training.keep == "best")
                make_schedule(len(others["train"]), training)
                weights = class_weights(labels[others["train"]], _stage_of_network(network))
                rows = {**others, OUT_OF_FOLD: mine}
                seen = CellInputs(shown.arrays, rows, OUT_OF_FOLD, weights, training, shown.shares, offsets)
                for seed in range(network.seeds):
                    cell = _cell(champions[2].cell, network, member_names(chosen, name, fold, seed)[part], seed)
                    if cell.name not in inputs:  # pipelines may share networks
                        inputs[cell.name] = seen
                        cells.append(cell)
    builds_on, notes = ("pipelines", champions[1].digest), _notes(chosen)
    return plan_sweep(config, data, runs, CellSet(tuple(cells), inputs, notes, builds_on))


def _notes(chosen: Mapping[str, Pipeline]) -> tuple[str, ...]:
    """Say what the networks of pipelines are, and on what they are measured."""
    notes = [
        f"networks of the pipelines {', '.join(chosen)}, one a fold and seed, each measured on cases that it never saw"
    ]
    if cascades := [name for name, pipeline in chosen.items() if len(parts_of(pipeline)) > 1]:
        notes.append(
            f"a second network a fold and seed, for scar alone, of {', '.join(cascades)}: by itself measured in the "
            "true wall, as a part of its pipeline in the wall that the first network finds"
        )
    return tuple(notes)


def _others(folds: Sequence[Sequence[int]], fold: int, stops: bool) -> dict[str, list[int]]:
    """Return what the networks of a fold are trained on, and what they stop by, if they do; else it decides nothing."""
    held = (fold + 1) % len(folds) if stops else fold
    train = sorted(row for number, rows in enumerate(folds) if number not in (fold, held) for row in rows)
    return {"train": train, "val": list(folds[held])}


def _cell(champion: Cell, network: Pipeline, name: str, seed: int) -> Cell:
    """Return the cell of a network: what phase 2 selected for stage 2, but for what the pipeline says."""
    own = {axis: getattr(network, axis) for axis in ("model", "loss", "optimizer")}
    return replace(
        champion,
        **{axis: value for axis, value in own.items() if value is not None},
        stage=_stage_of_network(network),
        seed=champion.seed + seed,
        variant=name,
        trial=None,
        drawn=(),
    )


def stage_of(pipeline: Pipeline) -> int:
    """Return the stage whose classes a pipeline's probabilities tell apart: its first network's."""
    return _stage_of_network(parts_of(pipeline)[0])


def _stage_of_network(network: Pipeline) -> int:
    """Return the stage whose classes a network, one of `parts_of`, tells apart."""
    return SINGLE_STAGE if network.finds == "everything" else 2


def _check_folds(config: SweepConfig, chosen: Mapping[str, Pipeline]) -> None:
    """Refuse two folds where a network stops early: one is measured, one stopped by, and none is left to train on."""
    networks = [(name, network) for name, pipeline in chosen.items() for network in parts_of(pipeline)]
    stopping = [name for name, network in networks if network_training(config, network).keep == "best"]
    if stopping and config.fitting.folds < 3:
        raise ConfigError(
            f"fit.folds: must be at least 3 where networks of pipelines stop early, as those of {stopping[0]} do; got "
            f"{config.fitting.folds}"
        )


def _check_spacing(config: SweepConfig, manifest: pd.DataFrame) -> None:
    """Refuse a window in mm where there is a slice whose spacing is not known."""
    unknown = cases_without_spacing(manifest)
    for name, pipeline in config.fitting.pipelines.items():
        if unknown and pipeline.window is not None and pipeline.window.mm is not None:
            raise DataError(
                config.data,
                [
                    f"fit.pipelines.{name}.window.mm needs the size of the pixels, which is not known of "
                    f"{len(unknown)} case(s), such as {min(unknown)}; give window.pixels instead"
                ],
            )
