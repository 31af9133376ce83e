"""A lock in the ledger's PostgreSQL, which holds on all hosts; it ends with its connection, however its holder ends."""

import hashlib
import os
import socket
import time
from contextlib import ExitStack, suppress

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from lge_sweep.engine.server import await_server, connection_options
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore

NAME = "lge-sweep"
LONGEST_NAME = 63
"""Bytes of the name of a connection that PostgreSQL keeps."""
OWN_REMAINS = 120.0
"""Seconds that the server may take to notice that an earlier connection of ours is gone."""
_FREE = text("SELECT pg_try_advisory_lock(:key)")
_HOLDER = text(
    "SELECT a.application_name, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') FROM pg_locks l "
    "JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database "
    "WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND (l.classid::bigint << 32 | l.objid::bigint) = :key"
)
_SETTINGS = {"idle_session_timeout": "0", "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}
"""The server's own settings for this connection: it stays while nothing is asked, and its end is noticed."""
_SET = text("SELECT set_config(:name, :value, false) WHERE current_setting(:name, true) IS NOT NULL")


class ServerLock:
    """The lock of a runs directory in the database of its ledger; its key is the directory's own id.

    Args:
        store: the runs directory.
    """

    def __init__(self, store: RunStore) -> None:
        """Connect to nothing yet."""
        assert store.ledger is not None
        self._store = store
        self._key = int.from_bytes(hashlib.sha256(f"driver of {store.own_id()}".encode()).digest()[:8], signed=True)
        self._name = f"{NAME} {os.getpid()}@{socket.gethostname()}".encode()[:LONGEST_NAME].decode(errors="ignore")
        self._engine = create_engine(
            store.ledger, poolclass=NullPool, isolation_level="AUTOCOMMIT", **_lasting(store.ledger)
        )
        self._connection: Connection | None = None

    def acquire(self) -> bool:
        """Take the lock, if nobody has it.

        Raises:
            SQLAlchemyError: the database cannot be used.
        """
        with ExitStack() as opened:
            connection = opened.enter_context(self._engine.connect())
            connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": self._name})
            for name, value in _SETTINGS.items():
                connection.execute(_SET, {"name": name, "value": value})
            if not connection.execute(_FREE, {"key": self._key}).scalar_one():
                return False
            opened.pop_all()
        self._connection = connection
        return True

    def check(self) -> None:
        """Make sure that it is held still; if its connection was lost, take it again.

        Raises:
            RunsError: another driver has it, or the database does not come back.
        """
        assert self._connection is not None
        try:
            self._connection.execute(text("SELECT 1"))
        except DBAPIError:
            self.release()
            self._take_again()

    def release(self) -> None:
        """Let it go."""
        if self._connection is not None:
            with suppress(DBAPIError):
                self._connection.close()
            self._connection = None

    def holder(self) -> tuple[str, str] | None:
        """Return who has it ("PID@HOST") and since when, "" where its role hides that; None: nobody.

        Raises:
            SQLAlchemyError: the database cannot be used.
        """
        with self._engine.connect() as connection:
            found = connection.execute(_HOLDER, {"key": self._key}).first()
        return None if found is None else (str(found[0]).removeprefix(f"{NAME} "), str(found[1] or ""))

    def _take_again(self) -> None:
        until = time.monotonic() + OWN_REMAINS
        while True:
            await_server(self._engine, self._store)
            with suppress(DBAPIError):  # it went away again
                if self.acquire():
                    return
                found = self.holder()
                ours = found is None or f"{NAME} {found[0]}" == self._name
                if found and (not ours or time.monotonic() > until):
                    since = f", since {found[1]}" if found[1] else ""
                    raise RunsError(
                        f"{self._store.root}: the connection to the ledger broke, and another driver has taken the "
                        f"runs directory meanwhile: {found[0]}{since}. Leave it to that one; what this one "
                        "has finished is kept"
                    )
            time.sleep(1.0)


def _lasting(url: str) -> dict[str, object]:
    return {name: value for name, value in connection_options(url).items() if name == "connect_args"}
