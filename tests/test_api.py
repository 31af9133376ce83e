"""The ten names of the Python interface: documented, typed, light to import, and the same as the commands."""

import dataclasses
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from doc_pages import ROOT
from program import inline, invoke
from test_manuscript import OURS, evaluate
from tiny_segmenter import write_segmenter

import lge_sweep as lge
from lge_sweep.config import load_sweep
from lge_sweep.errors import InheritError, RunsError
from lge_sweep.labels import SCORED
from lge_sweep.metrics import evaluate as measure
from lge_sweep.pipeline import PIPELINE, ComparisonRecord
from lge_sweep.run_store import RunStore
from lge_sweep.safe_yaml import parse_yaml
from lge_sweep.study import read_record
from lge_sweep.study.prepare import prepare_data

NAMES = {
    "LgeSweepError", "Pipelines", "Ranking", "Study", "compare_labels", "load_segmenter", "open_run", "predict",
    "read_data", "write_phantom",
}  # fmt: skip
HEAVY = {"torch", "mlflow", "optuna", "pandas", "matplotlib", "numpy", "pydantic"}
SETTINGS = {
    "grid.model": ["unet", "segnet"],
    "training.max_steps": 1,
    "training.width": 0.1,
    "source.cases": 6,
    "source.slices": 2,
}
OPTIONS = ["--stage", "1", "--profile", "smoke"]
for key, value in SETTINGS.items():
    OPTIONS += ["--set", f"{key}={value}"]
STAGE_1 = (1,)


def study(runs: Path) -> lge.Study:
    return lge.Study(profile="smoke", runs=runs, settings=SETTINGS)


class Done(NamedTuple):
    """Phase 1 by the command, and what it printed."""

    runs: Path
    output: str


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    runs = tmp_path_factory.mktemp("api") / "runs"
    with inline():
        found = invoke("phase1", "--runs", str(runs), *OPTIONS)
    assert found.exit_code == 0, found.output
    return Done(runs, found.output)


# ---------------------------------------------------------------------------------------------------------- the names


def test_there_are_ten_names() -> None:
    assert set(dir(lge)) == NAMES


def callables() -> list[tuple[str, object]]:
    """List the functions of the interface, and the methods and properties of its classes."""
    found: list[tuple[str, object]] = []
    for name in sorted(NAMES):
        item = getattr(lge, name)
        if not inspect.isclass(item):
            found.append((name, item))
        elif item.__module__.startswith("lge_sweep.api"):
            members = [(key, value) for key, value in vars(item).items() if not key.startswith("_")]
            found += [(f"{name}.{key}", value) for key, value in members if callable(value) or is_special(value)]
    return found


def is_special(value: object) -> bool:
    return isinstance(value, (property, classmethod))


@pytest.mark.parametrize(("name", "item"), callables(), ids=lambda item: item if isinstance(item, str) else "")
def test_each_is_documented_and_typed(name: str, item: object) -> None:
    function = item.fget if isinstance(item, property) else getattr(item, "__func__", item)
    text = inspect.getdoc(function) or ""
    assert text
    assert inspect.isfunction(function)
    parameters = inspect.signature(function).parameters
    asked = [key for key in parameters if key not in ("self", "cls")]
    typed = function.__annotations__
    assert "return" in typed
    assert set(asked) <= set(typed)
    told = re.findall(r"^    (\w+): ", text, flags=re.MULTILINE)
    assert [key for key in asked if key not in told] == [] or len(asked) < 2
    if not isinstance(item, property):
        assert "Raises:" in text or name in ("Study.store", "Study.command"), "says what can go wrong"


@pytest.mark.parametrize("name", ["Study", "Ranking", "Pipelines"])
def test_each_attribute_is_explained(name: str) -> None:
    kind = getattr(lge, name)
    text = inspect.getdoc(kind) or ""
    for item in dataclasses.fields(kind):
        assert re.search(rf"^    {item.name}: ", text, flags=re.MULTILINE), f"{name}: {item.name}"


