"""The study's report: valid, self-contained, true to the folders it is made of, whatever phases were run."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from finished_cell import write_result
from program import invoke

from lge_sweep.config import Cell, SweepConfig, load_sweep
from lge_sweep.config.pipelines import Cleaning
from lge_sweep.config.schema import Shipped
from lge_sweep.csv_files import read_rows, write_frame
from lge_sweep.data import resize_labels
from lge_sweep.engine import FinishedSweep, choose
from lge_sweep.labels import Label
from lge_sweep.manuscript import find_study, write_manuscript
from lge_sweep.manuscript.claim import ITEMS, OPEN
from lge_sweep.manuscript.find import Study
from lge_sweep.manuscript.methods import settings_table
from lge_sweep.manuscript.provenance import phase2_models
from lge_sweep.manuscript.words import WORDS
from lge_sweep.pipeline.access import begin_access, finish_access
from lge_sweep.pipeline.card import card_markdown, model_card
from lge_sweep.pipeline.cases import case_findings, clinical_table
from lge_sweep.pipeline.compare import compare, compare_patients
from lge_sweep.pipeline.errors import write_errors
from lge_sweep.pipeline.exams import group_exams, out_of_fold_rows
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.pipeline.patients import measure_patients
from lge_sweep.pipeline.records import (
    PIPELINE,
    ChoiceRecord,
    EvaluationRecord,
    ExternalRecord,
    PipelineChoice,
    ShippedRecord,
)
from lge_sweep.pipeline.results import side_by_side
from lge_sweep.pipeline.variants import EvaluatedSubset, Labelled
from lge_sweep.report import agreement_frame, findings_frame
from lge_sweep.run_store import RunStore
from lge_sweep.scoring import Candidate, alike_rule, assess_uncertainty
from lge_sweep.study import SelectionRecord, read_cell, read_per_image, read_result, write_plan, write_record
from lge_sweep.study.plan import CellSet, Plan, plan_sweep
from lge_sweep.study.prepare import PreparedData, prepare_data

SMALL = ["source.cases=9", "source.size=64", "source.pixel_mm=4.0", "training.width=0.1"]
VOID = {"meta", "img", "br", "hr", "link", "input"}
PHRASING = {"p", "h1", "h2", "h3", "span", "a", "b", "caption", "figcaption", "pre"}
BLOCKS = {"p", "div", "table", "ul", "ol", "section", "figure", "pre", "h1", "h2", "h3", "nav"}
HTML, SVG, XLINK = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
THEIRS = "nnunet of others <i>"
OURS = "two-stage, tuned <b>&"
"""A pipeline whose name a page must not obey."""


class Prepared(NamedTuple):
    """A runs directory of a study that nobody trained: predictions are the truth with errors."""

    store: RunStore
    plan: Plan


def select_all(plan: Plan) -> None:
    """Write a sweep's finished cells, and what is selected of them, as the engine does."""
    write_plan(plan)
    for seed, cell in enumerate(plan.cells):
        write_result(plan, cell, seed)
    records = {cell.name: read_cell(plan.cell_files(cell), cell, plan.name) for cell in plan.cells}
    results = {cell.name: read_result(records[cell.name], plan, cell) for cell in plan.cells}
    selection = choose(FinishedSweep(plan, results, {}, {}))
    candidates = [Candidate(cell.name, [read_per_image(plan.cell_files(cell).per_image)]) for cell in plan.cells]
    sure = assess_uncertainty(candidates, selection.selected[0], selection.rule, selection.emphasis, resamples=100)
    record = SelectionRecord(
        sweep=plan.name, data_digest=plan.data_digest, basis=plan.basis, models=(plan.cells[0].model,),
        champion=selection.selected[0], uncertainty=sure, **vars(selection),
    )  # fmt: skip
    write_record(plan.files.selection, record)


def spoiled(truth: np.ndarray, share: float) -> np.ndarray:
    """Labels with errors: scar missed on one case, called on another, pixels missing everywhere."""
    labels = np.where(np.random.default_rng(0).random(truth.shape) < share, np.uint8(0), truth)
    scarred = np.flatnonzero((truth == Label.SCAR).any(axis=(1, 2)))
    free = np.flatnonzero(~(truth == Label.SCAR).any(axis=(1, 2)))
    for k in scarred[:1]:
        labels[k][labels[k] == Label.SCAR] = Label.MYOCARDIUM
    for k in free[:1]:
        labels[k][tuple(np.argwhere(labels[k] == Label.MYOCARDIUM)[0])] = Label.SCAR
    return labels


