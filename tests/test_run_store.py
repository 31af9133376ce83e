"""A runs directory is one value: where everything is, whatever its path, and which servers are named."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from lge_sweep.engine import lock
from lge_sweep.errors import RunsError
from lge_sweep.machine import file_system
from lge_sweep.paths import RUNS_VARIABLE
from lge_sweep.run_store import LEDGER_VARIABLE, TRACKING_VARIABLE, RunStore, sqlite_uri

SECRET = "http://me:s3cr%40t@mlflow.clinic:5000"


def test_everything_is_inside_the_folder_unless_a_server_is_named(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    cell = store.sweep("s").cell("c")
    inside = [store.lock, store.holder, store.worker_lock(0), store.worker_log(0), store.cache, store.artifacts]
    inside += [store.test_access, store.damaged, cell.path, cell.outcome, *cell.results, store.evaluation("e").record]
    assert all(path.is_relative_to(tmp_path) for path in inside)
    assert len(set(inside)) == len(inside)
    assert store.ledger_url == (tmp_path / "study.log").as_uri()
    assert Path(make_url(store.tracking_uri).database or "") == store.database == tmp_path / "mlflow.db"
    assert cell.sweep == store.sweep("s")
    assert cell.sweep.runs == store.root
    assert pickle.loads(pickle.dumps(store)) == store


def test_servers_are_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql+psycopg://me:s3cr%40t@db.clinic/lge")
    monkeypatch.setenv(TRACKING_VARIABLE, SECRET)
    store = RunStore.open()
    assert store.root == tmp_path
    assert store.ledger_url == "postgresql+psycopg://me:s3cr%40t@db.clinic/lge"
    assert store.journal is None
    assert store.tracking_uri == store.registry_uri == SECRET
    assert store.database is None
    assert store.ledger_shown == "postgresql+psycopg://***@db.clinic/lge"
    assert store.tracking_shown == "http://***@mlflow.clinic:5000"
    assert "s3cr" not in repr(store)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (LEDGER_VARIABLE, SECRET, "sqlite, postgresql or mysql"),
        (TRACKING_VARIABLE, "mlflow.clinic:5000", "such as http://HOST:5000, got 'mlflow.clinic:5000'"),
        (TRACKING_VARIABLE, "./mlruns", "left empty, it is a file of the runs directory"),
        (TRACKING_VARIABLE, "ftp://me:s3cr@t@mlflow.clinic", "got 'ftp://***@mlflow.clinic'"),
        (TRACKING_VARIABLE, "http://me:s3cr/t@mlflow.clinic", "in a password write / as %2F"),
        (TRACKING_VARIABLE, "http://me:s3cr@", "has no host"),
        (LEDGER_VARIABLE, "sqlite:///", "names no file"),
        (TRACKING_VARIABLE, "sqlite:///:memory:", "names no file"),
        (LEDGER_VARIABLE, "sqlite:///ledger.db", "with four slashes"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_who_asks(
    variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(RunsError) as caught:
        RunStore.open()
    assert str(caught.value).startswith(f"{variable}: ")
    assert told in str(caught.value)
    assert "s3cr" not in str(caught.value)


def test_the_address_of_ones_own_database_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has MLflow's own commands read a runs directory has named its database; its runs must not be made twice."""
    own = RunStore(tmp_path / "50 %")
    for address in (own.tracking_uri, f"sqlite:///{tmp_path}/50 %25/../50 %25/mlflow.db"):
        monkeypatch.setenv(TRACKING_VARIABLE, address)
        assert RunStore.open(own.root) == own
    monkeypatch.setenv(TRACKING_VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    assert RunStore.open(own.root).tracking == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_database_that_is_not_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    assert RunStore(tmp_path).left_alone == ""
    elsewhere = RunStore(tmp_path, tracking=SECRET)
    assert elsewhere.left_alone == f"{tmp_path}/mlflow.db is left alone; it is used where {TRACKING_VARIABLE} is empty"
    assert RunStore(tmp_path / "new", tracking=SECRET).left_alone == ""


@pytest.mark.parametrize("path", ["/a b/%20/x?y#z/ü/mlflow.db", "/a@b:c&d=e/mlflow.db", "/+/[x]/50 %.db"])
def test_an_address_of_an_sqlite_file_leads_to_it(path: str) -> None:
    assert make_url(sqlite_uri(path)).database == path


def test_sweeps_and_finished_cells_are_found_in_order(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "[a] * ?")
    for sweep in ("phase2-b", "phase1-a", "phase1-b"):
        for cell in ("y", "x"):
            folder = store.sweep(sweep).cell(cell)
            folder.path.mkdir(parents=True)
            folder.outcome.touch()
        store.sweep(sweep).settings.touch()
    store.sweep("phase1-c").path.mkdir()  # no sweep yet
    assert [sweep.name for sweep in store.sweeps()] == ["phase1-a", "phase1-b", "phase2-b"]
    assert [sweep.name for sweep in store.sweeps("phase1")] == ["phase1-a", "phase1-b"]
    assert [cell.name for cell in store.sweep("phase1-a").finished()] == ["x", "y"]
    aside = store.sweep("phase1-a").quarantine(store.sweep("phase1-a").cell("x").path)
    assert aside == store.damaged / "phase1-a" / "cells" / "x.1"


def test_where_locks_cannot_be_trusted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts, shared = tmp_path / "mounts", tmp_path / "of all" / "runs"
    escaped = str(shared.parent).replace(" ", "\\040")
    lines = ("/dev/sda1 / ext4 rw 0 0", f"nas:/all {escaped} nfs4 rw,vers=4.2 0 0", "tmpfs /run tmpfs rw 0 0")
    mounts.write_text("\n".join(lines))
    assert file_system(shared, str(mounts)) == "nfs4"
    assert file_system(tmp_path, str(mounts)) == file_system(tmp_path / "of allies", str(mounts)) == "ext4"
    assert file_system(tmp_path, str(tmp_path / "none")) == ""
    monkeypatch.setattr(lock, "file_system", lambda folder: file_system(folder, str(mounts)))
    assert "the runs directory is on nfs4" in lock.describe_file_system(RunStore(shared))
    assert LEDGER_VARIABLE in lock.describe_file_system(RunStore(shared, "sqlite:////srv/ledger.db"))
    assert lock.describe_file_system(RunStore(shared, "postgresql+psycopg://me@db/lge")) == ""
    assert lock.describe_file_system(RunStore(tmp_path)) == ""


def test_the_id_of_a_directory_is_that_of_the_first_who_asks(tmp_path: Path) -> None:
    store, others = RunStore(tmp_path), [RunStore(tmp_path) for _ in range(15)]
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(RunStore.own_id, [store, *others]))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".id"]