def test_the_page_has_them_all() -> None:
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)) == NAMES


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import lge_sweep as lge; dir(lge)", HEAVY),
        ("import lge_sweep as lge; lge.Study(settings={'training.max_epochs': 5}).command('phase1', 1)", HEAVY),
        ("import lge_sweep as lge; lge.load_segmenter, lge.predict", HEAVY - {"numpy", "pydantic"}),
    ],
)
def test_a_name_loads_little(code: str, heavy: set[str]) -> None:
    check = f"{code}\nimport sys\nassert not {heavy!r} & set(sys.modules), {heavy!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, cwd=ROOT, timeout=60)


# ----------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    "value", [5, 1e-05, 0.25, True, None, "yes", "1e-5", "a: b # c", ["unet", "segnet"], {"stage2": "cropped"}, [[1]]]
)
def test_a_setting_arrives_as_it_was_given(value: object) -> None:
    (text,) = lge.Study(settings={"some.key": value}).overrides
    key, _, written = text.partition("=")
    assert key == "some.key"
    read = parse_yaml(written)
    assert read == value
    assert type(read) is type(value)


def test_a_setting_in_python_is_one_of_the_command_line() -> None:
    given = lge.Study(settings={"training.learning_rate": 1e-5, "grid.model": ("unet",)}).overrides
    typed = ["training.learning_rate=1e-5", "grid.model=[unet]"]
    assert load_sweep("phase1", 1, "phantom", "smoke", given) == load_sweep("phase1", 1, "phantom", "smoke", typed)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(2)])
def test_a_setting_that_is_no_plain_data_is_refused(value: object) -> None:
    with pytest.raises(lge.LgeSweepError, match=r"^some.key: expected text, a number, .*, got \w+"):
        lge.Study(settings={"some.key": value}).phase1()


def test_settings_of_a_phase_win_over_those_of_the_study(tmp_path: Path) -> None:
    with pytest.raises(lge.LgeSweepError, match="no_such"):
        lge.Study(runs=tmp_path, profile="smoke", settings={"grid.model": ["unet"]}).phase1(
            settings={"grid.model": ["no_such"]}
        )


def test_no_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lge.LgeSweepError, match="stages: expected 1, 2 or both"):
        study(tmp_path).phase1(stages=())


# ------------------------------------------------------------------------------------- the same as what commands do


@pytest.mark.usefixtures("inline")
def test_a_phase_goes_on_where_the_command_was_and_prints_nothing(
    done: Done, capfd: pytest.CaptureFixture[str]
) -> None:
    finished = {path: path.stat().st_mtime_ns for path in done.runs.glob("*/cells/*/outcome.json")}
    told: list[tuple[str, int, int]] = []
    found = study(done.runs).phase1(stages=STAGE_1, on_progress=lambda *step: told.append(step))
    assert capfd.readouterr() == ("", "")
    assert len(finished) == 2
    assert {path: path.stat().st_mtime_ns for path in done.runs.glob("*/cells/*/outcome.json")} == finished
    assert told == [("phase1 stage 1", 2, 2)]  # there was nothing to do
    assert list(found) == [1]
    assert_is_what_was_printed(found[1], done)


def assert_is_what_was_printed(ranking: lge.Ranking, done: Done) -> None:
    assert ranking.verdict in done.output
    kept = pd.read_csv(ranking.folder / "ranking.csv", keep_default_na=True)
    for column in ranking.table.columns:
        pd.testing.assert_series_equal(
            ranking.table[column].replace("", np.nan).astype(kept[column].dtype), kept[column], check_names=False
        )
    for line in ranking.printed.to_dict("records"):
        model = str(line["configuration"]).split("-")[0]
        (row,) = re.findall(rf"^ +{line['rank']}  {model} .*$", done.output, flags=re.MULTILINE)
        words = re.split(r"\s{2,}", row.strip())
        assert [line[name] for name in ("score", "P(best)", "foreground", *SCORED)] == words[2:11]
    chosen = ranking.table.loc[ranking.table["selected"] == "yes", "configuration"].tolist()
    assert sorted(ranking.selected) == sorted(chosen)
    printed = re.findall(r"^Note: (.*)\.$", done.output, flags=re.MULTILINE)
    assert printed
    assert list(ranking.notes[: len(printed)]) == printed


