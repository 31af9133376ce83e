"""The page of a run's cases: valid, self-contained, nobody's identity in it, and what it shows is what was measured."""

import base64
import csv
import json
import math
import re
import shutil
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pydicom
import pytest
from program import invoke
from synthetic_dicom import SECRETS
from test_manuscript import HTML, OURS, assert_valid, evaluate, parse, select_all
from tracked_runs import child_runs

from lge_sweep.browse import ShownCases, sweep_cases, write_page
from lge_sweep.config import Cell, load_sweep
from lge_sweep.data import load_arrays
from lge_sweep.labels import SINGLE_STAGE, class_names
from lge_sweep.pipeline.records import PIPELINE
from lge_sweep.run_store import EvaluationFolder, RunStore, SweepFolder
from lge_sweep.study import load_plan, read_selection
from lge_sweep.study.plan import CellSet, Plan, plan_sweep
from lge_sweep.study.prepare import prepare_data
from lge_sweep.tracking import Tracker

LIMIT = 20_000_000
SMALL = ["source.cases=14", "source.size=64", "source.pixel_mm=4.0", "training.width=0.1"]


class Runs(NamedTuple):
    """A runs directory of all phases, of which nothing was trained: predictions are the truth with errors."""

    store: RunStore
    cells: Plan
    fits: SweepFolder
    composed: SweepFolder
    test: EvaluationFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("browse") / "runs"
    config = load_sweep("phase1", 2, "phantom", "smoke", [*SMALL, "grid.model=[unet, segnet]"])
    data = prepare_data(config, None, root)
    cells = tuple(Cell(2, model, "cross_entropy", "adam", 0) for model in config.grid.model)
    plan = plan_sweep(config, data, root, CellSet(cells))
    select_all(plan)
    fits = load_sweep("phase3", 2, "phantom", "smoke", [*SMALL, "grid.model=[unet]", "grid.loss=[dice]"])
    evaluate(root, fits, prepare_data(fits, None, root))
    store = RunStore(root)
    folders = {folder.choice.is_file(): folder for folder in store.sweeps("phase3")}
    ((_, test),) = store.evaluations()
    return Runs(store, plan, folders[False], folders[True], test)


class Shown(NamedTuple):
    """A page, and the table that its numbers must be of."""

    page: Path
    table: Path
    title: str


@pytest.fixture(scope="module", params=["cell", "val", "out_of_fold", "test"])
def shown(request: pytest.FixtureRequest, runs: Runs) -> Shown:
    """What `lge-sweep browse` writes of each kind of run when nothing else is asked for."""
    cell = runs.cells.cell_files(next(one for one in runs.cells.cells if one.name == champion(runs.cells)))
    folder, name, table, title = {
        "cell": (runs.cells.files, cell.name, cell.per_image, "validation subset"),
        "val": (runs.fits, OURS, runs.fits.subset_table("val", OURS), "validation subset"),
        "out_of_fold": (
            runs.composed,
            "heart",
            runs.composed.subset_table("out_of_fold", "heart"),
            "training and validation subsets, out of fold",
        ),
        "test": (runs.test, OURS, runs.test.subset_table("test", OURS), "test subset"),
    }[request.param]
    done = invoke("browse", folder.name, "--runs", str(runs.store.root))
    assert done.exit_code == 0, done.output
    page = folder.cases_page(name)
    assert f"Page: {page}" in done.output
    assert ("test subset: nothing may be chosen" in done.output) == (request.param == "test")
    return Shown(page, table, title)


def champion(plan: Plan) -> str:
    return read_selection(plan.files.selection).champion


def find(page: Path, wanted: str) -> ElementTree.Element:
    """Return the element with an id."""
    return next(element for element in parse(page).iter() if element.get("id") == wanted)


def rows(page: Path, wanted: str) -> list[list[str]]:
    """Return the cells of a table's body."""
    body = find(page, wanted).find(f"{HTML}tbody")
    assert body is not None
    return [["".join(cell.itertext()).strip() for cell in row] for row in body]


def known(page: Path) -> dict[str, Any]:
    """Return what the page's script knows beside pixels."""
    found: dict[str, Any] = json.loads(find(page, "study").text or "")
    return found


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels(page: Path, place: int, count: int, size: int) -> np.ndarray:
    """Unpack a case as the script does, in another language: [3, count, size, size]."""
    packed = zlib.decompress(base64.b64decode(find(page, f"pixels-{place}").text or ""))
    found = np.frombuffer(packed, dtype=np.uint8).reshape(3, count, size, size).copy()
    found[0] = np.cumsum(found[0], axis=2, dtype=np.uint64) % 256
    return found


