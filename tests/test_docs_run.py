"""The commands of README and docs are run, page by page, as somebody who reads them would.

Those that do not train are run every time; those that do with LGE_SWEEP_SLOW_TESTS=1, with the profile smoke: the
tutorial word for word, the others with the smallest grid. Words in capitals stand for what the reader has. What asks an
archive or serves a page is parsed only (test_docs.py); test_archive.py and test_sent.py run it.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, commands, of_make, parse
from typer.testing import CliRunner

from lge_sweep.cli import app

TUTORIAL = ROOT / "docs/tutorial.md"
QUICK = ("describe", "convert", "score", "schema", "phantom", "doctor")
LOOKING = ("status", "table", "report", "select", "compare", "browse", "predict")
GRIDS = ("phase1", "phase2", "search")
FITS = ("phase3", "phase4")
NOT_HERE = ("--dicomweb", "ui", "dashboard")
SMALLEST = {
    "phase1": ["--set", "grid.model=[unet]"],
    "phase2": ["--models", "unet", "--set", "grid.loss=[dice]", "--set", "grid.optimizer=[adam]"],
    "search": ["--models", "unet", "--trials", "2"],
}


class Reader:
    """Somebody with a checkout and a data set, who types commands."""

    def __init__(self, place: Path) -> None:
        """Give them a checkout's sweep files and pages, and exams."""
        self.place, self.made = place, 0
        shutil.copytree(ROOT / "sweeps", place / "sweeps")
        (place / "docs").symlink_to(ROOT / "docs")
        self.type(["lge-sweep", "phantom", "exams", "--cases", "8"])

    def type(self, words: list[str]) -> str:
        """Run a command in their checkout; return what it prints."""
        before = Path.cwd()
        os.chdir(self.place)
        try:
            done = CliRunner().invoke(app, [name for word in words[1:] for name in expand(word)])
        finally:
            os.chdir(before)
        assert done.exit_code == 0, f"{words}: {done.output[-3000:]}"
        return done.output

    def new(self, name: str = "new") -> str:
        """Name a folder that is not there yet."""
        self.made += 1
        return f"{name}{self.made}"

    def fill_in(self, words: list[str]) -> list[str]:
        """Put what they have in place of words in capitals."""
        if words[1] == "phantom":
            words = [self.new() if word == "FOLDER" else word for word in words]
        exams = {"FOLDER": "exams", "EXAM": "exam", "TABLE.csv": "docs/paper/table4_phase1.csv"}
        exams |= {"mydata.yaml": "exams/exams.yaml", "emidec_png": "exams/exams.yaml"}
        if "--model" in words:
            words = with_value(words, "--model", str(min(self.place.glob("runs/phase3-*/shipped/*"))))
        words = [exams.get(word, word) for word in words]
        words = [self.new() if word == "OUT" else word for word in words]
        return [re.sub("^RAW", lambda _: self.new("raw"), word) for word in words]


def expand(word: str) -> list[str]:
    """Expand a pattern as a shell does; one that nothing matches stays."""
    return [str(path) for path in sorted(Path().glob(word))] or [word] if "*" in word else [word]


def typed(page: Path) -> Iterator[list[str]]:
    """List the `lge-sweep` commands that a page has one type, whether make runs them or not."""
    for command in commands(page):
        if command.words[0] == "make":
            yield from of_make(command.words)
        elif command.words[0] == "lge-sweep":
            yield command.words


def name_of(words: list[str]) -> str:
    """Name a command."""
    return str(parse(words)["command"])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has typed nothing yet."""
    return Reader(tmp_path_factory.mktemp("reader"))


PLAIN = {" ".join(words): words for page in PAGES for words in typed(page) if name_of(words) in QUICK}


@pytest.mark.parametrize("words", PLAIN.values(), ids=PLAIN)
def test_commands_that_do_not_train(reader: Reader, words: list[str]) -> None:
    reader.type(reader.fill_in(words))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Somebody who has gone through the tutorial, word for word but for the profile."""
    someone = Reader(tmp_path_factory.mktemp("taught"))
    for words in typed(TUTORIAL):
        if name_of(words) not in NOT_HERE:
            someone.type(["smoke" if word in ("laptop", "tour") else word for word in words])
    someone.type(["lge-sweep", "phantom", "exam", "--format", "dicom", "--cases", "1"])
    return someone


@pytest.mark.slow  # minutes
def test_the_tutorial_ends_with_a_report(taught: Reader) -> None:
    assert len(list(taught.place.glob("results/*/report.html"))) == 2


OTHERS = [page for page in PAGES if page != TUTORIAL and page.name != "results.md"]


@pytest.mark.slow  # minutes
@pytest.mark.parametrize("page", OTHERS, ids=lambda page: page.name)
def test_commands_that_train(taught: Reader, page: Path) -> None:
    for words in typed(page):
        if name_of(words) in (*GRIDS, *FITS, *LOOKING) and "--dicomweb" not in words:
            taught.type(smallest(taught, taught.fill_in(words)))


def smallest(reader: Reader, words: list[str]) -> list[str]:
    """Make a command one of the profile smoke and the smallest grid, on what the tutorial has left."""
    name = name_of(words)
    if "--profile" in words:
        words = with_value(words, "--profile", "smoke")
    elif name in (*GRIDS, *FITS, "report"):
        words = [*words, "--profile", "smoke"]
    if name in GRIDS:  # on their own: another phase 2 would leave phase 3 with two selections
        return [*words, *SMALLEST[name], "--runs", reader.new("runs")]
    if name in (*FITS, "report") and "SWEEP" not in words:
        return with_value(words, "--data", "phantom") if "--data" in words else words  # that of the tutorial
    sweep = sorted(reader.place.glob("runs/phase2-stage2-*"))[0]
    cells = sorted(path.name for path in (sweep / "cells").iterdir())
    table = reader.type(["lge-sweep", "table", sweep.name]).splitlines()
    other = next(cell for cell in cells if not any(cell in line and "selected" in line for line in table))
    places = {"SWEEP": sweep.name, "CONFIGURATION": other}
    found = iter([f"{sweep.name}/{cell}" for cell in cells])  # both stages have cells of these names
    return [next(found) if word == "CELL" else places.get(word, word) for word in words]


def with_value(words: list[str], option: str, value: str) -> list[str]:
    """Return a command with another value of an option that it has."""
    place = words.index(option) + 1
    return [*words[:place], value, *words[place + 1 :]]
