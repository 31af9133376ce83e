"""Phase 2 from the command line: what it takes over from phase 1, what it selects, registers and says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.tracking import MlflowClient
from program import inline, invoke

from lge_sweep.data.inputs import channel_rows, network_inputs
from lge_sweep.data.preparation import load_arrays
from lge_sweep.engine.train import load_best
from lge_sweep.models.probabilities import Segmenter
from lge_sweep.run_store import RunStore
from lge_sweep.study.plan import Plan
from lge_sweep.study.plan_files import load_plan
from lge_sweep.tracking import EXPERIMENT

TINY = [
    "--stage", "1", "--profile", "smoke", "--set", "training.max_steps=2", "--set", "training.width=0.25",
    "--set", "source.cases=12",
]  # fmt: skip
GRID = ["--set", "grid.loss=[dice, weighted_ce]", "--set", "grid.optimizer=[adam]"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Phase 1 of two models and phase 2 of two losses, stage 1: runs directory and what phase 2 printed."""
    runs = tmp_path_factory.mktemp("phase2") / "runs"
    with inline():
        first = invoke("phase1", *TINY, "--runs", str(runs), "--set", "grid.model=[segnet, unet]")
        assert first.exit_code == 0, first.output
        second = invoke("phase2", *TINY, *GRID, "--runs", str(runs))
    assert second.exit_code == 0, second.output
    return runs, second.stdout


@pytest.fixture
def plan(swept: tuple[Path, str]) -> Plan:
    (folder,) = swept[0].glob("phase2-*")
    return load_plan(folder)


def test_without_phase_1_it_names_the_command_to_run(tmp_path: Path) -> None:
    done = invoke("phase2", *TINY, "--runs", str(tmp_path), "--set", "grid.loss=[dice]")
    assert done.exit_code == 2
    assert "phase 1 of stage 1 on phantom with profile smoke has not been run" in done.output
    assert "Run first: lge-sweep phase1 --stage 1 --data phantom --profile smoke" in done.output
    assert "grid.loss" not in done.output.split("Run first")[1]


def test_phase_1_of_another_profile_is_named(swept: tuple[Path, str]) -> None:
    """Who ran phase 1 with a profile by name was told by phase 2, which takes its own, that it had not been run."""
    done = invoke("phase2", "--stage", "1", "--profile", "tour", "--runs", str(swept[0]))
    assert done.exit_code == 2
    said = " ".join(done.output.split())
    assert "with profile smoke it has: go on with --profile smoke" in said


def test_phase_1_of_other_settings_is_refused_with_both_digests(swept: tuple[Path, str], plan: Plan) -> None:
    done = invoke("phase2", *TINY, "--set", "training.learning_rate=0.5", "--runs", str(swept[0]))
    assert done.exit_code == 2
    assert "run on other data, another split or other training settings" in done.output
    assert plan.basis[:10] in done.output
    assert done.output.count("digest") == 1


def test_an_incomplete_phase_1_is_said(swept: tuple[Path, str], tmp_path: Path) -> None:
    (first,) = swept[0].glob("phase1-*")
    shutil.copytree(first, tmp_path / first.name, ignore=shutil.ignore_patterns("selection.json"))
    done = invoke("phase2", *TINY, "--runs", str(tmp_path))
    assert done.exit_code == 2
    assert "is not complete" in done.output


def test_an_unknown_loss_gets_the_nearest_name(tmp_path: Path) -> None:
    done = invoke("phase2", *TINY, "--set", "grid.loss=[dice_fokal]", "--runs", str(tmp_path))
    assert done.exit_code == 2
    assert "did you mean 'dice_focal'" in done.output


def test_it_takes_over_phase_1s_models_and_says_so(swept: tuple[Path, str], plan: Plan) -> None:
    (first,) = swept[0].glob("phase1-*")
    selected = json.loads((first / "selection.json").read_text())["models"]
    assert list(plan.config.grid.model) == selected
    assert len(selected) == 2
    assert f"models selected by {first.name}: {', '.join(selected)}" in swept[1].replace("\n", " ")


