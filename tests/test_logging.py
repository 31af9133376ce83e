"""Who prints, what is logged, and how much of it a person sees; and what a shell completes."""

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from package_source import MODULES, Module
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.cli.progress import SweepProgress, TerminalObserver
from lge_sweep.cli.reporting import reporting
from lge_sweep.cli.verbosity import Verbosity, printing_at

OF_THE_COMMAND_LINE = ("rich", "typer", "click", "lge_sweep.cli")
SWEEP = "phase1-stage1-phantom-smoke-1234"
LOGGER = logging.getLogger("lge_sweep.somewhere")


OF_THE_LIBRARY = [module for module in MODULES if not module.name.startswith("cli/")]


@pytest.mark.parametrize("module", OF_THE_LIBRARY, ids=lambda module: module.name)
def test_only_the_command_line_prints(module: Module) -> None:
    nodes = list(ast.walk(module.tree))
    used = {name for name in module.imports() for other in OF_THE_COMMAND_LINE if f"{name}.".startswith(f"{other}.")}
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not used
    assert not called & {"print", "sys.stdout.write", "sys.stderr.write", "logging.basicConfig"}
    loggers = [node for node in nodes if isinstance(node, ast.Assign) and "_log" in map(ast.unparse, node.targets)]
    assert all(ast.unparse(node.value) == "logging.getLogger(__name__)" for node in loggers)


def test_importing_the_package_configures_no_logging() -> None:
    code = (
        "import logging, lge_sweep, lge_sweep.study, lge_sweep.cli\n"
        "assert not logging.getLogger().handlers\n"
        "ours = logging.getLogger('lge_sweep')\n"
        "assert [type(handler) for handler in ours.handlers] == [logging.NullHandler]\n"
        "assert (ours.level, ours.propagate) == (logging.NOTSET, True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def shown(verbosity: Verbosity, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Return what is printed of a log of four lines, and of a console's four, to stdout and to stderr."""
    with printing_at(verbosity), reporting() as console:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            LOGGER.log(level, "%s\x1b[31m", logging.getLevelName(level))
        console.note("noted")
        console.explain("explained")
        console.print_line("a result")
    said = capsys.readouterr()
    return said.out, said.err


def test_a_command_shows_warnings_as_notes(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown(Verbosity.NORMAL, capsys)
    log = [r"note: WARNING\x1b[31m", r"note: ERROR\x1b[31m"]
    assert out.splitlines() == [*log, "note: noted", "explained", "a result"]
    assert err == ""


def test_quiet_leaves_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(Verbosity.QUIET, capsys) == ("note: ERROR\\x1b[31m\na result\n", "")


@pytest.mark.parametrize(("verbosity", "levels"), [(Verbosity.VERBOSE, ["INFO"]), (Verbosity.DEBUG, ["DEBUG", "INFO"])])
def test_verbose_adds_the_log_on_stderr(
    verbosity: Verbosity, levels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    normal, _ = shown(Verbosity.NORMAL, capsys)
    out, err = shown(verbosity, capsys)
    assert out == normal
    without_time = [line.partition(" ")[2] for line in err.splitlines()]
    assert without_time == [rf"{level} lge_sweep.somewhere: {level}\x1b[31m" for level in levels]
    ours = logging.getLogger("lge_sweep")
    assert (ours.level, ours.propagate, len(ours.handlers)) == (logging.NOTSET, True, 1)


def test_the_options_before_the_command_decide(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\nunet,.9,.9,.9,-,.9,.9\n", encoding="utf-8")
    score, note = ["score", str(table)], "Where a metric is missing"
    normal, quiet = (CliRunner().invoke(app, [*options, *score]) for options in ([], ["-q"]))
    assert note in normal.output
    assert quiet.output
    assert quiet.output in normal.output
    assert note not in quiet.output
    settings = CliRunner().invoke(app, ["-v", "data", "describe", "--data", "phantom"])
    assert "INFO lge_sweep.config.loader: reading settings: " in settings.stderr
    assert "INFO" not in settings.stdout
    both = CliRunner().invoke(app, ["-v", "-q", *score])
    assert both.exit_code == 2
    assert "contradict" in both.output


def test_quiet_progress_tells_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with printing_at(Verbosity.QUIET), reporting() as console:
        observer = TerminalObserver(console)
        observer.line("looking for weights")
        with SweepProgress(console, "phase1 stage 1", total=2, done=0) as bars:
            for name in ("good", "bad"):
                bars.begin(name, name, resumed=False)
            bars.end("good", "score 0.9", finished=True)
            bars.end("bad", "FAILED: no loss", finished=False)
    assert capsys.readouterr().out == "[1/2] bad: FAILED: no loss; about 0 s left\n"


# ---------------------------------------------------------------------------------------------------- shell completion


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs directory with a sweep that has a finished cell and another."""
    for cell, files in {"unet-adam": ["outcome.json"], "segnet-adam": ["resume.ckpt"]}.items():
        for name in files:
            path = tmp_path / SWEEP / "cells" / cell / name
            path.parent.mkdir(parents=True)
            path.touch()
    (tmp_path / SWEEP / "sweep.yaml").touch()
    return tmp_path


def completed(*words: str) -> list[str]:
    """Return what bash is told to complete the last word to; none of the large libraries is loaded for it."""
    code = (
        "import sys\nfrom lge_sweep.cli import app\n"
        "try: app(prog_name='lge-sweep')\n"
        "finally: assert not {'torch', 'mlflow', 'optuna', 'pandas'} & set(sys.modules)"
    )
    asked = {"_LGE_SWEEP_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(("lge-sweep", *words))}
    environment = {**os.environ, **asked, "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_a_shell_completes_names_of_files(runs: Path) -> None:
    given = ["--runs", str(runs)]
    assert completed("phase1", "--data", "emidec_p") == ["emidec_png"]
    assert completed("phase1", "--profile", "") == ["auto", "laptop", "paper", "smoke", "tour"]
    assert completed("phase2", "--models", "segnet,un") == ["segnet,unet"]
    assert completed("table", *given, "phase1") == [SWEEP]
    assert completed("compare", *given, "phase1") == [f"{SWEEP}/unet-adam"]
    assert completed("select", *given, SWEEP, "--override", "") == ["unet-adam"]
    assert completed("table", "--runs", str(runs / "none"), "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code = f"from lge_sweep.cli import app; app(['--show-completion', '{shell}'], prog_name='lge-sweep')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert f"_LGE_SWEEP_COMPLETE=complete_{shell}" in done.stdout
