"""What was paid for is kept: whatever is cut, emptied, garbled or gone, it is named, set aside, and made again."""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest
from finished_cell import write_interrupted, write_result
from typer.testing import CliRunner, Result
from untrained import grid_of_two, moved

from lge_sweep import atomic as whole
from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.config.data import Intensity
from lge_sweep.curate import curate
from lge_sweep.data import load_arrays, prepare
from lge_sweep.data.preparation import ARRAYS, DIGESTS
from lge_sweep.engine import lock
from lge_sweep.engine.cell_check import prepare_cell_folder
from lge_sweep.engine.grid_queue import GridQueue
from lge_sweep.engine.ledger import Ledger, SweepLedger, read_ledger
from lge_sweep.engine.search_queue import SearchQueue
from lge_sweep.engine.storage import read_storage
from lge_sweep.errors import DamagedError, RunsError
from lge_sweep.ingest import read
from lge_sweep.interrupts import signals_as_interrupt
from lge_sweep.run_store import LEDGER_VARIABLE, RunStore
from lge_sweep.study.inherit import sweeps_of
from lge_sweep.study.make import make_plans
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan, write_plan

JOURNAL = "study.log"
SETTINGS_OF_SEARCH = ["grid.model=[unet, segnet]", "search.trials=4"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Plan]:
    """A grid of two cells and a search, nothing trained."""
    runs = tmp_path_factory.mktemp("made")
    grid = grid_of_two(runs)
    search = make_plans([load_sweep("search", 1, "phantom", "smoke", SETTINGS_OF_SEARCH)], None, runs)
    return grid, search[0]


@pytest.fixture
def plan(made: tuple[Plan, Plan], tmp_path: Path) -> Plan:
    return moved(made[0], tmp_path)


def ledger_of(plan: Plan) -> SweepLedger:
    about = {"cells": [cell.name for cell in plan.cells]}
    return Ledger(RunStore(plan.folder.parent)).open(plan.name, about, plan.config.search)


def finish_all(plan: Plan) -> None:
    """Finish every cell, and let the ledger know."""
    study = ledger_of(plan)
    source = GridQueue(plan, study)
    while (assignment := source.take()) is not None:
        cell, trial = assignment
        write_result(plan, cell)
        study.complete(trial, 0.5, [])


# ------------------------------------------------------------------------------------------------ a ledger that is lost


