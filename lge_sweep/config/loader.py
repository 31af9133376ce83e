"""Read `sweeps/*.yaml`, put a sweep's configuration together, and explain what is wrong with it."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from lge_sweep.choices import suggest
from lge_sweep.config.data import DataFile
from lge_sweep.config.schema import PhaseFile, PipelinesFile, ProfileFile, SweepConfig
from lge_sweep.config.validation import validate
from lge_sweep.errors import ConfigError
from lge_sweep.paths import sweeps_folder
from lge_sweep.safe_yaml import MAX_DEPTH, parse_yaml, read_yaml_file
from lge_sweep.text import error_text, shorten

File = TypeVar("File", PhaseFile, DataFile, ProfileFile, PipelinesFile)
KEY = re.compile(r"[\w-]+(\.[\w-]+)*")
"""Of a setting: names joined by dots."""
_log = logging.getLogger(__name__)
OPTIONS = {"phase", "stage", "data", "profile"}
"""Settings that the command line has options of its own for; they name a sweep's folder."""
LONGEST_NAME = 80
"""Bytes of the name of a data or profile file: two of them and more make a folder's name, which may have 255."""
FOLDERS: dict[type[BaseModel], str] = {
    PhaseFile: "",
    DataFile: "data",
    ProfileFile: "profile",
    PipelinesFile: "pipelines",
}


def load_sweep(
    phase: str, stage: int, data: str, profile: str, overrides: Sequence[str] = (), *, pipelines: str | None = None
) -> SweepConfig:
    """Put one sweep's configuration together.

    Args:
        phase: name or path of a phase file.
        stage: 1 or 2.
        data: name or path of a data file.
        profile: name or path of a profile file.
        overrides: `KEY=VALUE` settings that win over the files, such as ``training.max_epochs=5``.
        pipelines: name or path of a file of pipelines past the paper, for phase 3.

    Raises:
        ConfigError: a file is missing, or a setting is unknown, of the wrong type or against a rule.
    """
    merged: dict[str, Any] = {"stage": stage, "data": _stem(data), "profile": _stem(profile)}
    for model, name in ((PhaseFile, phase), (DataFile, data), (ProfileFile, profile)):
        path = find_file(model, name)
        content = read_yaml(path)
        validate(model, content, str(path))
        if model is ProfileFile and ("fit" not in merged or content.get("fit") is None):
            content.pop("fit", None)  # nothing, or about a phase that this is not
        merged = _merge(merged, content)
    if pipelines is not None:
        path = find_file(PipelinesFile, pipelines)
        content = read_yaml(path)
        validate(PipelinesFile, content, str(path))
        merged = _merge(merged, {"fit": {name: value for name, value in content.items() if value is not None}})
    for override in overrides:
        _apply(merged, override)
    sources = [phase, data, profile, *([pipelines] if pipelines else []), *(["--set"] if overrides else [])]
    return validate(SweepConfig, merged, " + ".join(sources))


def is_simulated(data: str) -> bool:
    """Whether a data file is of simulated exams.

    Args:
        data: its name or path.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    source = read_yaml(find_file(DataFile, data)).get("source")
    return isinstance(source, Mapping) and source.get("kind") == "phantom"


def _merge(settings: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings of which `more` wins."""
    merged = dict(settings)
    for key, value in more.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _stem(name: str) -> str:
    """Return the name of a file without its ending, which becomes part of the names of folders and runs."""
    stem = Path(name).stem
    if re.fullmatch(r"[\w.-]+", stem) is None:
        raise ConfigError(
            f"{shorten(name)}: the file's name becomes part of a folder's; only letters, digits, '_', '-' and '.'"
        )
    if len(stem.encode()) > LONGEST_NAME:
        raise ConfigError(f"{shorten(name)}: the file's name becomes part of a folder's; at most {LONGEST_NAME} bytes")
    return stem


def find_file(model: type[BaseModel], name: str) -> Path:
    """Find the file that a name stands for.

    Args:
        model: the kind of file.
        name: a path, or the bare name of a file in that kind's folder under `sweeps`.

    Raises:
        ConfigError: there is none; the message names the nearest one.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        if not Path(name).is_file():
            raise ConfigError(f"{name}: no such file")
        return Path(name)
    folder = sweeps_folder() / FOLDERS[model]
    path = folder / f"{name}.yaml"
    if not path.is_file():
        kind = FOLDERS[model] or "phase"
        raise ConfigError(
            f"no {kind} named '{shorten(name)}' in {folder}: {suggest(name, (p.stem for p in folder.glob('*.yaml')))}"
        )
    return path


def read_data_file(name: str) -> DataFile:
    """Read the data file that a name stands for.

    Raises:
        ConfigError: there is none, or it is not what `validate` expects.
    """
    path = find_file(DataFile, name)
    return validate(DataFile, read_yaml(path), str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises:
        ConfigError: it cannot be read, is not YAML, or is something else than a mapping.
    """
    _log.info("reading settings: %s", path)
    try:
        content = read_yaml_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error_text(error)}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        got = "nothing" if content is None else type(content).__name__
        raise ConfigError(f"{path}: expected settings as 'key: value' lines, got {got}")
    return content


def _apply(settings: dict[str, Any], override: str) -> None:
    """Apply one `KEY=VALUE` to nested settings; the value is read as YAML."""
    key, equals, text = override.partition("=")
    key, shown = key.strip(), shorten(override)
    path = key.split(".")
    if not equals or KEY.fullmatch(key) is None or len(path) > MAX_DEPTH:
        raise ConfigError(f"--set {shown}: expected KEY=VALUE, such as training.max_epochs=5")
    if key in OPTIONS:
        raise ConfigError(f"--set {shown}: use --{key} (make: {key}=) for this")
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"--set {shown}: the value is not YAML: {error_text(error)}") from error
    target = settings
    for part in path[:-1]:
        inner = target.get(part)
        target[part] = dict(inner) if isinstance(inner, dict) else {}
        target = target[part]
    target[path[-1]] = value
