"""Compare two cells on the same images."""

from lge_sweep.api import find_cell
from lge_sweep.cli.tables.comparison import print_comparison
from lge_sweep.cli.terminal import Terminal
from lge_sweep.errors import ConfigError
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Candidate, compare_tables, score_difference
from lge_sweep.study import load_plan, read_per_image


def compare_cells(console: Terminal, first: str, second: str, store: RunStore) -> None:
    """Print a paired comparison of two cells, per image and per case.

    Args:
        console: where to print.
        first: folder of a cell, its name, or `SWEEP/CELL`.
        second: the same.
        store: the runs directory.

    Raises:
        ConfigError: a cell is unknown, its name is not unique, or the two were not measured on the same images.
    """
    folders = [find_cell(name, store) for name in (first, second)]
    plans = [load_plan(folder.sweep.path) for folder in folders]
    if any(plan.config.fit for plan in plans):
        raise ConfigError(
            "cells of phase 3 see different pictures of the same slices; their pipelines are compared by final labels, "
            "in comparison.json and val/*.csv of its folder"
        )
    if folders[0].path.resolve() == folders[1].path.resolve():
        raise ConfigError(f"{first} and {second} are the same cell")
    if plans[0].config.stage != plans[1].config.stage:
        raise ConfigError("the cells are of different stages, whose classes differ; compare within a stage")
    if plans[0].config.metrics != plans[1].config.metrics:
        raise ConfigError("the cells were measured differently (metrics.bf_tolerance or metrics.empty of their sweeps)")
    tables = [read_per_image(folder.per_image) for folder in folders]
    names = (folders[0].name, folders[1].name)
    if names[0] == names[1]:
        names = (f"{plans[0].name}/{names[0]}", f"{plans[1].name}/{names[1]}")
    rule = plans[0].config.selection
    pairs = compare_tables(tables[0], tables[1], rule.emphasis, names)
    a, b = (Candidate(name, [table]) for name, table in zip(names, tables, strict=True))
    print_comparison(console, names, rule.rule, score_difference(a, b, rule.rule, rule.emphasis), pairs)
