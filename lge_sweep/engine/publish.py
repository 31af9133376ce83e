"""The MLflow runs of sweeps and their trials, and what a sweep's run says of its selection."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

import lge_sweep
from lge_sweep.config import Cell, configurations
from lge_sweep.config.schema import Training
from lge_sweep.labels import class_names
from lge_sweep.scoring import (
    BEST,
    FOREGROUND,
    INTERVAL,
    Front,
    Selection,
    Uncertainty,
    describe_friedman,
    front_markdown,
    ranking_frame,
    ranking_texts,
)
from lge_sweep.study import Plan, subset_counts
from lge_sweep.text import escape_markdown, markdown_table
from lge_sweep.tracking import ON_FRONT, RANK, RANKED_BEST, DataVersion, TrackedRun, Tracker, cases_words


def open_sweep(tracker: Tracker, plan: Plan) -> TrackedRun:
    """Open the parent run of a sweep."""
    config = plan.config
    counts = subset_counts(plan.manifest)
    params: dict[str, object] = {
        "cells": len(plan.cells) if config.search is None else "a search",
        "rule": config.selection.rule,
        "split_unit": config.split.unit,
        **{f"{subset}_{what}": number for subset, numbers in counts.items() for what, number in numbers.items()},
        **{
            f"class_weight_{name}": f"{weight:.4g}"
            for name, weight in zip(class_names(config.stage), plan.class_weights, strict=True)
        },
        **_training_params(config.training),
    }
    name = f"{config.phase} stage {config.stage} {config.data} {config.profile}"
    run = tracker.open_run(plan.name, name, {**plan_tags(plan), "lge.kind": "sweep"}, params)
    run.log_data(_data_version(plan), "training")
    tracker.share_views()
    return run


def open_trial(tracker: Tracker, plan: Plan, cell: Cell, trial: int, parent: TrackedRun) -> TrackedRun:
    """Open the child run of a trial.

    Args:
        tracker: where runs are.
        plan: the sweep.
        cell: the cell.
        trial: number of the trial.
        parent: the sweep's run.
    """
    params = {**_training_params(plan.inputs_of(cell).training), **cell.parameters, "stage": cell.stage}
    tags = {**plan_tags(plan), "lge.kind": "trial", "cell": cell.name, "trial": str(trial)}
    key = trial_key(plan, cell, trial)
    name = f"{plan.short_name(cell)} (stage {cell.stage})"
    run = tracker.open_run(key, name, tags, params, parent)
    run.log_data(_data_version(plan), "training")
    return run


def trial_key(plan: Plan, cell: Cell, trial: int) -> str:
    """Return the key of a trial's run.

    Args:
        plan: the sweep.
        cell: the cell.
        trial: number of the trial.
    """
    return f"{plan.name}/{cell.name}/trial{trial}"


@dataclass(frozen=True)
class Chosen:
    """What a sweep has come to.

    Attributes:
        selection: what was selected.
        uncertainty: how sure that is.
        front: of a search with several objectives, the trials to choose from.
    """

    selection: Selection
    uncertainty: Uncertainty
    front: Front | None = None


def log_selection(run: TrackedRun, plan: Plan, chosen: Chosen, files: Iterable[Path]) -> None:
    """Log a sweep's ranking, selection, uncertainty and figures.

    Args:
        run: the sweep's run.
        plan: the sweep; of a search with the cells that it drew.
        chosen: what it has come to.
        files: files of the sweep's folder that are logged too.
    """
    selection, uncertainty = chosen.selection, chosen.uncertainty
    run.tracker.rank(plan.name, _ranks(plan, chosen))
    winner = next(standing for standing in uncertainty.standings if standing.name == uncertainty.winner)
    values = {
        "selected/score": winner.score,
        "selected/score_low": winner.low,
        "selected/score_high": winner.high,
        "selected/probability_best": winner.best,
    }
    run.set({key: value for key, value in values.items() if value is not None})
    override = selection.override
    run.tag(
        {
            "selected": ", ".join(selection.selected),
            "selection_subset": selection.subset,
            "uncertainty": uncertainty.sentence[:500],
            "override": f"{override.name}, because: {override.reason}"[:500] if override else "no",
        }
    )
    run.describe(f"{describe_selection(chosen)}\n\n{cases_words(plan.name)}")
    run.log_files(files)
    run.untag("failed")
    run.finish()


def _ranks(plan: Plan, chosen: Chosen) -> dict[str, dict[str, float]]:
    """Return of each cell the place of its configuration in the ranking, and the probability that it is the best.

    Of a search with several objectives also whether it is on the front: 1, or 0.
    """
    frame = ranking_frame(chosen.selection.ranking, chosen.uncertainty)
    places = {
        str(row["configuration"]): {RANK: row["rank"], RANKED_BEST: row["probability_best"]}
        for row in frame.to_dict("records")
    }
    for trial in chosen.front.trials if chosen.front is not None else ():
        places.setdefault(trial.name, {})[ON_FRONT] = float(trial.on_front)
    return {
        cell.name: {key: float(value) for key, value in places[name].items() if pd.notna(value)}
        for name, cells in configurations(plan.cells).items()
        if name in places
        for cell in cells
    }


def describe_selection(chosen: Chosen) -> str:
    """Write a selection as Markdown: what was chosen, the front if there is one, the ranking, what to doubt."""
    selection, uncertainty, front = chosen.selection, chosen.uncertainty, chosen.front
    frame = ranking_frame(selection.ranking, uncertainty)
    shown = ranking_texts(frame, selection.rule)[["rank", "configuration", "score", INTERVAL, BEST, FOREGROUND]]
    shown["configuration"] = shown["configuration"].map(escape_markdown)
    shown[""] = ["collapsed" if names else "" for names in frame["collapsed"]]
    lines = [
        *([f"**{front.sentence}.**", front_markdown(front, selection.selected[0])] if front is not None else []),
        f"**{escape_markdown(uncertainty.sentence)}.**",
        f"Selected on the {selection.subset} subset by rule {selection.rule}: **{', '.join(selection.selected)}**",
        markdown_table(shown.columns.tolist(), shown.itertuples(index=False, name=None), left=("configuration", "")),
    ]
    doubts = () if front is None else front.notes
    notes = (*selection.notes, *doubts, *uncertainty.notes, *describe_friedman(uncertainty.friedman))
    return "\n\n".join([*lines, "\n".join(f"- {escape_markdown(note)}" for note in notes)])


def _training_params(training: Training) -> dict[str, object]:
    options = training.model_dump(mode="json")
    numbers = {f"loss_{key}": value for key, value in options.pop("loss").items()}
    return {key: value for key, value in {**options, **numbers}.items() if value is not None}


def plan_tags(plan: Plan) -> dict[str, str]:
    """Return the tags that every run of a sweep has."""
    config = plan.config
    leaky = {"leak_share": f"{plan.leak_share:.4f}"} if plan.leaky else {}
    return {
        "phase": config.phase,
        "stage": str(config.stage),
        "data": config.data,
        "data_digest": plan.data_digest[:16],
        "profile": config.profile,
        "sweep": plan.name,
        "leaky_split": str(plan.leaky).lower(),
        "selection_subset": config.selection.subset,
        "lge_sweep": lge_sweep.__version__,
        "git_commit": git_commit(),
        **leaky,
    }


def _data_version(plan: Plan) -> DataVersion:
    return DataVersion(plan.config.data, plan.data_digest, json.dumps(subset_counts(plan.manifest)))


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit this program runs from, with "+" if its files were changed; "unknown" outside a checkout."""
    checkout = Path(lge_sweep.__file__).parents[1]
    if not (checkout / ".git").exists():
        return "unknown"
    # describe --dirty would write into .git; this one does not
    command = ["git", "-C", str(checkout), "--no-optional-locks", "status", "--porcelain=v2", "--branch", "-uno"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    lines = done.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    changed = any(not line.startswith("# ") for line in lines)
    return commit + "+" * changed if commit.isalnum() else "unknown"
