"""Phase 4's tables and figures: every number in its place, the paper's beside it, nothing hidden or made up."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from test_report import assert_legible, png_size, words

from lge_sweep.config.data import Phantom
from lge_sweep.errors import ConfigError
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import Label, class_names, stage_target
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.quantify.limits_of_agreement import agreement
from lge_sweep.report.bland_altman import figure_bland_altman
from lge_sweep.report.clinical_tables import (
    QUANTITIES,
    Quantity,
    agreement_frame,
    agreement_markdown,
    agreements,
    clinical_frame,
    clinical_markdown,
    format_one_digit,
)
from lge_sweep.report.files import save_png
from lge_sweep.report.final_figures import figure_pipelines, figure_qualitative, pick_qualitative
from lge_sweep.report.final_tables import (
    AGGREGATE_TITLES,
    SIDE_BY_SIDE,
    pipelines_frame,
    pipelines_markdown,
    stage_frame,
    stage_markdown,
)
from lge_sweep.report.outlines import draw_contours
from lge_sweep.report.paper import PAPER_TABLES
from lge_sweep.report.style import class_colour
from lge_sweep.scoring.aggregate_intervals import Intervals, interval_differences, intervals, resample_table
from lge_sweep.text import escape_markdown, markdown_table

pytestmark = pytest.mark.filterwarnings("error")
FOUR = tuple(label.title for label in Label)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def slices() -> tuple[Arrays, list[str], list[str]]:
    """Images, truth and a prediction with faults [N, 64, 64] of the phantom; names of slices and cases."""
    volumes = simulate(Phantom(kind="phantom", cases=6, slices=3, size=64, pixel_mm=2.5))
    truth = np.concatenate([volume.labels for volume in volumes])
    pixels = np.concatenate([volume.pixels for volume in volumes]).astype(float)
    images = np.clip(pixels * 255 / np.percentile(pixels, 99.5), 0, 255).astype(np.uint8)
    prediction = np.roll(truth, 1, axis=2)
    prediction[1::4] = np.roll(truth[1::4], 1, axis=1)
    scarred = np.flatnonzero((truth == 3).any(axis=(1, 2)))
    prediction[scarred[:2]] = np.where(prediction[scarred[:2]] == 3, 2, prediction[scarred[:2]])  # missed
    free = np.flatnonzero(~(truth == 3).any(axis=(1, 2)))[0]
    prediction[free][np.nonzero(prediction[free] == 2)[0][:5], np.nonzero(prediction[free] == 2)[1][:5]] = 3  # alarm
    names = [name for volume in volumes for name in volume.slices]
    return (images, truth, prediction), names, [volume.case for volume in volumes for _ in volume.slices]


def stage_table(slices: tuple[Arrays, list[str], list[str]], stage: int) -> pd.DataFrame:
    (_, truth, prediction), names, cases = slices
    classes = class_names(stage)
    return evaluate(stage_target(prediction, stage), stage_target(truth, stage), classes, images=names, cases=cases)


def four_table(slices: tuple[Arrays, list[str], list[str]]) -> pd.DataFrame:
    (_, truth, prediction), names, cases = slices
    return evaluate(prediction, truth, FOUR, images=names, cases=cases)


def cells(text: str) -> list[list[str]]:
    """Rows of the Markdown table in a text, its header first, without the line below the header."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert re.fullmatch(r"\| --- (\| ---: )+\|", lines[1])
    rows = [[entry.strip() for entry in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]
    assert {len(row) for row in rows} == {len(rows[0])}
    return rows


# ---- the paper's tables


@pytest.mark.parametrize("stage", [1, 2])
def test_the_paper_s_globals_are_the_means_of_its_rows(stage: int) -> None:
    table = PAPER_TABLES[stage]
    rows = [row for name, row in table.items() if name != "global"]
    for heading, value in table["global"].items():
        if heading != "Global Accuracy":
            of = "Accuracy" if heading == "Mean Accuracy" else heading
            assert value == pytest.approx(sum(row[of] for row in rows) / len(rows), abs=1e-4), heading


@pytest.mark.parametrize("form", AGGREGATE_TITLES)
@pytest.mark.parametrize("stage", [1, 2])
def test_a_stage_s_table_holds_the_aggregates_in_the_paper_s_order(
    slices: tuple[Arrays, list[str], list[str]], stage: int, form: str
) -> None:
    table = stage_table(slices, stage)
    summary = aggregate(table)
    frame = stage_frame(stage, intervals(resample_table(table, resamples=50)), form)
    order = {1: ["cavity", "background", "global"], 2: ["myocardium", "scar", "background", "global"]}[stage]
    headings = ["Accuracy", "Dice", "IoU", "F1-Score", "BF-Score", "Sensitivity", "Specificity"]
    expected = [(row, heading) for row in order for heading in headings] + [("global", "Global Accuracy")]
    expected[-8] = ("global", "Mean Accuracy")
    assert list(zip(frame["row"], frame["column"], strict=True)) == expected
    assert set(frame["table"]) == {{1: "VI", 2: "VII"}[stage]}
    metrics = dict(zip(headings[1:], ("dice", "iou", "f1", "bf", "sensitivity", "specificity"), strict=True))
    for line in frame.to_dict("records"):
        value: float | None
        if line["column"] == "Global Accuracy":
            value = summary.global_accuracy
        elif line["column"] in ("Accuracy", "Mean Accuracy"):
            value = summary.pooled["sensitivity"][line["row"]]
        elif (form, line["column"]) == ("pooled", "BF-Score"):
            value = None
        else:
            value = getattr(summary, form)[metrics[line["column"]]][line["row"]]
        if value is None:
            assert np.isnan(line["value"])
            assert np.isnan(line["low"])
        else:
            assert line["value"] == pytest.approx(value)
            assert line["low"] <= line["high"]
        same = form == "image_mean" or "Accuracy" in line["column"]
        assert np.isnan(line["paper"]) != same
        if same:
            assert line["paper"] == PAPER_TABLES[stage][line["row"]][line["column"]]


def test_the_markdown_of_a_stage_has_the_paper_s_layout(slices: tuple[Arrays, list[str], list[str]]) -> None:
    found = intervals(resample_table(stage_table(slices, 2), resamples=50))
    text = stage_markdown(stage_frame(2, found, "image_mean"), found)
    header, *rows = cells(text)
    assert header[::2] == ["class", *["paper"] * 7]
    assert header[1::2] == ["Accuracy", "Dice", "IoU", "F1-Score", "BF-Score", "Sensitivity", "Specificity"]
    assert [row[0] for row in rows] == ["myocardium", "scar", "background", "global"]
    assert rows[1][2::2] == ["0.6585", "0.0556", "0.0306", "0.0556", "0.4804", "0.2517", "0.9654"]
    assert rows[3][2] == "0.7875"
    dice = found.find("image_mean", "dice", "scar")
    assert rows[1][3] == f"{dice.value:.4f}<br>{dice.low:.3f} to {dice.high:.3f}"
    assert "paper 0.95988" in text
    assert "18 images of 6 cases; 95 % intervals from 50 resamples" in text
    pooled = cells(stage_markdown(stage_frame(2, found, "pooled"), found))
    assert pooled[0] == ["class", "Accuracy", "paper", *header[3::2]]
    assert pooled[2][6] == "-"  # bf of scar


def test_a_single_case_has_numbers_without_intervals(slices: tuple[Arrays, list[str], list[str]]) -> None:
    found = intervals(resample_table(stage_table(slices, 1).assign(case="one"), resamples=50))
    text = stage_markdown(stage_frame(1, found, "image_mean"), found)
    assert "<br>" not in text
    assert "18 images of 1 case: no interval can be had from a single case" in text


def test_csv_of_a_table_reads_back(slices: tuple[Arrays, list[str], list[str]]) -> None:
    frame = stage_frame(2, intervals(resample_table(stage_table(slices, 2), resamples=20)), "pooled")
    lines = list(csv.DictReader(io.StringIO(frame.to_csv(index=False))))
    assert list(lines[0]) == ["table", "form", "row", "column", "value", "low", "high", "paper"]
    assert [float(line["value"]) if line["value"] else None for line in lines] == [
        None if np.isnan(value) else pytest.approx(value) for value in frame["value"]
    ]


def test_an_unknown_form_is_refused(slices: tuple[Arrays, list[str], list[str]]) -> None:
    found = intervals(resample_table(stage_table(slices, 2), resamples=2))
    with pytest.raises(ConfigError, match="unknown form 'image-mean': did you mean 'image_mean'"):
        stage_frame(2, found, "image-mean")
    with pytest.raises(KeyError, match="cavity"):
        stage_frame(1, found, "pooled")


# ---- pipelines side by side


@pytest.fixture(scope="module")
def pipelines(
    slices: tuple[Arrays, list[str], list[str]],
) -> tuple[dict[str, Intervals], dict[str, Intervals]]:
    (_, truth, prediction), names, cases = slices
    tables = {
        "two-stage": four_table(slices),
        "true cavity": evaluate(truth, truth, FOUR, images=names, cases=cases),
        "no scar": evaluate(np.where(prediction == 3, 2, prediction), truth, FOUR, images=names, cases=cases),
    }
    resampled = {name: resample_table(table, resamples=100) for name, table in tables.items()}
    results = {name: intervals(found) for name, found in resampled.items()}
    differences = {
        name: interval_differences(resampled[name], resampled["two-stage"]) for name in ("true cavity", "no scar")
    }
    return results, differences


def test_pipelines_stand_side_by_side(pipelines: tuple[dict[str, Intervals], dict[str, Intervals]]) -> None:
    results, differences = pipelines
    frame = pipelines_frame(results, differences)
    assert list(frame["pipeline"].unique()) == list(results)
    assert len(frame) == 3 * len(SIDE_BY_SIDE) == 3 * 11
    keyed = frame.set_index(["pipeline", "class", "metric", "form"])
    for pipeline, found in results.items():
        for name, metric, form in SIDE_BY_SIDE:
            row = keyed.xs((pipeline, name, metric, form))
            assert row["value"] == pytest.approx(found.find(form, metric, name).value)
            if pipeline == "two-stage":
                assert np.isnan(row["difference"])
            else:
                other = results["two-stage"].find(form, metric, name).value
                assert other is not None
                assert row["difference"] == pytest.approx(row["value"] - other)


def test_the_markdown_of_pipelines(pipelines: tuple[dict[str, Intervals], dict[str, Intervals]]) -> None:
    results, differences = pipelines
    frame = pipelines_frame(results, differences)
    text = pipelines_markdown(frame, results, "two-stage")
    header, *rows = cells(text)
    assert header[:4] == ["pipeline", "scar dice, image mean", "images in it", "scar dice, pooled"]
    assert header[-1] == "scar dice present_only, minus two-stage"
    assert [row[0] for row in rows] == ["two-stage", "true cavity", "no scar", "paper, its own patients"]
    assert rows[0][-1] == "-"
    gain = differences["true cavity"].find("present_only", "dice", "scar")
    assert rows[1][-1] == f"+{gain.value:.4f}<br>+{gain.low:.3f} to +{gain.high:.3f}"
    assert [rows[2][column] for column in (1, 3, 4)] == ["0.0000<br>0.000 to 0.000"] * 3
    for row, found in zip(rows, results.values(), strict=False):
        assert row[2] == str(found.find("image_mean", "dice", "scar").images)
    assert rows[3][1:] == ["0.0556", "-", "-", "-", "0.7351", "-", "-", "0.9470", "-", "-", "0.2517", "0.6585", "-"]
    with pytest.raises(ConfigError, match="unknown pipeline 'two stage': did you mean 'two-stage'"):
        pipelines_markdown(frame, results, "two stage")


def test_a_bar_in_a_name_does_not_break_the_table() -> None:
    assert markdown_table(["a"], [[escape_markdown("x|y")]]).splitlines()[-1] == r"| x\|y |"


# ---- clinical numbers


def burden(values: Mapping[str, Sequence[float | None]]) -> pd.DataFrame:
    """Case -> the five quantities."""
    return pd.DataFrame(list(values.values()), index=list(values), columns=list(QUANTITIES), dtype=object)


TRUTH = burden({"a": (100, 80, 84, 10, 12.5), "b": (90, 70, 73.5, 0, 0), "c": (None, None, None, None, 20)})
FOUND = burden({"c": (None, None, None, None, 25), "b": (95, 66, 69.3, 3, 4.5), "a": (98.96, 80, 84, 8, 10)})


def test_the_clinical_table_pairs_cases_by_name() -> None:
    frame = clinical_frame(FOUND, TRUTH)
    assert frame["case"].tolist() == ["a", "b", "c"]
    assert frame["scar_ml_error"].tolist()[:2] == [-2, 3]
    assert frame["scar_percent_error"].tolist() == [-2.5, 4.5, 5]
    assert np.isnan(frame["wall_g_error"].iloc[2])
    header, *rows = cells(clinical_markdown(frame))
    assert header[:4] == ["case", "LV cavity volume, mL: true", "predicted", "error"]
    assert rows[0][:7] == ["a", "100.0", "99.0", "-1.0", "80.0", "80.0", "+0.0"]
    assert rows[2] == ["c", *["-"] * 12, "20.0", "25.0", "+5.0"]
    assert format_one_digit(-0.04, sign=True) == "+0.0"


def test_what_does_not_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="of the same cases, got c in one of them only"):
        clinical_frame(FOUND.drop("c"), TRUTH)
    with pytest.raises(ValueError, match="got none called wall_g"):
        clinical_frame(FOUND.drop(columns="wall_g"), TRUTH)
    with pytest.raises(ValueError, match="each case once, got a twice"):
        clinical_frame(pd.concat([FOUND, FOUND.loc[["a"]]]), TRUTH)


