"""Where the pipeline fails: by group, by call, and the worst patients, a part each."""

import base64
import io

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lge_sweep.data import load_arrays
from lge_sweep.labels import SINGLE_STAGE, class_names
from lge_sweep.manuscript.blocks import Block, Bullets, Facts, Figure, Paragraph, Part, Section, Table, make_table
from lge_sweep.manuscript.evaluated import captioned, read_any, read_tables
from lge_sweep.manuscript.find import Fits, Study
from lge_sweep.manuscript.results import not_run
from lge_sweep.manuscript.svg import figure_svg
from lge_sweep.pipeline import read_at_size
from lge_sweep.report import (
    CAPTIONS,
    QUANTITIES,
    Spot,
    figure_case,
    figure_spots,
    print_value,
    scar_called,
    with_scar,
)
from lge_sweep.run_folders import MeasuredFolder

Tables = dict[str, pd.DataFrame]
_TITLES = {"val": "validation", "test": "test"}


def failures_section(study: Study, images: bool) -> Section:
    """Tell where the shipped pipeline fails, on the test subset; on the validation subset where it is all there is.

    Args:
        study: the study.
        images: whether pictures of patients are wanted.
    """
    parts: list[Part] = []
    for fits in study.fits:
        subset, files = ("test", fits.files) if fits.evaluation is not None else ("val", fits.plan.files)
        tables = read_tables(files, "failures", subset)
        if "error_groups" in tables:
            parts += _parts(fits, subset, files, tables, images)
        elif fits.comparison is not None:
            command = "lge-sweep phase3" if subset == "val" else "lge-sweep phase4"
            parts.append(
                Part(
                    files.name,
                    [Paragraph(f"An earlier version made this and did not measure it by group: see {command}.")],
                )
            )
    told = "What is shipped is looked at: its final labels against the reference, by group, slice and patient."
    blocks: list[Block] = [Paragraph(told)]
    if not parts:
        blocks = [not_run(study, "phase3", "Phase 3, which makes final labels,")]
    return Section("failures", "Where it fails", blocks, parts)


def _parts(fits: Fits, subset: str, files: MeasuredFolder, tables: Tables, images: bool) -> list[Part]:
    where = f"{_TITLES[subset].capitalize()} subset, pipeline '{fits.shipped_name or 'as shipped'}'."
    tail = f"{subset}_{fits.plan.name[-10:]}"
    groups = tables["error_groups"]
    label = "Dice of scar, pooled, by group"
    spots = [
        Spot(
            f"{row['group']} ({row['cases']:.0f} patients)",
            row["scar_dice"],
            row["scar_dice_low"],
            row["scar_dice_high"],
            strong=row["group"] == "all",
        )
        for row in groups.to_dict("records")
    ]
    svg = figure_svg(figure_spots("Dice of scar, pooled (0 to 1)", spots), f"fig-groups-{tail}", label)
    by_group: list[Block] = [
        Figure(f"{where} {label}. Whiskers: 95 % bootstrap intervals over patients; none from one patient.", svg),
        captioned(f"error_groups_{tail}", CAPTIONS["error_groups"], groups, where),
    ]
    calls = [
        captioned(f"{name}_{tail}", CAPTIONS[name], frame, where) for name, frame in tables.items() if name not in _OWN
    ]
    worst = tables.get("error_worst", pd.DataFrame())
    slices = read_any(files.table("error_slices"))
    parts = [
        Part(f"By group, {_TITLES[subset]} subset", by_group),
        Part("False alarms, misses, impossible labels", _said(slices, calls)),
    ]
    if len(worst):
        parts.append(
            Part("The worst patients", [captioned(f"error_worst_{tail}", CAPTIONS["error_worst"], worst, where)])
        )
        parts += [_patient(fits, subset, files, slices[slices["case"] == case], images) for case in worst["case"]]
    return parts


_OWN = ("error_groups", "error_worst")
"""Tables that have a place of their own."""


