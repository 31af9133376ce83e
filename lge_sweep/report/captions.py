"""What each table of a study is: a caption for every file of tables that an evaluation writes.

A table that is written and has an entry in `CAPTIONS` is in the report of the study, but for what is only there to be
worked with. To add one, write `NAME.csv` beside the others (`NAME_<subset>.csv` if it is of patients), and an entry
`NAME` here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from lge_sweep.metrics import METRICS
from lge_sweep.report.caption import Caption
from lge_sweep.report.clinical_tables import QUANTITIES
from lge_sweep.report.errors_by_group import DIVISIONS, MEASURES
from lge_sweep.report.final_tables import AGGREGATE_TITLES
from lge_sweep.report.patient_captions import PATIENT_CAPTIONS
from lge_sweep.report.patient_tables import NO_SPACING, PatientReport, count_without_spacing
from lge_sweep.report.printed import is_numeric, print_frame
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.scoring import in_hundred
from lge_sweep.text import escape_markdown, markdown_table

DICE = "Dice (0 to 1; twice the pixels in common, divided by the pixels of both)"
INTERVAL = "in brackets 95 % bootstrap intervals over patients"
SIZE = "Pixels are counted where the pipeline labels: past the paper at the slices' own size, else at the networks'."
NO_INTERVAL = "A number without an interval is of one patient alone."


def print_tables(frames: Mapping[str, pd.DataFrame], where: str = "") -> str:
    """Write some of the tables of `CAPTIONS` as Markdown, each below what it is.

    Args:
        frames: name -> the table as its file has it.
        where: on what they were measured, a sentence.
    """
    texts = []
    for name, frame in frames.items():
        caption = CAPTIONS[name]
        printed = print_frame(caption.arrange(frame), caption.columns)
        rows = [[escape_markdown(cell) for cell in row] for row in printed.itertuples(index=False, name=None)]
        words = [escape_markdown(title) for title in printed.columns if not is_numeric(printed[title])]
        table = markdown_table([escape_markdown(title) for title in printed.columns], rows, left=words)
        texts.append(f"{caption.tell(where)}\n\n{table if rows else 'There is none.'}")
    return "\n\n".join(texts)


def patients_markdown(report: PatientReport, patients: pd.DataFrame, where: str) -> str:
    """Write what was measured of patients as Markdown: means, presence of scar, agreement.

    Args:
        report: the tables.
        patients: what they were made of.
        where: on what it was measured, a sentence.
    """
    cases, unknown = patients["case"].nunique(), count_without_spacing(patients)
    few = in_hundred(cases, 0.95)
    notes = [NO_SPACING.format(unknown, cases)] * (unknown > 0)
    notes.append(f"{cases} patients{f': {few}' if few else ''}.")
    return "\n\n".join(
        [
            print_tables({"patient_summary": report.summary}, where),
            " ".join(notes),
            "### Presence of scar",
            print_tables({"scar_presence": report.presence}, where),
            "### Agreement over patients",
            print_tables({"patient_agreement": report.agreement}, where),
        ]
    )


def caption_file(folder: MeasuredFolder, name: str, subset: str) -> Path:
    """Return the file of a table of `CAPTIONS`.

    Args:
        folder: where pipelines were measured.
        name: of the table.
        subset: on what.
    """
    return folder.patient_table(name, subset) if CAPTIONS[name].by_subset else folder.table(name)


def list_files(names: Mapping[str, str]) -> str:
    """Say what files of tables hold, a line each, as Markdown.

    Args:
        names: file -> its entry in `CAPTIONS`.
    """
    return "\n".join(f"- `{file}`: {CAPTIONS[name].tell()}" for file, name in names.items())


def _groups(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(division=frame["division"].map(lambda name: DIVISIONS[name].title))


def _pivot_pipelines(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the numbers of `pipelines_frame` beside each other, a row a pipeline."""
    return _spread(
        frame,
        ["pipeline"],
        lambda row: f"{row['class']} {METRICS[row['metric']].title}, {row['form'].replace('_', ' ')}",
    )


