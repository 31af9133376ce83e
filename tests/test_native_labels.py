"""What a pipeline labels at the slices' own size is counted there: volumes, shares, presence, thresholds, files."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from lge_sweep.arrays import LabelImage
from lge_sweep.config import Cell, load_sweep
from lge_sweep.config.pipelines import Pipeline
from lge_sweep.config.schema import Shipped
from lge_sweep.data import resize_labels
from lge_sweep.labels import Label
from lge_sweep.pipeline import results
from lge_sweep.pipeline.cases import case_findings, clinical_table
from lge_sweep.pipeline.compare import compare_patients
from lge_sweep.pipeline.errors import write_errors
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.kept_labels import read_labels, write_labels
from lge_sweep.pipeline.records import PIPELINE
from lge_sweep.pipeline.variants import EvaluatedSubset, Labelled
from lge_sweep.quantify import classical_scar
from lge_sweep.run_store import RunStore
from lge_sweep.study import read_predictions, write_plan
from lge_sweep.study.plan import CellSet, plan_sweep
from lge_sweep.study.prepare import prepare_data

SMALL = ["source.cases=9", "source.size=80", "source.pixel_mm=3.2", "training.width=0.1", "grid.model=[unet]"]
HEART = "heart"


class Shipping(NamedTuple):
    """A study that ships a pipeline past the paper which labels slices of 80 x 80; networks see 64 x 64."""

    two_stage: TwoStage
    subset: EvaluatedSubset
    found: Labelled


@pytest.fixture(scope="module")
def shipping(tmp_path_factory: pytest.TempPathFactory) -> Shipping:
    runs = tmp_path_factory.mktemp("native") / "runs"
    config = load_sweep("phase3", 2, "phantom", "smoke", [*SMALL, "grid.loss=[dice]"])
    fit = config.fitting.model_copy(update={"pipelines": {HEART: Pipeline()}, "shipped": Shipped(pipeline=HEART)})
    config = config.model_copy(update={"fit": fit})
    data = prepare_data(config, None, runs)
    plan = plan_sweep(config, data, runs, CellSet((Cell(2, "unet", "dice", "adam", 0, variant="predicted"),)))
    write_plan(plan)
    nothing = np.zeros((0, 1, 1), dtype=np.bool_)  # no network runs
    two_stage = TwoStage(config, None, plan, {}, data.images, data.labels, nothing)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    native = [one_pixel_wrong(data.labels[row], rng) for row in plan.rows("test")]
    labels = np.stack([resize_labels(one, 64, 64) for one in native])
    found = Labelled("at the slices' own size", labels, native)
    return Shipping(two_stage, EvaluatedSubset(two_stage, "test", {HEART: found}), found)


def one_pixel_wrong(labels: LabelImage, rng: np.random.Generator) -> LabelImage:
    """Labels whose scar is alone in places that 64 x 64 pixels do not show."""
    spoiled = np.where(labels == Label.SCAR, np.uint8(Label.MYOCARDIUM), labels)
    places = np.indices(labels.shape).astype(np.uint8)
    rows, columns = places[0], places[1]
    lost = ~(np.isin(rows, resize_labels(rows, 64, 64)) & np.isin(columns, resize_labels(columns, 64, 64)))
    there = np.argwhere((spoiled == Label.MYOCARDIUM) & lost)
    if len(there):
        spoiled[tuple(there[rng.integers(len(there))])] = Label.SCAR
    return spoiled


def test_what_the_networks_size_does_not_show_is_counted(shipping: Shipping) -> None:
    two_stage, subset, found = shipping
    assert not (found.labels == Label.SCAR).any()
    assert found.native is not None
    manifest = two_stage.fits.manifest.iloc[two_stage.fits.rows("test")].reset_index(drop=True)
    table = clinical_table(two_stage, "test", found.native).set_index("case")
    assert len(table) == manifest["case"].nunique() > 1
    for case, slices in manifest.groupby("case"):
        stacks = {"predicted": found.native, "truth": subset.native_truth}
        for side, labels in stacks.items():
            counts = np.bincount(np.concatenate([labels[k].ravel() for k in slices.index]), minlength=4)
            ml = 3.2 * 3.2 * slices["spacing_slice_mm"].iloc[0] / 1000
            row = {str(name): float(value) for name, value in table.loc[[str(case)]].iloc[0].items()}
            assert row[f"scar_ml_{side}"] == pytest.approx(counts[3] * ml)
            assert row[f"wall_g_{side}"] == pytest.approx((counts[2] + counts[3]) * ml * 1.05)
            assert row[f"cavity_ml_{side}"] == pytest.approx(counts[1] * ml)
            assert row[f"scar_percent_{side}"] == pytest.approx(100 * counts[3] / (counts[2] + counts[3]))


def test_errors_and_patients_are_counted_at_the_slices_own_size(shipping: Shipping, tmp_path: Path) -> None:
    two_stage, subset, found = shipping
    files = RunStore(tmp_path).evaluation(two_stage.fits.name)
    files.path.mkdir()
    write_errors(files, subset, found)
    slices = pd.read_csv(files.table("error_slices"))
    assert found.native is not None
    pairs = list(zip(found.native, subset.native_truth, strict=True))
    for structure, which in {"cavity": [1], "wall": [2, 3], "scar": [3]}.items():
        both = [(np.isin(own, which), np.isin(true, which)) for own, true in pairs]
        assert slices[f"{structure}_tp"].tolist() == [int((own & true).sum()) for own, true in both]
        assert slices[f"{structure}_fp"].tolist() == [int((own & ~true).sum()) for own, true in both]
        assert slices[f"{structure}_fn"].tolist() == [int((~own & true).sum()) for own, true in both]
    called = slices["scar_tp"] + slices["scar_fp"] > 0
    assert called.tolist() == [bool((own == 3).any()) for own, _ in pairs]
    assert called.any()
    kept = read_labels(files.labels, two_stage.fits.rows("test"))
    assert kept is not None
    assert all((one == own).all() for one, own in zip(kept, found.native, strict=True))
    compare_patients(two_stage, "test", {PIPELINE: found, HEART: found}, files)
    presence = pd.read_csv(files.patient_table("scar_slices", "test")).query("pipeline == @HEART")
    assert presence["predicted_pixels"].tolist() == [int((own == 3).sum()) for own, _ in pairs]


def test_labels_of_the_papers_pipeline_stay_at_the_networks_size(shipping: Shipping, tmp_path: Path) -> None:
    two_stage, subset, found = shipping
    files = RunStore(tmp_path).evaluation(two_stage.fits.name)
    files.path.mkdir()
    write_errors(files, subset, Labelled("the paper's", found.labels))
    assert read_labels(files.labels, two_stage.fits.rows("test")) is None
    assert read_predictions(files.labels).tolist() == found.labels.tolist()
    assert not pd.read_csv(files.table("error_slices"))[["scar_tp", "scar_fp"]].any(axis=None)


def test_the_page_of_phase_4_says_on_whom_and_what_its_files_hold(shipping: Shipping, tmp_path: Path) -> None:
    two_stage, subset, found = shipping
    files = RunStore(tmp_path).evaluation(two_stage.fits.name)
    files.path.mkdir()
    patients = compare_patients(two_stage, "test", {PIPELINE: found, HEART: found}, files)
    cases, told = results._write_cases(files, subset, HEART, found)
    where = f"Test subset, n = {len(subset.truth)} slices of {len(cases)} patients."
    page = "\n".join([patients.markdown, *told])
    assert page.count(where) >= 8
    assert "The pipeline labels at that size." in page
    listed = results._captioned_files(files, "test", (HEART,))
    assert {path.name for path in files.path.glob("*.csv")} == listed.keys() - {"test/*.csv"}


def test_thresholds_stand_beside_it_at_the_same_size(shipping: Shipping, monkeypatch: pytest.MonkeyPatch) -> None:
    two_stage, subset, found = shipping
    monkeypatch.setattr("lge_sweep.pipeline.variants.two_stage_variants", lambda _: {})
    labelled = subset.label(lambda *_: None)
    assert labelled[HEART] is found
    assert found.native is not None
    images = [two_stage.images[row] for row in two_stage.fits.rows("test")]
    for wall, base in {"predicted": found.native, "true": subset.native_truth}.items():
        own = labelled[f"3sd in {wall} wall"].native
        assert own is not None
        for image, labels, marked in zip(images, base, own, strict=True):
            muscle = (labels == 2) | (labels == 3)
            scar = classical_scar(image, muscle, labels == 1, "3sd")
            assert (marked == np.where(scar, 3, np.where(muscle, 2, labels))).all()


def test_a_slice_that_is_missing_between_others_keeps_its_place(shipping: Shipping) -> None:
    """A centre may lie further off the further the slices are apart."""
    two_stage, _, _ = shipping
    rows = two_stage.fits.rows("test")
    case = two_stage.fits.manifest["case"].iloc[rows[0]]
    own = [row for row in rows if two_stage.fits.manifest["case"].iloc[row] == case]
    labels = []
    for number in range(len(rows)):
        y, x = np.mgrid[:80, :80]
        far = np.hypot(y - 40, x - (30 if number % 2 else 40))  # centres are 32 mm apart
        labels.append(np.where(far < 6, 1, np.where(far < 10, 2, 0)).astype(np.uint8))

    def jumps(slots: list[int]) -> bool:
        manifest = two_stage.fits.manifest.copy()
        manifest.loc[manifest.index[own], "slot"] = slots
        there = replace(two_stage, fits=replace(two_stage.fits, manifest=manifest))
        found = case_findings(there, "test", labels)["predicted"][str(case)]
        return any(finding.check == "centre_jump" for finding in found)

    assert jumps(list(range(len(own))))
    assert not jumps([7 * place for place in range(len(own))])


def test_labels_of_other_slices_or_damaged_ones_are_not_read(tmp_path: Path) -> None:
    labels = [np.full((4, 5), 2, dtype=np.uint8), np.full((7, 3), 3, dtype=np.uint8)]
    path = tmp_path / "folder" / "labels.npz"
    write_labels(path, [4, 9], labels)
    kept = read_labels(path, [9, 4])
    assert kept is not None
    assert [one.shape for one in kept] == [(7, 3), (4, 5)]
    assert read_labels(path, [4, 8]) is None
    assert read_labels(tmp_path / "nothing.npz", [4]) is None
    path.write_bytes(path.read_bytes()[:50])
    assert read_labels(path, [4]) is None
