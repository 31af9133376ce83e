"""The tables and figures of phase 4: Tables VI to VIII, all pipelines side by side, cases and their agreement."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import write_text
from lge_sweep.config.fits import PREDICTED, TRUE
from lge_sweep.csv_files import write_frame
from lge_sweep.labels import SINGLE_STAGE, Label, class_names
from lge_sweep.pipeline.cases import case_findings, clinical_table
from lge_sweep.pipeline.compare import PipelineComparison, compare_patients, measure_subset
from lge_sweep.pipeline.errors import write_errors
from lge_sweep.pipeline.records import PIPELINE, THRESHOLDS
from lge_sweep.pipeline.variants import (
    EvaluatedSubset,
    Labelled,
    shipped_name,
    shipped_words,
    two_stage_variants,
)
from lge_sweep.quantify import METHODS
from lge_sweep.report import (
    AGGREGATE_TITLES,
    CAPTIONS,
    agreement_frame,
    agreement_markdown,
    caption_file,
    clinical_markdown,
    figure_bland_altman,
    figure_pipelines,
    figure_qualitative,
    findings_frame,
    findings_markdown,
    list_files,
    pipelines_frame,
    pipelines_markdown,
    save_png,
    stage_frame,
    stage_markdown,
)
from lge_sweep.run_store import EvaluationFolder
from lge_sweep.scoring import Estimate, Intervals, beside_reference, intervals, resample_table
from lge_sweep.text import slug

OWN_SIZE = {
    True: "The pipeline labels at that size.",
    False: "Predictions are brought back to that size by nearest neighbour.",
}
"""Whether a pipeline labels the slices at their own size -> how its labels come there."""

PATIENTS_HEADING = "## Patients, in 3-D"

FINDINGS = (
    "Mass, volume, thickness, pieces, gaps and place of the labels, against ranges that are far wider than disease. "
    "Labels outside them are no left ventricle, or not all of one; nothing is corrected or left out for it."
)


class SideBySide(NamedTuple):
    """All pipelines of a comparison, with intervals."""

    results: dict[str, Intervals]
    """Pipeline -> every aggregate of its final labels."""
    frame: pd.DataFrame
    """`pipelines_frame`."""
    markdown: str
    """`pipelines_markdown`, and what each pipeline is."""


def side_by_side(comparison: PipelineComparison) -> SideBySide:
    """Give every pipeline of a comparison, and its difference to the paper's, bootstrap intervals over cases."""
    results, differences = beside_reference(comparison.tables, PIPELINE)
    meanings = "\n".join(f"- {name}: {meaning}" for name, meaning in comparison.meanings.items())
    frame = pipelines_frame(results, differences)
    return SideBySide(results, frame, f"{pipelines_markdown(frame, results, PIPELINE)}\n{meanings}\n")


class StageTable(NamedTuple):
    """Table VI or VII of a pipeline, in one form."""

    form: str
    """A key of `AGGREGATE_TITLES`."""
    frame: pd.DataFrame
    """`stage_frame`."""
    markdown: str
    """`stage_markdown`."""


def write_results(
    files: EvaluationFolder,
    subset: EvaluatedSubset,
    comparison: PipelineComparison,
    labelled: Mapping[str, Labelled],
    test_access: str,
) -> tuple[str, dict[str, float]]:
    """Write all tables and figures of an evaluation.

    Args:
        files: where to write.
        subset: the slices, and what the networks found in them.
        comparison: the pipeline beside its controls.
        labelled: name -> final labels of the subset.
        test_access: how untouched the slices were.

    Returns:
        Tables VI and VII, means over images, as Markdown; and every number by its name in MLflow.
    """
    two_stage = subset.two_stage
    shipped = shipped_name(two_stage)
    stages = {
        name: _stage_tables(files, subset, name, labelled[name].labels) for name in dict.fromkeys((shipped, PIPELINE))
    }
    frames = [table.frame.assign(pipeline=name) for name, tables in stages.items() for table in tables]
    write_frame(files.table("tables_6_and_7"), pd.concat(frames))
    beside = side_by_side(comparison)
    write_frame(files.table("pipelines"), beside.frame)
    every = [found.to_frame().assign(pipeline=name) for name, found in beside.results.items()]
    write_frame(files.table("intervals"), pd.concat(every))
    patients = compare_patients(two_stage, subset.name, labelled, files)
    cases, told = _write_cases(files, subset, shipped, labelled[shipped])
    _draw(files, subset, comparison, beside.results, cases=cases, final=labelled[shipped].labels)
    sections = [
        _heading(files.name, subset, comparison, test_access),
        *(_tables_6_and_7(name, tables) for name, tables in stages.items()),
        "## The pipeline beside its controls\n\n" + beside.markdown,
        "Classical thresholds, of unclipped intensities of the slices' own pixels:",
        "\n".join(f"- {name}: {method.title}. {method.source}" for name, method in METHODS.items()),
        f"{PATIENTS_HEADING}\n\n{patients.markdown}",
        *told,
        f"## Files\n\nBeside this page, as CSV:\n\n{list_files(_captioned_files(files, subset.name, stages))}",
    ]
    write_text(files.tables, "\n\n".join(sections) + "\n")
    brief = [
        _tables_6_and_7(name, [table for table in tables if table.form == "image_mean"])
        for name, tables in stages.items()
    ]
    return "\n\n".join(brief), _values(beside.results, shipped) | patients.values


