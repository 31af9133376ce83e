"""The browser pages: whom they answer, what they leave behind."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import optuna
import pytest
from optuna_dashboard import wsgi
from processes import free_port
from program import command
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.engine.dashboard import READ_ONLY
from lge_sweep.loopback import Page, PageServer
from lge_sweep.run_store import RunStore
from lge_sweep.tracking import EXPERIMENT, Tracker
from lge_sweep.tracking.ui import NOT_SHOWN


def ask(
    port: int, method: str = "GET", path: str = "/", body: str | None = None, **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Return status, text and headers of an answer; `host` is the right one unless given."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {"Host": f"127.0.0.1:{port}", **headers})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, text, dict(answer.getheaders())


@contextmanager
def served(server: PageServer, application: WSGIApplication, read_only: str = "") -> Iterator[int]:
    thread = threading.Thread(target=server.run, args=(Page(application, "", read_only), lambda address: None))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"reached"]


def test_only_the_page_itself_is_answered() -> None:
    with served(PageServer(0), echo) as port:
        for host in ("127.0.0.1", "localhost"):
            here = f"{host}:{port}"
            for headers in ({"Host": here}, {"Host": here, "Origin": f"http://{here}"}):
                assert ask(port, "POST", "/", "{}", **headers)[:2] == (200, "reached")
            for origin in (
                "http://evil.example",
                "null",
                "",
                f"https://{here}",
                f"http://{host}",
                "http://localhost:1",
            ):
                status, text, _ = ask(port, "POST", "/", "x" * 3_000_000, Host=here, Origin=origin)
                assert (status, "was asked by a page of" in text) == (403, True)
                assert ask(port, Host=here, Origin=origin)[0] == 403
        # names that were made to point here; MLflow's own check takes the second and third for a private network
        for name in (
            "evil.example",
            "10.evil.example",
            "192.168.evil.example",
            "127.0.0.1",
            "127.0.0.1.evil.example",
            "",
        ):
            for foreign in (name, f"{name}:{port}")[: 1 if name == "127.0.0.1" else 2]:
                status, text, _ = ask(port, Host=foreign)
                assert (status, f"answers to http://127.0.0.1:{port} (or localhost) alone" in text) == (403, True)
        assert len(ask(port, Host="x" * 30_000)[1]) < 400


def test_a_page_may_call_nobody_else() -> None:
    with served(PageServer(0), echo) as port:
        policy = ask(port)[2]["Content-Security-Policy"]
    assert policy.startswith("default-src 'self' ")
    assert "http" not in policy


def test_a_taken_port_is_explained(tmp_path: Path) -> None:
    with PageServer(0) as server:
        (tmp_path / "study.log").touch()
        done = CliRunner().invoke(app, ["dashboard", "--runs", str(tmp_path), "--port", str(server.server_port)])
    assert done.exit_code == 2
    assert re.search(f"port {server.server_port} on 127.0.0.1 cannot be used .* give another with --port", done.output)


def test_the_dashboard_shows_trials_and_changes_none() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="search-x")
    study.add_trial(optuna.trial.create_trial(value=0.5))
    with served(PageServer(0), wsgi(storage), READ_ONLY) as port:
        status, text, _ = ask(port, path="/api/studies")
        assert status == 200
        assert [entry["study_name"] for entry in json.loads(text)["study_summaries"]] == ["search-x"]
        assert ask(port, path="/dashboard/")[0] == 200
        for method, path in (
            ("DELETE", "/api/studies/0"),
            ("POST", "/api/studies"),
            ("POST", "/api/studies/0/rename"),
            ("PUT", "/api/studies/0/note"),
            ("POST", "/api/trials/0/user-attrs"),
            ("OPTIONS", "/api/studies"),
        ):
            status, text, headers = ask(port, method, path, "{}")
            assert (status, text.strip(), headers["Allow"]) == (405, READ_ONLY, "GET, HEAD")
            assert ask(port, method, path, "{}", Origin="http://evil.example")[0] == 403
            assert ask(port, method, path, "{}", Host="evil.example")[0] == 403
    assert [entry.study_name for entry in optuna.get_all_study_summaries(storage)] == ["search-x"]


@contextmanager
def started(*program: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A page's program, in a process group of its own; its first line is there when it serves."""
    port = free_port()
    words = [*program, "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            assert server.stdout is not None
            assert f"http://127.0.0.1:{port}/" in server.stdout.readline() + server.stdout.readline()
            yield server, port
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)