def _said(slices: pd.DataFrame, blocks: list[Table]) -> list[Block]:
    """Say how often scar is called where there is none, and missed, beside the tables that list it."""
    has, called = with_scar(slices), scar_called(slices)
    items = []
    for unit, own in (("patients", "case"), ("slices", "slice")):
        true, found = (flags.groupby(slices[own]).any() for flags in (has, called))
        items.append(f"False alarms: {int((found & ~true).sum())} of {int((~true).sum())} {unit} without scar.")
        items.append(f"Misses: {int((true & ~found).sum())} of {int(true.sum())} {unit} with scar.")
    return [Bullets(items), *(block for block in blocks if block.rows)]


def _patient(fits: Fits, subset: str, files: MeasuredFolder, slices: pd.DataFrame, images: bool) -> Part:
    """Make the page of a patient: volumes, findings, each slice."""
    case = str(slices["case"].iloc[0])
    has, called = with_scar(slices), scar_called(slices)
    verdicts = {
        (True, True): "found",
        (False, False): "none, none found",
        (True, False): "miss",
        (False, True): "false alarm",
    }
    shown = slices[
        [
            "slice",
            "level",
            "contrast",
            "cavity_dice",
            "wall_dice",
            "scar_dice",
            "scar_percent_true",
            "scar_percent_found",
        ]
    ]
    shown = shown.assign(scar=[verdicts[pair] for pair in zip(has.tolist(), called.tolist(), strict=True)])
    caption = (
        f"Slices of {case}, n = {len(slices)}. Dice 0 to 1, no value where a structure is in neither; "
        "contrast-to-noise ratio of blood and myocardium; scar as a share of the slice's wall, in per cent."
    )
    titles = {
        "cavity_dice": "cavity Dice", "wall_dice": "wall Dice", "scar_dice": "scar Dice",
        "scar_percent_true": "true scar, %", "scar_percent_found": "scar found, %",
    }  # fmt: skip
    blocks: list[Block] = [Facts(_volumes(files, case)), make_table(f"patient_{case}", caption, shown, titles)]
    if images:
        blocks.append(_picture(fits, subset, files, case))
    shown_blocks = [block for block in blocks if not isinstance(block, Facts) or block.rows]
    return Part(f"Patient {case}", shown_blocks, page=True)


def _volumes(files: MeasuredFolder, case: str) -> list[tuple[str, str]]:
    rows = []
    for name, wanted in (("cases", QUANTITIES), ("findings", {})):
        path = files.table(name)
        if not path.is_file():
            continue
        frame = read_any(path)
        own = frame[frame["case"] == case]
        for column, quantity in wanted.items():
            if len(own):
                true, found = (
                    print_value(float(own[f"{column}_{side}"].iloc[0]), column) for side in ("truth", "predicted")
                )
                rows.append((f"{quantity.title}, {quantity.unit}", f"true {true}, predicted {found}"))
        if name == "findings":
            rows += [(f"findings, {row['labels']} labels", _none(row["findings"])) for row in own.to_dict("records")]
    return rows


def _none(text: object) -> str:
    """Write what was found in a case; a table without any finding is read as one of missing numbers."""
    return text if isinstance(text, str) and text else "none"


def _picture(fits: Fits, subset: str, files: MeasuredFolder, case: str) -> Block:
    plan = fits.plan
    if not files.labels.is_file() or not plan.arrays.is_dir():
        return Paragraph("No picture: the labels or the prepared images are not in the runs directory any more.")
    rows = plan.rows(subset)
    own = [k for k, row in enumerate(rows) if str(plan.manifest["case"].iloc[row]) == case]
    arrays, chosen = load_arrays(plan.arrays), [rows[k] for k in own]
    found = read_at_size(files.labels, rows, arrays.labels.shape[1])
    names = plan.manifest["slice"].iloc[chosen].tolist()
    figure = figure_case(names, arrays.images[chosen], (arrays.labels[chosen], found[own]), class_names(SINGLE_STAGE))
    drawn = io.BytesIO()
    FigureCanvasAgg(figure).print_png(drawn)  # type: ignore[no-untyped-call]
    text = f"Slices of {case}: image, reference and prediction, the latter two enlarged."
    return Figure(text, png=base64.b64encode(drawn.getvalue()).decode())
