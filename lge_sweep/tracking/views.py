"""Views that MLflow's page of the experiment opens on: what is filtered, sorted and grouped, and in which columns.

MLflow keeps a view that somebody shares as a tag of the experiment, JSON under `mlflow.sharedViewState.<key>`, and
takes the key in the page's address. Written as MLflow 3.17 reads it; a key that it does not know is left out by it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from lge_sweep.labels import Label

SHARED = "mlflow.sharedViewState."
RANKING, CURVES, PIPELINES = "ranking", "curves", "pipelines"
RANK, SCORE, RANKED_BEST = "ranking/rank", "ranking/score", "ranking/probability_best"
"""Metrics of a trial: its configuration's rank, its own score by the sweep's rule, the probability of being best."""
ON_FRONT = "ranking/front"
"""Of a search with several objectives: 1 for a trial on its front, else 0."""
_OTHERS = {CURVES: "Loss curves", PIPELINES: "Phases 3 and 4"}
_CLASSES = [label.title for label in Label if label is not Label.BACKGROUND]
_TRIALS = "tags.`lge.kind` = 'trial' AND tags.phase != 'phase3'"
_FINAL = "tags.phase LIKE 'phase%' AND tags.phase != 'phase1' AND tags.phase != 'phase2' AND tags.`lge.kind` != 'trial'"


def view_path(experiment: str, view: str = RANKING) -> str:
    """Return where on MLflow's server the experiment is, opened on a view.

    Args:
        experiment: its id.
        view: `RANKING`, `CURVES` or `PIPELINES`; "": none.

    >>> view_path("1")
    '#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=ranking'
    """
    mode = {"compareRunsMode": "CHART"} if view == CURVES else {}
    return f"#/experiments/{experiment}/runs?" + urlencode(
        {"workflowType": "machine_learning", **mode, **({"viewStateShareKey": view} if view else {})}
    )


def cases_words(folder: str) -> str:
    """Say in a run's description how its cases are looked at.

    The page holds every slice, so it is among the artifacts where somebody asks for that, and not by itself.

    Args:
        folder: name of the run's folder in the runs directory.
    """
    command = f"lge-sweep browse {folder}"
    return (
        f"To look at the cases, slice by slice: `{command}` writes a page; after `{command} --mlflow` it is among the "
        "artifacts here, as `cases_….html`."
    )


def other_views(address: str) -> list[str]:
    """Return lines that say where the other views of the experiment are.

    Args:
        address: that of `RANKING`; of another page there is none.
    """
    start, _, path = address.partition("#")
    if not path.endswith(f"={RANKING}"):
        return []
    experiment = path.split("/")[2]
    return [f"{title}: {start}{view_path(experiment, view)}" for view, title in _OTHERS.items()]


def shared_views(sweeps: Iterable[str]) -> dict[str, str]:
    """Return tags of the experiment that hold its views.

    Args:
        sweeps: names of all sweeps, whose trials stand under each other.
    """
    by_sweep = {
        "groupBy": {"aggregateFunction": "max", "groupByKeys": [{"mode": "tag", "groupByData": "sweep"}]},
        "groupsExpanded": {f"tag.sweep.{sweep}": True for sweep in sorted(sweeps)},
    }
    ranking = {
        **_tags(phase=75, stage=65),
        **_metrics({RANK: 105, SCORE: 110, RANKED_BEST: 110, **{f"val/dice/{name}": 110 for name in _CLASSES}}),
        **_tags(collapsed=110),
        **_metrics({"training/seconds": 130}),
    }
    final = {
        **_tags(phase=75, **{"lge.kind": 90}),
        **_metrics(
            {f"test_patient/{measure}": 190 for measure in ("mean_emidec_dice", "wall_dice", "scar_emidec_dice")}
        ),
        **_metrics({f"final/two-stage/dice/{name}": 190 for name in _CLASSES}),
    }
    views = {
        RANKING: {**_facets(_TRIALS, _metric(SCORE)), **_columns(ranking), **by_sweep},
        CURVES: {
            **_facets(_TRIALS, _metric(SCORE)),
            **_columns(ranking),
            "chartsSearchFilter": "^(train|val)/(loss|fore)",
        },
        PIPELINES: {**_facets(_FINAL, "attributes.start_time"), **_columns(final)},
    }
    return {SHARED + name: json.dumps(view, sort_keys=True) for name, view in views.items()}


def _facets(wanted: str, order: str) -> dict[str, Any]:
    return {
        "searchFilter": wanted,
        "orderByKey": order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "runsHiddenMode": "SHOWALL",
    }


def _columns(widths: Mapping[str, int]) -> dict[str, Any]:
    return {"selectedColumns": [*widths], "columnOrder": [*widths], "columnWidths": dict(widths)}


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _metrics(widths: Mapping[str, int]) -> dict[str, int]:
    return {_metric(name): width for name, width in widths.items()}


def _tags(**widths: int) -> dict[str, int]:
    return {f"tags.`{name}`": width for name, width in widths.items()}
