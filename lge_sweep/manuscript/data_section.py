"""The data: where it comes from, how many cases and slices, which are used, how they are split, whether that leaks."""

from collections.abc import Sequence

import pandas as pd

from lge_sweep.labels import Label
from lge_sweep.manuscript.blocks import Block, Bullets, Facts, Figure, Paragraph, Part, Section, make_table
from lge_sweep.manuscript.find import Study
from lge_sweep.manuscript.flow import flow_svg
from lge_sweep.study import Plan

SUBSET_TITLES = {"train": "training", "val": "validation", "test": "test"}
PHANTOM = "phantom"


def subset_title(name: str) -> str:
    """Return what a subset is called in print; out-of-fold slices and the like by their own name."""
    return SUBSET_TITLES.get(name, name.replace("_", " "))


_KINDS = {
    "image_pairs": "image files with mask files",
    "nifti": "NIfTI files (Neuroimaging Informatics Technology Initiative), a folder a case",
    "dicom": "DICOM files (Digital Imaging and Communications in Medicine), a folder a case",
    "nnunet": "a data set in the layout of nnU-Net or the Medical Segmentation Decathlon",
    PHANTOM: "simulated exams, made by the program itself; no patient is in them",
}
"""Kind of source -> what it is."""


def data_section(study: Study) -> Section:
    """Describe the data of a study."""
    plan = study.first
    blocks: list[Block] = [
        Paragraph(source_text(plan)),
        Figure(
            f"Flow of cases and slices. A case is the exam of one patient; n = {plan.manifest['case'].nunique()} "
            "cases.",
            _flow(plan),
        ),
        subset_table(plan),
    ]
    parts = [
        Part("Split and leak audit", _split_blocks(plan)),
        Part("From exam to network", [Facts(preparation_facts(plan))]),
        Part("What is to know of the data", _notes(plan)),
    ]
    return Section("data", "Data", blocks, parts)


def source_text(plan: Plan) -> str:
    """Say in sentences where the data comes from and what identifies it."""
    config = plan.config
    return (
        f"The data set is called {config.data}: {_KINDS.get(config.source.kind, config.source.kind)}. Its content "
        f"(intensities and reference labels of every slice that is used) has the SHA-256 digest "
        f"{plan.data_digest[:16]}. Cases are named by a pseudonym; no name of a patient is in the results."
    )


def _flow(plan: Plan) -> str:
    manifest, left_out = plan.manifest, []
    cases, used = manifest["case"].nunique(), manifest[manifest["subset"] != ""]
    found = plan.slices_found
    if found is not None and found > len(manifest):
        left_out.append([
            f"{found - len(manifest)} slices left out",
            f"beyond the {plan.config.curate.slices} central ones",
            "of their case",
        ])  # fmt: skip
    spare = manifest[manifest["subset"] == ""]
    if len(spare):
        whole = spare.loc[~spare["case"].isin(used["case"]), "case"].nunique()
        left_out.append(["not assigned to a subset", f"{whole} cases, {len(spare)} slices", "as the settings ask"])
    heading = [
        "found",
        f"{cases} cases, {len(manifest) if found is None else found} slices",
        "each with reference labels",
    ]
    subsets = []
    for subset, title in SUBSET_TITLES.items():
        rows = manifest[manifest["subset"] == subset]
        scarred = rows.loc[rows["has_scar"], "case"].nunique()
        subsets.append([
            title, f"{rows['case'].nunique()} cases, {len(rows)} slices", f"{scarred} cases with scar",
            f"{int(rows['has_scar'].sum())} slices with scar",
        ])  # fmt: skip
    return flow_svg(heading, left_out, ["used", f"{used['case'].nunique()} cases, {len(used)} slices"], subsets)