@pytest.mark.usefixtures("inline")
def test_a_phase_trains_what_the_command_trains(done: Done, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[str, int, int]] = []
    found = study(tmp_path / "runs").phase1(stages=STAGE_1, on_progress=lambda *step: told.append(step))[1]
    assert capfd.readouterr() == ("", "")
    (theirs,) = done.runs.glob("phase1-*")
    assert found.folder == tmp_path / "runs" / theirs.name
    assert (found.folder / "ranking.csv").read_bytes() == (theirs / "ranking.csv").read_bytes()
    assert told[0] == ("phase1 stage 1", 0, 2)
    assert told[-1][1:] == (2, 2)
    assert [step[1] for step in told] == sorted(step[1] for step in told)
    assert sum("score" in step[0] for step in told) == 2


def test_a_phase_that_lacks_another_says_its_command(tmp_path: Path) -> None:
    with pytest.raises(InheritError, match=re.escape("lge-sweep phase1 --stage 1 --data phantom --profile smoke")):
        lge.Study(profile="smoke", runs=tmp_path).phase2(stages=STAGE_1)


def test_a_ranking_is_opened_by_folder_and_by_name(done: Done) -> None:
    (folder,) = done.runs.glob("phase1-*")
    for found in (lge.open_run(folder), lge.open_run(str(folder)), lge.open_run(folder.name, runs=str(done.runs))):
        assert isinstance(found, lge.Ranking)
        assert_is_what_was_printed(found, done)
        assert found.verdict in found._repr_html_()
    with pytest.raises(RunsError, match="no sweep 'phase9'"):
        lge.open_run("phase9", runs=done.runs)


def test_cases_are_those_of_the_page_and_of_the_table(done: Done, tmp_path: Path) -> None:
    (folder,) = done.runs.glob("phase1-*")
    ranking = lge.open_run(folder)
    cases = ranking.cases()
    table = pd.read_csv(cases.table)
    assert cases.table.parent.name == next(iter(ranking.selected)) + "-seed0" or cases.what in cases.table.parent.name
    cavity = table[table["class"] == "cavity"].set_index("image")["dice"]
    np.testing.assert_array_equal(cases.dice["cavity"], cavity.loc[cases.dice.index])
    page = ranking.write_page(output=tmp_path / "page.html")
    assert page == tmp_path / "page.html"
    wrote = invoke("browse", str(folder), "--output", str(tmp_path / "other.html"))
    assert wrote.exit_code == 0, wrote.output
    assert page.read_bytes() == (tmp_path / "other.html").read_bytes()