def evaluate(runs: Path, config: SweepConfig, data: PreparedData) -> None:
    """Write what phases 3 and 4 write, of labels that no network made."""
    cells = (Cell(2, "unet", "dice", "adam", 0, variant="predicted"),)
    plan = plan_sweep(config, data, runs, CellSet(cells))
    write_plan(plan)
    write_result(plan, cells[0])
    cavity = np.zeros((0, 1, 1), dtype=np.bool_)  # no network runs
    two_stage = TwoStage(config, None, plan, {}, data.images, data.labels, cavity)  # type: ignore[arg-type]
    evaluation = RunStore(runs).evaluation(plan.name)
    for subset, files in (("val", plan.files), ("test", evaluation)):
        slices = EvaluatedSubset(two_stage, subset)
        labelled = {PIPELINE: Labelled("the paper's", spoiled(slices.truth, 0.3))}
        labelled[OURS] = Labelled("another", spoiled(slices.truth, 0.1))
        comparison = compare(plan, subset, labelled, {}, files)  # type: ignore[arg-type]
        compare_patients(two_stage, subset, labelled, files)
        write_errors(files, slices, labelled[OURS])
        if subset == "val":
            write_record(plan.files.comparison, comparison.record())
            continue
        write_frame(files.table("pipelines"), side_by_side(comparison).frame)
        native = labelled[OURS].at_own_size([truth.shape for truth in slices.native_truth])
        cases = clinical_table(two_stage, "test", native)
        write_frame(files.table("cases"), cases)
        write_frame(files.table("agreement"), agreement_frame(cases))
        write_frame(files.table("findings"), findings_frame(case_findings(two_stage, "test", native)))
        begin_access(runs, evaluation.name, plan.manifest)
        record = EvaluationRecord(
            **dict(comparison.record()),
            fits=plan.name,
            shipped=Shipped(),
            test_access="first look",
            brief="",
        )
        write_record(evaluation.record, record)
        finish_access(runs, evaluation.name)
    write_record(plan.files.shipped, ShippedRecord(key="k", shipped=Shipped(), pipeline=OURS))
    compose(two_stage, data, runs)
    measure_others(two_stage, runs)


def worn(truth: np.ndarray, share: float) -> np.ndarray:
    """Labels of a slice without some of their pixels."""
    return np.where(np.random.default_rng(0).random(truth.shape) < share, np.uint8(0), truth)


def compose(two_stage: TwoStage, data: PreparedData, runs: Path) -> None:
    """Write what phase 3 writes of pipelines past the paper: one, worse than the paper's, labelled by nobody."""
    cells = (Cell(2, "unet", "dice", "adam", 0, variant="heart-fold1"),)
    plan = plan_sweep(two_stage.config, data, runs, CellSet(cells, builds_on=("pipelines", "x")))
    write_plan(plan)
    write_result(plan, cells[0])
    rows = out_of_fold_rows(plan.manifest)
    truth = [two_stage.labels[row] for row in rows]
    labelled = {}
    for name, share in ((PIPELINE, 0.2), ("heart", 0.4)):
        native = [worn(one, share) for one in truth]
        labelled[name] = Labelled(name, np.stack([resize_labels(one, 64, 64) for one in native]), native)
    comparison = compare(plan, "out_of_fold", labelled, {}, plan.files)
    compare_patients(two_stage, "out_of_fold", labelled, plan.files)
    write_record(plan.files.comparison, comparison.record())
    worth = PipelineChoice(
        cleaning=Cleaning(largest_heart=True), cleaning_by_fold=(Cleaning(),) * 2, value=0.6125, low=0.5, high=0.7,
        difference=-0.1, difference_low=-0.2, difference_high=0.0, cases_needed=31,
        dice={"cavity": 0.8, "wall": 0.7, "scar": 0.3},
    )  # fmt: skip
    write_record(plan.files.choice, ChoiceRecord(
        selected="heart", cases=int(plan.manifest["case"].iloc[rows].nunique()), value=0.61, low=0.4, high=0.7,
        by_fold=("heart", "heart"), pipelines={"paper": worth, "heart": worth},
    ))  # fmt: skip


