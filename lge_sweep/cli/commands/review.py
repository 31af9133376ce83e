"""The commands that look at results again: select, compare, tables, status."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.cli.completion import complete_configuration, complete_run, complete_shown, complete_sweep
from lge_sweep.cli.options import (
    A_PATH,
    CellArgument,
    DataOption,
    IncompleteOption,
    OtherCellArgument,
    ProfileOption,
    RunsOption,
    SweepArgument,
)
from lge_sweep.cli.reporting import reporting
from lge_sweep.cli.request import BrowseRequest, ReportRequest, SelectRequest
from lge_sweep.run_store import RunStore

OverrideOption = Annotated[
    str | None, typer.Option(help="Configuration to select; needs --reason.", autocompletion=complete_configuration)
]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with the selection.")]
WithdrawOption = Annotated[bool, typer.Option("--withdraw", help="Take an override back.")]
TableArgument = Annotated[
    Path, typer.Argument(help="CSV file with a row a configuration and a column a global metric.", **A_PATH)
]
RuleOption = Annotated[
    Literal["mean", "weighted"], typer.Option(help="mean: paper phase 1. weighted: paper Table III.")
]

StudyArgument = Annotated[
    str | None,
    typer.Argument(
        help="A sweep of the study, its folder or name, where data and profile do not tell it.",
        autocompletion=complete_sweep,
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="Folder to write (default: report-NAME in the runs directory).", **A_PATH),
]
ImagesOption = Annotated[bool, typer.Option("--images", help="With pictures of the worst patients.")]
RunArgument = Annotated[
    str,
    typer.Argument(
        help="Folder or name of a sweep or of a phase 4, or the id of a sweep's MLflow run.",
        autocompletion=complete_run,
    ),
]
ShowOption = Annotated[
    str | None,
    typer.Option(
        "--show",
        help="A cell of the sweep, or a pipeline of phases 3 and 4 (default: the winner, or what is shipped).",
        autocompletion=complete_shown,
    ),
]
PageOption = Annotated[
    Path | None,
    typer.Option("--output", help="File to write (default: cases_NAME.html in the run's folder).", **A_PATH),
]
MlflowOption = Annotated[
    bool, typer.Option("--mlflow", help="Put the page among the artifacts of the run in MLflow, too.")
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Show it again every few seconds, until Ctrl-C.")]


def select(
    sweep: SweepArgument,
    override: OverrideOption = None,
    reason: ReasonOption = "",
    withdraw: WithdrawOption = False,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Select again in a finished sweep, by its rule or a person's choice; mend MLflow; make the winner the champion."""
    request = SelectRequest(override=override, reason=reason, withdraw=withdraw, allow_incomplete=allow_incomplete)
    with reporting() as console:
        from lge_sweep.cli.review import select_again

        select_again(console, sweep, RunStore.open(runs), request)


def table(sweep: SweepArgument, runs: RunsOption = None) -> None:
    """Print a finished sweep as a Markdown table: scores, their doubt, Dice of each class three ways."""
    with reporting() as console:
        from lge_sweep.cli.markdown import print_sweep

        print_sweep(console, sweep, RunStore.open(runs))


def compare(first: CellArgument, second: OtherCellArgument, runs: RunsOption = None) -> None:
    """Compare two cells on the same images: differences and tests, per image and per case."""
    with reporting() as console:
        from lge_sweep.cli.compare import compare_cells

        compare_cells(console, first, second, RunStore.open(runs))


def score(table: TableArgument, rule: RuleOption = "mean") -> None:
    """Rank any table of the six global metrics; a '-' is a missing value."""
    with reporting() as console:
        from lge_sweep.cli.tables.scores import print_scores
        from lge_sweep.scoring import score_table

        print_scores(console, table, rule, score_table(table, rule))


def status(runs: RunsOption = None, watch: WatchOption = False) -> None:
    """Show every sweep: cells done, running, failed, waiting, and the best so far."""
    with reporting() as console:
        from lge_sweep.cli.status import print_status, watch_status

        store = RunStore.open(runs)
        if watch:
            watch_status(console, store)
        else:
            print_status(console, store)


def report(
    sweep: StudyArgument = None,
    data: DataOption = "phantom",
    profile: ProfileOption = "auto",
    runs: RunsOption = None,
    output: OutputOption = None,
    images: ImagesOption = False,
) -> None:
    """Write the report of a study: one HTML page for reviewers, with each table as CSV and LaTeX beside it."""
    with reporting() as console:
        from lge_sweep.cli.report import write_report

        write_report(console, ReportRequest(sweep, data, profile, output, images), RunStore.open(runs))


def browse(
    run: RunArgument,
    show: ShowOption = None,
    runs: RunsOption = None,
    output: PageOption = None,
    mlflow: MlflowOption = False,
) -> None:
    """Write a page to look at cases: slices with truth and prediction, worst case first; one HTML file, no server."""
    with reporting() as console:
        from lge_sweep.cli.browse import browse_cases

        browse_cases(console, BrowseRequest(run, show, output, mlflow), RunStore.open(runs))


def sync(runs: RunsOption = None) -> None:
    """Deliver to MLflow what could not be delivered while it was away, each thing once."""
    with reporting() as console:
        from lge_sweep.cli.sync import deliver_all

        deliver_all(console, RunStore.open(runs))
