"""Where the files of a registered model are: read from our own database, without MLflow, which takes seconds to load.

The database is MLflow's and stays the one truth; nothing is kept beside it that could grow stale. Whatever is out of
the ordinary is left to MLflow, whose answer, or error, counts.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.tracking.moved import EXPERIMENT, WAIT, path_of, relocate

NO_MODEL = (
    "run phase 3 first (make phase3), name its runs directory with --runs, or give the folder of a segmenter with "
    "--model"
)
"""What to do where a model is not registered."""
REGISTRY = "models:/"
_NAMED = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/([0-9]+))")
"""A model by its name, with an alias or a version."""
_LOGGED = re.compile(r"models:/([^/@]+)")
"""One by its id, which is what a version's own entry names."""
_MOST_STEPS = 4
"""From an alias to a folder it takes two."""


def find_model(store: RunStore, model: str) -> Path:
    """Return the folder of a model of the registry, on this machine; see `locate`, which does the same by MLflow.

    Args:
        store: the runs directory; there is something of MLflow's in it.
        model: such as `models:/lge-two-stage@champion` or `models:/lge-two-stage/3`.

    Raises:
        ModelError: there is none, or its files are gone.
        RunsError: the registry cannot be opened.
    """
    if (folder := read_folder(store, model)) is not None:
        return folder
    from lge_sweep.tracking.download import locate
    from lge_sweep.tracking.mlflow import Tracker

    return locate(Tracker(store), model)


def read_folder(store: RunStore, model: str) -> Path | None:
    """Return the folder of a model as our own database says; None where MLflow must be asked.

    So it must if a server or another's database has the registry, if the address is of another form (a stage,
    `latest`), if the database cannot be read or has other tables, and if it knows no such model or its files are gone.

    Raises:
        RunsError: the runs directory was moved, and its database, which must follow, can only be read.
    """
    if store.database is None or not store.database.is_file():
        return None
    try:
        relocate(store, store.database, EXPERIMENT)
        with closing(sqlite3.connect(store.database, timeout=WAIT)) as connection:
            place = _place_of(connection, model)
    except RunsError:
        raise
    except sqlite3.Error:
        return None
    folder = path_of(place) if place and place.startswith("file:") else None
    return folder if folder and folder.is_dir() else None


def _place_of(connection: sqlite3.Connection, address: str) -> str | None:
    """Follow an address to one that is none of the registry's."""
    place: str | None = address
    for _ in range(_MOST_STEPS):
        if place is None or not place.startswith(REGISTRY):
            return place
        place = _next_place(connection, place)
    return None


def _next_place(connection: sqlite3.Connection, address: str) -> str | None:
    """Return what the registry says to an address, in MLflow's own words; None: nothing, or more than one thing."""
    if found := _LOGGED.fullmatch(address):
        return _only(
            connection,
            "SELECT artifact_location FROM logged_models WHERE model_id = ? AND lifecycle_stage != 'deleted'",
            found[1],
        )
    found = _NAMED.fullmatch(address)
    if found is None or (found[2] or "").lower() == "latest":
        return None
    name, alias, version = found.groups()
    if alias:
        version = _only(
            connection, "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?", name, alias
        )
    return version and _only(
        connection,
        "SELECT coalesce(nullif(storage_location, ''), source) FROM model_versions "
        "WHERE name = ? AND version = ? AND current_stage != 'Deleted_Internal'",
        name,
        int(version),
    )


def _only(connection: sqlite3.Connection, query: str, *values: str | int) -> str | None:
    """Return the one value that a query finds; None if it finds none or several (of other workspaces)."""
    found = connection.execute(query, values).fetchall()
    return str(found[0][0]) if len(found) == 1 and found[0][0] is not None else None