def group(leader: int) -> list[int]:
    """Return the processes of a group that are not dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, member = stat.read_text().rpartition(")")[2].split()[:3]
            found += [int(stat.parent.name)] if (int(member), state != "Z") == (leader, True) else []
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_mlflows_page_is_one_process_that_works_and_leaves_nothing(tmp_path: Path) -> None:
    runs = tmp_path / "q?x=1 p%20q"
    runs.mkdir()
    tracker = Tracker(RunStore(runs))
    run = tracker.open_run("key", "a run", {}, {}).id
    tracker.client.create_registered_model("lge-stage1")
    (tmp_path / "figure.txt").write_text("as in the figure")
    tracker.client.log_artifact(run, str(tmp_path / "figure.txt"))
    api = "/ajax-api/2.0/mlflow"
    with started(*command("ui", "--no-browser", "--runs", str(runs))) as (server, port):
        here = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
        page = ask(port)[1]
        assert "<title>MLflow</title>" in page
        assert "setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')" in page
        assert "mlflow.sharedViewState.ranking" in tracker.client.get_experiment(tracker.experiment).tags
        found = json.loads(ask(port, path=f"{api}/experiments/get-by-name?experiment_name={EXPERIMENT}")[1])
        assert found["experiment"]["experiment_id"] == tracker.experiment
        assert ask(port, path=f"/get-artifact?path=figure.txt&run_id={run}")[1] == "as in the figure"
        note = json.dumps({"run_id": run, "key": "mlflow.note.content", "value": "good"})
        assert ask(port, "POST", f"{api}/runs/set-tag", note, **here)[0] == 200
        assert tracker.tags_of(run)["mlflow.note.content"] == "good"
        text = json.dumps({"name": "lge-stage1", "description": "of a person"})
        assert ask(port, "PATCH", f"{api}/registered-models/update", text, **here)[0] == 200
        assert tracker.client.get_registered_model("lge-stage1").description == "of a person"
        for headers in ({"Origin": "http://evil.example"}, {"Host": f"10.evil.example:{port}"}):
            evil = json.dumps({"run_id": run, "key": "mlflow.note.content", "value": "evil"})
            assert ask(port, "POST", f"{api}/runs/set-tag", evil, **{**here, **headers})[0] == 403
            assert ask(port, path=f"/get-artifact?path=figure.txt&run_id={run}", **headers)[0] == 403
        assert tracker.tags_of(run)["mlflow.note.content"] == "good"
        for path in (
            "assistant/config",
            "jobs/1",
            "gateway/x/mlflow/invocations",
        ):  # what would run commands, or call out
            assert ask(port, "GET", f"/ajax-api/3.0/mlflow/{path}")[0] in {403, 404}, path
        for method, path in (
            ("POST", "3.0/mlflow/scorer/invoke"),  # CVE-2026-116692
            ("POST", "3.0/mlflow/scorers/register"),
            ("POST", "2.0/mlflow/experiments/create"),  # artifact_location=/ would show any file of this machine
            ("POST", "2.0/mlflow/runs/create"),
            ("POST", "2.0/mlflow/runs/log-batch"),
            ("POST", "2.0/mlflow/model-versions/create"),
            ("POST", "2.0/mlflow/logged-models"),
            ("POST", "2.0/mlflow/upload-artifact"),
            ("POST", "2.0/mlflow/runs/delete"),
            ("POST", "2.0/mlflow/runs/create-promptlab-run"),
            ("POST", "2.0/mlflow/runs/outputs"),
            ("POST", "3.0/mlflow/datasets/1/records"),
            ("POST", "2.0/mlflow/logged-models/1/params"),
            ("POST", "2.0/mlflow/experiments/delete"),
            ("DELETE", "2.0/mlflow/registered-models/delete"),
            ("DELETE", "2.0/mlflow/model-versions/delete"),
            ("PUT", "2.0/mlflow-artifacts/artifacts/x"),
            ("POST", "2.0/mlflow/gateway-proxy"),
            ("POST", "2.0/mlflow/webhooks/create"),
        ):
            for api_name in ("api", "ajax-api"):
                status, text, _ = ask(port, method, f"/{api_name}/{path}", "{}", **here)
                assert (status, text.strip()) == (403, NOT_SHOWN), path
        assert json.loads(ask(port, path=f"{api}/gateway-proxy")[1]) == {"endpoints": []}  # the page asks, nobody calls
        search = json.dumps({"experiment_ids": [tracker.experiment]})
        assert json.loads(ask(port, "POST", f"{api}/runs/search", search, **here)[1])["runs"]
        assert json.loads(ask(port, path="/ajax-api/3.0/mlflow/ui-telemetry")[1])["disable_ui_telemetry"] is True
        assert group(server.pid) == [server.pid]
        server.kill()
        assert server.wait(timeout=60) == -signal.SIGKILL
        assert group(server.pid) == []
        PageServer(port).server_close()  # the port is free


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_page_ends_when_it_is_told_to(ending: signal.Signals) -> None:
    code = (
        "import sys; from functools import partial; from lge_sweep.loopback import Page, PageServer; "
        "PageServer(int(sys.argv[2])).run(Page(None, ''), partial(print, 'a page:', sep='\\n', flush=True))"
    )
    with started(sys.executable, "-c", code) as (server, port):
        server.send_signal(ending)
        assert server.wait(timeout=60) == (0 if ending is signal.SIGINT else -ending)
        PageServer(port).server_close()
