"""Plan the networks of the pipelines past the paper: one a pipeline, fold and seed.

Their folds are of all training and validation cases, so that pipelines can be compared on every one of these, each
labelled by networks that never saw it. The paper's own pipeline is among them, to be compared with.

A network that stops early by a validation loss takes the next fold's cases for that, and is trained on the others
without them; one that is trained to the end is trained on all others. The cavity that tells a network where to look is
stage 1's, as in the fits of stage 2: out of fold for training cases, the champion's for validation cases.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import CaseNumbers, Mask, Pixels8
from lge_sweep.config import Cell, SweepConfig
from lge_sweep.config.pipelines import PAPER, Cleaning, Pipeline
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
from lge_sweep.labels import SINGLE_STAGE
from lge_sweep.pipeline.champions import Champion
from lge_sweep.pipeline.exams import OUT_OF_FOLD, SUBSETS, group_exams, out_of_fold_rows
from lge_sweep.pipeline.folds import assign_folds
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


def describe_pipeline(pipeline: Pipeline) -> str:
    """Say in words what a pipeline is."""
    words = ["finds everything at once" if pipeline.finds == "everything" else "two stages"]
    if pipeline.finds == "wall" and not pipeline.guided:
        words.append("no guidance")
    if pipeline.window is not None:
        side = f"{pipeline.window.pixels} pixels" if pipeline.window.pixels else f"{pipeline.window.mm:g} mm"
        words.append(f"a square of {side} around the heart")
    words += ["neighbouring slices"] * pipeline.neighbours
    words += [pipeline.model] if pipeline.model else []
    words += [f"{name.replace('_', ' ')} {value}" for name, value in pipeline.training if value is not None]
    words += [f"{pipeline.seeds} seeds a fold"] if pipeline.seeds > 1 else []
    words += [f"mean of {pipeline.symmetries} views"] if pipeline.symmetries > 1 else []
    return ", ".join(words)


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


def cell_name(name: str, pipeline: Pipeline, fold: int, seed: int) -> str:
    """Return the name of a network's cell; it has a digest of what decides the network, and of nothing else.

    Args:
        name: of the pipeline.
        pipeline: what it is.
        fold: which cases it never saw, counted from 0.
        seed: counted from 0.
    """
    own = pipeline.model_dump_json(exclude={"seeds", "symmetries", "cleaning"}, exclude_defaults=True)
    return f"{name}-{hashlib.sha256(own.encode()).hexdigest()[:6]}-fold{fold + 1}-seed{seed}"


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
class _Maker:
    """Makes what the pipelines' networks see."""

    config: SweepConfig
    data: PreparedData
    guidance: Mask
    cache: Path

    def inputs(self, pipeline: Pipeline) -> tuple[Path, list[tuple[float, float]] | None]:
        """Return the folder of the arrays that a pipeline's networks see, and what share of the slices these show."""
        whole = load_arrays(self.data.arrays)
        if pipeline.finds == "wall":
            guidance = self.guidance if pipeline.guided else np.zeros_like(self.guidance)
            return store_arrays(replace(whole, refined=guidance), self.cache), None
        if pipeline.window is None:
            return self.data.arrays, None
        return self._windows(pipeline, whole.cases)

    def _windows(self, pipeline: Pipeline, cases: CaseNumbers) -> tuple[Path, list[tuple[float, float]]]:
        window, manifest = pipeline.window, self.data.manifest
        assert window is not None
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
        return store_arrays(arrays, self.cache), shares


def network_training(config: SweepConfig, pipeline: Pipeline) -> Training:
    """Return how a pipeline's networks are trained."""
    changes = {name: value for name, value in pipeline.training if value is not None}
    if pipeline.window is not None:
        changes["image_size"] = pipeline.window.rows
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
        folder, shares = maker.inputs(pipeline)
        labels, training = load_arrays(folder).labels, network_training(config, pipeline)
        offsets = NEIGHBOURS if pipeline.neighbours else REPEATED
        for fold, mine in enumerate(folds):
            others = _others(folds, fold, training.keep == "best")
            make_schedule(len(others["train"]), training)
            weights = class_weights(labels[others["train"]], stage_of(pipeline))
            rows = {**others, OUT_OF_FOLD: mine}
            seen = CellInputs(folder, rows, OUT_OF_FOLD, weights, training, shares, offsets)
            for seed in range(pipeline.seeds):
                cell = _cell(champions[2].cell, pipeline, cell_name(name, pipeline, fold, seed), seed)
                inputs[cell.name] = seen
                cells.append(cell)
    builds_on = ("pipelines", champions[1].digest)
    notes = (
        f"networks of the pipelines {', '.join(chosen)}, one a fold and seed, each measured on cases that it never saw",
    )
    return plan_sweep(config, data, runs, CellSet(tuple(cells), inputs, notes, builds_on))


def _others(folds: Sequence[Sequence[int]], fold: int, stops: bool) -> dict[str, list[int]]:
    """Return what the networks of a fold are trained on, and what they stop by, if they do; else it decides nothing."""
    held = (fold + 1) % len(folds) if stops else fold
    train = sorted(row for number, rows in enumerate(folds) if number not in (fold, held) for row in rows)
    return {"train": train, "val": list(folds[held])}


def _cell(champion: Cell, pipeline: Pipeline, name: str, seed: int) -> Cell:
    """Return the cell of a network: what phase 2 selected for stage 2, but for what the pipeline says."""
    own = {axis: getattr(pipeline, axis) for axis in ("model", "loss", "optimizer")}
    return replace(
        champion,
        **{axis: value for axis, value in own.items() if value is not None},
        stage=stage_of(pipeline),
        seed=champion.seed + seed,
        variant=name,
        trial=None,
        drawn=(),
    )


def stage_of(pipeline: Pipeline) -> int:
    """Return the stage whose classes a pipeline's networks tell apart."""
    return SINGLE_STAGE if pipeline.finds == "everything" else 2


def _check_folds(config: SweepConfig, chosen: Mapping[str, Pipeline]) -> None:
    """Refuse two folds where a network stops early: one is measured, one stopped by, and none is left to train on."""
    stopping = [name for name, pipeline in chosen.items() if network_training(config, pipeline).keep == "best"]
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