def _pivot_stages(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the means over images of `stage_frame` beside each other, a row a class."""
    chosen = frame[frame["form"] == "image_mean"]
    return _spread(chosen, ["pipeline", "table", "row"], lambda row: str(row["column"]))


def _spread(frame: pd.DataFrame, keys: list[str], title: Callable[[Mapping[str, str]], str]) -> pd.DataFrame:
    rows: dict[tuple[str, ...], dict[str, object]] = {}
    for one in frame.to_dict("records"):
        key = tuple(str(one[name]) for name in keys)
        row = rows.setdefault(key, dict(zip(keys, key, strict=True)))
        name = title({str(k): v for k, v in one.items()})
        row |= {name: one["value"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
    return pd.DataFrame(list(rows.values()))


_SHARE = "share of the wall, %"
_CASES = {
    "case": "patient",
    **{
        f"{name}_{side}": f"{quantity.title}, {quantity.unit}: {side}"
        for name, quantity in QUANTITIES.items()
        for side in ("truth", "predicted", "error")
    },
    "mvo_ml": "no-reflow, true, mL",
}
_SLICES = {
    "case": "patient",
    "scar_percent_true": f"true scar, {_SHARE}",
    "scar_percent_found": f"scar found, {_SHARE}",
}
_FORMS = "; ".join(f"{form.replace('_', ' ')}: {words}" for form, words in AGGREGATE_TITLES.items())
CAPTIONS: dict[str, Caption] = {
    **PATIENT_CAPTIONS,
    "pipelines": Caption(
        f"All pipelines and controls on the same slices, each class slice by slice at the networks' size, {DICE}; "
        f"{INTERVAL}. {_FORMS}.",
        "A slice on which a class is in neither truth nor prediction has no value, and counts in no mean over images; "
        "a dash is where no slice has one.",
        arrange=_pivot_pipelines,
    ),
    "tables_6_and_7": Caption(
        "The paper's Tables VI (stage 1, the cavity) and VII (stage 2, the wall), means over images (0 to 1), each "
        f"stage by itself; {INTERVAL}. Accuracy is the recall of all pixels, as in the paper.",
        "A dash is where no slice has a value, as of a class that is in neither truth nor prediction.",
        {"row": "class"},
        _pivot_stages,
    ),
    "cases": Caption(
        "Volumes (mL), mass (g) and scar (per cent of the wall) of each patient, from the slices that are used, at the "
        "exam's own size; error is predicted minus true. The wall is myocardium and scar together.",
        "A dash is where the size of a voxel is not known (no mL and no g), or there is no wall.",
        _CASES,
    ),
    "agreement": Caption(
        "Agreement of prediction and reference over patients, in the unit of each row: bias (predicted minus true) "
        "with its 95 % confidence interval, 95 % limits of agreement, Lin's concordance (-1 to 1).",
        "Missing: patients of whom one of the two is not known; a dash is where fewer than two are left.",
        {"cases": "patients", "lower": "lower limit", "upper": "upper limit", "sd": "standard deviation"},
    ),
    "findings": Caption(
        "Labels that no left ventricle has, of the prediction and of the reference of each patient; nothing is "
        "corrected for it.",
        "A dash is where nothing was found.",
        {"case": "patient"},
        about="failures",
    ),
    "error_groups": Caption(
        f"Where the shipped pipeline fails, by group: {DICE}; {INTERVAL}. {SIZE} A false alarm is a slice without "
        "scar on which scar is called, be it one pixel; a miss is a slice with scar on which none is. Pooled: the "
        "pixels of all slices of the group counted together. Level: thirds of the slices that have wall and cavity, "
        "the base where the cavity is larger (slices whose level cannot be told are in none). Contrast: median over "
        "a patient's slices of (mean intensity of blood - mean of myocardium without scar) / root of the mean of the "
        "two variances, from the exam's own pixels; thirds of the patients, with their range.",
        f"A dash is where a group has nothing to measure. {NO_INTERVAL}",
        {
            "division": "by", "cases": "patients", "slices_with_scar": "with scar",
            **{name: measure.title for name, measure in MEASURES.items()},
        },
        _groups,
        about="failures",
    ),
    "error_calls": Caption(
        "False alarms (scar called where the reference has none) and misses (none called where it has some), by "
        "patient and by slice, the largest first; scar is given as a share of the wall of the patient or slice, in "
        f"per cent. {SIZE}",
        "A patient has no slice and no level; another dash is where there is no wall to take a share of.",
        _SLICES,
        about="failures",
    ),
    "error_worst": Caption(
        "The patients that are labelled worst, by the mean of the Dice (0 to 1) of cavity, wall and scar over all "
        f"their pixels. {SIZE} Contrast: see above. False alarms and misses are numbers of slices.",
        "A structure that is in neither prediction nor reference has no Dice, and is in no mean.",
        {**_SLICES, "cavity_dice": "cavity Dice", "wall_dice": "wall Dice", "scar_dice": "scar Dice",
         "mean_dice": "mean Dice"},
        about="failures",
    ),
    "error_slices": Caption(
        "A row a slice: its level, contrast, scar as a share of its wall in per cent, and of cavity, wall and scar the "
        f"pixels that are right (tp), too many (fp) and missing (fn), and their Dice (0 to 1). {SIZE}",
        "An empty cell: no wall to take a share of, no contrast to measure, or a structure that is in neither.",
        about="data",
    ),
    "intervals": Caption(
        "Every aggregate of every metric of every pipeline, slice by slice at the networks' size, 0 to 1 or in mm, "
        "with its 95 % bootstrap interval over patients and the number of slices in it.",
        "An empty cell is where no slice has a value.",
        about="data",
    ),
    "per_image": Caption(
        "A row a slice and class, at the networks' size: counted pixels (tp, fp, fn, tn), metrics from 0 to 1, "
        "distances in mm or pixels, as their names end.",
        "An empty cell is where a metric has no value, as of a class that is in neither truth nor prediction.",
        about="data",
    ),
}  # fmt: skip
"""Table of an evaluation -> what it is; in this order they are shown."""
