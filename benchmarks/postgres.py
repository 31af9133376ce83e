"""A PostgreSQL server of one's own, in a temporary folder, where its programs are installed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alive import descendants, free_port, is_alive, kill

USER = "postgres"


def find_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`; Debian's is not on the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class Postgres:
    """A server on the loopback address that trusts whoever asks. It does not run as root: root makes it another's.

    Args:
        synced: whether it waits for the disk, as a real one does.
    """

    def __init__(self, synced: bool = False) -> None:
        """Make its files."""
        self.fsync = "on" if synced else "off"
        programs = find_programs()
        assert programs is not None
        self.port = free_port()
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="lge_sweep-postgres-"))
        self._as: dict[str, str] = {"user": USER, "group": USER} if os.getuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, USER, USER)
        self._do("initdb", "-A", "trust", "-U", USER, "--no-sync", "--no-instructions", "-E", "UTF8")

    def url(self, database: str = "postgres", driver: str = "+psycopg") -> str:
        """Return the address of a database."""
        return f"postgresql{driver}://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync={self.fsync}"
        self._do("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._do("pg_ctl", "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill all of its processes, the first one first: it would start others."""
        first = int((self.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        processes = [first, *descendants(first)]
        for process in processes:
            kill(process)
        while any(map(is_alive, processes)):
            time.sleep(0.01)

    def create(self, database: str) -> str:
        """Make a new database; returns its address."""
        self.run(f"CREATE DATABASE {database}")
        return self.url(database)

    def run(self, command: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a command; returns its rows, if it has any."""
        import psycopg

        with psycopg.connect(self.url(database, driver=""), autocommit=True) as connection:
            cursor = connection.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """Stop it, and remove its files."""
        subprocess.run(self._command("pg_ctl", "-m", "immediate", "stop"), check=False, **self._options())
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *options: str) -> None:
        subprocess.run(self._command(program, *options), check=True, **self._options())

    def _command(self, program: str, *options: str) -> list[str]:
        return [str(self.programs / program), "-D", str(self.folder / "data"), *options]

    def _options(self) -> dict[str, Any]:
        bare = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        groups = {"extra_groups": ()} if self._as else {}
        # what they say is lost: a server that goes on would hold a pipe open
        return {**self._as, **groups, "env": bare, "cwd": "/", "stdout": subprocess.DEVNULL}


def why_none() -> str:
    """Say why no server can be started; empty if one can."""
    if find_programs() is None:
        return "PostgreSQL is not installed (initdb, pg_ctl)"
    if find_spec("psycopg") is None:
        return "psycopg is not installed (pip install 'lge_sweep[postgresql]')"
    if os.getuid() == 0:
        import pwd

        if USER not in {entry.pw_name for entry in pwd.getpwall()}:
            return f"PostgreSQL does not run as root, and there is no user {USER}"
    return ""


def start_postgres(opened: ExitStack, synced: bool = False) -> Postgres:
    """Start a server that is removed at the end; ends the program, saying why, where none can be started.

    Args:
        opened: what ends with it.
        synced: whether it waits for the disk.
    """
    if why := why_none():
        sys.exit(why)
    server = Postgres(synced)
    opened.callback(server.remove)
    server.start()
    return server
