"""Records on disk: each is written and read as one class, and says what does not fit."""

import datetime
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lge_sweep.config import Cell
from lge_sweep.config.schema import Shipped
from lge_sweep.errors import DamagedError, EarlierVersionError, NewerFormatError, RunsError
from lge_sweep.labels import SCORED, class_names
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.pipeline.access import begin_access, finish_access, read_accesses
from lge_sweep.pipeline.records import (
    Access,
    AccessRecord,
    ComparisonRecord,
    EvaluationRecord,
    PipelineScore,
    ShippedRecord,
)
from lge_sweep.scoring import Result, Selection, override, select
from lge_sweep.scoring.uncertainty import Candidate, Uncertainty, assess_uncertainty
from lge_sweep.study.plan_files import read_settings
from lge_sweep.study.records import (
    CellRecord,
    HardwareFacts,
    OverrideRecord,
    PlanRecord,
    Record,
    Seconds,
    SelectionRecord,
    TrainingFacts,
    read_record,
    read_selection,
    set_damaged_aside,
    write_record,
)

CLASSES = class_names(1)


def measured(seed: int) -> pd.DataFrame:
    """Metrics of six slices of three cases."""
    random = np.random.default_rng(seed)
    truth, prediction = (random.integers(0, 2, (6, 8, 8)).astype(np.uint8) for _ in range(2))
    names = [f"s{k}" for k in range(6)]
    return evaluate(prediction, truth, CLASSES, images=names, cases=["a", "a", "b", "b", "c", "c"])


TABLES = {name: measured(seed) for seed, name in enumerate(("unet", "segnet", "other"))}
SUMMARIES = {name: aggregate(table) for name, table in TABLES.items()}


def outcome() -> tuple[Selection, Uncertainty]:
    """A selection that a person has overridden, and its uncertainty."""
    results = [Result(name, summary.image_mean, (), 0.1) for name, summary in SUMMARIES.items()]
    by_rule = select(results, "mean", 1, tie_margin=0.01, emphasis={"cavity": 2.0})
    name = next(entry.name for entry in by_rule.ranking if not entry.selected)
    chosen = override(by_rule, name, "it is small")
    candidates = [Candidate(name, [table]) for name, table in TABLES.items()]
    return chosen, assess_uncertainty(candidates, chosen.selected[0], "mean", resamples=50)


def selection_record() -> SelectionRecord:
    selection, uncertainty = outcome()
    return SelectionRecord(
        sweep="s", data_digest="d", basis="b", models=("unet",), champion="unet-1", **vars(selection),
        uncertainty=uncertainty,
    )  # fmt: skip


def cell_record(**changes: Any) -> CellRecord:
    record = CellRecord(
        format=2,
        sweep="s",
        cell=Cell(1, "unet", "dice_ce", "adam", 0, trial=3, drawn=(("batch_size", 8), ("dice_share", 0.25))),
        subset="val",
        summary=SUMMARIES["unet"],
        training=TrainingFacts(steps=2, epochs=1, best_step=2, best_val_loss=0.7),
        class_weights={"background": 0.5, "cavity": 2.0},
        seconds=Seconds(training=0.2, all=0.3),
        figures=("curves.png",),
        hardware=HardwareFacts(accelerator="cpu", device=0, precision="32-true"),
        versions={"torch": "1"},
        files={"best.pt": "0" * 64},
    )
    return record.model_copy(update=changes)


def plan_record() -> PlanRecord:
    return PlanRecord(
        data_digest="d", basis="b", arrays="cache/1", class_weights={"cavity": 1.0}, leaky=True, leak_share=0.5,
        notes=("a note",),
    )  # fmt: skip


def comparison_record() -> ComparisonRecord:
    score = PipelineScore(score=0.5, low=None, high=0.6, difference=0.0, difference_low=None, difference_high=None)
    return ComparisonRecord(
        subset="val", summaries=SUMMARIES, scores={"two-stage": score}, failed={"single": "no memory"},
        meanings={"two-stage": "the paper's"}, values={"final/two-stage/dice/scar": 0.5},
    )  # fmt: skip


