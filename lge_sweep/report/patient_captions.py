"""What the tables of patients are, and how they are arranged for people; see `lge_sweep.report.captions`."""

import pandas as pd

from lge_sweep.report.caption import Caption
from lge_sweep.report.clinical_tables import QUANTITIES
from lge_sweep.report.patient_tables import CONVENTIONS, HEADLINE_MEASURE, NEEDED_NOTE, SHOWN
from lge_sweep.scoring import EXPECTED_AUC, MEASURES

UNITS = "Dice and NSD are 0 to 1, distances in mm, volumes in mL; in brackets 95 % bootstrap intervals over patients."
NO_VALUE = (
    "A dash: mm and mL where the spacing of no exam is known, means over patients with scar where none has any, the "
    "difference of a pipeline to itself, and patients where no number would tell."
)
WITH_SCAR = "patients with scar"
SHOWN_AGREEMENT = ("scar_ml", "scar_percent")
_TITLES = {name: measure.title for name, measure in MEASURES.items()}
_HEADLINE = MEASURES[HEADLINE_MEASURE].title


def _by_pipeline(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the means of patients beside each other, a row a pipeline."""
    rows = []
    for pipeline, lines in frame.groupby("pipeline", sort=False):
        by_name = {str(line["measure"]): line for line in lines.to_dict("records")}
        row: dict[str, object] = {"pipeline": pipeline, "patients": int(lines["patients"].max())}
        if "scar_dice" in by_name:
            row[WITH_SCAR] = int(by_name["scar_dice"]["patients"])
        for name in (name for name in SHOWN if name in by_name):
            line = by_name[name]
            row |= {name: float(line["mean"]), f"{name}_low": line["low"], f"{name}_high": line["high"]}
        own = by_name.get(HEADLINE_MEASURE)
        if own is not None and frame["pipeline"].nunique() > 1:
            row |= {f"difference{end}": float(own[f"difference{end}"]) for end in ("", "_low", "_high")}
            row["needed"] = count_text(own["needed"])
        rows.append(row)
    return pd.DataFrame(rows)


def count_text(number: float) -> str:
    """Write a number of patients; "" where there is none."""
    return "" if pd.isna(number) else f"{int(number)}"


_AUCS = {"auc": "AUC", EXPECTED_AUC: "AUC of probabilities"}


def _by_unit(frame: pd.DataFrame) -> pd.DataFrame:
    """Put how well the presence of scar is told side by side, a row a pipeline."""
    rows: dict[str, dict[str, object]] = {}
    for line in frame.to_dict("records"):
        row = rows.setdefault(str(line["pipeline"]), {"pipeline": line["pipeline"]})
        name = _AUCS.get(str(line["measure"]), str(line["measure"]))
        title = f"{name}, {line['unit']}s"
        row |= {title: float(line["value"]), f"{title}_low": line["low"], f"{title}_high": line["high"]}
        counted = {"sensitivity": "with scar", "specificity": "without scar"}.get(name)
        if counted:
            row[f"{line['unit']}s {counted}"] = int(line["of"])
    return pd.DataFrame(list(rows.values()))


def _of_scar(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the volume and the share of scar, with their names in print; what is known of no patient is left out."""
    shown = frame[frame["quantity"].isin(SHOWN_AGREEMENT)]
    known = shown[shown.groupby("quantity")["cases"].transform("max") > 0]
    chosen = shown if known.empty else known
    names = [f"{QUANTITIES[name].title}, {QUANTITIES[name].unit}" for name in chosen["quantity"]]
    return chosen.assign(quantity=names).drop(columns=["unit", "concordance"])


def _measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the measures of differences their names in print."""
    chosen = frame[frame["measure"].isin(SHOWN)]
    ends = {"mean": "difference", "low": "difference_low", "high": "difference_high"}
    named = chosen.assign(measure=[_TITLES[name] for name in chosen["measure"]]).rename(columns=ends)
    return named.assign(needed=[count_text(number) for number in named["needed"]]).drop(columns=["sd"])[
        ["against", "measure", "patients", "difference", "difference_low", "difference_high", "needed"]
    ]


PATIENT_CAPTIONS: dict[str, Caption] = {
    "methods": Caption(
        "What stands on these patients, whoever made it: the paper's pipeline, what is shipped, one network for "
        "everything, classical thresholds, and labels of others that lge-sweep evaluate has measured. Means over "
        f"patients of whole exams, in three dimensions, at their own size. {UNITS} Differences are of the "
        f"{_HEADLINE}, patient by patient, of the row minus the paper's pipeline and minus what is shipped. Patients "
        "that would tell: so many a paired t-test needs to tell the row from what is shipped, four times in five. "
        "Thresholds in the true wall are given what no program has.",
        NO_VALUE,
        {
            **_TITLES, "difference_to_paper": f"{_HEADLINE}, minus the paper's",
            "difference_to_shipped": f"{_HEADLINE}, minus what is shipped", "needed": "patients that would tell",
        },
    ),
    "choice": Caption(
        "Pipelines out of fold: each case of training and validation is labelled by networks that never saw it, and "
        "cleaned up as the other folds' cases choose. Dice, EMIDEC's (0 to 1; 1 where neither truth nor prediction has "
        "the structure, 0 where one has), of whole exams, in three dimensions, at their own size: means over patients. "
        "The mean is that of cavity, wall and scar; the difference is to the paper's pipeline, patient by patient. In "
        "brackets 95 % bootstrap intervals over patients. Patients needed: so many a paired t-test needs to show that "
        "difference, four times in five. Cleaning: what serves best on all cases, which is what is shipped.",
        "A dash is where the paper's pipeline would be compared with itself, or where no number of patients would "
        "tell.",
        {
            "cavity": "cavity Dice", "wall": "wall Dice", "scar": "scar Dice", "mean": "mean Dice",
            "difference": "mean Dice, minus the paper's", "needed": "patients needed",
            "folds": "folds whose other cases choose it",
        },
    ),
    "patient_summary": Caption(
        f"Every pipeline and control, patient by patient. {UNITS} {CONVENTIONS} The difference is that of the "
        f"{_HEADLINE} to the paper's pipeline. {NEEDED_NOTE}",
        NO_VALUE,
        {
            **_TITLES, "difference": f"{_HEADLINE}, minus the paper's", "needed": "patients that would tell",
        },
        _by_pipeline,
        by_subset=True,
    ),
    "scar_presence": Caption(
        "How well every pipeline tells whether there is scar, be it one pixel at the exam's own size: of patients "
        "and of slices (0 to 1). AUC: area under the curve of the volume of scar that was found; AUC "
        "of probabilities, where they are known: of the sum of scar's probability over all pixels. In brackets 95 % "
        "intervals over patients: Wilson's of patients, of slices Wilson's with fewer slices, as those of one "
        "patient resemble each other; DeLong's of the patients' AUC, bootstrap over patients of the slices'.",
        "A dash is where no patient or slice has scar, or all have, and where probabilities are not known.",
        arrange=_by_unit,
        by_subset=True,
    ),
    "patient_agreement": Caption(
        "Agreement of scar's volume (mL) and share (per cent of the wall) with the truth, over patients: bias "
        "(predicted minus true) and limits of agreement, each with its 95 % confidence interval (Bland and Altman "
        "1999); ICC(2,1), absolute agreement (McGraw and Wong 1996).",
        "Missing: patients of whom one of the two is not known; a dash is where fewer than two are left. Volume is "
        "left out where no patient's spacing is known.",
        {
            "quantity": "predicted minus true", "cases": "patients", "lower": "lower limit", "upper": "upper limit",
            "sd": "standard deviation", "icc": "ICC(2,1)",
        },
        _of_scar,
        by_subset=True,
    ),
    "differences": Caption(
        f"Labels of others minus our pipelines, patient by patient. {UNITS} {NEEDED_NOTE}",
        NO_VALUE,
        {"against": "minus", "needed": "patients that would tell"},
        _measured,
        by_subset=True,
    ),
    "patients": Caption(
        "A row a pipeline, patient and structure: voxels, Dice, distances in mm, volumes in mL, scar in per cent of "
        "the wall, of whole exams at their own size.",
        "An empty cell: no value, as of mm and mL without a known spacing, or of a structure that is in neither.",
        about="data",
        by_subset=True,
    ),
    "scar_slices": Caption(
        "A row a pipeline and slice: pixels of scar, true and predicted, at the slice's own size, and the volume in mL "
        "that a pixel stands for.",
        "An empty cell is where that volume is not known.",
        about="data",
        by_subset=True,
    ),
}  # fmt: skip
"""Table of patients -> what it is; in this order they are shown."""
