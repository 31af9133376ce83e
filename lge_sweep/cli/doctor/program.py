"""What is installed: versions, what is missing, what is not as pinned."""

import platform
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

from lge_sweep import __version__
from lge_sweep.cli.doctor.finding import Section, broken, note, slow
from lge_sweep.cli.doctor.torch_probe import TorchReport
from lge_sweep.machine import file_system
from lge_sweep.text import list_names

CHECKOUT = Path(__file__).parents[3]
NAMED_VERSIONS = {"torch": "torch", "pytorch-lightning": "Lightning", "mlflow": "MLflow", "optuna": "Optuna"}
SLOW_TO_LOAD = 20.0
"""Seconds that torch takes to load at most where nothing is wrong; 2 to 5 are usual."""
_NAME = re.compile(r"[\w.-]+")


def look_at_program(torch: TorchReport, checkout: Path = CHECKOUT) -> Section:
    """Look at what is installed.

    Args:
        torch: what it says.
        checkout: where `pyproject.toml` and `constraints.txt` are, if this is no wheel.
    """
    versions = installed_versions()
    shown = [f"{title} {versions[name]}" for name, title in NAMED_VERSIONS.items() if name in versions]
    findings = []
    missing = [name for name in required_names(checkout) if name not in versions]
    again = "make install" if (checkout / "constraints.txt").is_file() else "pip install lge_sweep"
    if missing:
        findings.append(broken("packages are missing", f"not installed: {list_names(missing)}", again))
    elif torch.failure:
        remedy = f"{again}; if that does not help, remove .venv first"
        findings.append(broken("torch cannot be imported", f"torch cannot be imported: {torch.failure}", remedy))
    pinned = pinned_versions(checkout)
    other = [
        f"{name} {versions[name]} ({pin})" for name, pin in pinned.items() if _public(versions.get(name, pin)) != pin
    ]
    if other:
        what = f"not the versions of constraints.txt: {list_names(other)}; last digits of results may differ"
        findings.append(note(what, "make clean install"))
    if torch.seconds > SLOW_TO_LOAD:
        kind = file_system(Path(sys.prefix)) or "its disk"
        what = f"torch took {torch.seconds:.0f} s to load from {sys.prefix} ({kind}), which every start does"
        findings.append(
            slow(
                "libraries load slowly",
                what,
                "ask again when the machine is idle; a .venv on a local disk is faster",
            )
        )
    as_pinned = ", versions as pinned" if pinned and not other and not missing else ""
    text = f"lge_sweep {__version__}, Python {platform.python_version()}, {', '.join(shown)}{as_pinned}"
    return Section("program", text, tuple(findings))


def installed_versions() -> dict[str, str]:
    """Return the version of each package of this Python, by its name as pip compares them."""
    found: dict[str, str] = {}
    for package in distributions():  # of two in one place the first on the path is imported
        found.setdefault(_canonical(package.name), package.version)
    return found


def required_names(checkout: Path) -> list[str]:
    """Return what the program needs: as the checkout says, which may be newer than what was installed.

    Args:
        checkout: where `pyproject.toml` is, if this is no wheel.
    """
    file = checkout / "pyproject.toml"
    try:
        if file.is_file():
            said = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
        else:
            said = [text for text in requires("lge_sweep") or [] if "extra ==" not in text]
    except PackageNotFoundError:
        return []
    return [_canonical(found[0]) for text in said if (found := _NAME.match(text))]


def pinned_versions(checkout: Path) -> dict[str, str]:
    """Return the versions of `constraints.txt`; none where there is no such file.

    Args:
        checkout: the folder it is in.
    """
    file = checkout / "constraints.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = [line.split("==") for line in lines if line.count("==") == 1]
    return {_canonical(name): version.strip() for name, version in pairs}


def _public(version: str) -> str:
    """Return a version without what a builder has added: PyTorch's own for a CPU is 2.14.1+cpu."""
    return version.partition("+")[0]


def _canonical(name: str) -> str:
    """Write a name as pip compares them (PEP 503).

    >>> _canonical("Jinja2"), _canonical("lazy_loader"), _canonical("ruamel.yaml")
    ('jinja2', 'lazy-loader', 'ruamel-yaml')
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