def measure_others(two_stage: TwoStage, runs: Path) -> None:
    """Write what `lge-sweep evaluate` writes of somebody else's labels of the test subset."""
    plan, folder = two_stage.fits, RunStore(runs).external(THEIRS)
    rows = plan.rows("test")
    truth = [two_stage.labels[row] for row in rows]
    labels = [worn(one, 0.05) for one in truth]
    measured = measure_patients(group_exams(plan.manifest, rows), truth, {THEIRS: labels}, 2.0)
    folder.path.mkdir()
    write_frame(folder.patient_table("patients", "test"), measured.patients)
    write_frame(folder.patient_table("scar_slices", "test"), measured.slices)
    write_record(folder.record("test"), ExternalRecord(
        name=THEIRS, subset="test", data="phantom", data_digest=plan.data_digest, digest="x", cases=2, missing=(),
        test_access="look 2",
    ))  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    runs = tmp_path_factory.mktemp("study") / "runs"
    configs = {
        stage: load_sweep("phase1", stage, "phantom", "smoke", [*SMALL, "grid.model=[unet, segnet]"])
        for stage in (1, 2)
    }
    data = prepare_data(configs[1], None, runs)
    for stage, config in configs.items():
        cells = tuple(Cell(stage, model, "cross_entropy", "adam", 0) for model in config.grid.model)
        plan = plan_sweep(config, data, runs, CellSet(cells))
        select_all(plan)
    return Prepared(RunStore(runs), plan)