def test_agreement_is_listed_by_quantity() -> None:
    frame = clinical_frame(FOUND, TRUTH)
    assert agreements(frame)["scar_percent"] == agreement([10, 4.5, 25], [12.5, 0, 20])
    listed = agreement_frame(frame)
    assert listed["quantity"].tolist() == list(QUANTITIES)
    of_scar = listed.loc[listed["quantity"] == "scar_ml", ["cases", "missing", "bias"]]
    assert of_scar.to_numpy().tolist() == [[2, 1, 0.5]]
    header, *rows = cells(agreement_markdown(frame))
    assert header[2:4] == ["bias", "SD"]
    found = agreement([8, 3], [10, 0])  # t of one degree of freedom: 12.706
    assert found.sd == pytest.approx(5 / np.sqrt(2))
    assert rows[3][:4] == ["scar volume, mL", "2 (1 missing)", "+0.5 (-31.3 to +32.3)", "3.5"]
    alone = agreement_markdown(clinical_frame(FOUND.loc[["a"]], TRUTH.loc[["a"]]))
    assert cells(alone)[1] == ["LV cavity volume, mL", "1", *["-"] * 5]


def test_bland_altman_draws_each_case_and_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = clinical_frame(FOUND, TRUTH)
    figure = figure_bland_altman("phantom", frame)
    assert_legible(figure, monkeypatch)
    scar = figure.axes[0]
    (points,) = (item for item in scar.collections if isinstance(item, PathCollection))
    assert sorted(map(tuple, np.asarray(points.get_offsets()))) == [(1.5, 3.0), (9.0, -2.0)]
    found = agreements(frame)["scar_ml"]
    drawn = {round(float(np.asarray(line.get_ydata())[0]), 6) for line in scar.lines}
    assert drawn == {0.0, *(round(float(value or 0), 6) for value in (found.bias, found.lower, found.upper))}
    assert "1 without a value" in words(figure)


