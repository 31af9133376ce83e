"""A ledger in PostgreSQL: one driver on whatever hosts, a server that goes away, nothing entered twice."""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from postgres import Postgres, why_none
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lge_sweep.config import Cell
from lge_sweep.engine import server
from lge_sweep.engine.ledger import Ledger, read_ledger
from lge_sweep.engine.lock import hold_runs, is_held
from lge_sweep.engine.patient_storage import READS, WRITES, PatientStorage
from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore

pytestmark = pytest.mark.skipif(bool(why_none()), reason=why_none())
MODELS, SEEDS = ("unet", "segnet"), (0, 1)
AXES: dict[str, Sequence[str | int]] = {"model": MODELS, "loss": ("dice",), "optimizer": ("adam",), "seed": SEEDS}
HOLD = """
import sys
from pathlib import Path
from lge_sweep.engine.lock import hold_runs
from lge_sweep.run_store import RunStore
with hold_runs(RunStore(Path(sys.argv[1]), sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""
"""Holds a runs directory until it is killed, or has nothing more to read."""
_numbers = count()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    made = Postgres()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def store(postgres: Postgres, tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs", postgres.create(f"ledger{next(_numbers)}"))


@pytest.fixture
def elsewhere(store: RunStore, tmp_path: Path) -> RunStore:
    """The same runs directory as another host sees it whose locks of files are its own."""
    store.root.mkdir()
    other = RunStore(tmp_path / "other", store.ledger)
    other.root.mkdir()
    other.id_file.write_text(store.own_id())
    return other


def cells(number: int) -> list[Cell]:
    return [Cell(1, model, "dice", "adam", seed) for model in MODELS for seed in SEEDS][:number]


def holder(store: RunStore) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(store.root), str(store.ledger)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_driver_elsewhere_is_told_who_holds_the_runs(store: RunStore, elsewhere: RunStore) -> None:
    assert not is_held(store)
    with holder(store) as process:
        assert is_held(elsewhere)
        told = f"another driver is using it: process {process.pid} on {socket.gethostname()}"
        with pytest.raises(RunsError, match=f"{told}, since 20") as raised, hold_runs(elsewhere):
            pass
        # a shared folder says more: the command
        elsewhere.holder.write_bytes(store.holder.read_bytes())
        with pytest.raises(RunsError, match=f"{told}, 'lge-sweep ") as raised, hold_runs(elsewhere):
            pass
        assert "Wait for it or stop it" in str(raised.value)
        process.kill()
    for _ in range(50):  # the server notices
        if not is_held(elsewhere):
            break
        time.sleep(0.1)
    with hold_runs(elsewhere) as check:
        check()
    assert not is_held(store)


def test_runs_of_another_id_are_anothers(store: RunStore, tmp_path: Path) -> None:
    with hold_runs(store), hold_runs(RunStore(tmp_path / "another", store.ledger)):
        pass


def test_a_lost_connection_takes_the_lock_again(postgres: Postgres, store: RunStore, elsewhere: RunStore) -> None:
    with hold_runs(store) as check:
        check()
        postgres.stop()
        postgres.start()
        check()
        with pytest.raises(RunsError, match="another driver is using it"), hold_runs(elsewhere):
            pass
        postgres.stop()
        postgres.start()
        with holder(elsewhere) as process:
            with pytest.raises(RunsError, match=f"has taken the runs directory meanwhile: {process.pid}@"):
                check()
            process.kill()


def test_a_server_that_goes_away_is_waited_for(
    postgres: Postgres, store: RunStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOOK_EVERY", 0.05)
    first, second = cells(2)
    with hold_runs(store) as check, Ledger(store, check) as ledger:
        study = ledger.open("sweep", {"cells": [cell.name for cell in cells(2)]})
        begun = study.start(first, AXES)
        postgres.stop()
        thread = threading.Timer(0.5, postgres.start)
        thread.start()
        study.complete(begun, 0.5, [])
        thread.join()
        study.complete(study.start(second, AXES), 0.25, ["cavity"])
    ((_, _, entries),) = read_ledger(store)
    assert [(entry.state, entry.trial, entry.value) for entry in entries] == [
        ("complete", 0, 0.5),
        ("complete", 1, 0.25),
    ]
    assert caplog.text.count("the ledger does not answer") == 1
    assert caplog.text.count("the ledger answers again") == 1


def test_a_server_that_stays_away_ends_with_one_message(
    postgres: Postgres, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(server, "AWAY", 0.1)
    monkeypatch.setattr("random.random", lambda: 0.0)  # Optuna's own tries, seconds apart
    with Ledger(store) as ledger:
        study = ledger.open("sweep", {"cells": ["a"]})
        postgres.stop()
        try:
            with pytest.raises(RunsError, match=r"the ledger cannot be used .* the same command goes on"):
                study.start(cells(1)[0], AXES)
        finally:
            postgres.start()


def test_an_answer_that_is_lost_enters_nothing_twice(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL has committed, and its answer does not arrive: what was sent is sent again."""
    commits: list[str] = []
    commit = Session.commit

    def commit_and_lose_the_answer(session: Session) -> None:
        commit(session)
        commits.append("kept" if len(commits) % 2 else "lost")
        if commits[-1] == "lost":
            raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    with Ledger(store) as ledger:
        study = ledger.open("sweep", {"cells": [cell.name for cell in cells(3)]})
        monkeypatch.setattr(Session, "commit", commit_and_lose_the_answer)
        for number, cell in enumerate(cells(3)):
            assert study.start(cell, AXES) == number
            study.complete(number, number / 10, [])
        assert len(study.trials()) == 3
        trial = study.study.ask()
        assert trial.number == 3
        trial.suggest_float("learning_rate", 0.1, 1)
        study.fail(trial.number, "drawn for nothing")
        monkeypatch.undo()
    assert commits.count("lost") > 10
    ((_, _, entries),) = read_ledger(store)
    assert [(entry.state, entry.trial, entry.value) for entry in entries] == [
        ("complete", number, number / 10) for number in range(3)
    ]


