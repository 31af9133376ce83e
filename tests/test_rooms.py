"""The architecture, enforced: who may import whom, and what a light command must not load."""

import ast
import graphlib
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guard import new_user
from package_source import MODULES, PACKAGE, Module

# Along the flow of the data. scoring and report take plain tables only; they stand above the engine that calls them.
ROOMS = [
    "ingest", "curate", "split", "data", "metrics", "quantify", "scoring", "models", "report", "deliver", "archive",
    "tracking", "study", "engine", "segmenter", "pipeline", "manuscript", "browse", "api", "cli",
]  # fmt: skip
BASE = {
    "errors", "paths", "choices", "labels", "seeding", "loopback", "atomic", "hashing", "gpu", "interrupts", "config",
    "machine", "text", "pages", "progress", "csv_files", "safe_yaml", "patterns", "permissions", "arrays", "run_store",
    "run_folders",
}  # fmt: skip
HEAVY = {
    "mlflow": {"tracking"}, "optuna": {"engine"}, "pytorch_lightning": {"data", "models", "engine"},
    "dicomweb_client": {"archive"}, "requests": {"archive"},
}  # fmt: skip


def room_of(module: Module) -> str:
    return module.name.split("/")[0].removesuffix(".py")


def allowed(room: str) -> set[str]:
    if room in ROOMS:
        return BASE | set(ROOMS[: ROOMS.index(room) + 1])
    return BASE if room in BASE else BASE | set(ROOMS)


def exported(room: str) -> dict[str, str]:
    """Return what a room exports: name -> module that has it."""
    stub = PACKAGE / room / "__init__.pyi"
    names = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name
            module = node.module or alias.name
            names[alias.name] = f"lge_sweep.{room}.{module}"
    return names


EXPORTED = {room: exported(room) for room in ROOMS if room != "cli"}
"""`config` and the base files have no door: they are used by their modules. Nobody is above the command line."""


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_room_imports_only_from_rooms_above_it_and_by_their_doors(module: Module) -> None:
    room, names = room_of(module), list(module.imports())
    used = {name.split(".")[1] for name in names if name.startswith("lge_sweep.")}
    assert used <= allowed(room), f"{module.name} may not import {used - allowed(room)}"
    inside = [name for name in names if name.count(".") > 1 and name.split(".")[1] in EXPORTED]
    others = [name for name in inside if name.startswith("lge_sweep.") and name.split(".")[1] != room]
    assert not others, f"{module.name} must import from the room, not from its modules: {others}"


@pytest.mark.parametrize("room", EXPORTED)
def test_a_room_has_what_it_says(room: str) -> None:
    names = EXPORTED[room]
    assert names
    modules = {path.stem for path in (PACKAGE / room).iterdir()}
    same = {name for name, module in names.items() if name in modules and not module.endswith(f".{name}")}
    assert not same, "the module would be found in place of what has its name"
    for name, module in names.items():
        found = getattr(importlib.import_module(f"lge_sweep.{room}"), name)
        assert found is (sys.modules[module] if module.endswith(f".{name}") else getattr(sys.modules[module], name))


def imported_modules(module: Module) -> Iterator[str]:
    """Yield the modules that are imported as soon as this one is, a name of a room standing for its module."""
    for node in module.tree.body:  # not in functions, nor for types alone
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lge_sweep"):
            doors = EXPORTED.get(node.module.removeprefix("lge_sweep."), {})
            yield from (doors.get(alias.name, node.module) for alias in node.names)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        "lge_sweep." + module.name.removesuffix(".py").replace("/", "."): set(imported_modules(module))
        for module in MODULES
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_what_is_named_with_its_room_is_there(module: Module) -> None:
    for name in re.findall(r"`(lge_sweep(?:\.\w+)+)`", module.text):
        owner, _, last = name.rpartition(".")
        found = pkgutil.resolve_name(owner)
        assert hasattr(found, last) or last in getattr(found, "__annotations__", {}) or pkgutil.resolve_name(name), name


def test_every_module_belongs_to_a_known_room() -> None:
    assert {room_of(module) for module in MODULES} <= set(ROOMS) | BASE | {"__init__"}


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    users = {room_of(module) for module in MODULES if any(name.split(".")[0] == library for name in module.imports())}
    assert users <= HEAVY[library]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["phase1", "--help"],
        ["data", "describe", "--help"],
        ["phantom", "--help"],
        ["predict", "--help"],
        ["--version"],
        ["score", "docs/paper/table4_phase1.csv"],
    ],
)
def test_light_commands_load_neither_torch_nor_mlflow(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom lge_sweep.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'mlflow', 'optuna', 'pandas', 'matplotlib', 'pydicom', 'nibabel', 'requests'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=PACKAGE.parent, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], {"numpy", "pydantic", "rich.progress"}),
        (["score", "docs/paper/table4_phase1.csv"], {"numpy", "lge_sweep.config"}),
        (["status", "--runs", "tests"], {"sqlalchemy", "pandas", "mlflow", "torch", "lge_sweep.config"}),
    ],
)
def test_what_is_asked_for_often_loads_little(arguments: list[str], heavy: set[str]) -> None:
    code = (
        "import sys\nfrom lge_sweep.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"assert not {heavy!r} & set(sys.modules), {heavy!r} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=PACKAGE.parent, timeout=60)


@pytest.mark.parametrize("module", ["lge_sweep", "lge_sweep.tracking.served"])  # the second: how a model is served
def test_importing_the_package_keeps_libraries_from_calling_out(module: str, tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        f"import {module}\n"
        "assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'\n"
        "assert os.environ['MLFLOW_DISABLE_TELEMETRY'] == 'true'\n"
        "assert os.environ['HF_HUB_DISABLE_TELEMETRY'] == '1'\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "assert 'onnxruntime' not in sys.modules"
    )
    environment = new_user(tmp_path / "user").environment  # this process has set them already
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=environment)
