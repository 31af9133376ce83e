"""Out-of-fold stage-1 networks: for each training case one that never saw it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lge_sweep.arrays import Mask
from lge_sweep.config import Cell, SweepConfig
from lge_sweep.data import class_weights, load_arrays, make_schedule
from lge_sweep.errors import DataError
from lge_sweep.pipeline.champions import Champion
from lge_sweep.pipeline.exams import OUT_OF_FOLD
from lge_sweep.seeding import derive_seed
from lge_sweep.study import CellInputs, CellSet, Plan, PreparedData, plan_sweep, read_predictions


def assign_folds(manifest: pd.DataFrame, folds: int, seed: int, subsets: Sequence[str] = ("train",)) -> dict[str, int]:
    """Deal the cases of the training subset to folds of (almost) equal numbers of cases with and without scar.

    Args:
        manifest: one row a slice: `case`, `subset`, `has_scar`.
        folds: how many, >= 2.
        seed: the draw.
        subsets: whose cases are dealt.

    Returns:
        Case -> fold, 0 to folds - 1; every fold has at least one case.

    Raises:
        DataError: there are fewer training cases than folds.

    >>> table = pd.DataFrame({"case": list("abcd"), "subset": "train", "has_scar": [True, False, True, False]})
    >>> sorted(assign_folds(table, 2, seed=0).values())
    [0, 0, 1, 1]
    """
    has_scar = manifest[manifest["subset"].isin(subsets)].groupby("case", sort=True)["has_scar"].any()
    if len(has_scar) < folds:
        raise DataError(
            "training subset" if tuple(subsets) == ("train",) else "training and validation subsets",
            [f"has {len(has_scar)} cases, which cannot be dealt to {folds} folds; set fit.folds to at most that many"],
        )
    rng = np.random.default_rng(derive_seed(seed, "folds"))
    order = [
        str(case) for flag in (True, False) for case in rng.permutation(has_scar.index[has_scar == flag].to_numpy())
    ]
    return {case: place % folds for place, case in enumerate(order)}


def plan_folds(config: SweepConfig, data: PreparedData, runs: Path, champion: Cell) -> Plan:
    """Plan one training of stage 1 a fold: trained on the other folds' cases, measured on its own.

    All stop by the validation subset, as every network of the study does.

    Args:
        config: settings of phase 3, stage 1.
        data: the data.
        runs: the runs directory.
        champion: what phase 2 selected for stage 1.

    Raises:
        DataError: there are fewer training cases than folds.
        ConfigError: the training cases of some fold do not fill one batch.
    """
    assigned = assign_folds(data.manifest, config.fitting.folds, config.split.seed)
    cases, labels = data.manifest["case"].tolist(), load_arrays(data.arrays).labels
    inputs, chosen = {}, []
    for fold in range(config.fitting.folds):
        cell = replace(champion, variant=f"fold{fold + 1}")
        mine = [row for row in data.rows("train") if assigned[cases[row]] == fold]
        others = [row for row in data.rows("train") if assigned[cases[row]] != fold]
        make_schedule(len(others), config.training)
        rows = {"train": others, "val": data.rows("val"), OUT_OF_FOLD: mine}
        weights = class_weights(labels[others], 1)
        inputs[cell.name] = CellInputs(data.arrays, rows, OUT_OF_FOLD, weights, config.training)
        chosen.append(cell)
    return plan_sweep(config, data, runs, CellSet(tuple(chosen), inputs))


def gather_cavity(folds: Plan, champion: Champion) -> Mask:
    """Put the cavity of training and validation slices together, as networks find it, not refined.

    For a training slice it is what the network of its fold predicted, for a validation slice what the champion did.

    Returns:
        [N, S, S]; empty for slices of other subsets, and where no cavity was found.
    """
    found = np.zeros_like(load_arrays(folds.arrays).refined)
    sources = [(folds.inputs_of(cell).rows[OUT_OF_FOLD], folds.cell_files(cell)) for cell in folds.cells]
    sources.append((folds.rows("val"), champion.files))
    for rows, files in sources:
        found[list(rows)] = read_predictions(files.predictions) == 1
    return found
