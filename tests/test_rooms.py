"""The architecture, enforced: who may import whom, and what a light command must not load."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guard import new_user

PACKAGE = Path(__file__).parents[1] / "lge_sweep"
# Along the flow of the data. scoring and report take plain tables only; they stand above the engine that calls them.
ROOMS = [
    "ingest", "curate", "split", "data", "metrics", "quantify", "scoring", "models", "report", "deliver", "archive",
    "tracking", "study", "engine", "segmenter", "pipeline", "cli",
]  # fmt: skip
BASE = {
    "errors", "paths", "choices", "labels", "seeding", "loopback", "atomic", "hashing", "gpu", "interrupts", "config",
    "text", "progress", "csv_files", "safe_yaml", "patterns", "permissions", "arrays", "run_store",
}  # fmt: skip
HEAVY = {
    "mlflow": {"tracking"}, "optuna": {"engine"}, "pytorch_lightning": {"data", "models", "engine"},
    "dicomweb_client": {"archive"}, "requests": {"archive"},
}  # fmt: skip


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def allowed(room: str) -> set[str]:
    if room in ROOMS:
        return BASE | set(ROOMS[: ROOMS.index(room) + 1])
    return BASE if room in BASE else BASE | set(ROOMS)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    used = {name.split(".")[1] for name in imports(path) if name.startswith("lge_sweep.")}
    assert used <= allowed(room_of(path)), f"{path.name} may not import {used - allowed(room_of(path))}"


def test_every_module_belongs_to_a_known_room() -> None:
    assert {room_of(path) for path in files()} <= set(ROOMS) | BASE | {"__init__"}


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    users = {room_of(path) for path in files() if any(name.split(".")[0] == library for name in imports(path))}
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
