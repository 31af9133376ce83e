"""Where results go: the runs directory, its disk, the servers beside it, what trains elsewhere."""

import os
import shutil
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from lge_sweep.cli.doctor.finding import GIB, Section, broken, gib, note
from lge_sweep.errors import RunsError
from lge_sweep.machine import file_system
from lge_sweep.paths import describe_name, first_command
from lge_sweep.permissions import describe_open_folder
from lge_sweep.run_store import LEDGER_VARIABLE, TRACKING_VARIABLE, RunStore, is_held_here, read_holder
from lge_sweep.text import shorten

SWEEP, ALL = GIB, 10 * GIB
"""Bytes that phase 1 takes, both stages: ten networks of up to 120 MB; and all four phases with profile paper."""
ANSWER = 2.0
"""Seconds that a server has to take a connection."""
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
EXTRAS = {"slurm": "submitit", "ray": "ray"}
"""Executor -> the package that it needs."""


def look_at_disk(store: RunStore) -> Section:
    """Look at the disk that results go to.

    Args:
        store: the runs directory, which need not exist.
    """
    there = nearest_folder(store.root)
    kind, free = file_system(there), shutil.disk_usage(there).free
    needs = "phase 1 takes about 1 GB, all four phases up to 10 GB"
    findings = []
    if free < SWEEP:
        what = f"{gib(free)} are free in {there}: {needs}"
        findings.append(
            broken("too little disk", what, "make room, or name another folder with --runs or LGE_SWEEP_RUNS")
        )
    elif free < ALL:
        what = f"{gib(free)} are free in {there}: enough for phase 1, perhaps not for all"
        findings.append(note(what, "make room before phase 2, or name another folder with --runs"))
    if kind in ("tmpfs", "ramfs"):
        what = f"{there} is in memory ({kind}): results are gone with the next restart"
        findings.append(note(what, "name a folder on a disk with --runs or LGE_SWEEP_RUNS"))
    return Section("disk", f"{gib(free)} free ({kind or 'its kind is not known'}); {needs}", tuple(findings))


def nearest_folder(folder: Path) -> Path:
    """Return the folder, or the nearest above it that there is."""
    path = folder.resolve()
    return next(place for place in (path, *path.parents) if place.exists())


def look_at_runs(store: RunStore) -> Section:
    """Look at the runs directory: what is in it, who works there, whether it can be written.

    Args:
        store: the runs directory, which need not exist.

    Raises:
        ImportError: what is needed to look is not installed.
    """
    from lge_sweep.engine import describe_file_system

    there = nearest_folder(store.root)
    findings = []
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = f"{there} cannot be written, so there is no place for results"
        findings.append(broken("no place for results", what, "name another folder with --runs or LGE_SWEEP_RUNS"))
    said = (describe_file_system(store), describe_name(store.root), describe_open_folder(store.root), store.left_alone)
    findings += [note(text) for text in said if text]
    if there != store.root.resolve():
        return Section("runs", f"{store.root}: not there yet; {first_command(store.root)}", tuple(findings))
    sweeps = len(store.sweeps())
    who, held = read_holder(store), is_held_here(store)
    driver = f"a command is running there: {shorten(who.get('command', 'it did not leave its name'))}"
    put_aside = len(list(store.damaged.iterdir())) if store.damaged.is_dir() else 0
    if put_aside:
        what = f"{put_aside} damaged file(s) or folder(s) were put aside in {store.damaged}"
        findings.append(note(what, "what they held was made again; look at the disk, then remove them"))
    counted = f"{sweeps} sweep{'s' * (sweeps != 1)}" if sweeps else f"no sweep yet; {first_command(store.root)}"
    working = driver if held else "no command is running there"
    return Section("runs", f"{store.root}: {counted}; {working}", tuple(findings))


def look_at_servers(store: RunStore) -> Section | None:
    """Look whether the servers that are named take a connection; None if none is.

    Args:
        store: the runs directory.
    """
    shown, findings = [], []
    away = f"see that it runs, and that {{}} names it; a firewall may be between (no answer within {ANSWER:g} s)"
    if store.ledger:
        shown.append(f"ledger {store.ledger_shown}")
        if store.ledger.startswith("postgresql") and not _version("psycopg") and not _version("psycopg2"):
            what = f"{LEDGER_VARIABLE} is in PostgreSQL, and its driver is not installed"
            findings.append(broken("no driver of PostgreSQL", what, "pip install 'lge_sweep[postgresql]'"))
        elif reason := unreachable(store.ledger):
            what = f"the ledger's server does not answer ({reason})"
            findings.append(broken("the ledger does not answer", what, away.format(LEDGER_VARIABLE)))
    if store.tracking:
        shown.append(f"MLflow {store.tracking_shown}")
        if reason := unreachable(store.tracking):
            what = f"MLflow's server does not answer ({reason}); sweeps run, and are sent later (lge-sweep sync)"
            findings.append(note(what, away.format(TRACKING_VARIABLE)))
    return Section("servers", ", ".join(shown), tuple(findings)) if shown else None


def unreachable(address: str) -> str:
    """Return why no connection to a server can be made; "" if one can, or there is no server in the address.

    Args:
        address: as SQLAlchemy or MLflow take it.
    """
    parts = urlsplit(address)
    kind = parts.scheme.partition("+")[0]
    if kind not in PORTS or not parts.hostname:
        return ""
    port = parts.port or PORTS[kind]
    try:
        with socket.create_connection((parts.hostname, port), timeout=ANSWER):
            return ""
    except OSError as error:
        return f"{shorten(parts.hostname)}, port {port}: {error.strerror or error}"


def look_at_executors() -> Section:
    """Look at where cells can be trained, and what is missing for the rest.

    Raises:
        ImportError: what is needed to look is not installed.
    """
    from lge_sweep.engine import EXECUTOR_VARIABLE, executor_name

    sbatch = shutil.which("sbatch") is not None
    there = {name: _version(package) for name, package in EXTRAS.items()}
    words = ["local"]
    for name, package in EXTRAS.items():
        got = f"{package} {there[name]}" if there[name] else f"not installed (pip install 'lge_sweep[{name}]')"
        words.append(f"{name}: {got}{'' if sbatch or name != 'slurm' else ', no sbatch here'}")
    findings, named = [], ""
    try:
        named = executor_name()
    except RunsError as error:
        findings.append(broken("an unknown executor", str(error), f"change or unset {EXECUTOR_VARIABLE}"))
    if named in EXTRAS and not there[named]:
        what = f"{EXECUTOR_VARIABLE} is {named}, and {EXTRAS[named]} is not installed"
        findings.append(broken(f"{EXTRAS[named]} is missing", what, f"pip install 'lge_sweep[{named}]'"))
    elif named == "slurm" and not sbatch:
        what = f"{EXECUTOR_VARIABLE} is slurm, and there is no sbatch here"
        findings.append(broken("no SLURM", what, f"go where jobs are submitted, or unset {EXECUTOR_VARIABLE}"))
    driver = _version("psycopg")
    database = f"psycopg {driver}" if driver else "no driver (pip install 'lge_sweep[postgresql]')"
    return Section("executors", f"{'; '.join(words)}; PostgreSQL: {database}", tuple(findings))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
