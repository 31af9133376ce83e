"""The command line: parse, call, print."""

import enum
import json
import os
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lge_sweep import __version__
from lge_sweep.cli.data import data_app
from lge_sweep.cli.options import A_PATH, MOST_WORKERS, Commands, DataOption, RootOption, RunsOption, reporting
from lge_sweep.cli.predict import predict
from lge_sweep.errors import RunsError
from lge_sweep.permissions import SHARE_VARIABLE, UMASKS, Share
from lge_sweep.terminal import print_any_letter, say

app = typer.Typer(
    cls=Commands,
    help="Compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.command()(predict)


class Rule(enum.StrEnum):
    """Scoring rules."""

    mean = "mean"
    weighted = "weighted"


class Stage(enum.StrEnum):
    """Stages of the pipeline."""

    one = "1"
    two = "2"
    both = "both"


def _version(asked: bool) -> None:
    if asked:
        say(f"lge-sweep {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    share: Annotated[
        Share,
        typer.Option(envvar=SHARE_VARIABLE, help="Who but you may read and write results: nobody, or their group."),
    ] = "nobody",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI."""
    os.environ["MPLBACKEND"] = "agg"  # a notebook's, inherited, would be looked for and not found
    context.call_on_close(partial(os.umask, os.umask(UMASKS[share])))
    print_any_letter()


StageOption = Annotated[Stage, typer.Option("--stage", help="1: cavity. 2: myocardium and scar.")]
ProfileOption = Annotated[
    str,
    typer.Option("--profile", help="A file of sweeps/profile or its name; auto: paper with a GPU, else laptop."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="KEY=VALUE, such as training.max_epochs=5; may be repeated.")
]
ModelsOption = Annotated[
    str | None,
    typer.Option("--models", help="Architectures, separated by commas (default: those that phase 1 selected)."),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=MOST_WORKERS, help="Cells trained at the same time.")
]
IncompleteOption = Annotated[bool, typer.Option("--allow-incomplete", help="Select even if some cells failed.")]


def _run(phase: str, stage: Stage, *options: Any) -> None:
    with reporting():
        from lge_sweep.cli.phases import Request, run_phase

        run_phase(phase, [1, 2] if stage is Stage.both else [int(stage)], Request(*options))


@app.command()
def phase1(
    stage: StageOption = Stage.both,
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    settings: SetOption = None,
    workers: WorkersOption = 1,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Baseline of all architectures (paper phase 1): train, measure, rank, keep the best two of each stage."""
    _run("phase1", stage, data, root, profile, settings or [], workers, runs, allow_incomplete)


@app.command()
def phase2(
    stage: StageOption = Stage.both,
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    models: ModelsOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, max=1000, help="Train every configuration so many times.")] = None,
    settings: SetOption = None,
    workers: WorkersOption = 1,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Losses by optimizers (paper phase 2) for the models of phase 1: select one configuration, say how surely."""
    settings = settings or []
    if models is not None:
        settings = [*settings, f"grid.model=[{models}]"]
    if seeds is not None:
        settings = [*settings, f"grid.seed={list(range(seeds))}"]
    _run("phase2", stage, data, root, profile, settings, workers, runs, allow_incomplete)


@app.command()
def phase3(
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    settings: SetOption = None,
    workers: WorkersOption = 1,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
    ship: Annotated[
        bool, typer.Option("--ship", help="Make it the champion again, although another has taken its place.")
    ] = False,
) -> None:
    """Fit the two selected networks into one pipeline (paper phase 3), beside what it has to beat."""
    with reporting():
        from lge_sweep.cli.phases import Request, run_phase3

        run_phase3(Request(data, root, profile, settings or [], workers, runs, allow_incomplete), ship)


@app.command()
def phase4(
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    settings: SetOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Evaluate the pipeline of phase 3 on the test subset, once (paper phase 4, Tables VI to VIII)."""
    with reporting():
        from lge_sweep.cli.phases import Request, run_phase4

        run_phase4(Request(data, root, profile, settings or [], 1, runs, allow_incomplete))


