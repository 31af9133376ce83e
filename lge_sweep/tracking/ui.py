"""Serve the MLflow UI of a runs directory on this machine alone."""

import os
import re
import warnings
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wrappers import Response

from lge_sweep.errors import RunsError
from lge_sweep.loopback import NAMES, READING, Page, PageServer, refuse
from lge_sweep.paths import first_command
from lge_sweep.run_store import SERVERS, RunStore
from lge_sweep.tracking.mlflow import Tracker
from lge_sweep.tracking.views import view_path

NOT_INHERITED = ("MLFLOW_SERVER_", "_MLFLOW_SERVER_", "MLFLOW_DEPLOYMENTS_", "MLFLOW_GATEWAY_")
"""Settings of a server that a user may have elsewhere: they could open this one, or let it call out."""
API = re.compile(r"/(?:ajax-)?api/\d+\.\d+/(?:mlflow/)?(?P<room>[\w-]+)/?(?P<verb>.*)")
WRITABLE = {
    "runs", "experiments", "registered-models", "model-versions", "logged-models", "metrics", "traces", "datasets",
}  # fmt: skip
"""Parts of MLflow's API to which a browser may send: searches, notes, tags, aliases, stages."""
CLOSED = {"gateway", "genai", "jobs", "mlflow-artifacts", "prompt-optimization", "scorer", "webhooks"}
"""Parts that are not even read: they call out or run something."""
VERBS = re.compile(
    r"(search|get|batch|list|set|update|rename|restore)[\w-]*|alias|delete-tag|transition-stage|[\w-]+/tags(/.*)?"
)
"""What may be done in them. All else makes, fills or removes something."""
_UNASKED = b"mlflow.assistant.fab.autoOpenedOnFirstLoad_v1"
"""What MLflow's page remembers when it has opened its assistant, unasked, over a quarter of the first page."""
NOT_SHOWN = "This page shows runs and models, and keeps notes, tags and aliases; it makes, removes and runs nothing."


def server_page(store: RunStore) -> str | None:
    """Return the address of the experiment's page where an MLflow server keeps the runs; else None: see `serve_ui`.

    Args:
        store: the runs directory.

    Where the server cannot be reached now, it is the server's own address.
    """
    if urlsplit(store.tracking_uri).scheme not in SERVERS:
        return None
    tracker, address = Tracker(store, patient=True), server_address(store.tracking_uri)
    return address + _page_of(tracker) if tracker.experiment else address


def server_address(uri: str) -> str:
    """Return the address of an MLflow server's pages, without credentials.

    >>> server_address("https://me:secret@mlflow.clinic/lge")
    'https://mlflow.clinic/lge/'
    """
    address = urlsplit(uri)
    return address._replace(
        netloc=address.netloc.rpartition("@")[2], path=address.path.rstrip("/") + "/", query="", fragment=""
    ).geturl()


def serve_ui(store: RunStore, port: int, announce: Callable[[str], object]) -> None:
    """Run MLflow's server until interrupted, on the database that keeps the runs.

    It is the part of MLflow's server that the UI of runs and models needs, in this process. `mlflow server` would also
    start its job runners, and serve its gateway and its assistant, which call out and run commands.

    Args:
        store: the runs directory.
        port: port on the loopback address.
        announce: told the address of the experiment's page.

    Raises:
        RunsError: there is nothing to show, or the port is taken.
    """
    if not store.is_tracked:
        raise RunsError(f"{store.root}: no runs yet; {first_command(store.root)}")
    with PageServer(port) as server:
        shown = _page_of(Tracker(store))
        for name in [name for name in os.environ if name.startswith(NOT_INHERITED)]:
            del os.environ[name]
        os.environ.update(_settings(store, server.server_port))
        warnings.simplefilter("ignore")  # MLflow's own deprecations are no help to a user
        from mlflow.server import app  # reads its settings when it is imported

        server.run(Page(shows_runs(app), shown), announce)


def _page_of(tracker: Tracker) -> str:
    """Return the path of the experiment's page, opened on the ranking where there are views."""
    return view_path(tracker.experiment) if tracker.share_views() else view_path(tracker.experiment, "")


def shows_runs(application: WSGIApplication) -> WSGIApplication:
    """Return MLflow's server as far as runs and models are looked at, annotated and compared.

    The rest is refused: what calls out or runs something, and what makes runs or models, which may name any folder of
    this machine as theirs, so that whoever reaches the port could read it.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET" and environ.get("PATH_INFO") == "/":
            return _without_assistant(Response.from_app(application, environ))(environ, start_response)
        if _is_shown(environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")):
            return application(environ, start_response)
        return refuse(environ, start_response, "403 Forbidden", NOT_SHOWN)

    return answer


def _without_assistant(page: Response) -> Response:
    """Let MLflow's page not open its assistant by itself, which cannot answer here: see `CLOSED`."""
    page.direct_passthrough = False
    remember = b"<script>try { localStorage.setItem('" + _UNASKED + b"', 'true') } catch {}</script>"
    page.set_data(page.get_data().replace(b"<head>", b"<head>" + remember, 1))
    return page


def _is_shown(method: str, path: str) -> bool:
    found = API.match(path)
    room = found["room"] if found else path.strip("/")
    if method in READING:
        return room not in CLOSED
    return room == "graphql" or (found is not None and room in WRITABLE and VERBS.fullmatch(found["verb"]) is not None)


def _settings(store: RunStore, port: int) -> dict[str, str]:
    """Return what `mlflow server` would tell its workers, which is read when `mlflow.server` is imported."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": store.tracking_uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": store.registry_uri,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": store.artifacts.resolve().as_uri(),
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{name}:{port}" for name in NAMES),  # as `guard` does before
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