def test_all_that_optuna_asks_of_a_database_insists() -> None:
    """A method of another Optuna would be asked without patience."""
    import inspect

    from optuna.storages._cached_storage import _CachedStorage

    asked = {part.partition("(")[0] for part in inspect.getsource(_CachedStorage).split("self._backend.")[1:]}
    never = {  # heartbeats, which nothing here uses; what a driver never does; what calls others
        "record_heartbeat", "_get_stale_trial_ids", "get_heartbeat_interval", "get_heartbeat_stale_trial_callback",
        "delete_study", "_get_best_trial_id",
    }  # fmt: skip
    assert asked - never == {*READS, *WRITES, "set_trial_state_values", "_create_new_trial"}
    assert all(name in vars(PatientStorage) for name in asked - never)


def test_a_trial_is_not_written_by_who_has_lost_the_lock(store: RunStore) -> None:
    taken = False

    def check() -> None:
        if taken:
            raise RunsError("another driver has taken the runs directory")

    with Ledger(store, check) as ledger:
        study = ledger.open("sweep", {"cells": ["a"]})
        taken = True
        with pytest.raises(RunsError, match="another driver"):
            study.start(cells(1)[0], AXES)
        assert study.trials() == []


def test_a_ledger_that_fails_for_another_reason_says_so(
    postgres: Postgres, store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "LOOK_EVERY", 0.0)
    monkeypatch.setattr("random.random", lambda: 0.0)
    with Ledger(store) as ledger, caplog.at_level(logging.WARNING):
        study = ledger.open("sweep", {"cells": ["a"]})
        postgres.run("DROP TABLE trial_params CASCADE", str(store.ledger).rpartition("/")[2])
        with pytest.raises(StorageInternalError) as raised:
            study.start(cells(1)[0], AXES)
    assert "trial_params" in str(server.unusable(store, raised.value))
    assert "does not answer" not in caplog.text