@app.command()
def search(
    stage: StageOption = Stage.both,
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    models: ModelsOption = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trials in all (default: search.yaml's); more go on with the same search."),
    ] = None,
    settings: SetOption = None,
    workers: WorkersOption = 1,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Beyond the grid: let Optuna draw loss, optimizer and training options, and stop hopeless trials early."""
    settings = [*(settings or []), *([] if models is None else [f"grid.model=[{models}]"])]
    settings += [] if trials is None else [f"search.trials={trials}"]
    _run("search", stage, data, root, profile, settings, workers, runs, allow_incomplete)


@app.command()
def select(
    sweep: Annotated[str, typer.Argument(help="Folder or name of a sweep, or the id of its MLflow run.")],
    override: Annotated[str | None, typer.Option(help="Configuration to select; needs --reason.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the selection.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take an override back.")] = False,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Select again in a finished sweep, by its rule or a person's choice; mend MLflow; make the winner the champion."""
    with reporting():
        from lge_sweep.cli.review import select_again
        from lge_sweep.paths import runs_folder

        select_again(sweep, runs_folder(runs), override, reason, withdraw, allow_incomplete)


@app.command()
def table(
    sweep: Annotated[str, typer.Argument(help="Folder or name of a sweep, or the id of its MLflow run.")],
    runs: RunsOption = None,
) -> None:
    """Print a finished sweep as a Markdown table: scores, their doubt, Dice of each class three ways."""
    with reporting():
        from lge_sweep.cli.review import print_table
        from lge_sweep.paths import runs_folder

        print_table(sweep, runs_folder(runs))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A finished cell: its name, SWEEP/CELL, or its folder.")],
    second: Annotated[str, typer.Argument(help="Another, measured on the same images.")],
    runs: RunsOption = None,
) -> None:
    """Compare two cells on the same images: differences and tests, per image and per case."""
    with reporting():
        from lge_sweep.cli.review import compare_cells
        from lge_sweep.paths import runs_folder

        compare_cells(first, second, runs_folder(runs))


@app.command()
def score(
    table: Annotated[
        Path, typer.Argument(help="CSV file with a row a configuration and a column a global metric.", **A_PATH)
    ],
    rule: Annotated[Rule, typer.Option(help="mean: paper phase 1. weighted: paper Table III.")] = Rule.mean,
) -> None:
    """Rank any table of the six global metrics; a '-' is a missing value."""
    from lge_sweep.cli.console import print_scores
    from lge_sweep.scoring import score_table
    from lge_sweep.terminal import make_console

    with reporting():
        print_scores(make_console(), table, rule.value, score_table(table, rule.value))


@app.command()
def status(runs: RunsOption = None) -> None:
    """Show every sweep: cells done, running, failed, waiting, and the best so far."""
    from lge_sweep.cli.status import print_status
    from lge_sweep.paths import runs_folder

    with reporting():
        print_status(runs_folder(runs))


@app.command()
def ui(
    runs: RunsOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Serve the MLflow UI on 127.0.0.1, opened on the experiment."""
    from lge_sweep.run_store import RunStore
    from lge_sweep.tracking.mlflow import EXPERIMENT
    from lge_sweep.tracking.ui import serve, server_page

    with reporting():
        store = RunStore.open(runs)
        page = server_page(store)
        if page is None:
            serve(store, port, browser)
            return
        say(f"The MLflow UI is the server's, experiment {EXPERIMENT}:", page)
        if browser:
            webbrowser.open(page)


@app.command()
def dashboard(
    runs: RunsOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 8080,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Serve the Optuna dashboard on 127.0.0.1: the trials of every sweep and search."""
    from lge_sweep.engine.dashboard import serve
    from lge_sweep.paths import runs_folder

    with reporting():
        serve(runs_folder(runs), port, browser)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Argument(help="File to write (default: print).", **A_PATH)] = None,
) -> None:
    """Write the JSON schema of sweep files, for completion and checks in editors."""
    from lge_sweep.config.export import json_schema

    text = json.dumps(json_schema(), indent=2)
    if output is None:
        say(*text.split("\n"))
        return
    with reporting():
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise RunsError(f"{output}: cannot be written ({error.strerror})") from error


@app.command()
def phantom(
    output: Annotated[Path, typer.Argument(help="Folder to write, new or empty.", **A_PATH)],
    cases: Annotated[int, typer.Option(min=1, help="Number of exams.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="The draw of the exams.")] = 0,
    exam_format: Annotated[
        Literal["png", "nifti", "dicom"],
        typer.Option("--format", help="png: pairs of 16-bit images and masks. nifti: as EMIDEC. dicom: studies, SEG."),
    ] = "png",
) -> None:
    """Write simulated exams with a data file that reads them: an example of how to lay out a folder of one's own."""
    with reporting():
        from lge_sweep.ingest.phantom_files import write_phantom

        say(*write_phantom(output, cases, seed, exam_format))