def test_bland_altman_without_values_or_differences_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    quantities = {"x": Quantity("wall mass", "g"), "y": Quantity("scar volume", "mL")}
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": [np.nan] * 3}, index=["a", "b", "c"])
    figure = figure_bland_altman("phantom", clinical_frame(table, table, quantities), quantities)
    assert_legible(figure, monkeypatch)
    assert "no case has a value" in words(figure)
    assert "+0.0" in words(figure)
    single = figure_bland_altman("one", clinical_frame(table[:1], table[:1], quantities), quantities)
    assert_legible(single, monkeypatch)


# ---- Table VIII


def counted(rows: Sequence[tuple[str, int, int, int]]) -> pd.DataFrame:
    """A table of class scar from (image, tp, fp, fn)."""
    table = pd.DataFrame(rows, columns=["image", "tp", "fp", "fn"]).assign(**{"class": "scar", "case": "c"})
    total = 2 * table["tp"] + table["fp"] + table["fn"]
    return table.assign(dice=(2 * table["tp"] / total.where(total > 0)).astype(float))


def test_the_images_of_table_viii() -> None:
    table = counted(
        [
            ("good", 90, 5, 5),
            ("fair", 50, 20, 30),
            ("elsewhere", 0, 8, 9),
            ("missed small", 0, 0, 4),
            ("missed large", 0, 0, 40),
            ("clear", 0, 0, 0),
            ("alarm small", 0, 3, 0),
            ("alarm large", 0, 30, 0),
        ]
    )
    assert pick_qualitative(table) == [
        ("best", "good"),
        ("median", "elsewhere"),
        ("worst, missed scar", "missed large"),
        ("false alarm", "alarm large"),
    ]
    assert pick_qualitative(table.iloc[[0, 1, 2, 5]]) == [("best", "good"), ("median", "fair"), ("worst", "elsewhere")]
    assert pick_qualitative(table.iloc[[0, 3, 4, 2, 6]])[1:] == [
        ("median, missed scar", "missed large"),
        ("worst", "elsewhere"),
        ("false alarm", "alarm small"),
    ]
    assert pick_qualitative(table.iloc[[5]]) == []


