"""Phases 3 and 4: folds, fits, what the pipeline is compared with, the one look at the test subset."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from guard import User, new_user, open_to_others
from mlflow.tracking import MlflowClient
from nifti_files import load_nifti
from PIL import Image
from program import INLINE, invoke
from scipy import ndimage
from skimage.filters import threshold_otsu
from sklearn.metrics import roc_auc_score

from lge_sweep.config import Cell, load_sweep
from lge_sweep.config.segmenter import Options
from lge_sweep.data import load_arrays
from lge_sweep.data.grey import to_8_bit
from lge_sweep.data.inputs import channel_rows, network_inputs
from lge_sweep.data.refine import refine_cavity, smooth_cavity
from lge_sweep.data.resize import resize_labels
from lge_sweep.deliver import Delivery, deliver
from lge_sweep.errors import DataError, InheritError, RunsError
from lge_sweep.ingest import Exam, read
from lge_sweep.labels import Label
from lge_sweep.pipeline.access import (
    begin_access,
    describe_accesses,
    finish_access,
    read_accesses,
)
from lge_sweep.pipeline.champions import Champion, find_champions
from lge_sweep.pipeline.fit import TwoStage, check_spacing, find_two_stage
from lge_sweep.pipeline.folds import assign_folds, plan_folds
from lge_sweep.pipeline.records import PIPELINE, Access
from lge_sweep.pipeline.variants import EvaluatedSubset, two_stage_variants
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter.load import NAME, load_segmenter
from lge_sweep.segmenter.segment import TwoStageSegmenter
from lge_sweep.study.cell_files import read_predictions
from lge_sweep.study.plan import CellSet, plan_sweep
from lge_sweep.study.plan_files import load_plan, write_plan
from lge_sweep.study.prepare import prepare_data
from lge_sweep.tracking import EXPERIMENT, Tracker


def cases(scar: int, normal: int) -> pd.DataFrame:
    """A manifest of three slices a case, the middle one with scar; and a validation case that no fold may get."""
    rows = [
        {"case": f"{kind}{number}", "subset": "train", "has_scar": kind == "scar" and place == 1}
        for kind, count in (("scar", scar), ("normal", normal))
        for number in range(count)
        for place in range(3)
    ]
    return pd.DataFrame([*rows, {"case": "other", "subset": "val", "has_scar": True}])


@pytest.mark.parametrize(("scar", "normal", "folds"), [(7, 4, 5), (2, 3, 5), (0, 6, 3), (6, 0, 4), (20, 10, 2)])
def test_every_training_case_is_in_one_fold_and_the_folds_are_alike(scar: int, normal: int, folds: int) -> None:
    manifest = cases(scar, normal)
    assigned = assign_folds(manifest, folds, seed=3)
    assert set(assigned) == set(manifest["case"]) - {"other"}
    for of_kind in (assigned, {case: fold for case, fold in assigned.items() if case.startswith("scar")}):
        sizes = np.bincount(list(of_kind.values()), minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_folds_follow_from_the_seed_and_not_from_the_order_of_rows() -> None:
    manifest = cases(9, 6)
    assert assign_folds(manifest, 5, 1) == assign_folds(manifest.sample(frac=1, random_state=0), 5, 1)
    assert assign_folds(manifest, 5, 1) != assign_folds(manifest, 5, 2)


def test_more_folds_than_training_cases_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"has 3 cases, which cannot be dealt to 5 folds; set fit\.folds to at most that"
    ):
        assign_folds(cases(2, 1), 5, 0)


def test_each_look_at_the_test_part_is_counted_whoever_looks(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"subset": ["train", "test", "test"], "content_hash": ["a" * 64, "b" * 64, "c" * 64]})

    def access(pipeline: str, seen: pd.DataFrame = manifest) -> list[Access]:
        earlier = begin_access(tmp_path, pipeline, seen)
        finish_access(tmp_path, pipeline)
        return earlier

    assert access("phase4-one") == []
    (first,) = access("phase4-two", manifest.assign(content_hash=["x" * 64, "y" * 64, "c" * 64]))
    assert (first.pipeline, first.slices, first.finished) == ("phase4-one", ("b" * 16, "c" * 16), True)
    earlier = access("phase4-one")
    assert [access.pipeline for access in earlier] == ["phase4-one", "phase4-two"]
    assert (
        "look 3 at this test subset, which is no longer untouched; before: the same pipeline on"
        in describe_accesses("phase4-one", earlier)
    )
    untouched = manifest.assign(content_hash=["b" * 64, "d" * 64, "e" * 64])  # a training slice of others is not a look
    assert access("phase4-three", untouched) == []
    assert len(read_accesses(tmp_path)) == 4


def test_a_sweep_that_selected_on_the_test_part_was_a_look(tmp_path: Path) -> None:
    texts = dict.fromkeys(("slice", "case", "image_hash", "perceptual_hash"), "1e5")
    manifest = pd.DataFrame({"subset": ["val", "test"], "content_hash": ["a" * 64, "b" * 64], **texts})
    for name, subset in (("phase1-x", "val"), ("phase2-y", "test")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "selection.json").write_text(json.dumps({"subset": subset}))
        manifest.to_csv(tmp_path / name / "manifest.csv", index=False)
    assert [access.pipeline for access in begin_access(tmp_path, "phase4-one", manifest)] == ["phase2-y"]
    other = manifest.assign(content_hash=["b" * 64, "a" * 64])
    assert begin_access(tmp_path, "phase4-two", other) == []


@pytest.mark.parametrize("lost", ["removed", "emptied"])
def test_an_evaluation_that_is_there_was_a_look_whatever_the_record_says(tmp_path: Path, lost: str) -> None:
    texts = dict.fromkeys(("slice", "case", "image_hash", "perceptual_hash"), "1e5")
    manifest = pd.DataFrame({"subset": ["test"], "content_hash": ["a" * 64], **texts})
    store = RunStore(tmp_path)
    evaluation = store.evaluation("phase3-stage2-data-smoke-0123")
    assert evaluation.name == "phase4-data-smoke-0123"
    fits = store.sweep("phase3-stage2-data-smoke-0123")
    fits.path.mkdir()
    manifest.to_csv(fits.manifest, index=False)
    for place in (evaluation.next_earlier(), evaluation):
        place.path.mkdir(parents=True, exist_ok=True)
        place.record.write_text("damaged")
    begin_access(tmp_path, evaluation.name, manifest)
    finish_access(tmp_path, evaluation.name)
    assert len(read_accesses(tmp_path)) == 3  # two that it had not, and its own
    assert len(begin_access(tmp_path, "phase4-other", manifest)) == 3  # of which none counts twice
    if lost == "removed":
        store.test_access.unlink()
    else:
        store.test_access.write_text("[]")
    assert [access.pipeline for access in begin_access(tmp_path, "phase4-other", manifest)] == [evaluation.name] * 2
    assert begin_access(tmp_path, "phase4-third", manifest.assign(content_hash="b" * 64)) == []


def test_an_evaluation_that_was_stopped_goes_on_as_the_same_look(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"subset": ["test"], "content_hash": ["a" * 64]})
    for _ in range(3):
        assert begin_access(tmp_path, "phase4-one", manifest) == []
    (stopped,) = begin_access(tmp_path, "phase4-two", manifest)  # it had begun: it counts for others
    assert (stopped.pipeline, stopped.finished) == ("phase4-one", False)
    finish_access(tmp_path, "phase4-one")
    assert [access.pipeline for access in begin_access(tmp_path, "phase4-one", manifest)] == [
        "phase4-one",
        "phase4-two",
    ]


def test_a_damaged_record_of_looks_is_not_forgotten_silently(tmp_path: Path) -> None:
    (tmp_path / "test_access.json").write_text("[{]", encoding="utf-8")
    with pytest.raises(RunsError, match="the record of who looked at the test subset cannot be read"):
        read_accesses(tmp_path)


# ------------------------------------------------------------------------------------------ phases 3 and 4, run through

TINY = [
    "--profile", "smoke", "--set", "training.max_steps=2", "--set", "training.validation_every=1",
    "--set", "training.width=0.25", "--set", "source.cases=12",
]  # fmt: skip
MARGIN_MM = 38.4  # 8 pixels of the frame: the phantom has 192 of 1.6 mm, the frame 64
SMALL = [
    "--set", "fit.folds=2", "--set", "fit.controls=[true_guidance, single, cropped]",
    "--set", f"fit.crop_margin_mm={MARGIN_MM}",
]  # fmt: skip


def fitted_cell(two_stage: TwoStage, variant: str) -> Cell:
    """The cell of a fit that was made."""
    cell = two_stage.fitted(variant)
    assert cell is not None
    return cell


class Through(NamedTuple):
    """Somebody's runs directory of phases 2 to 4 and exams that were predicted, and what phases 3 and 4 printed."""

    runs: Path
    exams: Path
    phase3: str
    phase4: str
    user: User


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> Through:
    user = new_user(tmp_path_factory.mktemp("pipeline") / "user", **INLINE)
    runs, exams = user.results / "runs", user.results / "exams"
    grid = ["--models", "unet", "--set", "grid.loss=[dice_ce]", "--set", "grid.optimizer=[adam]"]
    phases = {"phase2": [*TINY, *grid], "phase3": [*TINY, *SMALL], "phase4": [*TINY, *SMALL]}
    commands = [(name, [*arguments, "--runs", str(runs)]) for name, arguments in phases.items()]
    commands.append(("phantom", [str(exams), "--format", "dicom", "--cases", "2"]))
    commands.append(("predict", [str(exams), str(user.results / "predicted"), "--runs", str(runs)]))
    _, phase3, phase4, *_ = user.run(commands)
    return Through(runs, exams, phase3, phase4, user)


