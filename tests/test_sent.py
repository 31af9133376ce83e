"""Nothing is sent, nothing is written where it must not be, and what is written is private.

All tests run under the guard (guard_plugin.py). Here, commands run as those of a user who has set nothing and whose
home is empty; phases 2 to 4 and `predict` do so in test_pipeline.py.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import guard
import pytest
import typer
from processes import free_port
from program import command
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.permissions import SHARE_VARIABLE, UMASKS, describe_open_folder
from lge_sweep.tracking.database import new_database

ROOT = Path(__file__).parents[1]
SMOKE = [
    "--profile", "smoke", "--set", "training.max_steps=2", "--set", "training.validation_every=1",
    "--set", "training.width=0.25", "--set", "source.cases=12",
]  # fmt: skip
UNET = ["--models", "unet", "--set", "grid.loss=[dice_ce]", "--set", "grid.optimizer=[adam]"]
FITS = [*SMOKE, "--set", "fit.folds=2", "--set", "fit.controls=[]"]
PHASE1 = "phase1-stage1-*"
COMMANDS: dict[str, list[str]] = {
    "schema": ["HERE/schema.json"],
    "score": [str(ROOT / "docs/paper/table4_phase1.csv")],
    "phantom": ["HERE/exams", "--format", "dicom", "--cases", "2"],
    "data describe": ["--sheet", "HERE/sheet.png"],
    "data convert": ["HERE/pairs"],
    "evaluate": ["HERE/pairs/labels", "--profile", "smoke", "--runs", "HERE/runs"],
    "phase1": ["--stage", "1", *SMOKE, "--set", "grid.model=[unet, segnet]", "--runs", "HERE/runs"],
    "select": [f"HERE/runs/{PHASE1}", "--runs", "HERE/runs"],
    "report": ["--profile", "smoke", "--runs", "HERE/runs", "--output", "HERE/report"],
    "browse": [f"HERE/runs/{PHASE1}", "--runs", "HERE/runs", "--mlflow"],
    "table": [f"HERE/runs/{PHASE1}", "--runs", "HERE/runs"],
    "compare": [f"HERE/runs/{PHASE1}/cells/unet*", f"HERE/runs/{PHASE1}/cells/segnet*", "--runs", "HERE/runs"],
    "status": ["--runs", "HERE/runs"],
    "doctor": ["--runs", "HERE/runs"],
    "sync": ["--runs", "HERE/runs"],
    "phase2": [*SMOKE, *UNET, "--runs", "HERE/runs"],
    "search": ["--stage", "1", *SMOKE, "--models", "unet", "--trials", "1", "--runs", "HERE/runs"],
    "phase3": [*FITS, "--runs", "HERE/runs"],
    "phase4": [*FITS, "--runs", "HERE/runs"],
    "predict": ["HERE/exams", "HERE/predicted", "--runs", "HERE/runs"],
    "data adopt": [
        "HERE/predicted",
        "--images",
        "HERE/exams",
        "--out",
        "HERE/adopted",
        "--by",
        "AR",
        "--accept-unchanged",
    ],
}
"""In an order in which each finds what it needs."""
LONG = ("phase2", "search", "phase3", "phase4", "predict", "data adopt")
"""Elsewhere under the guard of all tests (test_pipeline, test_search, test_adopt); here with LGE_SWEEP_SLOW_TESTS."""
SERVERS = {"ui": "/health", "dashboard": "/dashboard/"}
"""Command -> what it answers."""


@pytest.fixture(scope="module", autouse=True)
def _compiler(tmp_path_factory: pytest.TempPathFactory) -> None:
    library, obstacle = guard.build(tmp_path_factory.mktemp("guard"))
    if library is None:
        pytest.skip(obstacle)


def commands(user: guard.User, *names: str) -> list[tuple[str, list[str]]]:
    return [(name, [word.replace("HERE", str(user.results)) for word in COMMANDS[name]]) for name in names]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[guard.User, dict[str, str]]:
    """A user who has run every command that ends by itself and soon, and what each printed."""
    someone = guard.new_user(tmp_path_factory.mktemp("user") / "one")
    (someone.results / "runs").mkdir()
    (someone.results / "runs").chmod(0o755)
    names = [name for name in COMMANDS if name not in LONG]
    return someone, dict(zip(names, someone.run(commands(someone, *names)), strict=True))


@pytest.fixture
def user(ran: tuple[guard.User, dict[str, str]]) -> guard.User:
    return ran[0]


def names_of(command: Any, *path: str) -> Iterator[str]:
    """Names of all commands below one, `data convert` for one in a group."""
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path)
    for name, part in (below or {}).items():
        yield from names_of(part, *path, name)


def test_every_command_is_guarded_here() -> None:
    assert {*COMMANDS, *SERVERS} == set(names_of(typer.main.get_command(app)))


@pytest.mark.slow  # a user who runs every command takes a minute; all tests run under the guard anyway
def test_no_command_sends_anything_or_writes_elsewhere(user: guard.User) -> None:
    assert user.offences() == []


@pytest.mark.slow  # likewise
def test_a_home_gets_our_own_folders_and_nothing_else(user: guard.User) -> None:
    files = {path.relative_to(user.home).as_posix() for path in user.home.rglob("*") if path.is_file()}
    assert files
    assert {file for file in files if not file.startswith((".config/lge_sweep/", ".cache/lge_sweep/"))} == set()


@pytest.mark.slow  # likewise
def test_nobody_but_the_owner_can_read_what_commands_write(ran: tuple[guard.User, dict[str, str]]) -> None:
    user, printed = ran
    written = ["schema.json", "exams", "sheet.png", "pairs", "report"]
    assert all((user.results / name).stat().st_mode & 0o077 == 0 for name in written)
    for folder in ("exams", "pairs", "report", "runs"):
        assert guard.open_to_others(user.results / folder) == []
    assert guard.open_to_others(user.home) == []
    assert f"chmod -R go-rwx {user.results / 'runs'}" in printed["phase1"]  # it was there, and open


@pytest.mark.slow  # likewise
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_sends_nothing(user: guard.User, name: str) -> None:
    port = free_port()
    words = command(name, "--no-browser", "--port", str(port), "--runs", str(user.results / "runs"))
    with subprocess.Popen(words, cwd=user.home, env=user.environment, start_new_session=True) as server:
        try:
            deadline = time.monotonic() + 120
            while not answers(f"http://127.0.0.1:{port}{SERVERS[name]}"):
                assert server.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(30)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)
    assert user.offences() == []


def answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.slow  # minutes
@pytest.mark.parametrize("share", UMASKS)
def test_every_command_in_a_process_of_its_own(tmp_path: Path, share: str) -> None:
    someone = guard.new_user(tmp_path / "one", **{SHARE_VARIABLE: share})
    for name, arguments in commands(someone, *COMMANDS):
        someone.run([(name, arguments)])
        assert someone.offences() == [], name
    assert guard.open_to_others(someone.results, 0o777 & ~UMASKS[share]) == []
    if share == "group":
        assert [path for path, mode in guard.modes(someone.results).items() if mode & 0o060 != 0o060] == []


# ------------------------------------------------------------------------------------------------------ who may read it


def test_a_group_may_read_and_write_if_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mode(*options: str) -> int:
        file = tmp_path / "schema.json"
        done = CliRunner().invoke(app, [*options, "schema", str(file)])
        assert done.exit_code == 0, done.output
        found = file.stat().st_mode & 0o777
        file.unlink()
        return found

    before = os.umask(0o022)
    try:
        assert (mode(), mode("--share", "group")) == (0o600, 0o660)
        monkeypatch.setenv(SHARE_VARIABLE, "group")
        assert (mode(), mode("--share", "nobody")) == (0o660, 0o600)
        monkeypatch.setenv(SHARE_VARIABLE, "world")
        done = CliRunner().invoke(app, ["schema"])
        assert done.exit_code == 2
        assert SHARE_VARIABLE in done.output
    finally:
        assert os.umask(before) == 0o022  # whoever calls the command line from Python keeps theirs


def test_the_group_can_write_the_database_of_runs(tmp_path: Path) -> None:
    before = os.umask(UMASKS["group"])
    try:
        with (
            new_database(tmp_path / "mlflow.db") as uri,
            closing(sqlite3.connect(make_url(uri).database or "")) as connection,
        ):
            connection.execute("CREATE TABLE experiments (name TEXT)")
    finally:
        os.umask(before)
    assert (tmp_path / "mlflow.db").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("mode", "share", "advice"),
    [
        (0o755, "nobody", "chmod -R go-rwx"),
        (0o750, "nobody", "chmod -R go-rwx"),
        (0o711, "nobody", "chmod -R go-rwx"),
        (0o775, "group", "chmod -R o-rwx"),
        (0o770, "group", ""),
        (0o700, "nobody", ""),
    ],
)
def test_a_folder_that_was_open_is_pointed_out(tmp_path: Path, mode: int, share: str, advice: str) -> None:
    folder = tmp_path / "my runs"
    before = os.umask(UMASKS[share])
    try:
        assert describe_open_folder(folder) == ""
        folder.mkdir()
        folder.chmod(mode)
        said = describe_open_folder(folder)
        assert said.endswith(f"{advice} '{folder}'" if advice else advice)
        assert bool(said) == bool(advice)
        subprocess.run(said.rpartition(": ")[2] or "true", shell=True, check=True)
        assert describe_open_folder(folder) == ""
    finally:
        os.umask(before)


# ------------------------------------------------------------------------------------------------------------ the guard

OFFENDER = """
import ctypes, os, socket, subprocess, sys, tempfile
from pathlib import Path

