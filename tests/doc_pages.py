"""The pages that people read, as data: their fenced blocks, their commands, their links and headings."""

import re
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from typer.main import get_command

from lge_sweep.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
LANGUAGES = {"sh", "text", "yaml", "python", "markdown"}
"""`sh` is a command that can be typed as it stands, or with its words in capitals replaced; `text` is anything else."""
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)$")
LINK = re.compile(r"(?<!\\)\[[^\]\[]*\]\((?P<target>[^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str


class Command(NamedTuple):
    """A line of an `sh` block."""

    page: Path
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, but for patterns; without a comment."""
        return shlex.split(self.text, comments=True)

    @property
    def name(self) -> str:
        """Where it is and what it says."""
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def blocks(page: Path) -> Iterator[Block]:
    """List the fenced blocks of a page."""
    start, language, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if fence and not start:
            start, language, lines = number, fence["language"], []
        elif fence:
            yield Block(page, start, language, "\n".join(lines))
            start = 0
        elif start:
            lines.append(line)
    assert not start, f"{page}:{start}: a block that has no end"


def commands(page: Path) -> Iterator[Command]:
    """List the commands of a page, in order."""
    for block in blocks(page):
        if block.language == "sh":
            for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
                if shlex.split(line, comments=True):
                    yield Command(page, number, line.strip())


def prose(page: Path) -> str:
    """Return a page without its fenced blocks and code."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links(page: Path) -> list[str]:
    """List what a page links to."""
    return [match["target"] for match in LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """List the anchors of a page's headings, as MkDocs and GitHub make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {_anchor(title) for title in re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)}


def _anchor(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


def of_make(words: list[str]) -> list[list[str]]:
    """Return the `lge-sweep` commands that a `make` command runs, in order.

    Args:
        words: such as `["make", "phase1", "data=phantom"]`.
    """
    made = subprocess.run(
        ["make", "-n", "-o", ".venv/installed", *words[1:]],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, f"{shlex.join(words)}: {made.stderr}"
    lines = (shlex.split(line) for line in made.stdout.splitlines() if "bin/lge-sweep " in line)
    return [["lge-sweep", *line[1:]] for line in lines]


def parse(words: list[str]) -> dict[str, Any]:
    """Parse a command as `lge-sweep` does, without running it; return its options.

    Raises:
        typer.TyperException: it cannot be run so.
    """
    command: Any = get_command(app)
    context = command.make_context("lge-sweep", words[1:])
    while hasattr(command, "commands"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    options: dict[str, Any] = context.params
    return {"command": context.info_name, **options}
