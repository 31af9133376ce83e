"""The database server that keeps a ledger: how it is reached, waited for, and what to say where it cannot be used."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from optuna.exceptions import StorageInternalError

from lge_sweep.errors import RunsError
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore
from lge_sweep.text import error_text, format_seconds

if TYPE_CHECKING:
    from sqlalchemy import Engine

AWAY = 600.0
"""Seconds that a driver waits for a server that went away while it worked."""
LOOK_EVERY = 1.0
"""Seconds between two looks at whether it is there again."""
_LIBPQ = ("psycopg", "psycopg2")
"""Drivers of PostgreSQL that take its own library's options."""
_OPTIONS: dict[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""A host that has vanished is noticed within a minute, where TCP alone would take hours."""
_log = logging.getLogger(__name__)


def connection_options(url: str) -> dict[str, Any]:
    """Return SQLAlchemy's options of an engine for the ledger: lost connections are noticed, and replaced.

    Raises:
        RunsError, SQLAlchemyError: it is no address.
    """
    from sqlalchemy import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return {}
    taken = parsed.get_backend_name() == "postgresql" and parsed.get_dialect().driver in _LIBPQ
    own = {name: value for name, value in _OPTIONS.items() if taken and name not in parsed.query}
    return {"pool_pre_ping": True, "connect_args": own}


def await_server(engine: "Engine", store: RunStore) -> None:
    """Wait until the ledger's database takes connections again; returns at once if it does.

    Args:
        engine: of the database.
        store: the runs directory.

    Raises:
        RunsError: it has not come back.
    """
    from sqlalchemy.exc import DBAPIError

    began, said = time.monotonic(), False
    while True:
        try:
            with engine.connect():
                break
        except DBAPIError as error:
            if time.monotonic() - began > AWAY:
                raise unusable(store, error) from error
            if not said:
                said = True
                _log.warning(
                    "%s: the ledger does not answer (%s). Cells go on; it is waited for, %s at most",
                    store.ledger_shown, reason_of(error), format_seconds(AWAY),
                )  # fmt: skip
            time.sleep(LOOK_EVERY)
    if said:
        _log.warning("%s: the ledger answers again", store.ledger_shown)


@contextmanager
def explaining(store: RunStore) -> Iterator[None]:
    """Turn what a database raises into one message.

    Raises:
        RunsError: the database cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError, RuntimeError) as error:
        raise unusable(store, error) from error


def unusable(store: RunStore, error: BaseException) -> RunsError:
    """Say that the ledger's database cannot be used, why, and what to do."""
    from sqlalchemy.exc import OperationalError

    if isinstance(error, ImportError):
        return RunsError(
            f"{store.ledger_shown}: Python has no driver for this database; install one (for PostgreSQL: pip install "
            f"'lge_sweep[postgresql]', with postgresql+psycopg:// in {LEDGER_VARIABLE})"
        )
    upgrade = "; tables of another Optuna are brought up to date with: optuna storage upgrade --storage URL"
    return RunsError(
        f"{store.ledger_shown}: the ledger cannot be used ({reason_of(error)}). Check {LEDGER_VARIABLE} "
        f"and the server{'' if isinstance(error, OperationalError) else upgrade}. "
        "Nothing is lost: finished cells are in their folders, and the same command goes on"
    )


def reason_of(error: BaseException) -> str:
    """Return the innermost cause's first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {(error_text(error).splitlines() or [''])[0]}"
