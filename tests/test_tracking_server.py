"""MLflow's runs and models on a server, or in a database elsewhere: an address, and nothing of ours beside it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest
from mlflow.exceptions import MlflowException
from postgres import Postgres, why_none
from processes import free_port
from tiny_segmenter import write_segmenter
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.errors import ModelError, RunsError
from lge_sweep.pipeline.register import register_segmenter
from lge_sweep.run_store import TRACKING_VARIABLE, RunStore
from lge_sweep.segmenter.load import NAME, load_segmenter
from lge_sweep.tracking import Tracker
from lge_sweep.tracking.code import PACKAGE, copy_code, needed_files
from lge_sweep.tracking.download import locate
from lge_sweep.tracking.mlflow import client_of
from lge_sweep.tracking.registry import find_champion, find_version, promote

MODEL = f"models:/{NAME}@champion"


@pytest.fixture
def away() -> str:
    """The address of a server that is not there."""
    return f"http://me:s3cret@127.0.0.1:{free_port()}"


# ------------------------------------------------------------------------------------------------ a server that is away


def test_a_sweep_goes_on_where_the_server_is_away(away: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    tracker = Tracker(RunStore(tmp_path, tracking=away), patient=True)
    tracker.open_run("run", "a run", {}, {}).log([("loss", 0.5, 1)])
    assert not tracker.catch_up(0)
    assert time.monotonic() - began < 30
    assert tracker.behind is not None
    assert tracker.behind.startswith(away.replace("me:s3cret", "***"))
    assert "Connection refused" in tracker.behind
    assert "Nothing is lost" in caplog.text
    assert "s3cret" not in caplog.text + tracker.behind
    assert [path.name for path in tmp_path.iterdir()] == [".id"]


def test_the_end_of_a_sweep_waits_for_a_server(away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gave a server up at once that was being started again; only another's lock was waited for."""
    tracker = Tracker(RunStore(tmp_path, tracking=away), patient=True)
    assert "Connection refused" in str(tracker.behind)
    waited: list[float] = []
    monkeypatch.setattr("lge_sweep.tracking.mlflow.time.sleep", waited.append)
    answers = iter([ConnectionRefusedError("Connection refused"), MlflowException("503"), None])

    def connect(_: Tracker) -> None:
        if (failure := next(answers)) is not None:
            raise failure

    monkeypatch.setattr(Tracker, "_connect", connect)
    assert tracker.catch_up(60)
    assert waited == [1.0, 1.0]
    assert tracker.behind is None


def test_a_run_is_not_made_twice_on_a_slow_server(tmp_path: Path) -> None:
    """A proxy gives the server up that is making a run; MLflow's client asked for it again by itself."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path.rpartition("/")[2])
            self.send_error(504)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        tracker = Tracker(RunStore(tmp_path, tracking=f"http://127.0.0.1:{proxy.server_port}"), patient=True)
        with pytest.raises(MlflowException, match="504"):
            client_of(tracker.uri).create_run("0")
        proxy.shutdown()
    assert asked == ["create"]


def test_what_cannot_be_put_off_says_what_to_do(
    away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunsError, match=f"MLflow cannot use it .* is the address in {TRACKING_VARIABLE} right"):
        Tracker(RunStore(tmp_path, tracking=away))
    monkeypatch.setenv(TRACKING_VARIABLE, away)
    told = CliRunner().invoke(app, ["predict", "no-exam", "out", "--runs", str(tmp_path)])
    output = told.output + "".join(capfd.readouterr())
    assert told.exit_code == 2, output
    assert away.replace("me:s3cret", "***") in output
    assert "s3cret" not in output
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_a_server_is_not_ones_own(away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACKING_VARIABLE, away)
    with pytest.raises(ModelError, match="add --trust"):  # before anybody is asked
        load_segmenter(MODEL, "torch", tmp_path)


class _TokenServer(BaseHTTPRequestHandler):
    """Answers as MLflow's server with one experiment and one model does, behind what demands a token."""

    model: ClassVar[dict[str, bytes]] = {}
    """File of the model -> its content."""
    refused: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path, asked = address.path.removeprefix("/api/2.0/"), dict(parse_qsl(address.query))
        if self.headers["Authorization"] != "Bearer t0ken":
            self.refused.append(path)
            self.answer(b"who are you?", 401)
        elif path in {"mlflow/experiments/get-by-name", "mlflow/experiments/get"}:
            self.answer({"experiment": {"experiment_id": "7", "name": "lge_sweep", "lifecycle_stage": "active"}})
        elif path == "mlflow/registered-models/get":
            aliases = [{"alias": "champion", "version": "1"}]
            self.answer({"registered_model": {"name": asked["name"], "aliases": aliases}})
        elif path == "mlflow/registered-models/alias":
            self.answer({"model_version": {"name": asked["name"], "version": "1", "source": "models:/m-1"}})
        elif path == "mlflow/model-versions/get-download-uri":
            self.answer({"artifact_uri": "models:/m-1"})
        elif path == "mlflow/logged-models/m-1":
            self.answer({"model": {"info": {"model_id": "m-1", "artifact_uri": "mlflow-artifacts:/7/m-1"}, "data": {}}})
        elif path == "mlflow-artifacts/artifacts":
            folder = f"{asked['path']}/".removeprefix("7/m-1/")
            below = [name.removeprefix(folder).partition("/") for name in self.model if name.startswith(folder)]
            slashes = {name: slash for name, slash, _ in below}
            files = [{"path": name, "is_dir": bool(slash)} for name, slash in slashes.items()]
            self.answer({"files": files})
        elif (name := path.removeprefix("mlflow-artifacts/artifacts/7/m-1/")) in self.model:
            self.answer(self.model[name])
        else:
            self.answer(b"no such thing", 404)

    def answer(self, content: bytes | dict[str, Any], status: int = 200) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def token_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that demands a token."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _TokenServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(TRACKING_VARIABLE, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(_TokenServer, "refused", [])
        yield os.environ[TRACKING_VARIABLE]
        server.shutdown()


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["MLmodel", "artifacts/net/a.json", "artifacts/net/b.onnx", "code/c.py"], slice(1, 3)),
        (["a.json", "b.onnx"], slice(None)),
    ],
    ids=["a model of MLflow's", "bare files"],
)
def test_a_model_is_fetched_with_a_token(
    token_server: str, names: list[str], wanted: slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_TokenServer, "model", {name: name.encode() for name in names})
    folder = locate(Tracker(RunStore.open(tmp_path)), MODEL)
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == {name: name.encode() for name in names[wanted]}
    assert _TokenServer.refused == []