def test_table_viii_is_one_legible_page(
    slices: tuple[Arrays, list[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arrays, _, _ = slices
    table = four_table(slices)
    shown = pick_qualitative(table)
    assert [role for role, _ in shown] == ["best", "median", "worst", "missed scar", "false alarm"]
    figure = figure_qualitative("two-stage", table, arrays[0], arrays[1:], FOUR)
    assert_legible(figure, monkeypatch)
    text = words(figure)
    dice = table.set_index(["image", "class"])["dice"]
    for role, image in shown:
        assert f"{role}\n{image}" in text
        assert f"scar {dice[image, 'scar']:.2f}" in text
    scar = table[table["class"] == "scar"]
    missed = int(((scar["tp"] + scar["fn"] > 0) & (scar["tp"] + scar["fp"] == 0)).sum())
    assert f"missed altogether on {missed} of" in text
    names = list(table["image"].unique())
    rows = zip(*[iter(figure.axes)] * 3, strict=True)
    for (_, image), row in zip(shown, rows, strict=True):
        place = names.index(image)
        assert all(np.array_equal(ax.images[0].get_array(), arrays[0][place]) for ax in row)
        outlines = [sum(isinstance(item, PathPatch) for item in ax.get_children()) for ax in row]
        assert outlines == [0, *(len(np.unique(labels[place])) - 1 for labels in arrays[1:])]
    width, height = png_size(save_png(figure, tmp_path / "table8.png"))
    assert 700 < width < 1010
    assert height < 1600


def test_without_scar_there_is_no_table_viii(slices: tuple[Arrays, list[str], list[str]]) -> None:
    (images, truth, _), names, cases = slices
    free = np.where(truth == 3, 2, truth)
    table = evaluate(free, free, FOUR, images=names, cases=cases)
    assert "no image has scar" in words(figure_qualitative("two-stage", table, images, (free, free), FOUR))


def test_the_cavity_s_outline_is_drawn_over_the_wall_s_and_scar_s_over_both() -> None:
    labels = np.zeros((20, 20), dtype=np.uint8)
    labels[4:16, 4:16] = 2
    labels[8:12, 8:12] = 1
    labels[4:8, 4:8] = 3
    ax = Figure().subplots()
    draw_contours(ax, labels, FOUR)
    colours = [item.get_edgecolor()[:3] for item in ax.get_children() if isinstance(item, PathPatch)]
    expected = [class_colour(name) for name in ("myocardium", "cavity", "scar")]
    assert np.allclose(colours, expected)


# ---- pipelines as a figure


def test_the_figure_of_pipelines_shows_values_and_intervals(
    pipelines: tuple[dict[str, Intervals], dict[str, Intervals]], monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = pipelines
    figure = figure_pipelines("test subset", results)
    assert_legible(figure, monkeypatch)
    (ax,) = figure.axes
    lines = [np.asarray(line.get_xdata(), dtype=float) for line in ax.lines]
    points = [line[0] for line in lines if len(line) == 1]
    assert points == pytest.approx(
        [found.find(form, "dice", "scar").value for found in results.values() for form in AGGREGATE_TITLES]
    )
    whiskers = [line for line in lines if len(line) == 2 and not np.array_equal(line, [0, 1])]
    first = results["two-stage"].find("image_mean", "dice", "scar")
    assert first.low is not None
    assert first.high is not None
    assert any(np.allclose(line, [first.low, first.high]) for line in whiskers)
    assert "18 images of 6 cases; whiskers: 95 % bootstrap intervals over cases" in words(figure)
    assert "no pipeline" in words(figure_pipelines("test subset", {}))
