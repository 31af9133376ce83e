"""The tables of docs/settings.md, from the schema; `python tests/settings_page.py` writes them anew."""

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from lge_sweep.config.data import DataFile
from lge_sweep.config.explain import models_in
from lge_sweep.config.schema import PhaseFile, PipelinesFile, ProfileFile

PAGE = Path(__file__).parents[1] / "docs/settings.md"
BEGIN, END = "<!-- begin: tables -->\n", "<!-- end: tables -->\n"
FILES: dict[str, tuple[str, type[BaseModel]]] = {
    "Data file": ("`sweeps/data/*.yaml`: where slices come from and how they are split.", DataFile),
    "Profile": ("`sweeps/profile/*.yaml`: how a network is trained.", ProfileFile),
    "Pipelines": ("`sweeps/pipelines/*.yaml`: pipelines past the paper, for phase 3.", PipelinesFile),
    "Phase": ("`sweeps/*.yaml`: what is compared and how a winner is chosen.", PhaseFile),
}
LONGEST_DEFAULT = 60
LONG_TABLE = 15
"""Lines; where a longer one stands beside another place for the same settings, it is not written twice."""


class Group(NamedTuple):
    """Settings that have one table: those of a model, at one place of a file."""

    prefix: str
    model: type[BaseModel]


def groups(model: type[BaseModel], prefix: str = "") -> Iterator[Group]:
    """List a model and all that its settings hold, each model once."""
    if prefix or any(not _models(field) for field in model.model_fields.values()):
        yield Group(prefix, model)
    for name, field in model.model_fields.items():
        key = "<key>." if typing.get_origin(_not_none(field.annotation)) is dict else ""
        for held in _models(field):
            yield from groups(held, f"{prefix}{name}.{key}")


def tables() -> str:
    """Write everything between the page's marks."""
    lines: list[str] = []
    seen: set[Group] = set()
    siblings: dict[tuple[str, type[BaseModel]], str] = {}
    for title, (about, model) in FILES.items():
        lines += ["", f"## {title}", "", about]
        for group in groups(model):
            beside = siblings.setdefault((group.prefix.rstrip(".").rpartition(".")[0], group.model), group.prefix)
            if group not in seen:
                table = _table(group)
                again = beside != group.prefix and len(table) > LONG_TABLE
                same = ["", f"As `{beside.rstrip('.')}`, whose settings it has."]
                lines += [*table[:2], *same] if again else table
            seen.add(group)
    return "\n".join([*lines[1:], "", ""])


def _table(group: Group) -> list[str]:
    kind = group.model.model_fields.get("kind")
    kinds = typing.get_args(kind.annotation) if kind else ()
    about = (group.model.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
    heading = f"### `{group.prefix.rstrip('.') or 'top level'}`" + (f", kind `{kinds[0]}`" if kinds else "")
    lines = ["", heading, "", about, "", "| setting | default | meaning |", "|---|---|---|"]
    for name, field in group.model.model_fields.items():
        if name != "kind" and not _models(field):
            meaning = " ".join((field.description or "").split()).replace("|", "\\|")
            lines.append(f"| `{name}` | {_default(field)} | {meaning} |")
    return lines if len(lines) > 7 else lines[:4]


def _not_none(annotation: Any) -> Any:
    """What a setting is where it is given."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    return next(one for one in typing.get_args(annotation) if one is not type(None))


def _models(field: FieldInfo) -> list[type[BaseModel]]:
    """Models that a setting holds, each once."""
    return list(dict.fromkeys(models_in(field.annotation)))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ({}, ()):
        return "none"
    text = yaml.safe_dump(to_jsonable_python(value), default_flow_style=True, width=1000, sort_keys=False)
    text = text.removesuffix("...\n").strip()
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT and "|" not in text else "see the schema"


def page(old: str) -> str:
    """Put the tables into the page."""
    before, rest = old.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