def _write_cases(
    files: EvaluationFolder, subset: EvaluatedSubset, shipped: str, found: Labelled
) -> tuple[pd.DataFrame, list[str]]:
    """Write what the shipped pipeline makes of each patient, and where it fails; returns the patients, and the page.

    Args:
        files: where to write.
        subset: the slices.
        shipped: the pipeline.
        found: its labels.
    """
    native = found.at_own_size([truth.shape for truth in subset.native_truth])
    cases = clinical_table(subset.two_stage, subset.name, native)
    write_frame(files.table("cases"), cases)
    write_frame(files.table("agreement"), agreement_frame(cases))
    findings = case_findings(subset.two_stage, subset.name, native)
    write_frame(files.table("findings"), findings_frame(findings))
    where = f"{subset.name.capitalize()} subset, n = {len(subset.truth)} slices of {len(cases)} patients."
    told = {name: f"{where} {CAPTIONS[name].text} {CAPTIONS[name].empty}" for name in ("cases", "agreement")}
    size = OWN_SIZE[found.native is not None]
    errors = write_errors(files, subset, found, where)
    return cases, [
        f"## Cases, {shipped}\n\n{told['cases']} {size}\n\n" + clinical_markdown(cases),
        f"## Labels that no heart has, {shipped}\n\n{where} {FINDINGS}\n\n" + findings_markdown(findings),
        f"## Agreement with the truth, over cases\n\n{told['agreement']}\n\n" + agreement_markdown(cases),
        f"## Where it fails, {shipped}\n\n{errors}",
    ]


def _captioned_files(files: EvaluationFolder, subset: str, stages: Iterable[str]) -> dict[str, str]:
    """Return the files of tables that are there -> their entries in `CAPTIONS`."""
    found = {caption_file(files, name, subset).name: name for name in CAPTIONS}
    found |= {files.table(f"stage{stage}_{name}").name: "per_image" for name in stages for stage in (1, 2)}
    there = {name: entry for name, entry in found.items() if (files.path / name).is_file()}
    return {**there, f"{subset}/*.csv": "per_image"}


def _stage_tables(files: EvaluationFolder, subset: EvaluatedSubset, name: str, final: LabelImage) -> list[StageTable]:
    """Measure a pipeline as the paper does, each stage by itself.

    That is stage 1's mask before it is refined, and stage 2's classes before they are joined with it; of a pipeline
    that has no two stages, its final labels.
    """
    variant, by_stage = two_stage_variants(subset.two_stage).get(name), {1: final, 2: final}
    if variant is not None:
        cavity = np.where(subset.cavity(variant), np.uint8(Label.CAVITY), np.uint8(Label.BACKGROUND))
        by_stage = {1: cavity, 2: subset.wall(variant)}
    tables = []
    for stage, labels in by_stage.items():
        measured = measure_subset(subset.two_stage.fits, subset.name, labels, stage)
        write_frame(files.table(f"stage{stage}_{name}"), measured)
        found = intervals(resample_table(measured))
        for form in AGGREGATE_TITLES:
            frame = stage_frame(stage, found, form)
            tables.append(StageTable(form, frame, stage_markdown(frame, found)))
    return tables