def test_the_page_is_valid_and_needs_nothing_from_elsewhere(shown: Shown) -> None:
    assert_valid(shown.page)
    root = parse(shown.page)
    for element in root.iter():
        assert not {"src", "href", "action", "style", "onclick", "onload"} & element.attrib.keys()
    assert not [e for e in root.iter() if e.tag.removeprefix(HTML) in ("link", "iframe", "object", "img", "base")]
    text = shown.page.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"<]+", text)) == {"http://www.w3.org/1999/xhtml"}
    policy = next(e.get("content", "") for e in root.iter(f"{HTML}meta") if e.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_controls_have_names_and_lists_have_labels(shown: Shown) -> None:
    root = parse(shown.page)
    labelled = {label.get("for") for label in root.iter(f"{HTML}label")}
    wrapped = [field for label in root.iter(f"{HTML}label") for field in label.iter(f"{HTML}input")]
    fields = [e for kind in ("select", "input") for e in root.iter(f"{HTML}{kind}")]
    assert len(fields) == 4
    assert all(field.get("id") in labelled or field in wrapped for field in fields)
    for button in root.iter(f"{HTML}button"):
        words = button.get("aria-label") or "".join(button.itertext())
        assert re.search(r"\w{2}", words), words
    for table in root.iter(f"{HTML}table"):
        assert all(cell.get("scope") for cell in table.iter(f"{HTML}th"))
    assert find(shown.page, "said").get("aria-live") == "polite"


def test_the_numbers_of_each_slice_are_the_table_s_and_it_is_said_of_which_subset(shown: Shown) -> None:
    names = [name for name in dict.fromkeys(row["class"] for row in table_of(shown.table)) if name != "background"]
    wanted = {
        image: [
            "-" if row["dice"] == "" else f"{float(row['dice']):.3f}"
            for name in names
            for row in table_of(shown.table)
            if (row["image"], row["class"]) == (image, name)
        ]
        for image in {row["image"] for row in table_of(shown.table)}
    }
    found = {row[1]: row[2 : 2 + len(names)] for row in rows(shown.page, "every-slice")}
    assert found == wanted
    in_script = {s["name"]: s["dice"] for case in known(shown.page)["cases"] for s in case["slices"]}
    assert in_script == wanted
    text = " ".join(" ".join(parse(shown.page).itertext()).split())
    assert f"All numbers here are of the {shown.title} , {len(wanted)} slices of" in text
    for name, mean, count, _ in rows(shown.page, "overall"):
        values = [float(row["dice"]) for row in table_of(shown.table) if row["class"] == name and row["dice"]]
        assert (mean, int(count)) == (f"{sum(values) / len(values):.3f}" if values else "-", len(values))


def test_cases_are_sorted_by_the_error_over_their_pixels(shown: Shown) -> None:
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in table_of(shown.table):
        if row["class"] != "background":
            right, wrong = (int(float(row["tp"])), int(float(row["fp"])) + int(float(row["fn"])))
            both = counts[row["case"]][row["class"]]
            both[0], both[1] = both[0] + 2 * right, both[1] + wrong
    errors = {}
    for case, classes in counts.items():
        values = [twice / (twice + wrong) for twice, wrong in classes.values() if twice + wrong]
        errors[case] = 1 - sum(values) / len(values)
    listed = rows(shown.page, "cases")
    assert [row[0] for row in listed] == sorted(errors, key=lambda case: -errors[case])
    assert [row[1] for row in listed] == [f"{error:.3f}" for error in sorted(errors.values(), reverse=True)]
    assert len(set(errors.values())) > 1


def test_pixels_are_those_that_were_measured(shown: Shown, runs: Runs) -> None:
    about, table = known(shown.page), pd.read_csv(shown.table)
    manifest, arrays = runs.cells.manifest, load_arrays(runs.cells.arrays)
    row_of = {name: row for row, name in enumerate(manifest["slice"])}
    codes = {entry["name"]: entry["code"] for entry in about["classes"]}
    counts = table.set_index(["image", "class"])
    for place, case in enumerate(about["cases"]):
        names = [entry["name"] for entry in case["slices"]]
        assert {manifest["case"][row_of[name]] for name in names} == {case["name"]}
        assert np.all(np.diff([manifest["position"][row_of[name]] for name in names]) > 0)
        images, truth, found = pixels(shown.page, place, len(names), 64)
        assert np.array_equal(images, arrays.images[[row_of[name] for name in names]])
        for k, entry in enumerate(case["slices"]):
            own = np.where(np.isin(arrays.labels[row_of[entry["name"]]], list(codes.values())),
                           arrays.labels[row_of[entry["name"]]], 0)  # fmt: skip
            assert np.array_equal(truth[k], own)
            for name, code in codes.items():
                pair = (truth[k] == code, found[k] == code)
                told = counts.loc[(entry["name"], name)]
                assert ((pair[0] & pair[1]).sum(), (~pair[0] & pair[1]).sum(), (pair[0] & ~pair[1]).sum()) == (
                    told["tp"], told["fp"], told["fn"],
                )  # fmt: skip
            wrong = truth[k] != found[k]
            told_wrong = entry["missed"] + entry["extra"] + entry["mixed"]
            assert (told_wrong, entry["missed"]) == (wrong.sum(), (wrong & (found[k] == 0)).sum())


def test_a_cell_or_a_pipeline_is_chosen_by_name(runs: Runs, tmp_path: Path) -> None:
    other = next(cell.name for cell in runs.cells.cells if cell.name != champion(runs.cells))
    for folder, name in ((runs.cells.files, other), (runs.fits, PIPELINE), (runs.composed, PIPELINE)):
        page = tmp_path / f"{folder.name}.html"
        done = invoke("browse", str(folder.path), "--show", name, "--output", str(page))
        assert done.exit_code == 0, done.output
        assert name in "".join(find_first(page, "h1").itertext())
    assert sweep_cases(runs.fits.path, "two-stage_tuned_b_").what == OURS  # as its files are called


def find_first(page: Path, kind: str) -> ElementTree.Element:
    return next(parse(page).iter(f"{HTML}{kind}"))


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [
        ("cells", ["--show", "unet-cross_entropy-adm"], "unknown cell 'unet-cross_entropy-adm': did you mean"),
        ("fits", ["--show", "two-stag"], "unknown pipeline 'two-stag': did you mean 'two-stage'"),
        ("nothing", [], "no sweep 'nothing'"),
        ("cells", ["--output", "{folder}"], "is a folder; give --output the name of a file"),
        ("cells", ["--output", "{folder}/a-file/page.html"], "the page cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_explained(runs: Runs, run: str, options: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    name = {"cells": runs.cells.name, "fits": runs.fits.name}.get(run, run)
    words = [word.format(folder=tmp_path) for word in options]
    done = invoke("browse", name, "--runs", str(runs.store.root), *words)
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


@pytest.fixture
def copied(runs: Runs, tmp_path: Path) -> Runs:
    """The same, to be spoiled."""
    root = tmp_path / "runs"
    shutil.copytree(runs.store.root, root)
    plan = load_plan(root / runs.cells.name)
    fits, composed = (SweepFolder(root / folder.name) for folder in (runs.fits, runs.composed))
    return Runs(RunStore(root), plan, fits, composed, EvaluationFolder(root / runs.test.name))


def test_before_there_is_a_winner_a_cell_can_be_named(copied: Runs) -> None:
    copied.cells.files.selection.unlink()
    done = invoke("browse", str(copied.cells.folder))
    assert done.exit_code == 2
    assert "there is no winner yet; name one with --show (allowed: segnet-cross_entropy-adam, " in done.output
    assert invoke("browse", str(copied.cells.folder), "--show", "segnet-cross_entropy-adam").exit_code == 0


def test_of_an_earlier_version_what_is_shipped_can_be_shown(copied: Runs) -> None:
    for folder, subset in ((copied.fits, "val"), (copied.test, "test")):
        for kept in (folder.path / subset).glob("*.labels.npz"):
            kept.unlink()
        done = invoke("browse", str(folder.path))
        assert done.exit_code == 0, done.output
        done = invoke("browse", str(folder.path), "--show", PIPELINE)
        said = " ".join(done.output.split())
        assert done.exit_code == 2
        assert f"the labels of '{PIPELINE}' are not there: an earlier version kept" in said
        assert ("Phase 3, run again, keeps all" in said) == (subset == "val")


def test_labels_of_something_else_are_no_page(copied: Runs) -> None:
    copied.fits.cases_page(OURS).unlink(missing_ok=True)
    shutil.copy(copied.fits.subset_labels("val", PIPELINE), copied.fits.subset_labels("val", OURS))
    done = invoke("browse", str(copied.fits.path))
    assert done.exit_code == 2
    assert "is damaged: it counts other pixels of" in " ".join(done.output.split())
    assert not copied.fits.cases_page(OURS).exists()


def test_the_page_comes_to_mlflow_where_it_is_asked_for(copied: Runs) -> None:
    done = invoke("browse", str(copied.cells.folder), "--mlflow")
    assert done.exit_code == 2
    assert "has no finished run in MLflow yet" in " ".join(done.output.split())
    Tracker(copied.store).open_run(copied.cells.name, "a sweep", {}, {}).finish()
    done = invoke("browse", str(copied.cells.folder), "--mlflow")
    assert done.exit_code == 0, done.output
    ((run,), _) = child_runs(copied.store.root)
    page = copied.cells.files.cases_page(champion(copied.cells))
    (there,) = copied.store.root.glob(f"**/artifacts/{page.name}")
    assert run.info.run_id in there.parts
    assert there.read_bytes() == page.read_bytes()
    assert run.info.status == "FINISHED"


def test_nobody_is_named_in_it(tmp_path: Path) -> None:
    exams, root = tmp_path / "exams", tmp_path / "runs"
    assert invoke("phantom", str(exams), "--format", "dicom", "--cases", "6").exit_code == 0
    for path in exams.glob("*/*/*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName, dataset.PatientBirthDate = "Doe^Jane", "19610203"
        dataset.PatientID = f"MRN4711-{path.parts[-3]}"
        dataset.InstitutionName, dataset.StudyDate, dataset.StudyTime = "Krankenhaus", "20240506", "071233"
        dataset.save_as(path)
    settings = ["source.case_ids=hash", "grid.model=[unet]"]
    config = load_sweep("phase1", 2, str(exams / "exams.yaml"), "smoke", settings)
    data = prepare_data(config, exams, root)
    plan = plan_sweep(config, data, root, CellSet((Cell(2, "unet", "cross_entropy", "adam", 0),)))
    select_all(plan)
    page = tmp_path / "page.html"
    shown = sweep_cases(plan.folder, None)
    write_page(shown, page)
    text = page.read_text(encoding="utf-8")
    words = re.sub(r'<script type="text/plain".*?</script>', "", text)
    told = (*SECRETS, "phantom0", str(tmp_path), ".dcm")
    assert [secret for secret in told if secret in words] == []
    assert set(data.manifest["case"]) >= {row[0] for row in rows(page, "cases")}


def test_130_slices_of_320_pixels_that_nothing_packs_are_below_20_mb(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (130, 320, 320), dtype=np.uint8)
    truth = np.zeros_like(images)
    truth[:, 120:200, 120:200] = random.integers(1, 4, (130, 80, 80), dtype=np.uint8)
    found = np.roll(truth, 3, axis=2)
    slices = pd.DataFrame({
        "slice": [f"s{k:03}" for k in range(130)], "case": [f"c{k // 10:02}" for k in range(130)],
        "position": np.arange(130) % 10, "height": 320, "width": 256, "spacing_row_mm": 1.0, "spacing_column_mm": 1.5,
    })  # fmt: skip
    table = pd.DataFrame([
        {"image": f"s{k:03}", "case": f"c{k // 10:02}", "class": name, "dice": math.nan,
         "tp": (t & p).sum(), "fp": (~t & p).sum(), "fn": (t & ~p).sum()}
        for k in range(130) for code, name in enumerate(class_names(SINGLE_STAGE))
        for t, p in [(truth[k] == code, found[k] == code)]
    ])  # fmt: skip
    cases = ShownCases(
        run="runs", title="", what="noise", meaning="", subset="val", stage=SINGLE_STAGE, slices=slices,
        images=images, truth=truth, prediction=found, per_image=table, table=Path("runs/val/noise.csv"),
    )  # fmt: skip
    cases.check()
    size = write_page(cases, tmp_path / "page.html")
    assert size == (tmp_path / "page.html").stat().st_size
    assert size < LIMIT
    assert [case["aspect"] for case in known(tmp_path / "page.html")["cases"]] == [320 / (256 * 1.5)] * 13
