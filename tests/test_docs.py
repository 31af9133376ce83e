"""What people read is true: every command can be typed, every link leads somewhere, every public name is explained."""

import ast
import re
import shutil
from pathlib import Path
from typing import get_args

import pytest
import settings_page
from doc_pages import LANGUAGES, PAGES, ROOT, Command, anchors, blocks, commands, links, of_make, parse
from package_source import MODULES, PACKAGE

from lge_sweep.config import load_sweep
from lge_sweep.config.data import Source

COMMANDS = [command for page in PAGES for command in commands(page)]
VARIABLES = re.compile(r"PATH|LGE_SWEEP_[A-Z_]+")
Defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
TRAINING = ("phase1", "phase2", "phase3", "phase4", "search")


def test_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert [line for line in lines if len(line) > 100] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page: Path) -> None:
    unknown = [(block.line, block.language) for block in blocks(page) if block.language not in LANGUAGES]
    assert unknown == [], f"{page}: use one of {', '.join(sorted(LANGUAGES))}"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_can_be_typed(command: Command) -> None:
    program, *rest = command.words
    if program == "make":
        for words in of_make(command.words):
            check(words)
    elif program == "lge-sweep":
        check(command.words)
    elif program == "export":
        assert all(VARIABLES.fullmatch(word.partition("=")[0]) for word in rest)
    elif program in ("python", "cp"):
        assert (ROOT / rest[0]).is_file()
    else:
        pytest.fail(f"{command.name}: no test knows how to check {program}")


def check(words: list[str]) -> None:
    """Parse a command, and the settings that it changes."""
    options = parse(words)
    if options["command"] not in TRAINING:
        return
    phase = "phase3" if options["command"] == "phase4" else options["command"]
    data = "phantom" if options["data"] == "mydata.yaml" else options["data"]
    profile = "tour" if options["profile"] == "auto" else options["profile"]
    load_sweep(phase, 1, data, profile, options.get("settings") or [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_heading_that_counts_counts_the_rows_below_it(page: Path) -> None:
    numbers = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    parts = re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    wrong = []
    for title, _, body in (part.partition("\n") for part in parts):
        first, rows = title.partition(" ")[0].lower(), re.findall(r"^\|.*$", body, flags=re.MULTILINE)[2:]
        if first in numbers and rows and numbers.index(first) + 2 != len(rows):
            wrong.append(f"{title}: {len(rows)} rows")
    assert wrong == []


def test_the_page_on_data_lists_every_kind_of_source() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    table = page.partition("| `source: kind:` |")[2].partition("\n\n")[0]
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(Source)}
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == kinds


def test_make_exists_for_these_tests() -> None:
    assert shutil.which("make")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_pages_of_the_site_link_to_nothing_outside_of_it() -> None:
    for page in PAGES:
        if ROOT / "docs" in page.parents:
            inside = [link for link in links(page) if not re.match(r"[a-z]+:|#", link)]
            assert all((page.parent / link).resolve().is_relative_to(ROOT / "docs") for link in inside), page


def test_the_settings_page_has_every_setting() -> None:
    written = settings_page.PAGE.read_text(encoding="utf-8")
    assert written == settings_page.page(written), "run: python tests/settings_page.py"


def public(tree: ast.Module | ast.ClassDef, prefix: str = "") -> list[tuple[str, Defined]]:
    """List the functions and classes of a module that others may use, and their methods."""
    found: list[tuple[str, Defined]] = []
    for node in tree.body:
        if isinstance(node, Defined) and not node.name.startswith("_"):
            found.append((prefix + node.name, node))
            if isinstance(node, ast.ClassDef):
                found += public(node, f"{node.name}.")
    return found


def test_every_public_name_is_explained() -> None:
    bare = [
        f"{module.name}: {name}"
        for module in MODULES
        for name, node in public(module.tree)
        if not ast.get_docstring(node)
    ]
    assert bare == []


def test_every_room_has_a_page_of_its_reference() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    described = {path.stem for path in ROOT.glob("docs/api/*.md")} - {"index"}
    assert described == rooms


def test_the_map_of_readme_has_every_room_and_base_file() -> None:
    known = re.findall(r"^  (\w+(?:\.py|/)) ", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    rooms = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(known) == sorted(files | rooms)


def test_every_variable_of_the_environment_is_explained() -> None:
    used = {name for module in MODULES for name in re.findall(r'"(LGE_SWEEP_[A-Z_]+)"', module.text)}
    assert used <= set(re.findall(r"LGE_SWEEP_[A-Z_]+", settings_page.PAGE.read_text(encoding="utf-8")))
