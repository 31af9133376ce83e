"""A runs directory may have any name that the file system allows, and works where it lies."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url
from synthetic_dicom import grey, series
from tiny_segmenter import write_segmenter
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.errors import ModelError, RunsError
from lge_sweep.hashing import file_digest
from lge_sweep.paths import LONGEST_RUNS, describe_name, runs_folder
from lge_sweep.pipeline.register import register_segmenter
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter.load import NAME, load_segmenter
from lge_sweep.tracking import EXPERIMENT, Tracker
from lge_sweep.tracking.database import fresh_uri, new_database
from lge_sweep.tracking.download import locate
from lge_sweep.tracking.look_up import find_model, read_folder
from lge_sweep.tracking.moved import PLACES, path_of
from lge_sweep.tracking.registry import find_champion, find_version, promote
from lge_sweep.tracking.views import view_path

MODEL = f"models:/{NAME}@champion"
NAMES = (
    "q?x=1", "p%20q", "%", "%2F", "a b", "a#b", "a&b;c=d", "a@b:c", "Pérez 医院 🫀", "a'b\"c`d`", "$HOME", "a\\b",
    "[a]*{b}", "-x", "~x", "..x", "a+b,c", "x" * 255, "line\nend",
)  # fmt: skip

HEAVY = {"torch", "torchvision", "torchmetrics", "pytorch_lightning", "monai", "mlflow", "sqlalchemy", "alembic",
         "optuna", "pandas", "sklearn", "onnx", "scipy.stats", "scipy.spatial", "matplotlib.pyplot"}  # fmt: skip
"""Each takes a tenth of a second to load, or several seconds."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs directory with a champion and an artifact of a run; not to be changed."""
    runs = tmp_path_factory.mktemp("made") / "q?x=1 p%20q"
    runs.mkdir()
    tracker = Tracker(RunStore(runs))
    run = tracker.open_run("run", "a run", {}, {})
    (runs / "kept.txt").write_text("kept")
    run.log_files([runs / "kept.txt"])
    run.finish()
    segmenter = write_segmenter(runs / "segmenter")
    version = register_segmenter(tracker, segmenter, "run", "phase3-x", facts={"collapsed": "no"}, about="Tiny")
    promote(tracker, NAME, version, "phase3-x/", new=True, remedy="")
    return runs


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_digest(path) for path in folder.rglob("*") if path.is_file()}


def places(runs: Path) -> list[str]:
    """Whatever the database says of where files are."""
    with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
        return [
            str(place)
            for table, columns in PLACES.items()
            for column in columns
            for (place,) in connection.execute(f"SELECT {column} FROM {table} WHERE {column} LIKE 'file:%'")
        ]


# ----------------------------------------------------------------------------------------------------------- any name


@pytest.mark.parametrize("name", NAMES)
def test_an_address_leads_to_the_file_and_makes_no_other(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    file = folder / "mlflow.db"
    with new_database(file) as uri, closing(sqlite3.connect(make_url(uri).database or "")) as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    for uri in (RunStore(folder).tracking_uri, fresh_uri(file, True), fresh_uri(file, True)):
        assert Path(make_url(uri).database or "") == file
        create_sqlalchemy_engine_with_retry(uri).dispose()
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("name", ["q?x=1", "p%20q", "Pérez#医院&;'\""])
def test_the_registry_works_under_any_name(name: str, registry: Path, tmp_path: Path) -> None:
    runs = tmp_path / name
    shutil.copytree(registry, runs)
    tracker = Tracker(RunStore(runs))
    champion = find_champion(tracker, NAME)
    assert champion is not None
    assert find_version(tracker, NAME, champion.key) == champion
    assert runs in locate(tracker, MODEL).parents
    load_segmenter(MODEL, "onnx", runs)
    run = tracker.find("run")
    assert run is not None
    assert (path_of(run.info.artifact_uri) / "kept.txt").read_text() == "kept"
    (runs / "new.txt").write_text("new")
    tracker.open_run("another", "another", {}, {}).log_files([runs / "new.txt"])
    assert len(list(runs.rglob("new.txt"))) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_mlflow_itself_cannot_is_said(tmp_path: Path) -> None:
    assert "cannot read a path with '%2f' in it" in describe_name(tmp_path / "a%2fb")
    assert describe_name(tmp_path / "50 % of a?b#c") == ""


def test_the_longest_path_that_a_database_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path
    while (left := LONGEST_RUNS - len(os.fsencode(folder)) - 1) > 0:
        folder /= "y" * min(left - 2 if 250 < left < 253 else left, 250)
    assert len(os.fsencode(runs_folder(folder))) == LONGEST_RUNS
    folder.mkdir(parents=True)
    file = folder / "mlflow.db"
    with new_database(file) as uri, closing(sqlite3.connect(make_url(uri).database or "")) as connection:
        connection.execute("CREATE TABLE experiments (name TEXT)")
    too_long = folder.with_name(folder.name + "y")
    said = f"has {LONGEST_RUNS + 1} bytes, and SQLite opens no database in one of more than {LONGEST_RUNS}"
    with pytest.raises(RunsError, match=said):
        runs_folder(too_long)
    (tmp_path / "link").symlink_to(too_long)
    with pytest.raises(RunsError, match="links are followed first"):
        runs_folder(tmp_path / "link")
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["phase1", "--runs", str(too_long)])
    assert (told.exit_code, said in told.output) == (2, True)
    assert runs_folder(Path("another")) == Path("another")  # the advice helps
    assert not too_long.exists()


