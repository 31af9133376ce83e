"""The command line: all commands, and the options before them."""

import atexit
import gc
import os
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from lge_sweep import __version__
from lge_sweep.cli.commands.data import data_app
from lge_sweep.cli.commands.doctor import doctor
from lge_sweep.cli.commands.evaluate import evaluate
from lge_sweep.cli.commands.files import phantom, schema
from lge_sweep.cli.commands.pages import dashboard, ui
from lge_sweep.cli.commands.phases import phase1, phase2, phase3, phase4, search
from lge_sweep.cli.commands.predict import predict
from lge_sweep.cli.commands.review import browse, compare, report, score, select, status, sync, table
from lge_sweep.cli.reporting import Commands
from lge_sweep.cli.terminal import print_any_letter, print_lines
from lge_sweep.cli.verbosity import Verbosity, printing_at
from lge_sweep.permissions import SHARE_VARIABLE, UMASKS, Share

app = typer.Typer(
    cls=Commands,
    help="Compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    predict, phase1, phase2, phase3, phase4, evaluate, search, select, table, report, browse, compare, score, status,
    sync, ui, dashboard, doctor, schema, phantom,
)  # fmt: skip
"""In the order of the help."""
for command in COMMANDS:
    app.command()(command)
app.add_typer(data_app, name="data")


def _version(asked: bool) -> None:
    if asked:
        print_lines(f"lge-sweep {__version__}")
        raise typer.Exit


ShareOption = Annotated[
    Share, typer.Option(envvar=SHARE_VARIABLE, help="Who but you may read and write results: nobody, or their group.")
]
VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        metavar="<bool>",
        help="Say on stderr what is being done; -vv: in detail.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print results and errors alone: no notes, progress or explanations.")
]
ExplainOption = Annotated[
    bool,
    typer.Option(
        "--explain",
        envvar="LGE_SWEEP_EXPLAIN",
        help="Print all that a ranking rests on: weights, intervals, tests, every note.",
    ),
]
VersionOption = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def main(
    context: typer.Context,
    share: ShareOption = "nobody",
    verbose: VerboseOption = 0,
    quiet: QuietOption = False,
    explain: ExplainOption = False,
    version: VersionOption = False,
) -> None:
    """Compare, select and ship segmentation models for late-gadolinium-enhancement cardiac MRI."""
    if quiet and (verbose or explain):
        other = "--verbose" if verbose else "--explain"
        raise typer.BadParameter(f"{other} and --quiet contradict each other; give one of them")
    atexit.register(gc.freeze)  # else Python looks through all that was loaded before it ends, which takes seconds
    os.environ["MPLBACKEND"] = "agg"  # a notebook's, inherited, would be looked for and not found
    context.call_on_close(partial(os.umask, os.umask(UMASKS[share])))
    verbosity = Verbosity.QUIET if quiet else Verbosity(min(verbose, Verbosity.DEBUG))
    context.with_resource(printing_at(verbosity, explain))
    print_any_letter()