def test_nothing_is_sent_and_what_is_written_is_for_its_user_alone(through: Through) -> None:
    assert through.user.offences() == []
    assert len(list(through.user.results.glob("predicted/*/labels.dcm"))) == 2
    assert open_to_others(through.user.results) == []
    homely = [path.relative_to(through.user.home).parts[:2] for path in through.user.home.rglob("*") if path.is_file()]
    assert set(homely) <= {(".cache", "lge_sweep"), (".config", "lge_sweep")}
    assert (through.user.home / ".config/lge_sweep/salt").is_file()  # of the ids that exams were given


@pytest.fixture(scope="module")
def two_stage(through: Through) -> TwoStage:
    settings = [TINY[index + 1] for index in range(len(TINY)) if TINY[index] == "--set"] + SMALL[1::2]
    configs = {stage: load_sweep("phase3", stage, "phantom", "smoke", settings) for stage in (1, 2)}
    return find_two_stage(through.runs, configs, None)


@pytest.fixture(scope="module")
def found(two_stage: TwoStage) -> dict[str, np.ndarray]:
    """What the pipeline and everything it is compared with make of the validation subset: name -> final labels."""
    return {name: made.labels for name, made in EvaluatedSubset(two_stage, "val").label(lambda *_: None).items()}


@pytest.fixture(scope="module")
def looked_at(two_stage: TwoStage) -> EvaluatedSubset:
    """The test subset; what the networks find in it is kept."""
    return EvaluatedSubset(two_stage, "test")


def test_no_network_gives_guidance_for_a_case_it_was_trained_on(through: Through) -> None:
    (folder,) = through.runs.glob("phase3-stage1-*")
    recorded = load_plan(folder)
    assert [cell.name for cell in recorded.cells] == ["fold1", "fold2"]
    folds = plan_folds(
        recorded.config, prepare_data(recorded.config, None, through.runs), through.runs, recorded.cells[0]
    )
    cases = folds.manifest["case"]
    measured: list[int] = []
    for cell in folds.cells:
        rows = folds.inputs_of(cell).rows
        assert not set(cases[list(rows["train"])]) & set(cases[list(rows["out_of_fold"])])
        assert not set(cases[list(rows["train"])]) & set(cases[list(rows["val"])])
        measured += rows["out_of_fold"]
    assert sorted(measured) == folds.rows("train")


def test_stage_2_is_fitted_on_what_stage_1_found(through: Through, two_stage: TwoStage) -> None:
    fits, champion = two_stage.fits, two_stage.stage1
    seen = load_arrays(fits.inputs_of(fitted_cell(two_stage, "predicted")).arrays)
    whole = load_arrays(fits.arrays)
    expected = np.stack([refine_cavity(mask == 1) for mask in read_predictions(champion.files.predictions)])
    np.testing.assert_array_equal(seen.refined[fits.rows("val")], expected)
    np.testing.assert_array_equal(seen.images, whole.images)
    assert not seen.refined[fits.rows("test")].any()  # phase 3 does not look
    (folder,) = through.runs.glob("phase3-stage1-*")
    for name in ("fold1", "fold2"):
        table = pd.read_csv(folder / "cells" / name / "per_image.csv")
        rows = fits.manifest.index[fits.manifest["slice"].isin(table["image"])]
        stored = np.load(folder / "cells" / name / "predictions.npz")["prediction"]
        np.testing.assert_array_equal(seen.refined[rows], [refine_cavity(mask == 1) for mask in stored])
    assert load_arrays(fits.inputs_of(fitted_cell(two_stage, "true_guidance")).arrays) is whole


def test_the_crops_of_a_fit_are_those_that_the_segmenter_makes(two_stage: TwoStage) -> None:
    fits = two_stage.fits
    crops = load_arrays(fits.inputs_of(fitted_cell(two_stage, "cropped")).arrays)
    whole = load_arrays(fits.inputs_of(fitted_cell(two_stage, "predicted")).arrays)
    inputs = []

    def network(batch: np.ndarray) -> np.ndarray:
        inputs.append(batch)
        return np.zeros((len(batch), 3, *batch.shape[2:]), dtype=np.float32)

    options = Options(crop_margin=8)
    segmenter = TwoStageSegmenter(network, network, two_stage.config.frame, options)
    rows = fits.rows("val")
    eight_bit = [to_8_bit(two_stage.images[row], two_stage.config.intensity) for row in rows]
    assert eight_bit[0].shape != (64, 64)
    segmenter.find_wall(eight_bit, whole.refined[rows], [None] * len(rows))
    expected = network_inputs(crops.images[rows], channel_rows(crops.cases[rows]), 2, crops.refined[rows])
    np.testing.assert_array_equal(np.concatenate(inputs), expected)


