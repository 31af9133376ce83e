"""Who stands where: pipelines out of fold and which was chosen, and all that was measured on the test subset."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from lge_sweep.atomic import write_text
from lge_sweep.config.pipelines import PAPER
from lge_sweep.csv_files import write_frame
from lge_sweep.labels import STRUCTURES
from lge_sweep.pipeline.beside import find_externals
from lge_sweep.pipeline.compose import describe_cleaning
from lge_sweep.pipeline.doubt import describe_doubt
from lge_sweep.pipeline.patients import read_patients
from lge_sweep.pipeline.records import PIPELINE, THRESHOLDS, ChoiceRecord, MeasuredSubset
from lge_sweep.pipeline.variants import SINGLE_NETWORK
from lge_sweep.report import print_tables
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.run_store import EvaluationFolder, RunStore
from lge_sweep.scoring import interval, patient_differences, patient_summary, ratio_of_sums
from lge_sweep.study import Plan

HEADLINE = "mean_emidec_dice"
"""The measure whose differences are told: the one that pipelines past the paper are chosen by."""
METHOD_MEASURES = (
    HEADLINE, "cavity_dice", "wall_dice", "scar_emidec_dice", "scar_dice", "scar_ratio_percent", "wall_hd_mm",
)  # fmt: skip
"""Measures of the table of everything that was measured on the test subset."""


def choice_frame(choice: ChoiceRecord, files: MeasuredFolder) -> pd.DataFrame:
    """Tabulate what the pipelines past the paper are worth out of fold, the paper's own first.

    Args:
        choice: what they are worth, and what was chosen.
        files: the folder of their networks; where an earlier version measured no patients, structures have no interval.

    Returns:
        A row a pipeline; columns pipeline, cavity, wall, scar, mean (EMIDEC's Dice), difference (of the mean, to the
        paper's), each with `_low` and `_high`, needed, cleaning, folds (whose other folds' cases choose it); NaN or ""
        where there is none.
    """
    patients = pd.DataFrame(columns=["pipeline"])
    if files.patient_table("patients", "out_of_fold").is_file():
        patients = read_patients(files, "out_of_fold").patients
    rows = []
    for name, found in choice.pipelines.items():
        shown, is_paper = (PIPELINE, True) if name == PAPER else (name, False)
        own = patients[patients["pipeline"] == shown]
        row: dict[str, object] = {"pipeline": shown}
        for structure in STRUCTURES:
            row |= {structure: found.dice[structure], f"{structure}_low": np.nan, f"{structure}_high": np.nan}
            if len(own):
                values = own.loc[own["structure"] == structure, "emidec_dice"].to_numpy(float)
                row |= _ends(structure, *ratio_of_sums(values, np.ones_like(values)))
        row |= _ends("mean", found.value, found.low, found.high)
        difference = (found.difference, found.difference_low, found.difference_high)
        row |= _ends("difference", *((None,) * 3 if is_paper else difference))
        row["needed"] = "" if found.cases_needed is None or is_paper else str(found.cases_needed)
        row["cleaning"] = describe_cleaning(found.cleaning)
        row["folds"] = "" if is_paper else f"{choice.by_fold.count(name)} of {len(choice.by_fold)}"
        rows.append(row)
    return pd.DataFrame(rows)


def _ends(name: str, value: float | None, low: float | None, high: float | None) -> dict[str, object]:
    numbers = {name: value, f"{name}_low": low, f"{name}_high": high}
    return {key: np.nan if number is None else number for key, number in numbers.items()}


def choice_words(choice: ChoiceRecord, shipped: str | None) -> list[str]:
    """Say which pipeline was shipped, and why: what was chosen, by whom, and what choosing is worth.

    Args:
        choice: what the pipelines are worth.
        shipped: the name of what is shipped; None where nothing is.

    Returns:
        Sentences.
    """
    best, count = choice.pipelines[choice.selected], len(choice.pipelines) - 1
    among = f"of {count} pipelines past the paper" if count > 1 else "the only pipeline past the paper"
    lines = [
        f"'{choice.selected}', {among}, has the highest mean Dice of cavity, wall and scar over the {choice.cases} "
        f"cases: {best.value:.3f} (95 % interval {interval(best.low, best.high)}), cleaned up so: "
        f"{describe_cleaning(best.cleaning)}. The paper's own pipeline is compared with, and not chosen."
    ]
    if shipped == choice.selected:
        lines.append(f"Shipped: '{shipped}', the mean of all its networks, because it serves best.")
    elif shipped in choice.pipelines:
        lines.append(f"Shipped: '{shipped}', the mean of all its networks, because the settings name it.")
    elif shipped is not None:
        lines.append(
            f"Shipped: '{shipped}', which is none of them: the settings ask for no pipeline past the paper "
            "(fit.shipped.pipeline)."
        )
    else:
        lines.append("Nothing has been shipped yet.")
    times = [
        f"'{name}' {choice.by_fold.count(name)} of {len(choice.by_fold)} times"
        for name in dict.fromkeys(choice.by_fold)
    ]
    lines.append(
        "The best of many looks better than it is. So each fold's cases were also given what the cases of the other "
        f"folds choose, pipeline and cleaning both ({', '.join(times)}). Choosing in this way is worth "
        f"{choice.value:.3f} ({interval(choice.low, choice.high)}) on a case that had no say (nested cross-validation)."
    )
    return [*lines, *filter(None, [describe_doubt(choice)])]


def methods_frame(patients: pd.DataFrame, shipped: str | None, others: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put all that stands on a subset side by side, patient by patient: ours, thresholds, labels of others.

    Args:
        patients: of all our pipelines, a row a pipeline, case and structure.
        shipped: the pipeline that is shipped; None where that cannot be told.
        others: name -> patients of somebody else's labels, of some or all of the same cases.

    Returns:
        A row a method; columns method, kind, patients, each of `METHOD_MEASURES`, difference_to_paper and
        difference_to_shipped (of `HEADLINE`, over the row's patients), each with `_low` and `_high`; needed (patients
        that would tell it from what is shipped). NaN or "" where there is none.
    """
    own = {str(name): rows for name, rows in patients.groupby("pipeline", sort=False)}
    lines = [*_ours(own, shipped), *((name, "labels of others", rows) for name, rows in others.items())]
    rows = []
    for name, kind, table in lines:
        found = {str(line["measure"]): line for line in patient_summary(table).to_dict("records")}
        row: dict[str, object] = {"method": name, "kind": kind, "patients": table["case"].nunique()}
        for measure in METHOD_MEASURES:
            row |= _ends(measure, *(found[measure][end] for end in ("mean", "low", "high")))
        needed = np.nan
        for column, other in (("difference_to_paper", PIPELINE), ("difference_to_shipped", shipped)):
            row |= _ends(column, None, None, None)
            if other in own and table is not own[other]:
                against = own[other][own[other]["case"].isin(table["case"])]
                line = patient_differences(table, against).set_index("measure").to_dict("index")[HEADLINE]
                row |= _ends(column, line["mean"], line["low"], line["high"])
                needed = line["needed"] if other == shipped else needed
        row["needed"] = "" if pd.isna(needed) else str(int(needed))
        rows.append(row)
    return pd.DataFrame(rows)