# ---------------------------------------------------------------------------------------------------------- pipelines


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Return a runs directory with phases 3 and 4, of which nothing was trained."""
    root = tmp_path_factory.mktemp("pipelines") / "runs"
    small = ["source.cases=14", "source.size=64", "source.pixel_mm=4.0", "training.width=0.1"]
    fits = load_sweep("phase3", 2, "phantom", "smoke", [*small, "grid.model=[unet]", "grid.loss=[dice]"])
    evaluate(root, fits, prepare_data(fits, None, root))
    return RunStore(root)


@pytest.mark.parametrize("subset", ["val", "test"])
def test_pipelines_have_the_numbers_of_their_tables(measured: RunStore, subset: str, tmp_path: Path) -> None:
    ((fits, test),) = measured.evaluations()
    files = fits if subset == "val" else test
    found = lge.open_run(files.path)
    assert isinstance(found, lge.Pipelines)
    assert (found.subset, found.folder) == (subset, files.path)
    assert bool(found.test_access) == (subset == "test")
    kept = read_record(ComparisonRecord, fits.comparison) if subset == "val" else None
    for row in found.table.to_dict("records"):
        table = pd.read_csv(files.subset_table(subset, row["pipeline"]))
        dice = table.pivot(index="image", columns="class", values="dice")
        sums = table[table["class"] == "scar"][["tp", "fp", "fn"]].sum()
        for name in ("cavity", "myocardium", "scar"):
            assert row[name] == pytest.approx(dice[name].mean(), abs=1e-9)
        assert row["scar_pooled"] == pytest.approx(2 * sums["tp"] / (2 * sums["tp"] + sums["fp"] + sums["fn"]))
        has = table[(table["class"] == "scar") & (table["tp"] + table["fn"] > 0)]
        assert row["scar_present"] == pytest.approx(has["dice"].mean())
        assert math.isnan(row["difference"]) == (row["pipeline"] == PIPELINE)
        if kept is not None:
            score = kept.scores[row["pipeline"]]
            assert (row["score"], row["score_low"], row["score_high"]) == (score.score, score.low, score.high)
    cases = found.cases(OURS)
    assert (cases.subset, cases.what) == (subset, OURS)
    page = found.write_page(OURS, tmp_path / "page.html")
    assert "<html" in page.read_text(encoding="utf-8")
    assert "<b>&" not in found._repr_html_()  # a pipeline's name is text


# -------------------------------------------------------------------------------------------------------------- exams


def test_labels_are_compared_as_one_counts_by_hand() -> None:
    truth = np.zeros((2, 4, 4), dtype=np.uint8)
    truth[:, 1:3, 1:3] = 1  # 8 voxels of cavity
    truth[0, 0] = 2
    truth[0, 0, 0] = 3  # 4 voxels of wall, 1 of scar
    prediction = truth.copy()
    prediction[1] = 0  # half of the cavity is missed
    prediction[0, 0, 1] = 3  # 2 voxels are called scar
    found = lge.compare_labels(prediction, truth, (2.0, 2.0, 10.0))
    assert found.index.tolist() == ["cavity", "wall", "scar"]
    assert found["dice"].round(12).tolist() == [round(8 / 12, 12), 1.0, round(2 / 3, 12)]
    assert found["true_ml"].tolist() == pytest.approx([0.32, 0.16, 0.04])
    assert found.loc["scar", "share_error_percent"] == pytest.approx(25)
    assert found.loc["cavity", "hd_mm"] == pytest.approx(10)
    slices = measure(prediction, truth, ("background", "cavity", "myocardium", "scar"))
    counts = slices[slices["class"] == "cavity"][["tp", "fp", "fn"]].sum()
    assert found.loc["cavity", "dice"] == pytest.approx(2 * counts["tp"] / (2 * counts["tp"] + counts["fn"]))
    assert lge.compare_labels(prediction, truth)["hd_mm"].isna().all()
    with pytest.raises(ValueError, match="one shape"):
        lge.compare_labels(prediction[:1], truth)


def test_exams_are_written_read_and_segmented_as_by_commands(tmp_path: Path) -> None:
    model = write_segmenter(tmp_path / "model")
    told = lge.write_phantom(str(tmp_path / "exams"), cases=1, seed=3, kind="nifti")
    assert "1 simulated exam" in told[0]
    (exam,) = lge.read_data(str(tmp_path / "exams/exams.yaml"), root=str(tmp_path / "exams"))
    assert exam.pixels.shape == exam.labels.shape
    steps: list[str] = []
    done = lge.predict(
        tmp_path / "exams", tmp_path / "ours", model=model, formats=("nifti", "csv"),
        on_progress=lambda what, done, total: steps.append(what),
    )  # fmt: skip
    assert done.problems == ()
    assert steps[-1] == "done"
    theirs = invoke(
        "predict", str(tmp_path / "exams"), str(tmp_path / "theirs"), "--model", str(model), "--format", "nifti,csv"
    )
    assert theirs.exit_code == 0, theirs.output
    assert (tmp_path / "ours/burden.csv").read_bytes() == (tmp_path / "theirs/burden.csv").read_bytes()
    (delivered,) = (tmp_path / "ours").glob("*/labels.nii.gz")
    segmented = lge.load_segmenter(model).segment(exam.pixels, exam.spacing_mm and exam.spacing_mm[:2]).labels
    stored = np.asarray(nib.load(delivered).dataobj)  # type: ignore[attr-defined]
    assert sorted(np.unique(stored, return_counts=True)[1]) == sorted(np.unique(segmented, return_counts=True)[1])
