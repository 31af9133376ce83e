"""Where what is shipped fails: on which slices and patients of a subset, by what they are like."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage, Mask
from lge_sweep.csv_files import write_frame
from lge_sweep.labels import STRUCTURES
from lge_sweep.pipeline.kept_labels import write_labels, write_predictions
from lge_sweep.pipeline.variants import EvaluatedSubset, Labelled
from lge_sweep.quantify import contrast_to_noise, slice_levels
from lge_sweep.report import SLICE_COLUMNS, calls_frame, dice_of, groups_frame, print_tables, worst_frame
from lge_sweep.run_folders import MeasuredFolder


def write_errors(files: MeasuredFolder, subset: EvaluatedSubset, found: Labelled, where: str = "") -> str:
    """Write where a pipeline fails, as tables, and the labels themselves, of which a report can draw pictures.

    Args:
        files: where to write.
        subset: the slices.
        found: what the pipeline makes of them; labels that it gives at the slices' own size are kept at that.
        where: on what it was measured, a sentence for the tables.

    Returns:
        The tables as Markdown.
    """
    slices = slice_errors(subset, found)
    tables = {
        "error_groups": groups_frame(slices),
        "error_calls": calls_frame(slices),
        "error_worst": worst_frame(slices),
    }
    for name, frame in {"error_slices": slices, **tables}.items():
        write_frame(files.table(name), frame)
    if found.native is None:
        write_predictions(files.labels, found.labels)
    else:
        write_labels(files.labels, subset.two_stage.fits.rows(subset.name), found.native)
    return print_tables(tables, where)


def slice_errors(subset: EvaluatedSubset, found: Labelled) -> pd.DataFrame:
    """Measure labels of a subset slice by slice, beside what each slice is like.

    Pixels are counted where the pipeline labels: at the slices' own size, if it labels there, else at the networks'.
    Contrast is that of the exam's own pixels.

    Args:
        subset: the slices.
        found: what a pipeline makes of them.

    Returns:
        A row a slice, `lge_sweep.report.SLICE_COLUMNS`.
    """
    fits = subset.two_stage.fits
    chosen = fits.rows(subset.name)
    manifest = fits.manifest.iloc[chosen].reset_index(drop=True)
    frame = manifest[["slice", "case"]].copy()
    frame["level"] = ""
    for _, own in manifest.sort_values("position").groupby("case"):
        wall = own["myocardium_pixels"] + own["scar_pixels"]
        levels = slice_levels(own["cavity_pixels"].tolist(), wall.tolist(), own["slot"].tolist())
        frame.loc[own.index, "level"] = levels
    contrasts = [contrast_to_noise(subset.two_stage.images[row], subset.two_stage.labels[row]) for row in chosen]
    frame["contrast"] = np.array(contrasts, dtype=float)
    both: tuple[Sequence[LabelImage], Sequence[LabelImage]] = (
        (list(found.labels), list(subset.truth)) if found.native is None else (found.native, subset.native_truth)
    )
    pairs = list(zip(*both, strict=True))
    counted = {
        structure: np.stack([_count(np.isin(own, which), np.isin(true, which)) for own, true in pairs])
        for structure, which in STRUCTURES.items()
    }
    for structure, counts in counted.items():
        for name, values in zip(("tp", "fp", "fn"), counts.T, strict=True):
            frame[f"{structure}_{name}"] = values
        frame[f"{structure}_dice"] = [dice_of(*row) for row in counts.tolist()]
    for side, place in (("true", 2), ("found", 1)):
        scar, wall = (counted[name][:, 0] + counted[name][:, place] for name in ("scar", "wall"))
        share = np.divide(100.0 * scar, wall, out=np.full(len(wall), np.nan), where=wall > 0)
        frame[f"scar_percent_{side}"] = share
    return frame[list(SLICE_COLUMNS)]


def _count(found: Mask, truth: Mask) -> np.ndarray:
    """Return [3]: pixels of a slice in both, in the first alone, in the second alone."""
    return np.array([(found & truth).sum(), (found & ~truth).sum(), (~found & truth).sum()])