# -------------------------------------------------------------------------------------------------- moved and copied


HOLD = """
import sys
from pathlib import Path
from lge_sweep.engine.lock import hold_runs
from lge_sweep.run_store import RunStore
with hold_runs(RunStore(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["moved", "copied"])
def test_what_is_in_the_folder_works_where_it_lies(
    way: str, registry: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = tmp_path / "old", tmp_path / "far" / "new?%"
    shutil.copytree(registry, old)
    Tracker(RunStore(old))
    assert all(place.startswith(old.as_uri()) for place in places(old))
    before = contents(old)
    new.parent.mkdir()
    if way == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new)
    caplog.clear()
    tracker = Tracker(RunStore(new))
    (note,) = [record.getMessage() for record in caplog.records if record.name.startswith("lge_sweep")]
    assert note.startswith(f"the runs directory was moved or copied here from {old}: MLflow's paths follow; nothing")
    assert len(places(new)) == 4
    assert all(place.startswith(new.as_uri()) for place in places(new))
    assert new in locate(tracker, MODEL).parents
    load_segmenter(MODEL, "onnx", new)
    (new / "more.txt").write_text("more")
    tracker.open_run("run", "a run", {}, {}).log_files([new / "more.txt"])
    tracker.open_run("new run", "new", {}, {}).log_files([new / "more.txt"])
    assert len(list(new.rglob("more.txt"))) == 3
    assert not list(registry.rglob("more.txt"))
    assert old.exists() == (way == "copied")
    if way == "copied":
        assert contents(old) == before
    caplog.clear()
    Tracker(RunStore(new))
    assert not [record for record in caplog.records if record.name.startswith("lge_sweep")]


def test_a_driver_at_work_keeps_its_paths_whatever_name_others_give_the_folder(
    registry: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They were changed under it once, and it wrote a trial's files to where a mount had been."""
    runs, link, elsewhere = tmp_path / "runs", tmp_path / "link", tmp_path / "elsewhere"
    shutil.copytree(registry, runs)
    Tracker(RunStore(runs))
    own = places(runs)
    link.symlink_to(runs)
    for place in (link, runs):  # as a bind mount is: the same folder, and the database may name it by either
        with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
            of_ours = ((place / "artifacts").as_uri(), EXPERIMENT)
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", of_ours)
            connection.commit()
        caplog.clear()
        Tracker(RunStore(runs))
        assert "MLflow's paths" not in caplog.text
    assert places(runs) == own
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(runs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        runs.rename(elsewhere)  # as on a host that has it under another path
        caplog.clear()
        Tracker(RunStore(elsewhere))
        assert (
            f"a driver works in this runs directory under another path, {runs}: MLflow's paths are left" in caplog.text
        )
        read_folder(RunStore(elsewhere), MODEL)
        assert places(elsewhere) == own
        driver.kill()
    caplog.clear()
    Tracker(RunStore(elsewhere))
    assert "MLflow's paths follow" in caplog.text
    assert places(elsewhere) != own


def test_runs_that_can_only_be_read_open_on_the_plain_page(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MlflowException("attempt to write a readonly database")

    runs = tmp_path / "runs"
    shutil.copytree(registry, runs)
    tracker = Tracker(RunStore(runs))
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_experiment_tag", refuse)
        assert not tracker.share_views()
    assert "viewStateShareKey" not in view_path(tracker.experiment, "")
    assert tracker.share_views()


def test_the_note_is_printed_once_whatever_libraries_do_to_logging(registry: Path, tmp_path: Path) -> None:
    shutil.copytree(registry, tmp_path / "here")
    logging.getLogger().setLevel(logging.ERROR)  # as a library does when it is imported
    try:
        told = CliRunner().invoke(app, ["predict", "no-exam", "out", "--runs", str(tmp_path / "here")])
    finally:
        logging.getLogger().setLevel(logging.WARNING)
    assert "no-exam: " in told.output
    assert told.output.count("MLflow's paths follow") == 1


def test_other_paths_in_the_database_stay(registry: Path, tmp_path: Path) -> None:
    runs, old = tmp_path / "runs", (registry / "artifacts").as_uri()
    shutil.copytree(registry, runs)
    others = [f"{old}-of-another/x", "s3://bucket/artifacts", f"file:///mnt{registry}/artifacts"]
    with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
        for k, other in enumerate(others):
            connection.execute("INSERT INTO experiments (name, artifact_location) VALUES (?, ?)", (f"other{k}", other))
        connection.commit()
    Tracker(RunStore(runs))
    with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
        found = connection.execute("SELECT artifact_location FROM experiments WHERE name LIKE 'other%'").fetchall()
    assert [place for (place,) in found] == others


def test_a_moved_directory_that_can_only_be_read_is_explained(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(registry, runs)
    connect = sqlite3.connect
    monkeypatch.setattr(  # root may write everything
        "lge_sweep.tracking.moved.sqlite3.connect",
        lambda path, **options: connect(f"{Path(path).as_uri()}?mode=ro", uri=True, **options),
    )
    with pytest.raises(RunsError, match="the file cannot be written: make it writable, or work on a copy"):
        Tracker(RunStore(runs))
    monkeypatch.undo()
    shutil.copytree(runs, tmp_path / "copy")  # the advice helps
    assert tmp_path / "copy" in locate(Tracker(RunStore(tmp_path / "copy")), MODEL).parents


# ----------------------------------------------------------------------------------------------------- without MLflow


def test_a_model_is_found_as_mlflow_finds_it(registry: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(registry, tmp_path / "runs"))
    store, tracker = RunStore(runs), Tracker(RunStore(runs))
    tracker.client.copy_model_version(f"models:/{NAME}/1", "copied")
    champion = find_champion(tracker, NAME)
    assert champion is not None
    version = tracker.client.get_model_version(NAME, "1")
    for model in (MODEL, f"models:/{NAME}/1", str(version.source), "models:/copied/1"):
        assert read_folder(store, model) == locate(tracker, model), model
    others = ("models:/x@champion", "models:/", f"models:/{NAME}", *(f"models:/{NAME}{end}" for end in (
        "/2", "@x", "/latest", "@latest", "/Production")))  # fmt: skip
    assert [model for model in others if read_folder(store, model)] == []
    second = register_segmenter(tracker, runs / "segmenter", "run", "phase3-y", facts={"collapsed": "no"}, about="New")
    before = read_folder(store, MODEL)
    promote(tracker, NAME, second, "phase3-y/", new=True, remedy="")
    assert read_folder(store, MODEL) == locate(tracker, MODEL) != before  # there is no second truth
    tracker.client.delete_model_version(NAME, second.number)
    assert read_folder(store, MODEL) is None
    assert read_folder(store, f"models:/{NAME}/{second.number}") is None
    with pytest.raises(ModelError, match=f"{NAME}.*not to be had from"):
        find_model(store, MODEL)


@pytest.mark.parametrize("harm", ["no table", "no database", "no file"])
def test_what_is_wrong_with_the_registry_is_said_by_mlflow(harm: str, registry: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(registry, tmp_path / "runs"))
    if harm == "no table":
        with closing(sqlite3.connect(runs / "mlflow.db")) as connection:
            connection.execute("DROP TABLE registered_model_aliases")
    elif harm == "no database":
        (runs / "mlflow.db").write_bytes(b"no database" * 1000)
    else:
        shutil.rmtree(runs / "artifacts")
    assert read_folder(RunStore(runs), MODEL) is None
    with pytest.raises((RunsError, ModelError)):
        find_model(RunStore(runs), MODEL)


def test_predict_loads_no_library_that_it_does_not_need(registry: Path, tmp_path: Path) -> None:
    series(tmp_path / "exam", grey(3, (24, 24)))
    arguments = ["predict", str(tmp_path / "exam"), str(tmp_path / "out"), "--runs", str(registry)]
    code = (
        "import sys\nfrom lge_sweep.cli import app\n"
        f"try: app({arguments!r})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"loaded = {HEAVY} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    assert len(list((tmp_path / "out").glob("*/labels.dcm"))) == 1
