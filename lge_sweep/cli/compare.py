"""Compare two cells on the same images."""

from collections.abc import Sequence

from lge_sweep.api import find_cell
from lge_sweep.cli.tables.comparison import print_comparison
from lge_sweep.cli.terminal import Terminal
from lge_sweep.errors import ConfigError
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Candidate, compare_tables, score_difference
from lge_sweep.study import Plan, load_plan, read_per_image
from lge_sweep.text import list_names


def compare_cells(console: Terminal, first: str, second: str, store: RunStore) -> None:
    """Print a paired comparison of two cells, per image and per case.

    Args:
        console: where to print.
        first: folder of a cell, its name, or `SWEEP/CELL`.
        second: the same.
        store: the runs directory.

    Raises:
        ConfigError: a cell is unknown, its name is not unique, or the two were not measured alike, on the same images.
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
    names = (folders[0].name, folders[1].name)
    if names[0] == names[1]:
        names = (f"{plans[0].name}/{names[0]}", f"{plans[1].name}/{names[1]}")
    _check_alike(names, plans)
    rule = plans[0].config.selection
    tables = [read_per_image(folder.per_image) for folder in folders]
    pairs = compare_tables(tables[0], tables[1], rule.emphasis, names)
    a, b = (Candidate(name, [table]) for name, table in zip(names, tables, strict=True))
    print_comparison(console, names, rule.rule, score_difference(a, b, rule.rule, rule.emphasis), pairs)


def _check_alike(names: Sequence[str], plans: Sequence[Plan]) -> None:
    """Check that two cells were measured in the same way, against the same truth.

    Slices that are not measured may differ: whether corrected labels train a better network can be asked.

    Args:
        names: what to call the cells.
        plans: their sweeps.

    Raises:
        ConfigError: they were not.
    """
    first, second = (_how_measured(plan) for plan in plans)
    findings = [
        f"{field} is {first[field]} of {names[0]} and {second[field]} of {names[1]}"
        for field in first
        if first[field] != second[field]
    ]
    held, other = (_contents(plan) for plan in plans)
    changed = [name for name in held if name in other and held[name] != other[name]]
    if changed:
        digests = " and ".join(plan.data_digest[:10] for plan in plans)
        findings.append(
            f"pixels or labels differ in {len(changed)} of {len(held)} measured slices ({list_names(changed, 3)}; "
            f"digests of the data: {digests})"
        )
    if findings:
        raise ConfigError(
            f"{names[0]} and {names[1]} were not measured alike: {'; '.join(findings)}. Compare cells of one sweep, or "
            "train both on the same data and with the same settings"
        )


def _how_measured(plan: Plan) -> dict[str, object]:
    """Return the settings that decide what a cell's metrics mean: name -> value."""
    config = plan.config
    measured = {f"metrics.{name}": value for name, value in config.metrics.model_dump().items()}
    return {"stage": config.stage, "training.image_size": config.training.image_size, **measured}


def _contents(plan: Plan) -> dict[str, str]:
    """Return the SHA-256 of intensities and labels of each slice that was measured, by its name."""
    rows = plan.manifest[plan.manifest["subset"] == plan.config.selection.subset]
    return dict(zip(rows["slice"], rows["content_hash"], strict=True))