def test_what_is_shipped_is_what_was_compared(
    through: Through, two_stage: TwoStage, found: dict[str, np.ndarray]
) -> None:
    """The registered model, run by ONNX and by torch, labels the validation subset as the networks of the fits do."""
    rows = two_stage.fits.rows("val")
    exam = np.stack([two_stage.images[row] for row in rows])
    for runtime in ("onnx", "torch"):
        segmenter = load_segmenter("models:/lge-two-stage@champion", runtime, through.runs)
        labels = [resize_labels(labels, 64, 64) for labels in segmenter.segment(exam).labels]
        assert (np.stack(labels) == found[PIPELINE]).mean() > 0.999
    assert "Registered as lge-two-stage version 1, the champion: models:/lge-two-stage@champion." in through.phase3


def nearest(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resize labels by nearest neighbour, by the arithmetic of `resize_labels` in place of Pillow's."""
    rows, columns = (
        ((2 * np.arange(new) + 1) * old) // (2 * new) for old, new in zip(labels.shape, shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def test_each_control_is_what_it_is_called(two_stage: TwoStage, found: dict[str, np.ndarray]) -> None:
    fits = two_stage.fits
    rows = fits.rows("val")
    truth, cavity = (getattr(load_arrays(fits.arrays), name)[rows] for name in ("labels", "refined"))
    assert list(found)[:2] == [PIPELINE, "true guidance"]
    np.testing.assert_array_equal(found["true guidance"] == Label.CAVITY, cavity)
    inner = np.stack([smooth_cavity(mask == 1) for mask in read_predictions(two_stage.stage1.files.predictions)])
    np.testing.assert_array_equal(found["inner cavity"] == Label.CAVITY, inner)
    single = np.load(fits.cell_files(fitted_cell(two_stage, "single")).predictions)["prediction"]
    assert (found["single network"] == single).mean() > 0.999  # other sizes of batch round differently
    bases = {"true": truth, "predicted": found[PIPELINE]}  # which is shipped
    methods = {*(f"{n}sd" for n in range(2, 7)), "fwhm", "otsu"}
    assert {name for name in found if name.endswith(" wall")} == {f"{m} in {b} wall" for m in methods for b in bases}
    for name, labels in found.items():
        if name.endswith(" wall"):
            base = bases[name.split()[2]]
            around = ~np.isin(base, (Label.MYOCARDIUM, Label.SCAR))
            np.testing.assert_array_equal(np.isin(labels, (Label.MYOCARDIUM, Label.SCAR)), ~around)
            np.testing.assert_array_equal(labels[around], base[around])
    for index, row in enumerate(rows):
        image, own = two_stage.images[row], {"true": two_stage.labels[row]}
        own["predicted"] = nearest(found[PIPELINE][index], image.shape)
        for base, labels in own.items():
            inside = np.isin(labels, (Label.MYOCARDIUM, Label.SCAR))
            seen = image[inside] if inside.any() else np.zeros(1)  # no wall, no scar in it
            thresholds = {"fwhm": seen.max() / 2, "otsu": threshold_otsu(seen)}
            for method, threshold in thresholds.items():
                scar = nearest(inside & (image > threshold), truth.shape[1:])
                shown = found[f"{method} in {base} wall"][index]
                np.testing.assert_array_equal(shown == Label.SCAR, scar & np.isin(bases[base][index], (2, 3)))
        np.testing.assert_array_equal(nearest(own["true"], truth.shape[1:]), truth[index])
        fewer = [(found[f"{n}sd in true wall"][index] == Label.SCAR).sum() for n in range(2, 7)]
        assert fewer == sorted(fewer, reverse=True)


def test_every_pipeline_is_measured_patient_by_patient(
    through: Through, two_stage: TwoStage, found: dict[str, np.ndarray]
) -> None:
    """At the exam's own size, in mm: the phantom has 1.6 x 1.6 x 10 mm and lacks no slice."""
    (folder,) = through.runs.glob("phase3-stage2-*")
    table = pd.read_csv(folder / "patients_val.csv").set_index(["pipeline", "case", "structure"])
    assert list(dict.fromkeys(table.index.get_level_values(0))) == list(found)
    manifest = two_stage.fits.manifest
    rows = two_stage.fits.rows("val")
    cross = ndimage.generate_binary_structure(3, 1)
    for name in (PIPELINE, "true guidance", "2sd in true wall"):
        for case in manifest.iloc[rows]["case"].unique():
            places = [place for place, row in enumerate(rows) if manifest["case"][row] == case]
            truth = np.stack([two_stage.labels[rows[place]] for place in places])
            labels = np.stack([nearest(found[name][place], truth.shape[1:]) for place in places])
            for structure, of in (("cavity", [1]), ("wall", [2, 3]), ("scar", [3])):
                own, true = np.isin(labels, of), np.isin(truth, of)
                line = table.loc[(name, str(case), structure), :]
                assert line["error_ml"] == pytest.approx((own.sum() - true.sum()) * 1.6 * 1.6 * 10 / 1000)
                if own.any() and true.any():
                    assert line["dice"] == pytest.approx(2 * (own & true).sum() / (own.sum() + true.sum()))
                    border, other = (mask ^ ndimage.binary_erosion(mask, cross) for mask in (own, true))
                    to = [ndimage.distance_transform_edt(~edge, sampling=(10, 1.6, 1.6)) for edge in (border, other)]
                    assert line["hd_mm"] == pytest.approx(max(to[0][other].max(), to[1][border].max()))
    summary = (
        pd.read_csv(folder / "patient_summary_val.csv")
        .query("pipeline == 'true guidance'")
        .set_index("measure")["mean"]
    )
    cavity = table.loc["true guidance"].query("structure == 'cavity'")["dice"]
    assert float(summary["cavity_dice"]) == pytest.approx(cavity.mean())
    assert "## Patients, in 3-D" in (folder / "tables.md").read_text()
    (evaluated,) = through.runs.glob("phase4-*")
    assert set(pd.read_csv(evaluated / "patients_test.csv")["pipeline"]) == set(found)
    assert "### Presence of scar" in (evaluated / "tables.md").read_text()
    client = MlflowClient(tracking_uri=RunStore(through.runs).tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    shown = [run.data.metrics for run in client.search_runs([experiment.experiment_id])]
    values = {key: value for metrics in shown for key, value in metrics.items()}
    assert values["patient/true_guidance/wall_dice"] == pytest.approx(float(summary["wall_dice"]))
    assert values["test_patient/scar_emidec_dice"] >= values["test_patient/scar_emidec_dice_low"]


def test_labels_of_others_stand_beside_ours(through: Through, two_stage: TwoStage, tmp_path: Path) -> None:
    """The truth itself as another's labels: its difference to ours is what ours lack."""
    manifest = two_stage.fits.manifest
    for row in two_stage.fits.rows("val"):
        Image.fromarray(two_stage.labels[row]).save(tmp_path / f"{manifest['slice'][row]}.png")
    done = invoke("evaluate", str(tmp_path), "--name", "observer 2", *TINY, "--runs", str(through.runs))
    assert done.exit_code == 0, done.output
    assert "observer 2 minus" in done.output
    assert "two-stage" in done.output
    folder = through.runs / "evaluate-observer_2"
    (fits,) = through.runs.glob("phase3-stage2-*")
    ours = pd.read_csv(fits / "patient_summary_val.csv").query("pipeline == 'two-stage'").set_index("measure")["mean"]
    differences = (
        pd.read_csv(folder / "differences_val.csv").query("against == 'two-stage'").set_index("measure")["mean"]
    )
    for measure in ("wall_dice", "cavity_dice", "scar_emidec_dice"):
        assert differences[measure] == pytest.approx(1 - float(ours[measure]))
    assert f"Ours are those of {fits.name}." in (folder / "tables_val.md").read_text()
    taken = invoke("evaluate", str(tmp_path), "--name", PIPELINE, *TINY, "--runs", str(through.runs))
    assert taken.exit_code == 2
    assert "a pipeline of ours is called two-stage; give the labels another --name" in " ".join(taken.output.split())


def test_the_test_part_is_evaluated_once_and_shown_again(through: Through) -> None:
    assert "Test subset: first look at this test subset." in through.phase4
    (folder,) = through.runs.glob("phase4-*")
    before = (folder / "evaluation.json").read_bytes()
    again = invoke("phase4", *TINY, *SMALL, "--runs", str(through.runs))
    assert again.exit_code == 0, again.output
    assert "was evaluated before; shown again, not evaluated again" in again.output
    assert (folder / "evaluation.json").read_bytes() == before
    assert len(json.loads((through.runs / "test_access.json").read_text())["accesses"]) == 1
    table = [line for line in through.phase4.splitlines() if " two-stage " in line]
    assert table
    assert table == [line for line in again.output.splitlines() if " two-stage " in line]


def test_phase_4_leaves_every_table_and_shows_them_in_mlflow(
    through: Through, two_stage: TwoStage, looked_at: EvaluatedSubset
) -> None:
    (folder,) = through.runs.glob("phase4-*")
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "tables.md", "tables_6_and_7.csv", "pipelines.csv", "intervals.csv", "cases.csv", "agreement.csv",
        "findings.csv", "table_8_overlays.png", "bland_altman.png", "pipelines_scar.png", "test",
    }  # fmt: skip
    markdown = (folder / "tables.md").read_text()
    alone = pd.read_csv(folder / "stage1_two-stage.csv").query("`class` == 'cavity'")
    masks = looked_at.cavity(two_stage_variants(two_stage)[PIPELINE])
    truth = looked_at.truth == Label.CAVITY
    dice = 2 * (masks & truth).sum(axis=(1, 2)) / (masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)))
    np.testing.assert_allclose(alone["dice"], dice)
    assert all(text in markdown for text in ("Table VI, mean over images", "Table VII", "Bland", "paper"))
    client = MlflowClient(tracking_uri=RunStore(through.runs).tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (shown,) = client.search_runs([experiment.experiment_id], "tags.`phase` = 'phase4'")
    table = pd.read_csv(folder / "test" / "two-stage.csv")
    cavity = table[table["class"] == "cavity"]
    assert shown.data.metrics["test/dice/cavity"] == pytest.approx(cavity["dice"].mean())
    pooled = 2 * cavity["tp"].sum() / (2 * cavity["tp"] + cavity["fp"] + cavity["fn"]).sum()
    assert shown.data.metrics["test_pooled/dice/cavity"] == pytest.approx(pooled)
    assert len(shown.data.metrics) < 400  # of two dozen pipelines: what runs are compared by
    assert "test/fwhm_in_true_wall/dice/scar" in shown.data.metrics
    left_out = ("test/dice/background", "test/iou/scar_low", "test/fwhm_in_true_wall/dice/cavity")
    assert not set(left_out) & set(shown.data.metrics)
    assert shown.data.tags["test_access"] == "first look at this test subset"
    assert "Table VI" in shown.data.tags["mlflow.note.content"]
    assert set(table["image"]) == set(two_stage.fits.manifest.query("subset == 'test'")["slice"])


def test_a_view_that_is_gone_is_made_again_of_what_was_kept(through: Through, tmp_path: Path) -> None:
    """Of phases 3 and 4, too, without a network; the registry's model alone needs the command."""
    runs = tmp_path / "runs"
    shutil.copytree(through.runs, runs, ignore=shutil.ignore_patterns("mlflow.db*", "artifacts", "cache"))
    (fits,) = runs.glob("phase3-stage2-*")
    (fits / "shipped.json").unlink()
    done = invoke("sync", "--runs", str(runs))
    assert done.exit_code == 3, done.output
    said = " ".join(done.output.split())
    (evaluated,) = (path.name for path in runs.glob("phase4-*"))
    assert f"{fits.name}: the comparison of its pipelines" in said
    assert f"{evaluated}: the evaluation of its pipelines" in said
    assert f"{fits.name}: its model is registered by its own command, given again (lge-sweep phase3 ...)" in said
    before, after = Tracker(RunStore(through.runs)), Tracker(RunStore(runs))
    for key in (fits.name, evaluated, *(path.name for path in runs.glob("phase3-stage1-*"))):
        first, again = before.find(key), after.find(key)
        assert first is not None
        assert again is not None
        assert again.info.status == first.info.status == "FINISHED"
        assert again.data.metrics == first.data.metrics
        assert again.data.params == first.data.params
    assert "comparison" not in invoke("sync", "--runs", str(runs)).output


def test_a_comparison_that_is_not_the_last_one_is_sent_again(through: Through, tmp_path: Path) -> None:
    """Phase 3 was run again while MLflow was away: its run is of before, and finished, and so is `shipped.json`."""
    runs = tmp_path / "runs"
    shutil.copytree(through.runs, runs)
    (fits,) = runs.glob("phase3-stage2-*")
    before = invoke("sync", "--runs", str(runs))
    assert (before.exit_code, "as before" in before.output) == (0, True), before.output
    record = json.loads((fits / "comparison.json").read_text())
    key = next(key for key in record["values"] if key.startswith("final/"))
    record["values"][key] = 0.125
    (fits / "comparison.json").write_text(json.dumps(record))
    sent = invoke("sync", "--runs", str(runs))
    assert (sent.exit_code, f"{fits.name}: the comparison of its pipelines" in sent.output) == (0, True), sent.output
    run = Tracker(RunStore(runs)).find(fits.name)
    assert run is not None
    assert run.data.metrics[key] == 0.125
    assert "as before" in invoke("sync", "--runs", str(runs)).output
    plan = load_plan(fits)
    other = plan.config.fitting.shipped.model_copy(update={"rotations": True})
    asked = plan.config.fitting.model_copy(update={"shipped": other})
    write_plan(replace(plan, config=plan.config.model_copy(update={"fit": asked})))
    unregistered = f"{fits.name}: its model is registered by its own command"
    stale = invoke("sync", "--runs", str(runs))
    assert (stale.exit_code, unregistered in " ".join(stale.output.split())) == (3, True), stale.output
    write_plan(plan)
    assert invoke("sync", "--runs", str(runs)).exit_code == 0
    client = MlflowClient(tracking_uri=RunStore(runs).tracking_uri, registry_uri=RunStore(runs).tracking_uri)
    client.delete_registered_model(NAME)
    lost = invoke("sync", "--runs", str(runs))
    assert (lost.exit_code, unregistered in " ".join(lost.output.split())) == (3, True), lost.output


def test_what_is_shipped_has_a_card_and_what_it_fails_on_is_told(
    through: Through, two_stage: TwoStage, looked_at: EvaluatedSubset, found: dict[str, np.ndarray]
) -> None:
    (fits,), (folder,) = through.runs.glob("phase3-stage2-*"), through.runs.glob("phase4-*")
    (card,) = fits.glob("shipped/*/MODEL_CARD.md")
    assert "Not for clinical use" in card.read_text()
    assert "The test subset has" not in card.read_text()  # it was written before
    client = MlflowClient(tracking_uri=RunStore(through.runs).tracking_uri)
    description = client.get_model_version_by_alias("lge-two-stage", "champion").description or ""
    assert description.startswith("The two-stage segmenter of")
    assert description.count("# Model card\n") == 1
    assert "The test subset has" in description
    slices = pd.read_csv(folder / "error_slices.csv")
    wall = pd.read_csv(folder / "test" / "two-stage.csv").query("`class` == 'scar'")  # the paper's was shipped
    counts = wall.set_index("image").loc[slices["slice"], ["tp", "fp", "fn"]]
    assert slices[["scar_tp", "scar_fp", "scar_fn"]].to_numpy().tolist() == counts.to_numpy().tolist()
    wanted = two_stage.fits.manifest.query("subset == 'test'")
    muscle = wanted["myocardium_pixels"] + wanted["scar_pixels"]
    assert ((slices["level"] == "no wall").to_numpy() == (muscle == 0).to_numpy()).all()
    assert slices["contrast"].notna().all()
    assert read_predictions(folder / "labels.npz").shape == looked_at.truth.shape
    assert read_predictions(fits / "labels.npz").tolist() == found[PIPELINE].tolist()
    assert "## Where it fails, two-stage" in (folder / "tables.md").read_text()
    done = invoke("report", "--profile", "smoke", "--runs", str(through.runs))
    assert done.exit_code == 0, done.output
    (report,) = through.runs.glob("report-*/report.html")
    text = report.read_text()
    assert "The test subset has" in text
    assert (
        f"phase4 --data phantom --profile smoke --set training.max_steps={two_stage.config.training.max_steps}" in text
    )


def test_the_clinical_table_is_voxels_times_their_volume(
    through: Through, two_stage: TwoStage, looked_at: EvaluatedSubset
) -> None:
    """The phantom has 1.6 x 1.6 x 10 mm; truth is counted as it was simulated, at 192 x 192."""
    (folder,) = through.runs.glob("phase4-*")
    cases = pd.read_csv(folder / "cases.csv").set_index("case")
    fits, ml = two_stage.fits, 1.6 * 1.6 * 10 / 1000
    simulated = {
        name: volume.labels[index] for volume in read(fits.config.source) for index, name in enumerate(volume.slices)
    }
    found = looked_at.label(lambda *_: None)[PIPELINE].labels
    rows = fits.manifest[fits.manifest["subset"] == "test"].reset_index(drop=True)
    for key, exam in rows.groupby("case"):
        case = str(key)
        counts = np.sum([np.bincount(simulated[name].ravel(), minlength=4) for name in exam["slice"]], axis=0)
        assert cases.loc[case, "cavity_ml_predicted"] == pytest.approx((found[exam.index] == 1).sum() * 9 * ml)
        assert cases.loc[case, "cavity_ml_truth"] == pytest.approx(counts[1] * ml)
        assert cases.loc[case, "wall_g_truth"] == pytest.approx((counts[2] + counts[3]) * ml * 1.05)
        assert cases.loc[case, "scar_percent_truth"] == pytest.approx(100 * counts[3] / (counts[2] + counts[3]))


def test_a_margin_in_mm_needs_a_spacing_before_anything_is_trained(through: Through, two_stage: TwoStage) -> None:
    config = two_stage.config
    data = prepare_data(config, None, through.runs)
    check_spacing(config, data)
    manifest = data.manifest.copy()
    first = manifest.loc[manifest["subset"] == "test", "case"].min()
    manifest.loc[manifest["case"] == first, "spacing_row_mm"] = np.nan
    with pytest.raises(DataError, match=rf"fit\.crop_margin_mm needs .* not known of 1 case\(s\), such as {first}"):
        check_spacing(config, replace(data, manifest=manifest))


def test_without_phase_2_or_3_the_command_to_run_is_named(tmp_path: Path) -> None:
    done = invoke("phase4", *TINY, *SMALL, "--runs", str(tmp_path))
    assert done.exit_code == 2
    assert "phase 2 of stage 1 on phantom with profile smoke has not been run" in done.output
    assert "Run first: lge-sweep phase2 --stage 1 --data phantom --profile smoke" in done.output


def test_a_selection_on_the_test_part_is_no_base_for_an_evaluation_on_it(through: Through, tmp_path: Path) -> None:
    shutil.copytree(through.runs, tmp_path / "runs", ignore=shutil.ignore_patterns("artifacts", "phase3*", "phase4*"))
    (folder,) = (tmp_path / "runs").glob("phase2-stage1-*")
    settings = (folder / "sweep.yaml").read_text()
    (folder / "sweep.yaml").write_text(settings.replace("  subset: val", "  subset: test"))
    done = invoke("phase3", *TINY, *SMALL, "--runs", str(tmp_path / "runs"))
    assert done.exit_code == 2
    assert "selected on the test subset, on which the pipeline is to be evaluated" in done.output


def test_a_phase_3_that_is_not_complete_is_said(through: Through) -> None:
    done = invoke("phase4", *TINY, "--set", "fit.folds=3", "--runs", str(through.runs))
    assert done.exit_code == 2
    assert "phase 3 on phantom with profile smoke is not complete" in done.output
    assert "Run first: lge-sweep phase3 --data phantom --profile smoke" in done.output
    more = ["--set", "fit.controls=[true_guidance, single, cropped, no_guidance]", *SMALL[:2], *SMALL[4:]]
    lacking = invoke("phase4", *TINY, *more, "--runs", str(through.runs))
    assert lacking.exit_code == 2
    said = " ".join(lacking.output.split())
    assert "has not fitted no_guidance; to go on with what it has fitted, give it the same" in said
    assert "--set 'fit.controls=[true_guidance, single, cropped]'" in said


def test_another_pipeline_is_shipped_without_training_again(through: Through) -> None:
    done = invoke("phase3", *TINY, *SMALL, "--set", "fit.shipped.stage2=cropped", "--set", "fit.shipped.rotations=true",
               "--runs", str(through.runs))  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "started" not in done.output
    assert "as shipped" in done.output
    assert "the champion in place of version 1" in done.output
    segmenter = load_segmenter("models:/lge-two-stage@champion", "onnx", through.runs)
    assert isinstance(segmenter, TwoStageSegmenter)
    assert segmenter.options == Options(rotations=True, crop_margin_mm=MARGIN_MM)
    evaluated = invoke("phase4", *TINY, *SMALL, "--runs", str(through.runs))  # what is shipped is evaluated, too
    assert "as shipped" in evaluated.output
    assert "look 2 at this test subset, which is no longer untouched; before: the same pipeline" in evaluated.output
    (folder,) = through.runs.glob("phase4-*")
    assert "## Tables VI and VII, as shipped" in (folder / "tables.md").read_text()
    assert set(pd.read_csv(folder / "tables_6_and_7.csv")["pipeline"]) == {"two-stage", "as shipped"}
    client = MlflowClient(tracking_uri=RunStore(through.runs).tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    shown, before = client.search_runs([experiment.experiment_id], "tags.`phase` = 'phase4'")  # the newest first
    assert before.data.metrics["test/dice/myocardium"] == pytest.approx(  # of the paper's pipeline, shipped then
        shown.data.metrics["test/two-stage/dice/myocardium"]
    )
    assert "test/two-stage/dice/myocardium" not in before.data.metrics
    for name, prefix in (("as_shipped", ""), ("two-stage", "two-stage/")):
        wall = pd.read_csv(folder / "test" / f"{name}.csv").query("`class` == 'myocardium'")
        assert shown.data.metrics[f"test/{prefix}dice/myocardium"] == pytest.approx(wall["dice"].mean())


@pytest.mark.slow  # two evaluations
def test_a_look_after_a_failure_or_without_what_is_shipped(through: Through) -> None:
    (folder,) = through.runs.glob("phase4-*")
    content = json.loads((folder / "evaluation.json").read_text())
    (folder / "evaluation.json").write_text(json.dumps(content | {"failed": {"single": "out of memory"}}))
    evaluated = invoke("phase4", *TINY, *SMALL, "--runs", str(through.runs))  # there is a network that was missing then
    assert "look 3 at this test subset" in evaluated.output
    assert {path.name for path in (folder / "earlier").iterdir()} == {"1", "2"}  # no look is lost
    assert all((folder / "earlier" / access / "evaluation.json").is_file() for access in "12")
    (outcome,) = through.runs.glob("phase3-stage2-*/cells/cropped/outcome.json")
    outcome.rename(outcome.with_suffix(".away"))
    without = invoke("phase4", *TINY, *SMALL, "--allow-incomplete", "--runs", str(through.runs))
    outcome.with_suffix(".away").rename(outcome)
    assert without.exit_code == 2  # it is what is shipped
    assert "phase 3 on phantom with profile smoke is not complete" in without.output


@pytest.mark.slow  # half a minute
def test_a_fit_that_is_added_is_trained_alone_and_can_be_shipped(through: Through) -> None:
    more = [*SMALL[:3], "fit.controls=[true_guidance, single, cropped, no_guidance+cropped]", *SMALL[4:]]
    done = invoke("phase3", *TINY, *more, "--set", "fit.shipped.stage2=no_guidance+cropped", "--set",
                  "fit.shipped.wall_first=true", "--runs", str(through.runs))  # fmt: skip
    assert done.exit_code == 0, done.output
    assert [line for line in done.output.splitlines() if "started" in line] == ["no_guidance+cropped: started"]
    assert "no guidance, cropped: stage 2 fitted and run without guidance; stage 2 sees the heart alone" in done.output
    segmenter = load_segmenter("models:/lge-two-stage@champion", "onnx", through.runs)
    assert isinstance(segmenter, TwoStageSegmenter)
    assert segmenter.options == Options(guided=False, wall_first=True, crop_margin_mm=MARGIN_MM)
    evaluated = invoke("phase4", *TINY, *SMALL, "--runs", str(through.runs))  # does not name the fit that is shipped
    assert evaluated.exit_code == 0, evaluated.output
    assert "look 4 at this test subset" in evaluated.output
    assert "shipped: fit no_guidance+cropped, wall_first" in evaluated.output
    other = invoke("phase4", *TINY, *SMALL, "--set", "fit.shipped.stage2=cropped", "--runs", str(through.runs))
    assert other.exit_code == 2
    said = " ".join(other.output.split())
    assert "phase 3 has shipped another pipeline than fit.shipped asks for: fit no_guidance+cropped, wall_first" in said
    assert "Run first: lge-sweep phase3" in said
    assert "fit.shipped.stage2=cropped" in said


def test_a_stage_selected_with_what_a_search_draws_meets_the_other(through: Through, tmp_path: Path) -> None:
    for folder in through.runs.glob("phase2-*"):
        shutil.copytree(folder, tmp_path / folder.name)
    first = load_plan(next(tmp_path.glob("phase2-stage2-*")))
    (cell,) = first.cells
    drawn, loss = "training.learning_rate=0.002", {"grid": first.config.grid.model_copy(update={"loss": ("dice",)})}
    training = first.config.training.model_copy(update={"learning_rate": 0.002})
    config = first.config.model_copy(update={"training": training, **loss})
    prepared = prepare_data(config, None, tmp_path)
    other = plan_sweep(config, prepared, tmp_path, CellSet((replace(cell, loss="dice"),)))
    write_plan(other)
    shutil.copytree(first.cell_files(cell).path, other.cell_files(other.cells[0]).path)
    outcome = other.cell_files(other.cells[0]).outcome
    record = json.loads(outcome.read_text())
    outcome.write_text(json.dumps(record | {"sweep": other.name, "cell": record["cell"] | {"loss": "dice"}}))
    chosen = json.loads((first.folder / "selection.json").read_text())
    (other.folder / "selection.json").write_text(json.dumps(chosen | {"champion": other.cells[0].name}))

    def found(*settings: str) -> dict[int, Champion]:
        tiny = [setting for setting in TINY if "=" in setting]
        configs = {k: load_sweep("phase3", k, "phantom", "smoke", [*tiny, *settings]) for k in (1, 2)}
        return find_champions(configs, first.data_digest, tmp_path)

    assert [found()[stage].cell.loss for stage in (1, 2)] == ["dice_ce", "dice_ce"]
    both = found(drawn)
    assert [(both[k].cell.loss, both[k].plan.config.training.learning_rate) for k in (1, 2)] == [
        ("dice_ce", 0.001), ("dice", 0.002)
    ]  # fmt: skip
    with pytest.raises(InheritError, match="other training settings"):
        found("training.learning_rate=0.003")  # neither was
    with pytest.raises(InheritError, match="other training settings"):
        found(drawn, "training.width=0.5")


def test_phase_3_has_no_selection_to_change_but_a_table(through: Through) -> None:
    (folder,) = through.runs.glob("phase3-stage2-*")
    done = invoke("select", folder.name, "--runs", str(through.runs))
    assert done.exit_code == 2
    assert "phase 3 selects nothing" in done.output
    shown = invoke("table", folder.name, "--runs", str(through.runs))
    assert shown.exit_code == 0
    cavity = pd.read_csv(folder / "val" / "inner_cavity.csv").query("`class` == 'cavity'")["dice"].mean()
    (line,) = [line for line in shown.output.splitlines() if line.startswith("| inner cavity ")]
    assert f" {cavity:.4f}" in line


def test_only_what_is_fitted_can_be_shipped(tmp_path: Path) -> None:
    done = invoke("phase3", *TINY, *SMALL, "--set", "fit.shipped.stage2=augmented", "--runs", str(tmp_path))
    assert done.exit_code == 2
    assert "shipped.stage2 augmented must be among the controls, which are fitted" in done.output


# -------------------------------------------------------------------------------------------------------------- predict


def test_predict_writes_every_format_and_the_numbers_agree(through: Through, tmp_path: Path) -> None:
    shutil.copytree(through.exams, tmp_path / "exams")
    out = tmp_path / "exams" / "out"  # inside: what was delivered is no exam
    command = "predict", str(tmp_path / "exams"), str(out), "--runs", str(through.runs), "--case-ids", "keep"
    done = invoke(*command)
    assert done.exit_code == 0, done.output
    assert "2 exam(s) segmented. Research use only" in done.output
    assert re.search(
        r"model: lge-two-stage \w{12}, trained on phantom, content \w{16}; simulated exams, no patient",
        " ".join(done.output.split()),
    )
    table = pd.read_csv(out / "burden.csv").set_index("case")
    assert list(table.index) == ["phantom000", "phantom001"]
    for case in table.index:
        folder = out / case
        assert {path.name for path in folder.iterdir()} == {
            "labels.dcm", "report.dcm", "labels.nii.gz", "overlays", "burden.csv", "slices.csv", "report.html",
            "about.json",
        }  # fmt: skip
        image = load_nifti(folder / "labels.nii.gz")
        labels = np.asarray(image.dataobj)
        voxel_ml = np.prod(image.header.get_zooms()) / 1000
        assert table.loc[case, "cavity_ml"] == pytest.approx((labels == Label.CAVITY).sum() * voxel_ml, rel=1e-5)
    again = invoke(*command)
    assert again.exit_code == 0, again.output  # done before by the same model: kept
    other = invoke(*command, "--format", "csv")
    assert other.exit_code == 3
    assert "nothing is overwritten" in other.output


def test_a_bad_exam_among_good_ones_is_listed_and_the_good_ones_are_done(through: Through, tmp_path: Path) -> None:
    shutil.copytree(through.exams, tmp_path / "exams")
    broken = sorted((tmp_path / "exams" / "phantom001").rglob("*.dcm"))
    for path in broken:
        path.write_bytes(path.read_bytes()[:300])
    done = invoke("predict", str(tmp_path / "exams"), str(tmp_path / "out"), "--runs", str(through.runs),
                  "--format", "csv, nifti", "--case-ids", "keep")  # fmt: skip
    assert done.exit_code == 3, done.output
    assert "1 exam(s) done; not done:" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["burden.csv", "phantom000"]


def test_an_exam_that_nobody_thought_of_does_not_keep_the_others_from_being_done(
    through: Through, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fragile(exam: Exam, *args: Any, **options: Any) -> Delivery:
        if exam.case == "phantom000":
            raise KeyError("Doe^Jane")
        return deliver(exam, *args, **options)

    monkeypatch.setattr("lge_sweep.segmenter.predictor.deliver", fragile)
    (tmp_path / "out" / "burden.csv").mkdir(parents=True)
    done = invoke("predict", str(through.exams), str(tmp_path / "out"), "--runs", str(through.runs),
                  "--case-ids", "keep", "--format", "csv")  # fmt: skip
    assert done.exit_code == 3, done.output
    said = " ".join(done.output.split())
    assert "phantom000: cannot be segmented or written (KeyError in test_pipeline.py, line" in said
    assert "burden.csv: cannot be written (Is a directory)" in said
    assert "Doe" not in said
    assert (tmp_path / "out" / "phantom001" / "burden.csv").is_file()


def test_predict_says_what_is_missing(through: Through, tmp_path: Path) -> None:
    done = invoke("predict", str(through.exams), str(tmp_path / "out"), "--runs", str(tmp_path / "nothing"))
    assert done.exit_code == 2
    assert "there is no registry in" in done.output
    assert not (tmp_path / "nothing").exists()
    done = invoke("predict", str(through.exams), str(tmp_path / "out"), "--format", "jpeg")
    assert done.exit_code == 2
    assert "unknown format 'jpeg'" in done.output


HEART = """
folds: 3
pipelines:
  heart:
    model: residual_unet
    loss: dice_ce
    finds: everything
    window: {mm: 102.4, size: 64}
    neighbours: true
    training: {keep: last, scar_sampling: 2, learning_rate_schedule: poly, warmup_steps: 1, clip_norm: 12}
    symmetries: 4
    cleaning: [{}, {largest_heart: true, least_scar_share: 0.02}]
  unguided: {guided: false, seeds: 2, training: {keep: last}}
shipped: {pipeline: heart}
"""


@pytest.mark.slow  # a minute
def test_pipelines_past_the_paper_are_fitted_chosen_shipped_and_evaluated(
    through: Through, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("pipelines") / "mine.yaml"
    file.write_text(HEART, encoding="utf-8")
    arguments = [*TINY, "--set", "fit.controls=[true_guidance]", "--pipelines", str(file), "--runs", str(through.runs)]
    done = invoke("phase3", *arguments)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "serves best. Choosing in this way is worth" in said
    assert "Shipped: pipeline heart." in said
    (folder,) = {path.parent.parent for path in through.runs.glob("phase3-stage2-*/cells/heart-*")}
    folder = folder.parent if folder.name == "cells" else folder
    choice = json.loads((folder / "choice.json").read_text())
    assert list(choice["pipelines"]) == ["paper", "heart", "unguided"]
    configs = {
        stage: load_sweep("phase3", stage, "phantom", "smoke", arguments_of(arguments), pipelines=str(file))
        for stage in (1, 2)
    }
    fitted = find_two_stage(through.runs, configs, None)
    assert fitted.composed is not None
    cases, used = fitted.fits.manifest["case"], fitted.fits.rows("train") + fitted.fits.rows("val")
    measured: list[int] = []
    for cell in fitted.composed.cells:
        rows = fitted.composed.inputs_of(cell).rows
        own = set(cases[list(rows["out_of_fold"])])
        assert not own & set(cases[list(rows["train"])])
        stops = cell.name.startswith("paper")
        assert bool(own & set(cases[list(rows["val"])])) is not stops  # who stops by no loss needs no cases for it
        assert not set(cases[list(rows["val"])]) & set(cases[list(rows["train"])])
        measured += rows["out_of_fold"] if cell.name.startswith("heart") else []
    assert sorted(measured) == sorted(used)
    for name in ("two-stage", "heart", "unguided"):
        table = pd.read_csv(folder / "out_of_fold" / f"{name}.csv")
        assert set(table["case"]) == set(cases[used])
    check_doubt(folder, choice, said)
    evaluated = invoke("phase4", *arguments)
    assert evaluated.exit_code == 0, evaluated.output
    assert "shipped: pipeline heart" in evaluated.output
    first = fitted.fits.manifest.iloc[fitted.fits.rows("test")]["case"].iloc[0]
    usual = [row for row in fitted.fits.rows("test") if cases[row] == first]
    check_warnings(through.runs, np.stack([fitted.images[row] for row in usual]), tmp_path_factory.mktemp("odd"))
    (evaluation,) = through.runs.glob("phase4-*/test/heart.csv")
    # the registered model, run by ONNX, labels the test subset as phase 4 did
    segmenter = load_segmenter("models:/lge-two-stage@champion", "onnx", through.runs)
    test = fitted.fits.manifest.iloc[fitted.fits.rows("test")].reset_index(drop=True)
    table = pd.read_csv(evaluation).query("`class` == 'cavity'").set_index("image")
    for _, slices in test.groupby("case"):
        pixels = np.stack([fitted.images[fitted.fits.rows("test")[k]] for k in slices.index])
        labels = segmenter.segment(pixels, (1.6, 1.6)).labels
        for found, name in zip(labels, slices["slice"], strict=True):
            counted = int((resize_labels(found, 64, 64) == Label.CAVITY).sum())
            shown = table.loc[name, "tp"] + table.loc[name, "fp"]
            assert abs(counted - shown) <= 0.02 * max(shown, 50)
    synced = invoke("sync", "--runs", str(through.runs))  # what is shipped is registered with the fits, not with these
    assert synced.exit_code == 0, synced.output
    told = invoke("report", fitted.fits.name, "--profile", "smoke", "--runs", str(through.runs))
    assert told.exit_code == 0, told.output
    (page,) = through.runs.glob("report-*/report.html")
    text = page.read_text()
    assert "Choosing in this way is worth" in text
    assert "An earlier version" not in text
    assert f"Fits ({folder.name})" not in text
    without = invoke("phase4", *[word for word in arguments if word not in ("--pipelines", str(file))])
    assert without.exit_code == 2
    assert "phase 3 on phantom with profile smoke is not complete" in without.output  # other folds are meant, too


CASCADE = """
folds: 3
pipelines:
  cascade:
    model: residual_unet
    loss: dice_ce
    finds: wall_then_scar
    window: {mm: 102.4, size: 64}
    training: {keep: last, max_steps: 4}
    scar_training: {max_steps: 2}
    symmetries: 4
shipped: {pipeline: selected}
"""


@pytest.mark.slow  # a minute
def test_a_cascade_is_fitted_shipped_and_evaluated(through: Through, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("pipelines") / "cascade.yaml"
    file.write_text(CASCADE, encoding="utf-8")
    runs = tmp_path_factory.mktemp("cascade") / "runs"
    shutil.copytree(through.runs, runs)
    arguments = [*TINY, "--set", "fit.controls=[true_guidance]", "--pipelines", str(file), "--runs", str(runs)]
    done = invoke("phase3", *arguments)
    assert done.exit_code == 0, done.output
    assert "Shipped: pipeline cascade." in " ".join(done.output.split())
    cells = {path.name: path.stat().st_mtime_ns for path in runs.glob("phase3-stage2-*/cells/cascade-*")}
    assert len(cells) == 6
    assert sum(name.startswith("cascade-scar-") for name in cells) == 3
    (choice,) = runs.glob("phase3-stage2-*/choice.json")
    table = pd.read_csv(choice.parent / "out_of_fold" / "cascade.csv")
    assert set(table["class"]) == {"background", "cavity", "myocardium", "scar"}
    doubt = json.loads(choice.read_text())["pipelines"]["cascade"]["doubt"]
    assert list(doubt["numbers"]) == ["disagreement", "unlikeness"]
    again = invoke("phase3", *arguments)  # nothing is trained again
    assert again.exit_code == 0, again.output
    assert cells == {path.name: path.stat().st_mtime_ns for path in runs.glob("phase3-stage2-*/cells/cascade-*")}
    evaluated = invoke("phase4", *arguments)
    assert evaluated.exit_code == 0, evaluated.output
    assert "shipped: pipeline cascade" in evaluated.output
    (folder,) = {path.parent for path in runs.glob("phase3-stage2-*/shipped/*/scar-3.onnx")}
    assert len(list(folder.glob("*.onnx"))) == 7
    predicted = invoke("predict", str(through.exams), str(runs.parent / "out"), "--runs", str(runs),
                       "--case-ids", "keep", "--format", "csv")  # fmt: skip
    assert predicted.exit_code in (0, 3), predicted.output
    burden = pd.read_csv(runs.parent / "out" / "burden.csv")
    assert len(burden) == 2
    assert burden["disagreement"].between(0, 1).all()
    mlflow.set_tracking_uri(f"sqlite:///{runs}/mlflow.db")
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion", model_config={"pixel_mm": [1.6, 1.6]})
    pixels = np.random.default_rng(0).normal(size=(3, 96, 96)).astype(np.float32)
    segmenter = load_segmenter(folder)
    np.testing.assert_array_equal(model.predict(pixels), segmenter.segment(pixels, (1.6, 1.6)).labels)
    told = invoke("report", "--profile", "smoke", "--runs", str(runs))
    assert told.exit_code == 0, told.output
    assert "finds cavity and wall, then scar in that wall" in next(runs.glob("report-*/report.html")).read_text()


def check_doubt(folder: Path, choice: dict[str, Any], said: str) -> None:
    """What doubts the labels was measured out of fold."""
    doubts = {name: found["doubt"] for name, found in choice["pipelines"].items()}
    assert {name: list(doubt["numbers"]) for name, doubt in doubts.items()} == {
        "paper": ["unlikeness"],  # one network, one view
        "heart": ["disagreement", "unlikeness"],
        "unguided": ["disagreement", "unlikeness"],
    }
    best = choice["selected"]
    table = pd.read_csv(folder / "doubt_out_of_fold.csv").query("pipeline == @best")
    assert len(table) == choice["cases"]
    assert table["dice"].mean() == pytest.approx(choice["pipelines"][best]["value"])
    for name, known in doubts[best]["numbers"].items():
        worst = table["dice"].rank(method="max") <= max(known["worst"], 1)
        assert known["auc"] == pytest.approx(roc_auc_score(worst, table[name]))
        assert known["flagged"] == (table[name] > known["threshold"]).sum()
        assert f"{name} above {known['threshold']:.3g} flags {known['flagged']} of {choice['cases']} cases" in said
    calibration = pd.read_csv(folder / "calibration_out_of_fold.csv")
    assert set(calibration["pipeline"]) == {"two-stage", "heart", "unguided"}
    assert calibration["brier"].between(0, 2).all()
    classes = calibration.groupby("pipeline")["class"].agg(list)
    assert classes["heart"] == ["background", "cavity", "myocardium", "scar", "label", "all"]
    assert classes["unguided"] == ["background", "myocardium", "scar", "label", "all"]
    presence = pd.read_csv(folder / "scar_presence_out_of_fold.csv").query("measure == 'auc_expected'")
    assert sorted(zip(presence["pipeline"], presence["unit"], strict=True)) == [
        (name, unit) for name in ("heart", "two-stage", "unguided") for unit in ("patient", "slice")
    ]


def check_warnings(runs: Path, pixels: np.ndarray, folder: Path) -> None:
    """An exam whose contrast is inverted, or that is noise, is said to be unlike those of training; a usual one is not.

    Args:
        runs: the runs directory, whose champion segments.
        pixels: [N, H, W], an exam that the networks have not seen.
        folder: an empty folder.
    """
    noise = np.random.default_rng(0).normal(0, pixels.std() / 2, pixels.shape)
    exams = {"usual": pixels, "inverted": pixels.max() - pixels, "noisy": pixels + noise}
    for name, intensities in exams.items():
        image = nib.Nifti1Image(intensities.transpose(2, 1, 0).astype(np.float32), np.diag([1.6, 1.6, 10, 1]))
        nib.save(image, folder / f"{name}.nii.gz")
    done = invoke("predict", str(folder), str(folder / "out"), "--runs", str(runs), "--case-ids", "keep",
                  "--format", "csv")  # fmt: skip
    assert done.exit_code == 0, done.output
    table = pd.read_csv(folder / "out" / "burden.csv").set_index("case")
    assert table["disagreement"].between(0, 1).all()
    warned = table["warnings"].fillna("").str.contains("unlikeness")
    assert warned.to_dict() == {"usual": False, "inverted": True, "noisy": True}
    assert "that the networks had not seen" in str(table.loc["noisy", "warnings"])
    assert "warning: unlikeness" in " ".join(done.output.split())


def arguments_of(arguments: list[str]) -> list[str]:
    """The settings among a command's words."""
    return [arguments[place + 1] for place, word in enumerate(arguments) if word == "--set"]