def _tables_6_and_7(name: str, tables: Iterable[StageTable]) -> str:
    return "\n\n".join([f"## Tables VI and VII, {name}", *(table.markdown for table in tables)])


def _heading(title: str, subset: EvaluatedSubset, comparison: PipelineComparison, test_access: str) -> str:
    """Say what was evaluated, and what to keep in mind."""
    two_stage = subset.two_stage
    fits, stage1 = two_stage.fits, two_stage.stage1
    stage2 = two_stage.fitted(PREDICTED)
    assert stage2 is not None
    ceiling = comparison.summaries["true guidance"].image_mean["dice"]["cavity"] if two_stage.fitted(TRUE) else None
    lines = [
        f"# {title}",
        f"Test subset: {test_access}. Stage 1 is {stage1.cell.name} of {stage1.plan.name}; stage 2 "
        f"{stage2.model}-{stage2.loss}-{stage2.optimizer}, fitted in {fits.name}. Shipped: {shipped_words(two_stage)}.",
        "Table VI is stage 1's mask before it is refined, Table VII stage 2's classes on predicted guidance, of the "
        "paper's pipeline and of what is shipped. Cases and overlays are of what is shipped. All but Tables VI and VII "
        "is of final labels: the refined cavity, else stage 2's class. The refinement adds an edge of a pixel to the "
        "cavity for guidance; the final cavity has it too"
        + (f", so that a perfect stage 1 would have a Dice of {ceiling:.4f}" if ceiling is not None else "")
        + " (the variants `inner cavity` and `wall first` do without it).",
    ]
    lines += [
        f"Leaky split: {100 * fits.leak_share:.1f} % of test slices have a training slice of their case."
    ] * fits.leaky
    lines += [f"Left out: {name}, because {reason}." for name, reason in comparison.failed.items()]
    return "\n\n".join(lines)


def _draw(
    files: EvaluationFolder,
    subset: EvaluatedSubset,
    comparison: PipelineComparison,
    results: Mapping[str, Intervals],
    *,
    cases: pd.DataFrame,
    final: LabelImage,
) -> None:
    shipped, classes = shipped_name(subset.two_stage), class_names(SINGLE_STAGE)
    title, per_image = f"{subset.name} subset", comparison.tables[shipped]
    page = figure_qualitative(title, per_image, subset.images, (subset.truth, final), classes)
    save_png(page, files.figure("table_8_overlays"))
    for name in classes[1:]:
        save_png(figure_pipelines(title, results, name), files.figure(f"pipelines_{name}"))
    save_png(figure_bland_altman(title, cases), files.figure("bland_altman"))


def _values(results: Mapping[str, Intervals], shipped: str) -> dict[str, float]:
    """Name numbers as MLflow does: `test/dice/scar` of what is shipped, `test/<pipeline>/dice/scar` of another.

    Left out is what nobody compares runs by: the background; intervals of other metrics than Dice; of other pipelines
    all but the Dice of structures, mean over images and pooled; of a threshold all but that of scar. Tables have it.
    """
    values: dict[str, float] = {}
    for name, found in sorted(results.items(), key=lambda item: item[0] != shipped):
        own = "" if name == shipped else f"{slug(name)}/"
        for estimate in (one for one in found.estimates if _is_browsed(one, name, shipped)):
            form = "" if estimate.aggregate == "image_mean" else f"_{estimate.aggregate}"
            key = f"test{form}/{own}{estimate.metric}/{estimate.name}"
            limits = {"": estimate.value}
            if not own and estimate.metric == "dice":
                limits |= {"_low": estimate.low, "_high": estimate.high}
            values |= {f"{key}{end}": value for end, value in limits.items() if value is not None}
    return values


def _is_browsed(estimate: Estimate, pipeline: str, shipped: str) -> bool:
    """Whether MLflow shows a number of a pipeline."""
    if pipeline == shipped:
        return estimate.name != Label.BACKGROUND.title
    shown = (Label.SCAR.title,) if pipeline in THRESHOLDS else class_names(SINGLE_STAGE)[1:]
    return estimate.metric == "dice" and estimate.aggregate in ("image_mean", "pooled") and estimate.name in shown