def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError:
        pass

packet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt(socket.getaddrinfo, "example.invalid", 443)
ctypes.CDLL(None).gethostbyname(b"other.invalid")
ctypes.CDLL(None).res_query(b"third.invalid", 1, 1, ctypes.create_string_buffer(512), 512)
attempt(socket.create_connection, ("192.0.2.1", 80), 1)
attempt(packet.sendto, b"x", ("192.0.2.2", 53))
attempt(packet.sendmsg, [b"x"], [], 0, ("192.0.2.3", 53))
attempt(socket.create_connection, ("2001:db8::1", 80), 1)
attempt(socket.create_server, ("0.0.0.0", 0))
home = Path.home()
(home / "notes").write_text("x")
(home / "folder").mkdir()
(home / "notes").rename(home / "other")
(home / "other").unlink()
os.chdir(home / "folder")
open("relative", "w").close()
subprocess.run([sys.executable, "-c", "open('child', 'w')"])
subprocess.run(["touch", "grandchild"])
(home / ".cache/lge_sweep").mkdir(parents=True)
"""
DECENT = """
import os, socket, tempfile
from pathlib import Path

with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
socket.getaddrinfo("localhost", 80)
socket.getfqdn("127.0.0.1")
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "x").write_text("x")
(Path.home() / ".cache/lge_sweep/deep").mkdir(parents=True)
open("/dev/null", "w").close()
open("/etc/hostname").close()
"""


def test_the_guard_catches_what_it_is_there_for(tmp_path: Path) -> None:
    someone = guard.new_user(tmp_path / "one")
    subprocess.run([sys.executable, "-c", OFFENDER], env=someone.environment, cwd=someone.home, check=True, timeout=60)
    caught = [(offence.call, offence.what) for offence in guard.read(someone.place / "guard.log")]
    home = someone.home.resolve()
    listening = caught[7]
    assert caught[:8] == [
        ("getaddrinfo", "example.invalid"), ("gethostbyname", "other.invalid"), ("res_query", "third.invalid"),
        ("connect", "family 2 192.0.2.1 port 80"), ("sendto", "family 2 192.0.2.2 port 53"),
        ("sendmsg", "family 2 192.0.2.3 port 53"), ("connect", "family 10 2001:db8::1 port 80"), listening,
    ]  # fmt: skip
    assert (listening[0], listening[1].rpartition(" ")[0]) == ("listen", "family 2 0.0.0.0 port")
    names = ["notes", "folder", "notes", "other", "other", "folder/relative", "folder/child", "folder/grandchild"]
    assert [what for _, what in caught[8:]] == [str(home / name) for name in names]
    someone = guard.new_user(tmp_path / "two")
    subprocess.run([sys.executable, "-c", DECENT], env=someone.environment, cwd=someone.home, check=True, timeout=60)
    assert someone.offences() == []


OFFENDING_TEST = """
import socket, subprocess, sys
import pytest

