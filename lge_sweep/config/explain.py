"""What is wrong with a setting, in a line: key path, rule, value got, allowed or nearest ones."""

import typing
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from lge_sweep.choices import suggest
from lge_sweep.text import shorten

SHAPES = {"dict_type", "list_type", "literal_error", "too_long", "too_short", "tuple_type"}
"""Errors after which an example of the setting helps, where it has one."""
OF_A_KEY = "[key]"
"""What pydantic puts behind a mapping's key that is wrong itself."""


class _Place(NamedTuple):
    """Where in the settings an error is.

    Attributes:
        path: keys, as in the file.
        models: what the last key is a setting of, as far as `kind` says.
        kinds: the same, of every kind.
        example: of the setting that the path leads to or through, as YAML; "" where it has none.
    """

    path: list[str]
    models: list[type[BaseModel]]
    kinds: list[type[BaseModel]]
    example: str


def explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """Say what is wrong with one setting.

    Args:
        model: the schema of the file.
        error: what pydantic found.
    """
    place = _find(model, error["loc"])
    key = shorten(".".join(place.path))
    got = error.get("input")
    if error["type"] == "extra_forbidden":
        return f"{key}: {_unknown(place)}"
    if error["type"] == "missing":
        return f"{key}: this setting is required" + (f", such as {place.example}" if place.example else "")
    such_as = f"; expected such as {place.example}" if place.example and error["type"] in SHAPES else ""
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "literal_error":
        return f"{key}: unknown value {shorten(repr(got))}: {suggest(str(got), _literals(error))}{such_as}"
    if isinstance(got, dict):
        return f"{key or 'settings'}: {message}{such_as}"
    return f"{key}: {message[0].lower() + message[1:]}, got {shorten(repr(got))}{such_as}"


def _unknown(place: _Place) -> str:
    """Say of what kind a setting is, or which one was probably meant."""
    name, fields = place.path[-1], sorted({name for m in place.models for name in m.model_fields})
    others = [str(_tag(m)) for m in place.kinds if m not in place.models and name in m.model_fields]
    if not others or len(place.models) != 1:
        return f"unknown setting: {suggest(name, fields)}"
    (model,) = place.models
    own = ", ".join(_example(model, field) or field for field in model.model_fields if field != "kind")
    return (
        f"not a setting of kind {_tag(model)} (kinds that have it: {', '.join(others)}); kind {_tag(model)} has {own}"
    )


def _literals(error: ErrorDetails) -> list[str]:
    expected = str(error["ctx"]["expected"]).replace(" or ", ", ")
    return [item.strip("' ") for item in expected.split(",")]


def _find(model: type[BaseModel], location: Iterable[int | str]) -> _Place:
    """Follow an error's location; union tags, which pydantic puts into it, are not keys of the file."""
    path: list[str] = []
    models = kinds = before = all_before = [model]
    example = ""
    for part in location:
        if part == OF_A_KEY:
            continue
        tagged = [m for m in models if _tag(m) == part]
        if tagged and len(models) > 1:
            models = tagged
            continue
        path.append(str(part))
        before, all_before = models, kinds
        example = next((text for m in models if (text := _example(m, str(part)))), example)
        models = kinds = [
            inner for m in models if part in m.model_fields for inner in models_in(m.model_fields[str(part)].annotation)
        ]
    return _Place(path, before, all_before, example)


def _example(model: type[BaseModel], name: str) -> str:
    """Return the example of a setting, as a line of YAML."""
    field = model.model_fields.get(name)
    if field is None or not field.examples:
        return ""
    shown = yaml.safe_dump(field.examples[0], default_flow_style=True, sort_keys=False, width=float("inf")).strip()
    return f"{name}: {shown}"


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return str(typing.get_args(field.annotation)[0]) if field else None


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a type is made of, however they are wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in models_in(argument)]