@pytest.mark.parametrize("loss", ["removed", "emptied", "cut", "text"])
def test_finished_cells_outlive_their_ledger(plan: Plan, loss: str, caplog: pytest.LogCaptureFixture) -> None:
    finish_all(plan)
    journal = plan.folder.parent / JOURNAL
    content = journal.read_bytes()
    before = {path: path.read_bytes() for path in plan.folder.rglob("cells/*/*")}
    if loss == "removed":
        journal.unlink()
    else:
        journal.write_bytes({"emptied": b"", "cut": content[: len(content) // 2], "text": b"hello\n" * 40}[loss])
    source = GridQueue(plan, ledger_of(plan))
    assert [cell.name for cell, _ in source.finished()] == [cell.name for cell in plan.cells]
    assert source.take() is None
    assert {path: path.read_bytes() for path in before} == before
    assert "finished cells that the ledger did not know are kept (" in caplog.text
    ((_, _, entries),) = read_ledger(RunStore(plan.folder.parent))
    assert [entry.state for entry in entries] == ["complete"] * 2
    assert all(entry.value is not None and entry.value > 0.5 for entry in entries)


def test_an_interrupted_training_outlives_its_ledger(plan: Plan) -> None:
    cell = plan.cells[0]
    write_interrupted(plan, cell)
    source = GridQueue(plan, ledger_of(plan))
    assignment = source.take()
    assert assignment is not None
    assert assignment[0] == cell
    assert prepare_cell_folder(plan, cell)
    assert plan.cell_files(cell).checkpoint.is_file()


def test_a_finished_cell_keeps_no_checkpoint(plan: Plan) -> None:
    for cell in plan.cells:
        write_interrupted(plan, cell)
        write_result(plan, cell)  # and killed before the checkpoint was removed
    assert len(GridQueue(plan, ledger_of(plan)).finished()) == 2
    assert not list(plan.folder.rglob("resume.ckpt"))


def test_a_failed_training_is_not_resumed(plan: Plan) -> None:
    cell, study = plan.cells[0], ledger_of(plan)
    study.fail(study.start(cell, GridQueue(plan, study).axes), "loss became nan")
    write_interrupted(plan, cell)  # killed before it was cleared away
    assert GridQueue(plan, study).take() == (cell, 1)
    assert not plan.cell_files(cell).path.exists()


def test_finished_trials_of_a_search_outlive_their_ledger(made: tuple[Plan, Plan], tmp_path: Path) -> None:
    plan = moved(made[1], tmp_path)
    study = ledger_of(plan)
    source, drawn = SearchQueue(plan, study), []
    for number in range(3):
        cell, trial = source.take() or pytest.fail("nothing drawn")
        drawn.append(cell)
        if number == 1:
            study.prune(trial)  # leaves no result
        else:
            write_result(plan, cell)
            study.complete(trial, 0.5, [])
    (tmp_path / JOURNAL).unlink()
    study = ledger_of(plan)
    source = SearchQueue(plan, study)
    assert [cell for cell, _ in source.finished()] == [drawn[0], drawn[2]]
    assert [trial.params for trial in study.trials()][2]["learning_rate"] == dict(drawn[2].drawn)["learning_rate"]
    following, number = source.take() or pytest.fail("nothing drawn")
    assert number == 3  # no trial meets the folder of another
    assert following.drawn not in [cell.drawn for cell in drawn]


def test_a_sweep_is_complete_when_the_ledger_and_the_folders_say_so(plan: Plan) -> None:
    first, second = plan.cells
    study = ledger_of(plan)
    source = GridQueue(plan, study)
    cell, trial = source.take() or pytest.fail("nothing to do")
    write_result(plan, cell)
    study.complete(trial, 0.5, [])
    assert dict(source.missing({})) == {second.name: "it was not completed"}
    assert dict(source.missing({second.name: "bad luck"})) == {second.name: "bad luck"}
    plan.cell_files(first).outcome.unlink()
    assert set(source.missing({})) == {first.name, second.name}


def test_no_step_of_the_ledger_reads_all_trials(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    study = ledger_of(plan)
    axes = GridQueue(plan, study).axes

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this takes longer the more trials there are")

    monkeypatch.setattr(study.study._storage, "get_all_trials", refuse)
    first, second = plan.cells
    study.complete(study.start(first, axes), 0.5, ["cavity"])
    study.fail(study.start(second, axes), "bad luck")
    assert study.entry(first.name).collapsed == ("cavity",)
    assert study.entry(second.name).reason == "bad luck"
    assert study.start(second, axes) == 2


# --------------------------------------------------------------------------------------------- results that are damaged


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


HARMS: dict[str, Callable[[Path], None]] = {"cut": cut, "emptied": empty, "garbled": garble, "gone": Path.unlink}


@pytest.mark.parametrize("name", ["best.pt", "history.csv", "per_image.csv", "predictions.npz", "outcome.json"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_result_is_named_set_aside_and_made_again(
    plan: Plan, name: str, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    finish_all(plan)
    whole_one, damaged = plan.cells
    path = plan.cell_files(damaged).path / name
    HARMS[harm](path)
    if (harm, name) == ("garbled", "outcome.json"):  # any flip inside a number would pass: one that does not
        path.write_text(path.read_text(encoding="utf-8").replace('"cell"', '"cel"'), encoding="utf-8")
    source = GridQueue(plan, ledger_of(plan))
    assert [cell for cell, _ in source.finished()] == [whole_one]
    assert (source.take() or pytest.fail("nothing to do"))[0] == damaged
    if (harm, name) == ("gone", "outcome.json"):  # never finished, as far as anybody can tell
        assert "the result of segnet-cross_entropy-adam is gone; it is trained again" in caplog.text
        return
    assert f"{damaged.name}: {name} was damaged: " in caplog.text
    assert "is gone; it is trained again" not in caplog.text
    aside = plan.folder.parent / "damaged" / plan.name / "cells" / f"{damaged.name}.1"
    assert f"Its folder is now {aside}" in caplog.text
    assert (aside / name).exists() == (harm != "gone")
    assert not plan.cell_files(damaged).path.exists()


def test_a_result_of_another_sweep_or_cell_is_no_result(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    finish_all(plan)
    first, second = plan.cells
    shutil.rmtree(plan.cell_files(second).path)
    shutil.copytree(plan.cell_files(first).path, plan.cell_files(second).path)
    outcome = plan.cell_files(first).outcome
    outcome.write_text(outcome.read_text(encoding="utf-8").replace(plan.name, "phase1-other"), encoding="utf-8")
    assert GridQueue(plan, ledger_of(plan)).finished() == []
    assert "it is of another sweep, phase1-other" in caplog.text
    assert f"it is of another cell, {first.name}" in caplog.text


@pytest.mark.parametrize("harm", [{}, {"dice": {}}])
def test_a_result_without_all_its_numbers_is_damaged(plan: Plan, harm: dict[str, object]) -> None:
    finish_all(plan)
    path = plan.cell_files(plan.cells[0]).outcome
    record = json.loads(path.read_text(encoding="utf-8"))
    record["summary"]["image_mean"] = harm
    path.write_text(json.dumps(record), encoding="utf-8")
    assert [cell for cell, _ in GridQueue(plan, ledger_of(plan)).finished()] == [plan.cells[1]]


def test_a_damaged_plan_of_another_sweep_stands_in_nobodys_way(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    other = plan.folder.parent / "phase1-stage1-phantom-other-0000"
    shutil.copytree(plan.folder, other)
    (other / "sweep.yaml").write_text("[]", encoding="utf-8")
    assert sweeps_of("phase1", plan.config, plan.folder.parent) == [plan.files]
    assert f"{other.name} is left out" in caplog.text


def test_a_result_of_before_there_were_digests_counts(plan: Plan) -> None:
    finish_all(plan)
    for cell in plan.cells:
        path = plan.cell_files(cell).outcome
        record = json.loads(path.read_text(encoding="utf-8"))
        for key in ("format", "sweep", "files"):
            del record[key]
        path.write_text(json.dumps(record), encoding="utf-8")
    assert len(GridQueue(plan, ledger_of(plan)).finished()) == 2


@pytest.mark.parametrize("name", ["best.pt", "history.csv", "resume.ckpt"])
@pytest.mark.parametrize("harm", ["cut", "emptied", "garbled"])
def test_a_damaged_checkpoint_is_set_aside_and_its_training_begins_anew(plan: Plan, name: str, harm: str) -> None:
    cell = plan.cells[0]
    write_interrupted(plan, cell)
    assert prepare_cell_folder(plan, cell)
    path = plan.cell_files(cell).path / name
    if (name, harm) == ("history.csv", "garbled"):
        path.write_bytes(b"step,epoch\n1,x\n")
    else:
        HARMS[harm](path)
    assert not prepare_cell_folder(plan, cell)
    assert not plan.cell_files(cell).path.exists()
    assert len(list((plan.folder.parent / "damaged").rglob("resume.ckpt"))) == 1


@pytest.mark.parametrize("name", ["plan.json", "manifest.csv", "sweep.yaml"])
@pytest.mark.parametrize("harm", ["cut", "emptied", "garbled"])
def test_a_damaged_plan_is_named_and_the_sweeps_command_mends_it(plan: Plan, name: str, harm: str) -> None:
    path = plan.folder / name
    if harm == "garbled":
        path.write_bytes(b"\x00\xff{[" * 9)
    else:
        HARMS[harm](path)
    if harm == "cut" and name == "manifest.csv":
        path.write_bytes(path.read_bytes().split(b"\n")[0][:-9])  # a cut between two lines leaves a table
    with pytest.raises(DamagedError, match="Run the command of its sweep again") as raised:
        load_plan(plan.folder)
    assert str(path) in str(raised.value)
    write_plan(plan)  # what that command does
    assert load_plan(plan.folder).data_digest == plan.data_digest


@pytest.mark.parametrize("command", ["table", "select", "compare"])
@pytest.mark.parametrize("content", [b"", b"[" * 3000, b'{"subset": 3}', b"\xff\xfe", b"null", b'{"notes": NaN}'])
def test_damaged_records_end_in_one_message(plan: Plan, command: str, content: bytes) -> None:
    finish_all(plan)
    for name in ("selection.json", "plan.json"):
        (plan.folder / name).write_bytes(content)
    names = [cell.name for cell in plan.cells] if command == "compare" else [plan.name]
    done = CliRunner().invoke(app, [command, *names, "--runs", str(plan.folder.parent)])
    assert done.exit_code == 2, done.output
    assert "is damaged: " in done.output
    assert len(done.output) < 1000


def test_a_damaged_choice_of_a_person_is_not_forgotten_silently(plan: Plan) -> None:
    finish_all(plan)
    write_plan(plan)
    (plan.folder / "override.json").write_bytes(b'{"name": ')
    done = CliRunner().invoke(app, ["select", plan.name, "--runs", str(plan.folder.parent)])
    assert done.exit_code == 2, done.output
    assert "override.json is damaged" in done.output
    assert "--withdraw" in done.output
    done = CliRunner().invoke(app, ["select", plan.name, "--runs", str(plan.folder.parent), "--withdraw"])
    assert done.exit_code == 0, done.output


def test_a_choice_stands_until_the_next_one_does(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_all(plan)
    one = plan.config.selection.model_copy(update={"keep": 1})
    write_plan(replace(plan, config=plan.config.model_copy(update={"selection": one})))
    fsync = whole.fsync_path

    class Killed(BaseException):
        """Nothing catches it."""

    def select(name: str, reason: str) -> Result:
        arguments = ["select", plan.name, "--runs", str(plan.folder.parent), "--override", name, "--reason", reason]
        return CliRunner().invoke(app, arguments)

    def kill(path: Path) -> None:
        if "override.json" in path.name:
            raise Killed
        fsync(path)

    done = {cell.configuration: select(cell.configuration, "first") for cell in plan.cells}
    (chosen,) = (name for name, result in done.items() if result.exit_code == 0)  # the other is the rule's own
    before = (plan.folder / "override.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(whole, "fsync_path", kill)
        with pytest.raises(Killed):
            select(chosen, "second")
    assert (plan.folder / "override.json").read_bytes() == before
    assert select(chosen, "second").exit_code == 0
    assert b"second" in (plan.folder / "override.json").read_bytes()


def test_damaged_arrays_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = load_sweep("phase1", 1, "phantom", "smoke", ["source.cases=4"])
    curated = curate(read(data.source, None), data.curate)
    folder = prepare(curated, 32, Intensity(), tmp_path)
    good = {name: np.load(folder / f"{name}.npy") for name in ARRAYS}
    for number, harm in enumerate(HARMS.values()):
        for name in (f"{ARRAYS[number % 3]}.npy", DIGESTS):
            harm(folder / name)
            caplog.clear()
            assert prepare(curated, 32, Intensity(), tmp_path) == folder
            assert "are damaged, and made again" in caplog.text
            assert all(np.array_equal(np.load(folder / f"{name}.npy"), good[name]) for name in ARRAYS)
    caplog.clear()
    prepare(curated, 32, Intensity(), tmp_path)
    assert not caplog.text
    cut(folder / "images.npy")
    with pytest.raises(DamagedError, match=r"Run the command of the sweep again"):
        load_arrays.__wrapped__(folder)


# -------------------------------------------------------------------------------------------------- a journal in pieces


def test_a_journal_in_pieces_keeps_what_can_be_read(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    """Of 60 damages at random, none ends in a traceback, and no finished cell is trained again."""
    finish_all(plan)
    runs, rng = plan.folder.parent, random.Random(12)
    journal = runs / JOURNAL
    content = journal.read_bytes()
    for _ in range(60):
        harmed, place = bytearray(content), rng.randrange(len(content))
        kind = rng.choice(["flip", "insert", "cut", "zeros", "text"])
        if kind == "flip":
            harmed[place] ^= 1 << rng.randrange(8)
        elif kind == "insert":
            harmed[place:place] = b"\n{}\n"
        elif kind == "cut":
            del harmed[place:]
        elif kind == "zeros":
            harmed[place:] = bytes(len(harmed) - place)
        else:
            harmed[:0] = b"<<<<<<< HEAD\n"
        journal.write_bytes(harmed)
        shown = CliRunner().invoke(app, ["status", "--runs", str(runs)])
        assert shown.exit_code in (0, 2), shown.output
        assert shown.exit_code == 0 or "study.log is damaged" in shown.output
        assert "no sweep yet" not in shown.output
        source = GridQueue(plan, ledger_of(plan))  # what the advice leads to
        assert source.take() is None
        assert len(source.finished()) == 2
        assert CliRunner().invoke(app, ["status", "--runs", str(runs)]).exit_code == 0
        shutil.rmtree(runs / "damaged", ignore_errors=True)


def test_what_a_journal_held_is_kept_beside_the_mended_one(plan: Plan, caplog: pytest.LogCaptureFixture) -> None:
    finish_all(plan)
    journal = plan.folder.parent / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    harmed = b"".join([*lines[:3], b"rubbish\n", *lines[3:]])
    journal.write_bytes(harmed)
    ledger_of(plan)
    assert f"3 of its {len(lines) + 1} records could be kept" in caplog.text
    assert (plan.folder.parent / "damaged" / f"{JOURNAL}.1").read_bytes() == harmed


def test_status_names_sweeps_that_the_ledger_does_not_know(plan: Plan) -> None:
    finish_all(plan)
    (plan.folder.parent / JOURNAL).unlink()
    done = CliRunner().invoke(app, ["status", "--runs", str(plan.folder.parent)])
    assert done.exit_code == 0
    assert f"{plan.name}: 2 finished, not in the ledger; repeat its command" in " ".join(done.output.split())
    with lock.hold_runs(RunStore(plan.folder.parent)):
        done = CliRunner().invoke(app, ["status", "--runs", str(plan.folder.parent)])
    assert "not in the ledger; a driver is at work, with another" in " ".join(done.output.split())


def test_a_ledger_on_a_server_that_is_not_there_is_told_of(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder has never used one, `status` said that nothing was in it."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    finish_all(plan)
    monkeypatch.setenv(LEDGER_VARIABLE, "postgresql+psycopg://me:s3cret@127.0.0.1:9/ledger")
    done = CliRunner().invoke(app, ["status", "--runs", str(plan.folder.parent)])
    assert done.exit_code == 2, done.output
    assert "127.0.0.1:9" in done.output
    assert "s3cret" not in done.output


def test_states_are_read_without_what_trials_were_drawn_from(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 trials that took `status` half its time; the dashboard shows it."""
    finish_all(plan)
    store = RunStore(plan.folder.parent)
    with read_storage(store) as storage:
        assert storage is not None
        assert [trial.params["loss"] for trial in storage.get_all_trials(0)] == ["cross_entropy"] * 2
    monkeypatch.setattr("optuna.storages.journal._storage.json_to_distribution", lambda _: pytest.fail("it was read"))
    ((_, _, entries),) = read_ledger(store)
    assert [(entry.state, entry.trial, entry.value) for entry in entries] == [
        ("complete", 0, 0.5),
        ("complete", 1, 0.5),
    ]


@pytest.mark.parametrize("lacking", ["nothing", "a cell", "the selection"])
def test_status_asks_for_a_command_only_where_it_would_do_something(plan: Plan, lacking: str) -> None:
    ledger_of(plan) if lacking == "a cell" else finish_all(plan)
    if lacking != "the selection":
        plan.files.selection.touch()
    done = CliRunner().invoke(app, ["status", "--runs", str(plan.folder.parent)])
    asked = "repeat a sweep's command to complete it" in " ".join(done.output.split())
    assert asked == (lacking != "nothing")
    assert ("nothing is left to do" in done.output) == (lacking == "nothing")


def test_status_tells_sweeps_of_an_earlier_version_from_those_that_go_on(plan: Plan) -> None:
    finish_all(plan)
    (plan.folder.parent / JOURNAL).unlink()
    settings = plan.files.settings.read_text(encoding="utf-8")
    assert "  subset: val\n" in settings
    plan.files.settings.write_text(settings.replace("  subset: val\n", "  part: val\n"), encoding="utf-8")
    done = CliRunner().invoke(app, ["status", "--runs", str(plan.folder.parent)])
    assert done.exit_code == 0
    said = " ".join(done.output.split())
    assert f"of an earlier version, whose sweeps this one runs anew, under other names: {plan.name}" in said
    assert "not in the ledger" not in said


# --------------------------------------------------------------------------------------------- on disk before it counts


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, move = whole.fsync_path, Path.replace

    def noted_sync(path: Path) -> None:
        done.append(f"sync {path.name[:9]}")
        sync(path)

    def noted_move(self: Path, target: Path) -> Path:
        done.append("rename")
        return move(self, target)

    monkeypatch.setattr(whole, "fsync_path", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_move)
    whole.write_json(tmp_path / "outcome.json", {"a": 1})
    assert done == ["sync .outcome.", "rename", f"sync {tmp_path.name[:9]}"]
    done.clear()
    with whole.atomic_folder(tmp_path / "folder") as unfinished:
        (unfinished / "inner").mkdir()
        (unfinished / "inner" / "file").write_bytes(b"1")
    assert sorted(done[:2]) == ["sync file", "sync inner"]
    assert done[-1] == f"sync {tmp_path.name[:9]}"


# ---------------------------------------------------------------------------------------- signals and left-over workers


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_sweep_is_stopped_cleanly_by(name: str) -> None:
    number = getattr(signal, name)
    with signals_as_interrupt(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    previous = signal.signal(number, signal.SIG_IGN)
    try:
        with signals_as_interrupt():  # as under nohup
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, previous)


def test_a_new_driver_waits_for_the_workers_of_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock.await_earlier_workers(RunStore(tmp_path))
    held = tmp_path / ".worker0.lock"
    code = f"import filelock, time; held = filelock.FileLock({str(held)!r}); held.acquire(); print(1, flush=True)"
    code += "; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as earlier:
        assert earlier.stdout is not None
        earlier.stdout.readline()
        monkeypatch.setattr(lock, "PATIENCE", 0.2)
        with pytest.raises(RunsError, match="a worker process of an earlier command still runs"):
            lock.await_earlier_workers(RunStore(tmp_path))
        earlier.kill()
    lock.await_earlier_workers(RunStore(tmp_path))
    with filelock.FileLock(held, timeout=0):
        pass


def test_notes_are_shown_between_the_other_lines(capsys: pytest.CaptureFixture[str]) -> None:
    from lge_sweep.cli.reporting import reporting

    with reporting():
        logging.getLogger("lge_sweep.engine.cell_check").warning("a [b] is gone")
    assert capsys.readouterr().out == "note: a [b] is gone\n"


def test_a_notebooks_choice_of_figures_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jupyter sets it for commands too, of a library that is not here: figures, and with them cells, failed."""
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    assert CliRunner().invoke(app, ["status", "--runs", "/nowhere"]).exit_code == 0
    assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize("given", ["0", "-3", "59", "nan", "inf", "soon"])
def test_the_limit_of_silence_is_more_than_loading_takes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lge_sweep.paths import stall_limit

    monkeypatch.setenv("LGE_SWEEP_STALL", given)
    with pytest.raises(RunsError, match=f"LGE_SWEEP_STALL: expected a number of seconds from 60 on, got '{given}'"):
        stall_limit()
