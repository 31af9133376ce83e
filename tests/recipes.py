"""The recipes of docs/recipes.md, done to a copy of the package as they are said there."""

import ast
import shutil
from collections.abc import Callable
from pathlib import Path

from doc_pages import ROOT, Block, blocks

PAGE = ROOT / "docs/recipes.md"


def apply_recipes(target: Path) -> list[Path]:
    """Copy the package and its sweep files, and do to the copy what the page says.

    Args:
        target: a folder.

    Returns:
        The files that were added or changed.
    """
    for name in ("lge_sweep", "sweeps"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = []
    for block in blocks(PAGE):
        first, _, code = block.text.partition("\n")
        file, _, place = first.removeprefix("# ").partition(", ")
        path = target / file
        assert place or not path.exists(), f"{block.line}: {file} is there already"
        path.write_text(code + "\n" if not place else _put(path.read_text("utf-8"), place, code, block), "utf-8")
        changed.append(path)
    return changed


def _put(text: str, place: str, code: str, block: Block) -> str:
    words, _, name = place.rpartition(" ")
    put = PLACES.get(place) or PLACES.get(words)
    assert put is not None, f"{PAGE}:{block.line}: a place must be one of {', '.join(PLACES)}, got {place}"
    return put(text, code, name)


def _at_its_end(text: str, code: str, _: str) -> str:
    return f"{text}\n\n{code}\n"


def _among_imports(text: str, code: str, _: str) -> str:
    last = max(node.lineno for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom)))
    return _inserted(text, last - 1, code)


def _at_the_end_of(text: str, code: str, name: str) -> str:
    return _inserted(text, _lines_of(text, name)[1] - 1, code)


def _above(text: str, code: str, name: str) -> str:
    return _inserted(text, _lines_of(text, name)[0], code + "\n\n")


def _in_place_of(text: str, code: str, name: str) -> str:
    first, end = _lines_of(text, name)
    lines = text.splitlines()
    return "\n".join([*lines[:first], code, *lines[end:]]) + "\n"


def _inserted(text: str, line: int, code: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[:line], code, *lines[line:]]) + "\n"


def _lines_of(text: str, name: str) -> tuple[int, int]:
    """First line of the assignment to a name, from 0, and the one after its last."""
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in map(ast.unparse, _targets(node)):
            return node.lineno - 1, node.end_lineno or node.lineno
    raise AssertionError(f"there is no {name}")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


PLACES: dict[str, Callable[[str, str, str], str]] = {
    "at its end": _at_its_end,
    "among its imports": _among_imports,
    "at the end of": _at_the_end_of,
    "above": _above,
    "in place of": _in_place_of,
}