def test_that_looks_up():
    with pytest.raises(OSError):
        socket.getaddrinfo("example.invalid", 443)

def test_of_a_child():
    subprocess.run([sys.executable, "-c", "import os; open(os.path.expanduser('~/x'), 'w')"], check=True)

def test_that_is_decent(tmp_path):
    (tmp_path / "x").write_text("x")
"""


def test_a_session_fails_by_the_test_that_sends(tmp_path: Path) -> None:
    someone = guard.new_user(tmp_path / "one")
    for name in ("guard.py", "guard.c", "guard_plugin.py"):
        (someone.results / name).write_bytes((ROOT / "tests" / name).read_bytes())
    (someone.results / "test_offence.py").write_text(OFFENDING_TEST)
    (someone.results / "pytest.ini").write_text("[pytest]\n")
    bare = {name: value for name, value in someone.environment.items() if name not in (guard.LIBRARY, guard.LOG)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "guard_plugin", "test_offence.py"]
    done = subprocess.run(
        command, cwd=someone.results, env=bare, capture_output=True, text=True, timeout=120, check=False
    )
    assert "3 passed" in done.stdout
    assert done.returncode == 1, done.stdout
    assert "test_offence.py::test_that_looks_up (call): getaddrinfo example.invalid" in done.stdout
    assert f"test_offence.py::test_of_a_child (call): open64 {someone.home.resolve() / 'x'}" in done.stdout
    assert "decent" not in done.stdout