def test_every_cell_is_a_child_with_its_loss_weights_and_both_scores(swept: tuple[Path, str], plan: Plan) -> None:
    client = MlflowClient(tracking_uri=RunStore(swept[0]).tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.phase = 'phase2'")
    (parent,) = [run for run in found if run.data.tags["lge.kind"] == "sweep"]
    children = {run.data.tags["cell"]: run for run in found if run.data.tags["lge.kind"] == "trial"}
    assert set(children) == {cell.name for cell in plan.cells}
    for cell in plan.cells:
        child = children[cell.name]
        assert child.data.params["loss"] == cell.loss
        assert float(child.data.params["loss_gamma"]) == 2
        assert {"score/mean", "score/weighted", "val/dice/cavity", "val/foreground_dice"} <= set(child.data.metrics)
    ranking = pd.read_csv(plan.files.ranking).set_index("configuration")
    for cell in plan.cells:
        shown, placed = children[cell.name].data.metrics, ranking.loc[cell.configuration]
        assert shown["ranking/rank"] == placed["rank"]
        assert shown["ranking/score"] == pytest.approx(placed["score"])
        assert shown["ranking/probability_best"] == pytest.approx(placed["probability_best"])
    opened = json.loads(experiment.tags["mlflow.sharedViewState.ranking"])
    assert opened["groupsExpanded"][f"tag.sweep.{plan.name}"]
    assert opened["orderByKey"] == "metrics.`ranking/score`"
    columns = [re.sub(r"^\w+\.`(.+)`$", r"\1", one) for one in opened["selectedColumns"]]
    known = {*children[plan.cells[0].name].data.metrics, *children[plan.cells[0].name].data.tags}
    assert set(columns) - known <= {"val/dice/myocardium", "val/dice/scar"}  # stage 2 has these
    labels = load_arrays(plan.arrays).labels[plan.rows("train")]
    share = (labels == 1).mean(axis=(1, 2))
    cavity = share[share > 0].mean()
    frequency = np.array([(labels != 1).mean(), cavity])
    assert plan.class_weights == pytest.approx(tuple(np.median(frequency) / frequency))
    assert float(parent.data.params["class_weight_cavity"]) == pytest.approx(plan.class_weights[1], rel=1e-3)
    assert (
        parent.data.tags["uncertainty"]
        == json.loads((plan.folder / "selection.json").read_text())["uncertainty"]["sentence"]
    )


def test_the_selection_carries_its_doubt(swept: tuple[Path, str], plan: Plan) -> None:
    selection = json.loads((plan.folder / "selection.json").read_text())
    uncertainty = selection["uncertainty"]
    ranked = [standing for standing in uncertainty["standings"] if standing["ranks"]]
    assert len(uncertainty["standings"]) == 4
    assert sum(standing["best"] for standing in ranked) == pytest.approx(1)
    assert np.array([standing["ranks"] for standing in ranked]).sum(axis=0) == pytest.approx(np.ones(len(ranked)))
    assert selection["rule"] == "weighted"
    assert selection["selected"] == [selection["champion"]]
    sentence = uncertainty["sentence"]
    printed = swept[1]
    assert sentence in printed
    assert printed.index(sentence) < printed.index("rank  configuration")
    ranking = pd.read_csv(plan.folder / "ranking.csv")
    assert {"score_low", "score_high", "probability_best", "spread"} <= set(ranking.columns)
    for name in ("training_curves", "dice_violin", "metric_spread", "class_bars", "dice_heatmap", "rank_probability"):
        assert (plan.folder / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow  # test_two_stage_model has it with both
def test_the_champion_loads_in_a_clean_process_and_predicts(
    swept: tuple[Path, str], plan: Plan, tmp_path: Path
) -> None:
    arrays, row = load_arrays(plan.arrays), plan.rows("val")[0]
    image = network_inputs(arrays.images[[row]], channel_rows(arrays.cases[[row]]), 1)
    np.save(tmp_path / "image.npy", image)
    code = (
        "import sys, mlflow, numpy, torch\n"
        f"mlflow.set_tracking_uri({RunStore(swept[0]).tracking_uri!r})\n"
        "name, image = 'models:/lge-stage1@champion', numpy.load('image.npy')\n"
        "model = mlflow.pytorch.load_model(name)\n"
        "with torch.no_grad(): numpy.save('torch.npy', model(torch.from_numpy(image)).numpy())\n"
        "numpy.save('pyfunc.npy', mlflow.pyfunc.load_model(name).predict(image))\n"
        "assert 'lge_sweep' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=tmp_path, timeout=120)
    champion = json.loads((plan.folder / "selection.json").read_text())["champion"]
    (cell,) = [cell for cell in plan.cells if cell.name == champion]
    network = Segmenter(load_best(plan.cell_files(cell).best, cell, plan.config.training))
    with torch.no_grad():
        expected = network(torch.from_numpy(image)).numpy()
    assert expected.shape == (1, 2, *image.shape[2:])
    assert expected.sum(axis=1) == pytest.approx(np.ones_like(expected[:, 0]), abs=1e-5)
    for name in ("torch.npy", "pyfunc.npy"):
        assert np.load(tmp_path / name) == pytest.approx(expected, abs=1e-5)


def test_a_person_may_overrule_and_take_it_back(swept: tuple[Path, str], plan: Plan) -> None:
    def state() -> tuple[str, str]:
        version = client.get_model_version_by_alias("lge-stage1", "champion")
        return json.loads((plan.folder / "selection.json").read_text())["champion"], version.tags["cell"]

    client = MlflowClient(tracking_uri=RunStore(swept[0]).tracking_uri, registry_uri=RunStore(swept[0]).tracking_uri)
    ranking = json.loads((plan.folder / "selection.json").read_text())["ranking"]
    moot = all(entry["collapsed"] for entry in ranking)
    before = state()
    other = next(e["name"] for e in ranking if e["name"] != before[0] and (moot or not e["collapsed"]))
    where = ("select", plan.name, "--runs", str(swept[0]))
    for arguments, message in (
        (("--override", "unet-dize-adam", "--reason", "x"), "did you mean 'unet-dice-adam'"),
        (("--override", other), "needs a reason"),
        (("--override", before[0], "--reason", "x"), "nothing to override"),
        (("--override", other, "--reason", "x", "--withdraw"), "give one of them"),
        (("--reason", "x"), "give --override too"),
    ):
        refused = invoke(*where, *arguments)
        assert (refused.exit_code, state()) == (2, before)
        assert message in refused.output
    chosen = invoke(*where, "--override", other, "--reason", "cleaner contours")
    assert chosen.exit_code == 0, chosen.output
    assert f"chosen by a person over {before[0]}: cleaner contours" in chosen.output
    assert state() == (other, other)
    again = invoke("phase2", *TINY, *GRID, "--runs", str(swept[0]))  # a rerun keeps it
    assert (again.exit_code, state()) == (0, (other, other)), again.output
    withdrawn = invoke("select", str(plan.folder), "--withdraw", "--runs", str(swept[0]))
    assert withdrawn.exit_code == 0, withdrawn.output
    assert state() == before
    assert len(client.search_model_versions("name = 'lge-stage1'")) == 2  # the first is taken again


def test_a_champion_gives_way_to_new_and_sound_selections_only(swept: tuple[Path, str], plan: Plan) -> None:
    client = MlflowClient(tracking_uri=RunStore(swept[0]).tracking_uri, registry_uri=RunStore(swept[0]).tracking_uri)
    before = client.get_model_version_by_alias("lge-stage1", "champion")
    assert before.source is not None
    foreign = client.create_model_version(
        "lge-stage1", before.source, tags={"lge.key": "other/cell/0", "collapsed": "no"}
    )
    client.set_registered_model_alias("lge-stage1", "champion", foreign.version)
    again = invoke("phase2", *TINY, *GRID, "--runs", str(swept[0]))
    assert again.exit_code == 0, again.output
    assert "(other/cell/0) stays champion" in again.output
    if before.tags["collapsed"] != "no":  # what collapsed does not displace what stands
        assert "it collapsed" in again.output
        client.set_model_version_tag("lge-stage1", foreign.version, "collapsed", "cavity")
    promoted = invoke("select", plan.name, "--runs", str(swept[0]))
    assert promoted.exit_code == 0, promoted.output
    assert f"in place of version {foreign.version}" in promoted.output
    assert client.get_model_version_by_alias("lge-stage1", "champion").version == before.version
    client.delete_model_version("lge-stage1", foreign.version)


def test_a_lost_mlflow_database_is_rebuilt_by_select(swept: tuple[Path, str], plan: Plan, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(swept[0], runs, ignore=shutil.ignore_patterns("mlflow.db", "artifacts"))
    done = invoke("select", str(runs / plan.name))
    assert done.exit_code == 0, done.output
    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri, registry_uri=RunStore(runs).tracking_uri)
    version = client.get_model_version_by_alias("lge-stage1", "champion")
    assert version.tags["cell"] == json.loads((plan.folder / "selection.json").read_text())["champion"]
    assert version.source is not None
    place = client.get_logged_model(version.source.removeprefix("models:/")).artifact_location
    assert Path(place.removeprefix("file://")).is_relative_to(runs)
    assert not Path("mlruns").exists()
    example = json.loads(next(runs.rglob("input_example.json")).read_text())
    assert not np.array(example).any()  # no patient's image is in the model


def test_a_sweep_that_does_not_exist_is_explained(swept: tuple[Path, str]) -> None:
    done = invoke("select", "phase2-stage1", "--runs", str(swept[0]))
    assert done.exit_code == 2
    assert "no sweep 'phase2-stage1'" in done.output


def test_two_cells_are_compared_on_the_same_images(swept: tuple[Path, str], plan: Plan) -> None:
    first, second = plan.cells[0].name, plan.cells[1].name
    done = invoke("compare", first, f"{plan.name}/{second}", "--runs", str(swept[0]))
    assert done.exit_code == 0, done.output
    assert f"A: {first}" in done.output
    assert "per image" in done.output
    assert "dice/cavity" in done.output
    tables = [pd.read_csv(plan.cell_files(cell).per_image) for cell in plan.cells[:2]]
    means = [table[table["class"] == "cavity"]["dice"].dropna().mean() for table in tables]
    line = next(line for line in done.output.splitlines() if line.strip().startswith("dice/cavity"))
    assert [float(value) for value in line.split()[2:4]] == pytest.approx(means, abs=6e-5)
    for name, message in ((second + "x", f"did you mean '{second}'"), (first, "are the same cell")):
        refused = invoke("compare", first, name, "--runs", str(swept[0]))
        assert refused.exit_code == 2
        assert message in refused.output


def test_selection_refuses_missing_cells_unless_told(swept: tuple[Path, str], plan: Plan, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(swept[0], runs)
    lost = next(cell.name for cell in plan.cells if cell.name != load_plan(runs / plan.name).cells[0].name)
    os.unlink(runs / plan.name / "cells" / lost / "outcome.json")
    refused = invoke("select", plan.name, "--runs", str(runs))
    assert refused.exit_code == 1
    assert lost in refused.output
    allowed = invoke("select", plan.name, "--runs", str(runs), "--allow-incomplete")
    assert allowed.exit_code == 0, allowed.output
    assert f"selected without {lost}" in allowed.output
