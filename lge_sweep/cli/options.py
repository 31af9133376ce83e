"""Options and arguments that several commands share, each with its help and what a shell completes it to."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lge_sweep.cli.completion import (
    complete_cell,
    complete_data,
    complete_executor,
    complete_models,
    complete_pipelines,
    complete_profile,
    complete_sweep,
)
from lge_sweep.errors import ConfigError
from lge_sweep.paths import user_path
from lge_sweep.text import shorten, whole_number

MOST_WORKERS = 256
"""Processes that train at the same time; each takes a core or a GPU, and gigabytes."""


def _path(text: str) -> Path:
    try:
        return user_path(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not (number := whole_number(text, MOST_WORKERS)):
        raise typer.BadParameter(f"expected auto or a number from 1 to {MOST_WORKERS}, got '{shorten(text)}'")
    return number


A_PATH: dict[str, Any] = {"parser": _path, "metavar": "<path>"}
"""What every option and argument has that is a path."""

Stage = Literal["1", "2", "both"]
StageOption = Annotated[Stage, typer.Option("--stage", help="1: cavity. 2: myocardium and scar.")]
DataOption = Annotated[
    str, typer.Option("--data", help="A file of sweeps/data, or its bare name.", autocompletion=complete_data)
]
RootOption = Annotated[
    Path | None, typer.Option("--root", help="Folder of the images (default: $LGE_SWEEP_DATA).", **A_PATH)
]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        help="A file of sweeps/profile or its name; auto: paper with a GPU, else tour (phantom) or laptop.",
        autocompletion=complete_profile,
    ),
]
PipelinesOption = Annotated[
    str | None,
    typer.Option(
        "--pipelines",
        help="A file of sweeps/pipelines or its name: pipelines past the paper, fitted and compared beside it.",
        autocompletion=complete_pipelines,
    ),
]
ModelsOption = Annotated[
    str | None,
    typer.Option(
        "--models",
        help="Architectures, separated by commas (default: those that phase 1 selected).",
        autocompletion=complete_models,
    ),
]
SeedsOption = Annotated[
    int | None, typer.Option("--seeds", min=1, max=1000, help="Train every configuration so many times.")
]
TrialsOption = Annotated[
    int | None,
    typer.Option("--trials", min=1, help="Trials in all (default: search.yaml's); more go on with the same search."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, such as training.max_epochs=5; may be repeated.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        parser=_workers,
        metavar="<number>|auto",
        help="Cells trained at the same time (default: auto, as many as pay on this machine).",
    ),
]
ExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="Where cells are trained: local (worker processes here), slurm (jobs of a cluster) or ray (its actors).",
        autocompletion=complete_executor,
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="What the executor needs; slurm: a file; ray: HOST:PORT (docs/cluster.md)."),
]
GpusOption = Annotated[
    float | None,
    typer.Option("--gpus-per-trial", min=0.01, max=64, help="GPUs of a cell; .25: four cells share each GPU."),
]
RunsOption = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder for all results (default: $LGE_SWEEP_RUNS, else ./runs).", **A_PATH),
]
IncompleteOption = Annotated[bool, typer.Option("--allow-incomplete", help="Select even if some cells failed.")]
ShipOption = Annotated[
    bool, typer.Option("--ship", help="Make it the champion again, although another has taken its place.")
]

SweepArgument = Annotated[
    str,
    typer.Argument(help="Folder or name of a sweep, or the id of its MLflow run.", autocompletion=complete_sweep),
]
CellArgument = Annotated[
    str,
    typer.Argument(help="A finished cell: its name, SWEEP/CELL, or its folder.", autocompletion=complete_cell),
]
OtherCellArgument = Annotated[
    str, typer.Argument(help="Another, measured on the same images.", autocompletion=complete_cell)
]

PortOption = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on this machine.")]
BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser window.")]