def _ours(own: Mapping[str, pd.DataFrame], shipped: str | None) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield name, kind and patients of ours: the paper's, what is shipped, the single network, thresholds."""
    kinds = {PIPELINE: "the paper's", SINGLE_NETWORK: "single network"}
    if shipped is not None:
        kinds[shipped] = "the paper's, shipped" if shipped == PIPELINE else f"{kinds.get(shipped, '')} shipped".strip()
    kinds |= {name: "threshold" + " in the true wall" * (wall == "true") for name, (_, wall) in THRESHOLDS.items()}
    first = [PIPELINE, shipped, SINGLE_NETWORK]
    for name in dict.fromkeys([*(name for name in first if name), *kinds]):
        if name in own:
            yield name, kinds[name], own[name]


def find_methods(store: RunStore, plan: Plan, files: EvaluationFolder, shipped: str | None) -> pd.DataFrame | None:
    """Gather all that was measured on the test subset until now; None where an earlier version measured no patients.

    Args:
        store: the runs directory, with what `lge-sweep evaluate` has measured.
        plan: the sweep of the fits.
        files: the evaluation.
        shipped: the pipeline that is shipped; None where that cannot be told.
    """
    subset: MeasuredSubset = "test"
    if not files.patient_table("patients", subset).is_file():
        return None
    return methods_frame(read_patients(files, subset).patients, shipped, find_externals(store, plan, subset))


def write_methods(files: EvaluationFolder, plan: Plan, frame: pd.DataFrame) -> None:
    """Write the table of everything that was measured on the test subset, as CSV and to read.

    Args:
        files: the evaluation.
        plan: the sweep of the fits.
        frame: what `find_methods` gives.
    """
    used = plan.manifest[plan.manifest["subset"] == "test"]
    where = f"Test subset of {plan.config.data}, n = {len(used)} slices of {used['case'].nunique()} patients."
    write_frame(files.table("methods"), frame)
    write_text(files.methods, f"# {files.name}: who stands where\n\n{print_tables({'methods': frame}, where)}\n")
