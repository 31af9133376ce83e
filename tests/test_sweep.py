"""Sweeps from the command line, as a user runs them: what they print, what they leave, what they survive."""

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image
from program import INLINE, command, inline, invoke
from synthetic_dicom import SECRETS, series
from tracked_runs import child_runs
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.cli.progress import SweepProgress
from lge_sweep.cli.terminal import Terminal
from lge_sweep.config import cells, load_sweep
from lge_sweep.config.data import DicomFolders, Phantom
from lge_sweep.engine.ledger import read_ledger
from lge_sweep.engine.lock import hold_runs
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import SCORED, class_names
from lge_sweep.metrics import aggregate
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Result, all_scores
from lge_sweep.study.plan_files import load_plan
from lge_sweep.tracking import Tracker

NARROW = ["--set", "training.width=0.25"]  # checkpoints of whole networks take as long to write as these to train
THREE = ["--set", "grid.model=[unet, segnet, deeplabv3plus_mobilenetv2]", *NARROW]
"""Without the two largest networks, which `make wheel` trains along with these."""
ONE = ["--stage", "1", "--set", "grid.model=[unet]", "--set", "training.max_steps=2", *NARROW]


def run(runs: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    full = command("phase1", "--profile", "smoke", "--runs", str(runs), *arguments)
    return subprocess.run(
        full, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )


def here(runs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a phase 1 in this process, which has loaded its libraries already."""
    done = CliRunner().invoke(app, ["phase1", "--profile", "smoke", "--runs", str(runs), *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Phase 1, both stages, six trials, with profile smoke: runs directory and all that was printed."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    with inline():
        done = here(runs, *THREE)
    assert done.returncode == 0, done.stdout + done.stderr
    return runs, done.stdout


def sweep_folders(runs: Path) -> list[Path]:
    return sorted(runs.glob("phase1-stage*"))


def test_it_prints_two_rankings_and_where_to_look(finished: tuple[Path, str]) -> None:
    _, printed = finished
    assert printed.count("Selected:") == 2
    assert "profile smoke: as asked" in printed
    assert "its numbers mean nothing" in " ".join(printed.split())
    assert "make ui" in printed
    assert "[3/3]" in printed


def test_the_ledger_has_each_cell_complete_once(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    sweeps = read_ledger(RunStore(runs))
    assert [about["stage"] for _, about, _ in sweeps] == [1, 2]
    for _, _, entries in sweeps:
        assert [entry.state for entry in entries] == ["complete"] * 3
        assert [entry.trial for entry in entries] == list(range(3))


def test_mlflow_shows_two_parents_with_three_children_each(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    parents, children = child_runs(runs)
    assert len(parents) == 2
    assert all(entry.info.status == "FINISHED" for entry in parents + children)
    by_parent = [child.data.tags["mlflow.parentRunId"] for child in children]
    assert sorted(by_parent.count(parent.info.run_id) for parent in parents) == [3, 3]


@pytest.mark.parametrize("stage", [1, 2])
def test_every_child_has_the_metrics_of_its_per_image_table(finished: tuple[Path, str], stage: int) -> None:
    runs, _ = finished
    children = {
        entry.data.tags["cell"]: entry for entry in child_runs(runs)[1] if entry.data.tags["stage"] == str(stage)
    }
    folder = sweep_folders(runs)[stage - 1]
    assert len(children) == 3
    for cell in cells(load_sweep("phase1", stage, "phantom", "smoke", THREE[1::2])):
        logged = children[cell.name].data.metrics
        table = pd.read_csv(folder / "cells" / cell.name / "per_image.csv", dtype={"image": str, "case": str})
        summary = aggregate(table)
        for prefix, values in (
            ("val", summary.image_mean),
            ("val_pooled", summary.pooled),
            ("val_present", summary.present_only),
        ):
            for metric, by_class in values.items():
                for name, value in by_class.items():
                    assert logged.get(f"{prefix}/{metric}/{name}") == (None if value is None else pytest.approx(value))
        means = {metric: {name: summary.image_mean[metric][name] for name in class_names(stage)} for metric in SCORED}
        for rule, value in all_scores(Result(cell.name, means)).items():
            assert value is not None
            assert logged[f"score/{rule}"] == pytest.approx(value)
        assert {"train/loss", "val/loss", "val_std/dice", "val/global_accuracy", "training/seconds"} <= set(logged)
        tags = children[cell.name].data.tags
        assert tags["collapsed"] == (", ".join(summary.collapsed) or "no")
        assert {"phase", "stage", "data", "data_digest", "profile", "leaky_split", "git_commit"} <= set(tags)
        assert tags["leaky_split"] == "false"
        params = children[cell.name].data.params
        assert params["model"] == cell.model
        assert {"loss", "optimizer", "seed", "learning_rate", "image_size", "batch_size"} <= set(params)


def test_curves_have_one_point_a_step_and_one_a_validation(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri)
    child = child_runs(runs)[1][0]
    assert [point.step for point in client.get_metric_history(child.info.run_id, "train/loss")] == [1, 2, 3, 4, 5, 6]
    assert [point.step for point in client.get_metric_history(child.info.run_id, "val/loss")] == [3, 6]


def test_artifacts_are_there(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri)
    parents, children = child_runs(runs)
    for entry in children:
        names = {file.path for file in client.list_artifacts(entry.info.run_id)}
        assert {"per_image.csv", "history.csv", "outcome.json", "loss_curve.png", "overlays.png"} <= names
    figures = {"training_curves.png", "class_bars.png", "dice_boxplot.png", "dice_heatmap.png"}
    for entry in parents:
        names = {file.path for file in client.list_artifacts(entry.info.run_id)}
        assert figures | {"ranking.csv", "selection.json", "sweep.yaml"} <= names


def test_the_data_set_is_named_with_its_digest(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    for entry in child_runs(runs)[1]:
        assert entry.inputs is not None
        (dataset,) = entry.inputs.dataset_inputs
        assert dataset.dataset.name == "phantom"
        assert dataset.dataset.digest == entry.data.tags["data_digest"]


def test_ranking_and_selection_agree(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    for folder in sweep_folders(runs):
        selection = json.loads((folder / "selection.json").read_text(encoding="utf-8"))
        with (folder / "ranking.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["configuration"] for row in rows] == [entry["name"] for entry in selection["ranking"]]
        scores = [float(row["score"]) for row in rows]
        assert scores == sorted(scores, reverse=True)
        assert {row["configuration"] for row in rows if row["selected"] == "yes"} == set(selection["selected"])


@pytest.mark.usefixtures("inline")
def test_a_rerun_trains_only_what_was_removed_and_rebuilds_mlflow(finished: tuple[Path, str], tmp_path: Path) -> None:
    original, _ = finished
    runs = tmp_path / "runs"
    shutil.copytree(original, runs)
    (runs / "mlflow.db").unlink()
    removed = next(runs.glob("phase1-stage1-*/cells/segnet-*"))
    shutil.rmtree(removed)
    weights = {path: path.stat().st_mtime_ns for path in runs.rglob("best.pt")}
    done = here(runs, *THREE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": started") == 1
    assert "note: the result of segnet-cross_entropy-adam is gone; it is trained again" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in weights} == weights
    parents, children = child_runs(runs)
    assert (len(parents), len(children)) == (2, 6)
    of_run = {"training/seconds", "training/memory_mb"}
    before = {(e.data.tags["stage"], e.data.tags["cell"]): e.data.metrics for e in child_runs(original)[1]}
    for entry in children:
        logged = before[entry.data.tags["stage"], entry.data.tags["cell"]]
        of_machine = {key for key in {*logged, *entry.data.metrics} if key.startswith("system/")}
        assert set(entry.data.metrics) - of_machine == set(logged) - of_machine
        for key in set(logged) - of_run - of_machine:
            assert entry.data.metrics[key] == pytest.approx(logged[key], rel=1e-3, abs=1e-3), key


def test_the_time_left_follows_the_pace_of_each_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("lge_sweep.cli.progress.time.monotonic", lambda: clock)
    out = io.StringIO()
    progress = SweepProgress(Terminal(file=out, width=200), "phase1 stage 1", total=4, done=0)

    def said() -> str:
        return out.getvalue().splitlines()[-1]

    progress.begin("fast", "fast", resumed=False)
    progress.begin("slow", "slow", resumed=False)
    progress.step("fast", 0, 100, 1.0, None)
    progress.step("slow", 0, 100, 1.0, None)
    clock = 50.0
    progress.step("slow", 5, 100, 1.0, None)
    progress.step("fast", 50, 100, 1.0, None)
    # 50 s of the fast one, 950 s of the slow one, and two waiting of (100 + 1000) / 2 s each, two at a time
    assert said() == "fast: step 50/100, loss 1.0000; about 18 min left"
    clock = 100.0
    progress.end("fast", "score 0.9", finished=True)
    progress.begin("third", "third", resumed=True)
    progress.step("third", 90, 100, 1.0, None)
    clock = 110.0
    progress.step("slow", 11, 100, 1.0, None)
    progress.step("third", 100, 100, 1.0, None)
    progress.end("third", "score 0.8", finished=True)
    assert said() == "[2/4] third: score 0.8; about 15 min left"  # 890 s of the slow one are longer than all else


def test_a_cell_is_shown_by_its_latest_name() -> None:
    out = io.StringIO()
    progress = SweepProgress(Terminal(file=out, width=200), "phase1 stage 1", total=1, done=0)
    progress.begin("cell", "segnet", resumed=False)
    progress.rename("cell", "segnet (stage 1)")
    progress.end("cell", "score 0.8", finished=True)
    assert out.getvalue().splitlines() == ["segnet: started", "[1/1] segnet (stage 1): score 0.8"]


def test_the_time_left_knows_that_cells_that_wait_take_longer_or_less(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("lge_sweep.cli.progress.time.monotonic", lambda: clock)
    out = io.StringIO()
    costs = {"long": 8.0, "short": 1.0, "another": 2.0}
    progress = SweepProgress(Terminal(file=out, width=200), "phase1 stage 1", total=4, done=1, costs=costs)
    progress.begin("long", "long", resumed=False)
    progress.step("long", 0, 100, 1.0, None)
    clock = 40.0
    progress.step("long", 50, 100, 1.0, None)
    assert out.getvalue().splitlines()[-1].endswith("about 70 s left")  # 40 s of it, then 10 s and 20 s
    clock = 80.0
    progress.end("long", "score 0.9", finished=True)
    assert out.getvalue().splitlines()[-1].endswith("about 30 s left")


def test_status_lists_the_sweeps(finished: tuple[Path, str]) -> None:
    runs, _ = finished
    done = invoke("status", "--runs", str(runs))
    assert done.exit_code == 0
    assert done.stdout.count("3/3") == 2


def test_a_changed_setting_or_image_never_meets_an_old_result() -> None:
    from lge_sweep.study.digest import sweep_digest

    base = load_sweep("phase1", 1, "phantom", "smoke")
    digests = {sweep_digest(base, "content"), sweep_digest(base, "other content")}
    for change in ("training.seed=1", "training.learning_rate=1e-5", "metrics.empty=zero", "split.seed=1"):
        if change.startswith("training.seed"):
            change = "grid.seed=[1]"
        digests.add(sweep_digest(load_sweep("phase1", 1, "phantom", "smoke", [change]), "content"))
    assert len(digests) == 6
    # What is finished must stay finished when this program gets a new option: change this only with RESULTS_FORMAT.
    assert (
        sweep_digest(
            load_sweep(
                "phase1", 1, "phantom", "laptop", ["source.cases=12", "training.patience=5", "training.ema=null"]
            ),
            "content",
        )[:12]
        == "396007174dcf"
    )


def test_folds_are_not_trained_again_for_another_fit_and_phases_still_meet() -> None:
    from lge_sweep.study.digest import basis_digest, sweep_digest

    of_stage_2 = {"crop_margin": "9", "crop_margin_mm": "9", "ema": "0.9", "max_epochs": "7", "patience": "7"}
    of_stage_2["pipeline_steps"] = "7"
    for stage, same in ((1, True), (2, False)):
        base = sweep_digest(load_sweep("phase3", stage, "phantom", "smoke"), "content")
        for name, value in of_stage_2.items():
            setting = f"fit.{name}={value}"
            assert (sweep_digest(load_sweep("phase3", stage, "phantom", "smoke", [setting]), "content") == base) == same
        for setting in ("fit.shipped.rotations=true", "fit.controls=[single, cropped]"):  # what is fitted stays
            assert sweep_digest(load_sweep("phase3", stage, "phantom", "smoke", [setting]), "content") == base
        folds = load_sweep("phase3", stage, "phantom", "smoke", ["fit.folds=3"])
        assert sweep_digest(folds, "content") != base
    plain, averaged = (
        load_sweep("phase2", 1, "phantom", "smoke", [f"training.ema={value}"]) for value in ("null", 0.9)
    )
    assert basis_digest(plain, "content")[:12] == "55b91feaf869"
    assert basis_digest(averaged, "content") != basis_digest(plain, "content")


# ------------------------------------------------------------------------------------------------------- bad luck


@pytest.mark.usefixtures("inline")
def test_one_bad_trial_does_not_end_a_sweep_and_is_retried_alone(tmp_path: Path) -> None:
    """Weights that fit one of two models: the other fails with its reason; a rerun retries only that one."""
    from segmentation_models_pytorch.encoders import get_encoder
    from torch import save

    weights = tmp_path / "weights"
    weights.mkdir()
    for encoder in ("mobilenet_v2", "resnet50"):
        save(get_encoder("mobilenet_v2", weights=None).state_dict(), weights / f"{encoder}.pth")
    runs = tmp_path / "runs"
    arguments = [
        "--stage", "1", "--set", "grid.model=[deeplabv3plus_resnet50, deeplabv3plus_mobilenetv2]",
        "--set", f"training.encoder_weights={weights}", "--set", "training.max_steps=2",
    ]  # fmt: skip
    done = here(runs, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "does not fit the encoder resnet50" in done.stdout.replace("\n", " ")
    assert "1 of 2 cells have no result" in done.stderr
    ((_, _, entries),) = read_ledger(RunStore(runs))
    assert [entry.state for entry in entries] == ["failed", "complete"]
    again = here(runs, *arguments, "--allow-incomplete")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "deeplabv3plus_mobilenetv2: started" not in again.stdout
    assert "Selected: deeplabv3plus_mobilenetv2" in again.stdout
    _, children = child_runs(runs)
    assert sorted(entry.info.status for entry in children) == ["FAILED", "FAILED", "FINISHED"]


@pytest.mark.usefixtures("inline")
def test_a_loss_that_becomes_nan_fails_its_trial_with_the_reason(tmp_path: Path) -> None:
    done = here(tmp_path / "runs", *ONE, "--set", "training.learning_rate=1e35", "--set", "training.max_steps=6")
    assert done.returncode == 1
    assert "loss became" in done.stdout
    ((_, _, entries),) = read_ledger(RunStore(tmp_path / "runs"))
    assert entries[0].state == "failed"
    assert "loss became" in entries[0].reason


def test_a_second_driver_is_told_who_holds_the_runs(tmp_path: Path) -> None:
    with hold_runs(RunStore(tmp_path)):
        done = here(tmp_path, *ONE)
    assert done.returncode == 2
    assert f"process {os.getpid()} on " in done.stderr
    assert "Traceback" not in done.stderr


def test_runs_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    done = here(tmp_path / "file" / "runs", *ONE)
    assert done.returncode == 2
    assert "results cannot be written here" in done.stderr
    assert "Traceback" not in done.stderr


def test_imagenet_weights_without_a_network_end_the_sweep_before_it_starts(tmp_path: Path) -> None:
    done = run(
        tmp_path / "runs", "--stage", "1", "--set", "grid.model=[deeplabv3plus_resnet50]",
        "--set", "training.encoder_weights=imagenet",
        HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path / "cache"), **INLINE,
    )  # fmt: skip
    assert done.returncode == 2
    assert "save it as FOLDER/resnet50.safetensors" in done.stderr
    assert "Traceback" not in done.stderr
    assert all(
        entry.state == "waiting" for _, _, entries in read_ledger(RunStore(tmp_path / "runs")) for entry in entries
    )


@pytest.mark.slow  # test_driver has it with stubs of workers
@pytest.mark.usefixtures("inline")
def test_a_damaged_mlflow_database_is_set_aside_and_made_anew(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    damaged = b"this is no database" * 100
    (runs / "mlflow.db").write_bytes(damaged)
    status = CliRunner().invoke(app, ["select", "0" * 32, "--runs", str(runs)])
    assert status.exit_code == 2
    assert "mlflow.db is damaged" in status.output
    assert "Run a sweep's command again" in status.output  # and that helps:
    done = here(runs, *ONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mlflow.db was damaged and is now" in done.stdout
    assert (runs / "damaged" / "mlflow.db.1").read_bytes() == damaged
    tracker = Tracker(RunStore(runs))  # which knows that this process has had another file of this name open
    entries = tracker.client.search_runs([tracker.experiment])
    assert [entry.info.status for entry in entries] == ["FINISHED", "FINISHED"]


def test_a_full_disk_is_recognised_through_what_it_caused() -> None:
    import errno

    from lge_sweep.engine.driver import is_full

    error = RuntimeError("could not write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_full(error)
    assert is_full(RuntimeError("(sqlite3.OperationalError) database or disk is full"))
    assert not is_full(ValueError("something else"))


def test_a_torn_last_line_of_the_journal_is_mended(tmp_path: Path) -> None:
    from lge_sweep.engine.ledger import Ledger

    Ledger(RunStore(tmp_path)).open("sweep", {"cells": ["a"]})
    with (tmp_path / "study.log").open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    (tmp_path / "study.log.lock").symlink_to("study.log")
    Ledger(RunStore(tmp_path)).open("other", {"cells": ["b"]})
    assert [name for name, _, _ in read_ledger(RunStore(tmp_path))] == ["sweep", "other"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "phantm"], "did you mean 'phantom'"),
        (["--set", "training.max_epoch=3"], "did you mean 'max_epochs'"),
        (["--set", "grid.model=[unett]"], "did you mean 'unet'"),
        (["--data", "emidec_png", "--root", "no/such/folder"], "no such folder"),
        (["--set", "source.cases=2"], "too few"),
        (["--set", "training.batch_size=1000"], "fewer than one batch"),
    ],
)
def test_bad_input_ends_in_one_message_and_exit_code_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["phase1", "--profile", "smoke", "--runs", str(tmp_path / "runs"), *arguments])
    assert done.exit_code == 2, done.output
    assert message in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ui", "--port", "99999"], "should be less than or equal to 65535"),
        (["schema", "no/such/folder/schema.json"], "cannot be written (No such file or directory)"),
    ],
)
def test_bad_input_of_other_commands_does_too(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.replace("│", " ").split())
    assert "Traceback" not in done.output


DICOM = """\
source:
  kind: dicom
  series: {series}
  mask: {{kind: index, values: {{0: background, 1: cavity, 2: myocardium, 3: scar}}}}
split: {{unit: slice, near_duplicate_bits: -1, fractions: [0.5, 0.17, 0.33]}}
"""
LAST, FIRST = "Geheimnis", "Patientin"


@pytest.fixture(scope="module")
def of_dicom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One cell on DICOM exams that say who the patient is, dealt by slice: runs directory, and what was printed."""
    folder, uids = tmp_path_factory.mktemp("of_dicom"), []
    for k, volume in enumerate(simulate(Phantom(kind="phantom", cases=6, slices=3, size=64, scar_free=0.5))):
        uids.append(f"1.2.{k}.20240506071233")
        exam = folder / "exams" / f"{LAST}_{FIRST}_{k}"
        files = series(
            exam,
            volume.pixels.astype(np.uint16),
            series=uids[-1],
            PatientID=f"MRN4711{k}",
            PatientName=f"{LAST}^{FIRST}",
            StudyInstanceUID=f"1.20240506.{k}",
        )
        (exam / "masks").mkdir()
        for path, mask in zip(files, volume.labels, strict=True):
            Image.fromarray(mask).save(exam / "masks" / f"{path.stem}.png")
    (folder / "mine.yaml").write_text(DICOM.format(series=uids))
    with inline():
        done = here(folder / "runs", *ONE, "--data", str(folder / "mine.yaml"), "--root", str(folder / "exams"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "runs", done


def test_a_leaky_split_is_marked_everywhere(of_dicom: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    runs, done = of_dicom
    assert "leaky split" in done.stdout
    parents, children = child_runs(runs)
    assert all(entry.data.tags["leaky_split"] == "true" for entry in parents + children)


def test_nothing_of_a_dicom_header_or_folder_reaches_the_results(
    of_dicom: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    runs, done = of_dicom
    secrets = [secret for secret in (*SECRETS, LAST, FIRST) if len(secret) > 4]  # shorter ones: by chance
    written = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    assert {"mlflow.db", "manifest.csv", "per_image.csv", "sweep.yaml"} <= {path.name for path in written}
    found = [(path, secret) for path, content in written.items() for secret in secrets if secret.encode() in content]
    found += [(path, secret) for path in runs.rglob("*") for secret in secrets if secret in path.name]
    assert found == []
    assert not [secret for secret in secrets if secret in done.stdout + done.stderr]
    (folder,) = sweep_folders(runs)
    source = load_plan(folder).config.source
    assert isinstance(source, DicomFolders)
    assert [uid.split(":")[0] for uid in source.series] == ["sha256"] * 6


def test_nothing_of_the_users_machine_reaches_mlflow(finished: tuple[Path, str]) -> None:
    """No user, no path of the home folder in tags or params."""
    runs, _ = finished
    connection = sqlite3.connect(runs / "mlflow.db")
    rows: list[Any] = connection.execute("select key, value from tags union select key, value from params").fetchall()
    connection.close()
    assert all(value == "" for key, value in rows if key == "mlflow.user")
    assert not [value for _, value in rows if str(Path.home()) in value and len(str(Path.home())) > 1]