RECORDS: list[Record] = [
    cell_record(),
    plan_record(),
    selection_record(),
    OverrideRecord(name="unet", reason="it is small"),
    comparison_record(),
    EvaluationRecord(
        **dict(comparison_record()), fits="f", shipped=Shipped(rotations=True), test_access="first look", brief="| |",
        stage1="unet",
    ),
    ShippedRecord(key="k", shipped=Shipped(stage2="cropped")),
    AccessRecord(accesses=(Access("phase4-a", "2026-01-02T03:04:05+00:00", ("0" * 16,), True),)),
]  # fmt: skip
KINDS = [type(record).__name__ for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=KINDS)
def test_what_is_written_is_read(record: Record, tmp_path: Path) -> None:
    write_record(tmp_path / "record.json", record)
    read_back = read_record(type(record), tmp_path / "record.json")
    assert read_back == record
    assert repr(read_back) == repr(record)  # a whole number is still one, which == does not tell
    written = json.loads((tmp_path / "record.json").read_text())
    assert written["format"] == (2 if isinstance(record, CellRecord) else 1)


@pytest.mark.parametrize("record", RECORDS, ids=KINDS)
def test_each_field_that_does_not_fit_is_named_with_its_file(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content = record.model_dump(mode="json")
    for name in content:
        path.write_text(json.dumps(content | {name: {"no": ["such"]}}))
        with pytest.raises(DamagedError) as caught:
            read_record(type(record), path, "Do this")
        assert str(caught.value).startswith(f"{path} is damaged: {name}")
        assert str(caught.value).endswith(". Do this")


@pytest.mark.parametrize("record", RECORDS, ids=KINDS)
def test_a_newer_format_is_named_and_the_file_stays(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "sweep" / "record.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 3, "what is": "new"}))
    known = "1 to 2" if isinstance(record, CellRecord) else "1"
    expected = f"written by a newer version of lge_sweep: it has format 3, and this program reads {known}. Use that"
    with pytest.raises(NewerFormatError, match=expected):
        set_damaged_aside(path, lambda path: read_record(type(record), path))
    assert path.is_file()


def test_what_a_later_version_adds_is_ignored(tmp_path: Path) -> None:
    content = cell_record().model_dump(mode="json")
    content |= {"more": 1, "cell": content["cell"] | {"more": 2}, "summary": content["summary"] | {"more": 3}}
    (tmp_path / "outcome.json").write_text(json.dumps(content))
    assert read_record(CellRecord, tmp_path / "outcome.json") == cell_record()


def test_a_field_deep_inside_is_named(tmp_path: Path) -> None:
    content = selection_record().model_dump(mode="json")
    content["uncertainty"]["standings"][1]["low"] = "wide"
    (tmp_path / "selection.json").write_text(json.dumps(content))
    with pytest.raises(DamagedError, match=r"uncertainty\.standings\.1\.low: .*Make it again: lge-sweep select test_"):
        read_selection(tmp_path / "selection.json")


@pytest.mark.parametrize(
    ("form", "metric", "value", "told"),
    [
        ("image_mean", "dice", 7.0, r"summary\.image_mean\.dice\.cavity: must be between 0 and 1, got 7"),
        ("pooled", "iou", -0.1, r"summary\.pooled\.iou\.cavity: must be between 0 and 1, got -0\.1"),
        ("present_only", "hd95_mm", -1.0, r"summary\.present_only\.hd95_mm\.cavity: must be between 0 and inf, got -1"),
    ],
)
def test_a_number_that_a_metric_cannot_have_is_damage(
    form: str, metric: str, value: float, told: str, tmp_path: Path
) -> None:
    content = cell_record().model_dump(mode="json")
    content["summary"][form][metric]["cavity"] = value
    (tmp_path / "outcome.json").write_text(json.dumps(content))
    with pytest.raises(DamagedError, match=told):
        read_record(CellRecord, tmp_path / "outcome.json")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("ranking", [], "damaged: ranking: it is empty"),
        ("selected", [], "damaged: selected: it is empty"),
        ("selected", ["nobody"], "damaged: selected: ranking has no nobody"),
    ],
)
def test_a_selection_of_what_is_not_ranked_is_damaged(field: str, value: list[str], told: str, tmp_path: Path) -> None:
    content = selection_record().model_dump(mode="json")
    (tmp_path / "selection.json").write_text(json.dumps(content | {field: value}))
    with pytest.raises(DamagedError, match=told):
        read_selection(tmp_path / "selection.json")


def test_settings_of_an_earlier_version_are_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("phase: phase1\nselection: {part: val}\n")
    with pytest.raises(EarlierVersionError, match=r"an earlier version of lge_sweep wrote it .* anew") as raised:
        read_settings(path)
    assert str(raised.value).count(str(path)) == 1
    assert "damaged" not in str(raised.value)


def test_settings_of_an_earlier_version_in_a_folder_of_two_lines_are_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb" / "sweep.yaml"
    path.parent.mkdir()
    path.write_text("phase: phase1\nselection: {part: val}\n")
    with pytest.raises(EarlierVersionError, match=r"a\\nb/sweep\.yaml: an earlier version .* anew") as raised:
        read_settings(path)
    assert "\n" not in str(raised.value)