@pytest.fixture(scope="module")
def whole(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    runs = tmp_path_factory.mktemp("whole") / "runs"
    shutil.copytree(prepared.store.root, runs)
    grid = ["grid.model=[unet]", "grid.loss=[dice]"]
    config = load_sweep("phase3", 2, "phantom", "smoke", [*SMALL, *grid])
    evaluate(runs, config, prepare_data(config, None, runs))
    return Prepared(RunStore(runs), prepared.plan)


@pytest.fixture(scope="module")
def page(whole: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "report"
    return write_manuscript(find_study(whole.store, "phantom", "smoke"), folder).page


def parse(page: Path) -> ElementTree.Element:
    """Read a page as XML, which every element must be closed for, and every letter escaped."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>\n<html lang=")
    return ElementTree.fromstring(text)


def ancestors(root: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    """Yield each element of the page's own, no drawing's, below the one that it is in."""
    for parent in root.iter():
        if parent.tag.startswith(HTML):
            yield from ((parent, child) for child in parent)


def read(path: Path) -> list[dict[str, str]]:
    """Read a table's rows."""
    header, rows = read_rows(path)
    return [dict(zip(header, row, strict=True)) for _, row in rows]


def count_tested(plan: Plan) -> int:
    """Count the cases of the test subset."""
    return int(plan.manifest.loc[plan.manifest["subset"] == "test", "case"].nunique())


def words(page: Path) -> str:
    return " ".join(" ".join(parse(page).itertext()).split())


def assert_valid(page: Path) -> None:
    """Check what browsers forgive: nesting, ids, links, headings, tables."""
    root = parse(page)
    ids = Counter(element.get("id") for element in root.iter() if element.get("id"))
    assert {name for name, count in ids.items() if count > 1} == set()
    targets = [element.get("href", "") for element in root.iter(f"{HTML}a")]
    references = [value for e in root.iter() for key, value in e.attrib.items() if key in (f"{XLINK}href", "href")]
    references += [
        f"#{name}" for e in root.iter() for v in e.attrib.values() for name in re.findall(r"url\(#([^)]+)\)", v)
    ]
    assert {target for target in (*targets, *references) if target[1:] not in ids or target[0] != "#"} == set()
    for parent, child in ancestors(root):
        name, inside = parent.tag.removeprefix(HTML), child.tag.removeprefix(HTML)
        assert not (name in PHRASING and inside in BLOCKS), f"{inside} in {name}"
        assert name not in VOID
    for table in root.iter(f"{HTML}table"):
        rows = [[int(cell.get("colspan", "1")) for cell in row] for row in table.iter(f"{HTML}tr")]
        assert len({sum(row) for row in rows}) == 1
    for picture in root.iter(f"{SVG}svg"):
        assert picture.get("role") == "img"
        assert picture.get("aria-label")
    levels = [int(e.tag[-1]) for e in root.iter() if re.fullmatch(f"{HTML}h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_is_valid(page: Path) -> None:
    assert_valid(page)


def test_the_page_needs_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    root = parse(page)
    assert not [e.tag for e in root.iter() if e.tag.removeprefix(HTML) in ("script", "link", "iframe", "object", "img")]
    assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {
        "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert "url(" not in re.sub(r"url\(#", "", text)
    assert "@import" not in text
    assert len(text) < 1_000_000


def test_what_others_named_is_shown_and_not_obeyed(page: Path) -> None:
    assert OURS in words(page)
    assert not [e for e in parse(page).iter(f"{HTML}b") if "&" in (e.text or "")]


def test_every_table_is_a_file_and_says_what_it_is(page: Path) -> None:
    captions = ["".join(e.itertext()) for e in parse(page).iter(f"{HTML}caption")]
    names = [re.search(r"(\S+)\.csv, \.tex$", caption.strip()) for caption in captions]
    assert all(names)
    files = {path.name for path in (page.parent / "tables").iterdir()}
    assert {f"{found[1]}{end}" for found in names if found for end in (".csv", ".tex")} == files
    with_intervals = [caption for caption in captions if "interval" in caption]
    assert with_intervals
    assert all("patients" in caption or "cases" in caption for caption in with_intervals)


def test_tables_in_latex_are_balanced_and_escaped(page: Path) -> None:
    for path in (page.parent / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        begun = Counter(re.findall(r"\\begin\{(\w+)\}", text))
        assert begun == Counter(re.findall(r"\\end\{(\w+)\}", text))
        assert begun in ({"table": 1, "tabular": 1}, {"longtable": 1})
        first, last = ("\\endlastfoot", "\\end{longtable}") if "longtable" in begun else ("\\toprule", "\\bottomrule")
        body = text.partition(first)[2].partition(last)[0].replace("\\midrule", "")
        rows = [row for row in body.strip().split("\\\\\n") if row.strip()]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1, path
        assert not re.search(r"(?<!\\)[%#$]", text.partition("\n")[2]), path
        assert path.with_suffix(".csv").is_file()


def test_numbers_are_those_of_the_study(page: Path, whole: Prepared) -> None:
    text = words(page)
    (fits,) = find_study(whole.store, "phantom", "smoke").fits
    assert fits.evaluation is not None
    scar = fits.evaluation.summaries[OURS].pooled["dice"]["scar"]
    assert scar is not None
    assert f"scar {scar:.3f} (" in text
    rows = read(fits.files.table("error_groups"))
    pooled = next(float(row["scar_dice"]) for row in rows if row["division"] == "all")
    assert pooled == pytest.approx(scar)
    assert f"{pooled:.3f}" in text
    manifest = whole.plan.manifest
    counts = [manifest.loc[manifest["subset"] == subset, "case"].nunique() for subset in ("train", "val", "test")]
    assert "Data: 9 cases of phantom (training {}, validation {}, test {}).".format(*counts) in text
    assert "first look" in text
    assert "1 of " in text[text.index("False alarms:") :][:30]


def test_pipelines_past_the_paper_stand_in_a_table_and_it_is_said_what_was_shipped(page: Path, whole: Prepared) -> None:
    (table,) = (page.parent / "tables").glob("out_of_fold_[0-9a-f]*.csv")
    paper, heart = read(table)
    assert (paper["pipeline"], heart["pipeline"]) == (PIPELINE, "heart")
    (composed,) = find_study(whole.store, "phantom", "smoke").composed
    patients = read(composed.plan.files.patient_table("patients", "out_of_fold"))
    scar = [float(row["emidec_dice"]) for row in patients if (row["pipeline"], row["structure"]) == ("heart", "scar")]
    assert float(heart["scar"]) == pytest.approx(np.mean(scar))
    assert float(heart["scar_low"]) <= np.mean(scar) <= float(heart["scar_high"])
    assert heart["cleaning"] == "the largest piece of the heart"
    assert (heart["needed"], paper["needed"]) == ("31", "")
    text = words(page)
    assert "'heart', the only pipeline past the paper, has the highest mean Dice" in text
    assert f"Shipped: '{OURS}', which is none of them" in text
    assert "Choosing in this way is worth 0.610 (0.400 to 0.700) on a case that had no say" in text
    assert f"{table.stem}.csv" in text
    assert r"\toprule" in table.with_suffix(".tex").read_text()


def test_labels_of_others_stand_beside_ours_on_the_test_subset(page: Path, whole: Prepared) -> None:
    (table,) = (page.parent / "tables").glob("methods_*.csv")
    rows = {row["method"]: row for row in read(table)}
    assert list(rows) == [PIPELINE, OURS, THEIRS]
    (fits,) = find_study(whole.store, "phantom", "smoke").fits
    means = {}
    for name, folder in ((OURS, fits.files), (THEIRS, whole.store.external(THEIRS))):
        own: dict[str, list[float]] = {}
        for row in read(folder.patient_table("patients", "test")):
            if row["pipeline"] == name:
                own.setdefault(row["case"], []).append(float(row["emidec_dice"]))
        means[name] = {case: float(np.mean(values)) for case, values in own.items()}
        assert float(rows[name]["mean_emidec_dice"]) == pytest.approx(np.mean(list(means[name].values())))
    minus = np.mean([means[THEIRS][case] - means[OURS][case] for case in means[OURS]])
    assert float(rows[THEIRS]["difference_to_shipped"]) == pytest.approx(minus)
    assert (rows[THEIRS]["kind"], rows[OURS]["kind"]) == ("labels of others", "shipped")


def test_every_caption_of_what_was_measured_says_on_whom(page: Path) -> None:
    captions = ["".join(e.itertext()) for e in parse(page).iter(f"{HTML}caption")]
    told = [caption.strip() for caption in captions if re.search(r"\b(methods|out_of_fold|test|val)_\w+\.csv", caption)]
    assert len(told) >= 10
    for caption in told:
        assert re.search(r"n = \d+ slices of \d+ (cases|patients)", caption), caption
        assert re.search(r"dash|[Mm]issing|no Dice|[Ee]mpty", caption), caption


def test_every_part_of_the_report_is_there(page: Path, whole: Prepared) -> None:
    titles = [re.sub(r"^\d+\. ", "", "".join(e.itertext())) for e in parse(page).iter(f"{HTML}h2")]
    assert titles == [
        "Summary", "Question", "Data", "Methods", "Results", "Doubt", "Where it fails", "Looks at the test subset",
        "Software and hardware", "Commands to repeat it", "Model card", "CLAIM checklist", "Words and abbreviations",
    ]  # fmt: skip
    parts = ["".join(e.itertext()) for e in parse(page).iter(f"{HTML}h3")]
    assert sum(part.startswith("Patient ") for part in parts) == count_tested(whole.plan)  # they are fewer than ten
    assert "Not for clinical use" in words(page)


def test_abbreviations_are_spelled_out(page: Path) -> None:
    known = set(re.findall(r"[A-Za-z0-9]+", " ".join(WORDS)))
    spelled = known | {
        "NIfTI",
        "DICOM",
        "UTC",
        "MIT",
        "CSV",
        "YAML",
        "MLflow",
        "README",
        "MODEL",
        "CARD",
        "FOLDER",
        "FILE",
    }
    root = parse(page)
    for parent in root.iter():  # names of files, folders and settings are no words
        for child in list(parent):
            if child.tag in (f"{HTML}pre", f"{HTML}style") or child.get("class") == "files":
                child.text = ""
    text = " ".join(" ".join(root.itertext()).split())
    found = set(re.findall(r"\b[A-Z]{2,}[0-9]*\b", text))
    assert found - spelled - {"II", "III", "VI", "VII", "RNA"} == set()


def test_the_checklist_has_44_items_and_what_only_the_author_knows_is_open(page: Path) -> None:
    rows = read(page.parent / "tables/claim.csv")
    assert len(ITEMS) == len(rows) == 44
    state = {int(row["no."]): row["state"] for row in rows}
    assert {number for number, said in state.items() if said == OPEN} == {2, 5, 13, 14, 15, 16, 17, 18, 34, 44}
    assert state[19] == state[20] == state[29] == "filled"


def test_the_card_says_what_the_model_is_worth(page: Path, whole: Prepared) -> None:
    (fits,) = find_study(whole.store, "phantom", "smoke").fits
    measured = {"test": read_per_image(fits.files.subset_table("test", OURS))}
    text = card_markdown(model_card(fits.plan, "A pipeline", measured))
    assert "Not for clinical use" in text
    dice = fits.evaluation.summaries[OURS].pooled["dice"]["scar"] if fits.evaluation else None
    assert f"{dice:.3f} (" in text
    assert "It was not evaluated on data that no choice was made on." not in text
    free = measured["test"].query("`class` == 'scar' and tp + fn == 0")
    assert f"calls scar on {int((free['fp'] > 0).sum())} of {len(free)} slices without" in text
    assert "It never finds scar." in card_markdown(model_card(fits.plan, "A pipeline", {}, ["scar"]))


def test_the_card_of_a_pipeline_past_the_paper_counts_all_cases_of_its_folds(whole: Prepared) -> None:
    (fits,) = find_study(whole.store, "phantom", "smoke").fits
    measured = {"val": read_per_image(fits.plan.files.subset_table("val", OURS))}
    papers, ours = (
        card_markdown(model_card(fits.plan, "A pipeline", measured, out_of_fold=past)) for past in (False, True)
    )
    manifest = fits.plan.manifest
    for text, subsets in ((papers, ["train"]), (ours, ["train", "val"])):
        rows = manifest[manifest["subset"].isin(subsets)]
        amount = f"{rows['case'].nunique()} cases, {len(rows)} slices ({rows['has_scar'].sum()} with scar) for training"
        assert amount in text
    assert "each labelled by networks that had not seen it" in ours
    assert "not by the mean of all that is shipped" in ours
    assert "the fold" not in papers


def test_pictures_of_patients_come_only_when_they_are_asked_for(whole: Prepared, tmp_path: Path) -> None:
    written = write_manuscript(find_study(whole.store, "phantom", "smoke"), tmp_path / "report", images=True)
    assert_valid(written.page)
    pictures = list(parse(written.page).iter(f"{HTML}img"))
    assert len(pictures) == count_tested(whole.plan)
    assert all(picture.get("src", "").startswith("data:image/png;base64,") for picture in pictures)


def test_a_report_of_phase_1_alone_says_what_was_not_run(prepared: Prepared, tmp_path: Path) -> None:
    done = invoke(
        "report", "--profile", "smoke", "--runs", str(prepared.store.root), "--output", str(tmp_path / "report")
    )
    assert done.exit_code == 0, done.output
    page = tmp_path / "report/report.html"
    assert_valid(page)
    text = words(page)
    for phase in (2, 3, 4):
        assert f"Phase {phase} was not run." in text
        assert f"lge-sweep phase{phase} --data phantom --profile smoke" in text
    assert "No look is recorded." in text
    assert str(page) in "".join(done.output.split("\n"))
    again = invoke("report", str(prepared.plan.folder), "--runs", str(prepared.store.root))
    assert again.exit_code == 0, again.output
    assert len(list(prepared.store.root.glob("report-phantom-smoke-*/tables/*.tex"))) > 5


@pytest.mark.parametrize("collapsed", [False, True])
def test_sentence_list_and_tables_count_the_same_as_alike(prepared: Prepared, tmp_path: Path, collapsed: bool) -> None:
    """The list and a table counted a collapsed network that the sentence did not."""
    shutil.copytree(prepared.store.root, tmp_path / "runs")
    study = find_study(RunStore(tmp_path / "runs"), "phantom", "smoke")
    for sweep in study.sweeps:
        record = sweep.selection
        assert record is not None
        winner, tables = record.selected[0], {}
        for cell in sweep.plan.cells:
            tables[cell.name] = read_per_image(sweep.plan.cell_files(cell).per_image)
            tables[cell.name]["case"] = tables[cell.name]["image"]  # of one case nothing is said
        candidates = [
            Candidate(name, [table], ("scar",) if collapsed and name != winner else ())
            for name, table in tables.items()
        ]
        sure = assess_uncertainty(candidates, winner, record.rule, record.emphasis, resamples=100)
        assert [entry.alike for entry in sure.standings] == [True, True]  # the premise
        write_record(sweep.plan.files.selection, record.model_copy(update={"uncertainty": sure}))
    study = find_study(RunStore(tmp_path / "runs"), "phantom", "smoke")
    page = write_manuscript(study, tmp_path / "report").page
    text, want = words(page), 0 if collapsed else 1
    printed = {path.stem: read(path) for path in (page.parent / "tables").glob("*.csv")}
    assert [row["alike"] for row in printed["doubt"]] == [str(want)] * 2
    rankings = [rows for name, rows in printed.items() if name.startswith("ranking_phase1")]
    assert [sum(row["alike"] == "yes" for row in rows) for rows in rankings] == [want] * 2
    assert len(re.findall(r"Cannot be told apart from \S+: \S+\.", text)) == 2 * want
    assert text.count(alike_rule(0.95)) == 2  # Statistics, and where the numbers stand
    assert ("that they never found, and not counted above: " in text) == collapsed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "emidec_png"], "there is: --data phantom --profile smoke"),
        (["phase9"], "no sweep 'phase9'"),
    ],
)
def test_a_study_that_is_not_there_is_said_with_what_is(prepared: Prepared, arguments: list[str], says: str) -> None:
    done = invoke("report", *arguments, "--profile", "smoke", "--runs", str(prepared.store.root))
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


def test_several_studies_are_listed_and_one_can_be_named(prepared: Prepared, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(prepared.store.root, runs)
    config = load_sweep("phase1", 1, "phantom", "smoke", [*SMALL, "grid.model=[unet]", "split.seed=1"])
    other = plan_sweep(config, prepare_data(config, None, runs), runs, CellSet((Cell(1, "unet", "dice", "adam", 0),)))
    write_plan(other)
    done = invoke("report", "--profile", "smoke", "--runs", str(runs))
    assert done.exit_code == 2
    assert "2 studies on phantom with profile smoke" in done.output
    named = re.findall(r"lge-sweep report (\S+):", done.output)
    assert other.name in named
    done = invoke("report", other.name, "--runs", str(runs), "--output", str(tmp_path / "report"))
    assert done.exit_code == 0, done.output
    assert "not complete" in words(tmp_path / "report/report.html")


def test_a_folder_of_other_files_is_left_alone(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/mine.csv").write_text("x")
    done = invoke("report", "--profile", "smoke", "--runs", str(prepared.store.root), "--output", str(tmp_path))
    assert done.exit_code == 2
    assert "give --output a new or empty folder" in " ".join(done.output.split())
    assert (tmp_path / "tables/mine.csv").is_file()


def test_settings_of_a_pipeline_are_told_one_by_one() -> None:
    config = load_sweep("phase3", 2, "phantom", "laptop", pipelines="heart")
    told = settings_table("fit", "Settings.", config.fitting).frame.set_index("setting")["value"]
    assert told["pipelines.heart.window.pixels"] == "80"
    assert "pipelines.heart.window.mm" not in told.index  # not said: as without it
    assert told["pipelines.heart.cleaning"].startswith("nothing, largest_heart yes, largest_heart yes and least_scar")
    assert not told.str.contains("(", regex=False).any()  # no object of the program


@pytest.mark.parametrize(("models", "said"), [(("unet",), []), (("segnet", "unet"), ["--models", "unet"])])
def test_the_command_of_phase_2_names_networks_that_phase_1_did_not_select(
    models: tuple[str, ...], said: list[str]
) -> None:
    config = load_sweep("phase2", 1, "phantom", "smoke", ["grid.model=[unet]"])
    before = load_sweep("phase1", 1, "phantom", "smoke")
    ranked = SimpleNamespace(plan=SimpleNamespace(config=before), selection=SimpleNamespace(models=models))
    study = cast("Study", SimpleNamespace(of_phase=lambda phase: [ranked] * (phase == "phase1")))
    assert phase2_models(study, config) == said
    assert phase2_models(study, before) == []