def subset_table(plan: Plan) -> Block:
    """Tabulate the three subsets: cases, slices, pixels of each class, sizes."""
    rows = []
    for subset, title in SUBSET_TITLES.items():
        own = plan.manifest[plan.manifest["subset"] == subset]
        pixels = {label: own[f"{label.title}_pixels"].sum() for label in Label}
        wall = pixels[Label.MYOCARDIUM] + pixels[Label.SCAR]
        rows.append(
            {
                "subset": title,
                "cases": own["case"].nunique(),
                "cases_with_scar": own.loc[own["has_scar"], "case"].nunique(),
                "slices": len(own),
                "slices_with_scar": int(own["has_scar"].sum()),
                "scar_percent": 100.0 * pixels[Label.SCAR] / wall if wall else float("nan"),
                "rows_x_columns": _range(own, "height", "width"),
                "pixel": _spacing(own, "spacing_row_mm"),
                "between_slices": _spacing(own, "spacing_slice_mm"),
            }
        )
    caption = (
        "The three subsets. Slices that are used; the wall is myocardium and scar together; sizes as in the exams, "
        "smallest to largest."
    )
    titles = {
        "cases_with_scar": "with scar", "slices_with_scar": "with scar (slices)", "scar_percent": "scar, % of the wall",
        "rows_x_columns": "rows x columns", "pixel": "pixel, mm", "between_slices": "slice to slice, mm",
    }  # fmt: skip
    return make_table("subsets", caption, pd.DataFrame(rows), titles)


def _range(rows: pd.DataFrame, first: str, second: str) -> str:
    sizes = sorted({(int(a), int(b)) for a, b in zip(rows[first], rows[second], strict=True)})
    if not sizes:
        return "-"
    ends = [sizes[0]] if len(sizes) == 1 else [sizes[0], sizes[-1]]
    return " to ".join(f"{a} x {b}" for a, b in ends)


def _spacing(rows: pd.DataFrame, column: str) -> str:
    known = rows[column].dropna()
    if known.empty:
        return "not known"
    low, high = known.min(), known.max()
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"


def _split_blocks(plan: Plan) -> list[Block]:
    split = plan.config.split
    if split.cases is not None:
        how = "The settings name the cases of each subset."
    elif split.counts is not None:
        how = f"Each subset has the numbers of {split.unit}s with and without scar that the settings give."
    else:
        shares = " / ".join(f"{100 * share:g} %" for share in split.fractions)
        how = f"{shares} of the {split.unit}s were drawn for training / validation / test, with seed {split.seed}."
    if split.unit == "case":
        unit = "The unit is the case: no patient is in two subsets. Cases with and without scar were drawn separately."
    else:
        unit = "The unit is the slice, as in the paper: slices of one patient can be in two subsets."
    return [Paragraph(f"{how} {unit}"), Bullets(leak_audit(plan))]


def leak_audit(plan: Plan) -> list[str]:
    """Say what was looked for between the subsets, and what was found."""
    bits = plan.config.split.near_duplicate_bits
    near = (
        f"Slices of different cases and subsets whose 64-bit perceptual hashes differ in at most {bits} bits count as "
        "nearly the same picture."
    )
    if plan.leaky:
        return [
            "Identical pictures in two subsets: none (they would have stopped the program).",
            f"This split leaks: {100 * plan.leak_share:.1f} % of the test slices have a training slice of the same "
            "patient. What is measured on them is too good.",
            f"{near} Pairs that were found are among the notes on the data.",
        ]
    return [
        "Identical pictures in two subsets: none (they would have stopped the program).",
        "Patients in two subsets: none (they would have stopped the program).",
        f"{near} Such pairs: none (they would have stopped the program).",
    ]


def preparation_facts(plan: Plan) -> list[tuple[str, str]]:
    """Say how a slice becomes what networks see."""
    config = plan.config
    low, high = config.intensity.clip_percentiles
    size = config.training.image_size
    slices = config.curate.slices
    return [
        ("slices of a case", "all" if slices == "all" else f"the {slices} central ones"),
        ("intensities", f"clipped at the {low:g} and {high:g} percentiles of the slice, spread over 0 to 255"),
        ("size", f"resized to {size} x {size} pixels; the image bilinearly, the labels by nearest neighbour"),
        ("classes", "background, cavity of the left ventricle, myocardium, scar (no-reflow counts as scar)"),
        (
            "missing data",
            "a case that cannot be read, or has no reference labels, stops the program; nothing is imputed",
        ),
    ]


def _notes(plan: Plan) -> Sequence[Block]:
    notes = [note for note in plan.notes if not note.startswith("of that selection")]
    return [Bullets(notes)] if notes else [Paragraph("The program found nothing that needs to be said.")]