def test_a_selection_is_kept_whole_and_under_its_keys() -> None:
    selection, uncertainty = outcome()
    content = selection_record().model_dump(mode="json")
    assert {field.name for field in fields(Selection)} <= content.keys()
    assert content.keys() - {field.name for field in fields(Selection)} == {
        "format", "sweep", "data_digest", "basis", "models", "champion", "uncertainty", "registered",
    }  # fmt: skip
    assert selection.override is not None
    (beaten,) = selection.override.beat
    assert content["override"] == {"name": selection.selected[0], "reason": "it is small", "beat": [beaten]}
    assert content["uncertainty"].keys() == {field.name for field in fields(Uncertainty)}
    assert content["uncertainty"]["sentence"] == uncertainty.sentence
    assert content["ranking"][0]["metrics"].keys() == set(SCORED)


# ------------------------------------------------------------------------------------------ accesses to the test subset

MANIFEST = pd.DataFrame({"subset": ["train", "test"], "content_hash": ["a" * 64, "b" * 64]})
EARLIER = [
    {"pipeline": "phase4-x", "when": "2026-01-02T03:04:05+00:00", "slices": ["b" * 16], "finished": True},
    {"pipeline": "phase4-y", "when": "2026-01-03T03:04:05+00:00", "slices": ["c" * 16], "finished": False},
]


def test_accesses_that_an_earlier_version_recorded_are_carried_over(tmp_path: Path) -> None:
    (tmp_path / "test_looks.json").write_text(json.dumps(EARLIER))
    assert [access.pipeline for access in read_accesses(tmp_path)] == ["phase4-x", "phase4-y"]
    assert (tmp_path / "test_looks.json").is_file()  # reading changes nothing
    assert [access.pipeline for access in begin_access(tmp_path, "phase4-z", MANIFEST)] == ["phase4-x"]
    finish_access(tmp_path, "phase4-z")
    assert not (tmp_path / "test_looks.json").exists()
    kept = read_record(AccessRecord, tmp_path / "test_access.json").accesses
    assert [(access.pipeline, access.finished) for access in kept] == [
        ("phase4-x", True), ("phase4-y", False), ("phase4-z", True),
    ]  # fmt: skip


def test_accesses_that_were_carried_over_when_the_power_failed_count_once(tmp_path: Path) -> None:
    (tmp_path / "test_looks.json").write_text(json.dumps(EARLIER))
    begin_access(tmp_path, "phase4-z", MANIFEST)
    (tmp_path / "test_looks.json").write_text(json.dumps(EARLIER))  # it was not removed yet
    assert [access.pipeline for access in read_accesses(tmp_path)] == ["phase4-x", "phase4-y", "phase4-z"]


@pytest.mark.parametrize("name", ["test_looks.json", "test_access.json"])
def test_accesses_that_cannot_be_read_are_not_forgotten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('[{"pipeline": 1}]')
    with pytest.raises(RunsError, match=f"{name}: the record of who looked at the test subset cannot be read"):
        begin_access(tmp_path, "phase4-z", MANIFEST)
    (tmp_path / "test_access.json").write_text('{"format": 2}')
    (tmp_path / "test_looks.json").unlink(missing_ok=True)
    with pytest.raises(NewerFormatError):
        begin_access(tmp_path, "phase4-z", MANIFEST)
    assert (tmp_path / "test_access.json").read_text() == '{"format": 2}'


@pytest.mark.parametrize("column", ["subset", "part"])
def test_a_sweep_that_selected_on_the_test_subset_counts_whatever_version_it_is_of(column: str, tmp_path: Path) -> None:
    """A manifest as it is: with names, which are no numbers."""
    folder = tmp_path / "phase2-y"
    folder.mkdir()
    (folder / "selection.json").write_text(json.dumps({column: "test"}))
    manifest = MANIFEST.rename(columns={"subset": column}).assign(slice=["P1-1", "P1-2"], case="P1", spacing_row_mm="")
    manifest.to_csv(folder / "manifest.csv", index=False)
    (found,) = begin_access(tmp_path, "phase4-z", MANIFEST)
    assert (found.pipeline, found.slices) == ("phase2-y", ("b" * 16,))
    assert datetime.datetime.fromisoformat(found.when).tzinfo is not None
    (folder / "manifest.csv").write_text("slice\nP1-1\n")
    (tmp_path / "test_access.json").unlink()
    with pytest.raises(DamagedError, match=r"manifest\.csv is damaged: it has no column 'part'"):
        begin_access(tmp_path, "phase4-z", MANIFEST)