def test_who_has_no_token_is_told_of_it(token_server: str, tmp_path: Path) -> None:
    with pytest.raises(RunsError, match=r"401 .*may you use it \(.* or MLFLOW_TRACKING_TOKEN\)"):
        Tracker(RunStore.open(tmp_path))
    assert _TokenServer.refused == ["mlflow/experiments/get-by-name"]


def test_where_runs_go_is_said(away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own variable may have been set for something else; a database of before is not mixed up with it."""
    monkeypatch.setenv(TRACKING_VARIABLE, away)
    (tmp_path / "mlflow.db").touch()
    told = CliRunner().invoke(
        app, ["phase1", "--data", "emidec_png", "--root", str(tmp_path / "none"), "--runs", str(tmp_path)]
    )
    said = " ".join(told.output.split())
    assert f"MLflow's runs go to {away.replace('me:s3cret', '***')} ({TRACKING_VARIABLE})" in said
    assert f"note: {tmp_path}/mlflow.db is left alone" in said
    assert "s3cret" not in told.output


def test_the_page_of_a_server_is_the_servers(away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACKING_VARIABLE, f"{away}/lge")
    told = CliRunner().invoke(app, ["ui", "--no-browser"])
    assert told.exit_code == 0, told.output
    assert f"{away.replace('me:s3cret@', '')}/lge" in told.output
    assert "s3cret" not in told.output


# ----------------------------------------------------------------------------------------------------- another database


def test_a_database_without_a_driver_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RunsError, match=r"no driver for this database; .*pip install 'lge_sweep\[postgresql\]'"):
        Tracker(RunStore(tmp_path, tracking="postgresql+pg8000://me:s3cret@127.0.0.1:9/mlflow"))


@pytest.mark.slow  # MLflow makes a database anew
def test_runs_may_be_kept_in_a_database_elsewhere(tmp_path: Path) -> None:
    runs, other = tmp_path / "runs", tmp_path / "other" / "place.db"
    runs.mkdir()
    other.parent.mkdir()
    store = RunStore(runs, tracking=f"sqlite:///{other}")
    tracker = Tracker(store)
    run = tracker.open_run("run", "a run", {}, {})
    (runs / "kept.txt").write_text("kept")
    run.log_files([runs / "kept.txt"])
    run.finish()
    assert sorted(path.name for path in runs.iterdir()) == [".id", "artifacts", "kept.txt"]
    assert len(list(store.artifacts.rglob("kept.txt"))) == 1
    found = Tracker(store).find("run")
    assert found is not None
    assert found.info.status == "FINISHED"
    assert Tracker(RunStore(tmp_path / "another", tracking=store.tracking)).find("run") is None
    assert find_champion(tracker, NAME) is None
    with pytest.raises(ModelError, match=f"{MODEL}: not to be had from sqlite:///"):
        locate(tracker, MODEL)


# --------------------------------------------------------------------------------------------------- code of a model


def test_a_model_carries_what_its_file_imports_and_no_more(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    for name, text in {
        "__init__": "import os",
        "base": "",
        "served": "from pack.lazy import Wanted\ndef f():\n    import pack.late\nfrom pack import late2",
        "late": "import typing\nif typing.TYPE_CHECKING:\n    import pack.typed\nelse:\n    import pack.base",
        "late2": "",
        "typed": "",
        "unused": "import pack.served",
        "lazy/__init__": "import lazy_loader",
        "lazy/wanted": "from .near import here",
        "lazy/near": "here = 1",
        "lazy/unwanted": "import pack.unused",
    }.items():
        (package / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text)
    (package / "lazy" / "__init__.pyi").write_text("from .unwanted import Other\nfrom .wanted import Wanted as Wanted")
    copy_code(package / "served.py", tmp_path / "copy", package)
    copied = {str(path.relative_to(tmp_path / "copy" / "pack")) for path in (tmp_path / "copy").rglob("*.py*")}
    wanted = {"__init__.py", "base.py", "served.py", "late.py", "late2.py"}
    assert copied == wanted | {f"lazy/{name}" for name in ("__init__.py", "__init__.pyi", "wanted.py", "near.py")}


def test_a_segmenter_carries_nothing_that_reads_exams_or_runs_the_study() -> None:
    carried = {path.relative_to(PACKAGE) for path in needed_files(PACKAGE / "segmenter" / "served.py")}
    assert {Path("segmenter/segment.py"), Path("tracking/served.py")} <= carried
    rooms = {path.parts[0] for path in carried if len(path.parts) > 1}
    assert rooms <= {"config", "data", "segmenter", "tracking"}


# ------------------------------------------------------------------------------------------------------- a real server


SECURED = """
[mlflow]
default_permission = READ
database_uri = {database}
admin_username = me
admin_password = s3cret-and-long
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


@pytest.fixture(params=["its own database", "PostgreSQL, user and password"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that keeps runs and artifacts in its own place."""
    port, place = free_port(), tmp_path / "server"
    place.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(place / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with ExitStack() as opened:
        database = f"sqlite:///{place / 'mlflow.db'}"
        if request.param != "its own database":
            if why := why_none() or ("" if find_spec("flask_wtf") else "mlflow[auth] is not installed"):
                pytest.skip(why)
            postgres = Postgres()
            opened.callback(postgres.remove)
            postgres.start()
            database = postgres.create("mlflow")
            (place / "auth.ini").write_text(SECURED.format(database=postgres.create("users")))
            environment |= {"MLFLOW_AUTH_CONFIG_PATH": str(place / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "x"}
            command += ["--app-name", "basic-auth"]
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret-and-long")
        command += ["--backend-store-uri", database]
        log = opened.enter_context((place / "log").open("w"))
        process = subprocess.Popen(command, env=environment, cwd=place, stdout=log, stderr=log, start_new_session=True)
        opened.callback(process.wait)
        opened.callback(os.killpg, process.pid, signal.SIGTERM)
        for _ in range(240):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.slow  # MLflow makes a database anew
def test_runs_and_models_are_kept_on_a_server(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(TRACKING_VARIABLE, server)
    runs = tmp_path / "runs"
    folder = write_segmenter(runs / "segmenter")
    store = RunStore.open(runs)
    tracker = Tracker(store, patient=True)
    run = tracker.open_run("run", "a run", {}, {"a": 1})
    run.log([("loss", 0.5, 1), ("loss", 0.25, 2)])
    (runs / "kept.txt").write_text("kept")
    run.log_files([runs / "kept.txt"])
    run.finish()
    version = register_segmenter(tracker, folder, "run", "phase3-x", facts={"collapsed": "no"}, about="Tiny")
    promote(tracker, NAME, version, "phase3-x/", new=True, remedy="")
    assert tracker.behind is None
    assert find_version(tracker, NAME, version.key) is not None
    champion = find_champion(tracker, NAME)
    assert champion is not None
    assert champion.key == version.key
    found = Tracker(store).find("run")
    assert found is not None
    assert found.data.metrics == {"loss": 0.25}
    assert sorted(path.name for path in runs.iterdir()) == [".id", "kept.txt", "segmenter"]  # nothing of MLflow's
    assert len(list((tmp_path / "server" / "artifacts").rglob("kept.txt"))) == 1
    shutil.rmtree(runs)
    for _ in range(2):  # the second time it is the copy in the cache
        assert load_segmenter(MODEL, "onnx", runs).frame.size == 64
    assert len(list((tmp_path / "cache" / "lge_sweep" / "models").iterdir())) == 1
    with pytest.raises(ModelError, match="not to be had from http://"):
        load_segmenter("models:/nothing@champion", "onnx", runs)
