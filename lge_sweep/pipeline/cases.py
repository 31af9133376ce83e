"""What a clinician reads of each exam: volumes, mass, scar burden, what cannot be a heart; predicted and true."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.ingest import Exam
from lge_sweep.labels import Label
from lge_sweep.pipeline.exams import group_exams
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.quantify import Finding, find_implausible, measure
from lge_sweep.report import clinical_frame


def clinical_table(two_stage: TwoStage, subset: str, labels: Sequence[LabelImage]) -> pd.DataFrame:
    """Return `clinical_frame` of a subset's cases: the slices that are used, at the exam's own size.

    Where the truth tells no-reflow from other scar, a last column, mvo_ml, has its volume.

    Args:
        two_stage: the fitted pipeline.
        subset: "val" or "test".
        labels: of each slice, [H, W] values of `Label` at its own size, in the order of the subset's rows.
    """
    rows = two_stage.fits.rows(subset)
    exams = group_exams(two_stage.fits.manifest, rows)
    truth = [two_stage.labels[row] for row in rows]
    sides = [
        pd.DataFrame.from_dict(
            {exam.case: _quantities(exam.stack(of), exam.grid.voxel_ml) for exam in exams}, orient="index", dtype=float
        )
        for of in (labels, truth)
    ]
    table = clinical_frame(sides[0], sides[1])
    manifest = two_stage.fits.manifest.iloc[rows]
    if "mvo_pixels" in manifest:
        pixels = manifest["mvo_pixels"].to_numpy(dtype=float)
        table["mvo_ml"] = [pixels[list(exam.places)].sum() * exam.grid.voxel_ml for exam in exams]
    return table


def _quantities(labels: LabelImage, voxel_ml: float) -> dict[str, float | None]:
    """Volumes, mass and burden of a case from its labels [S, H, W]."""
    burden = measure(labels, None if np.isnan(voxel_ml) else voxel_ml)
    ml = burden.ml or {}
    return {
        "cavity_ml": ml.get(Label.CAVITY),
        "wall_ml": burden.wall_ml,
        "wall_g": burden.mass_g,
        "scar_ml": ml.get(Label.SCAR),
        "scar_percent": burden.scar_percent,
    }


def case_findings(
    two_stage: TwoStage, subset: str, labels: Sequence[LabelImage]
) -> dict[str, dict[str, tuple[Finding, ...]]]:
    """Look for what no left ventricle has in a subset's cases: the slices that are used, at the exam's own size.

    The slices' orientation is not known here: a stack is taken to be upright. A slice that is missing between others
    keeps its place.

    Args:
        two_stage: the fitted pipeline.
        subset: "val" or "test".
        labels: of each slice, [H, W] values of `Label` at its own size, in the order of the subset's rows.

    Returns:
        "predicted" and "true" -> case -> its findings.
    """
    rows = two_stage.fits.rows(subset)
    images, truth = ([of[row] for row in rows] for of in (two_stage.images, two_stage.labels))
    found: dict[str, dict[str, tuple[Finding, ...]]] = {"predicted": {}, "true": {}}
    for one in group_exams(two_stage.fits.manifest, rows):
        known = None if one.pixel_mm is None else one.grid.spacing_mm
        slots = tuple(slot - one.grid.slots[0] for slot in one.grid.slots)
        exam = Exam(one.case, one.slices, one.stack(images), spacing_mm=known, slots=slots)
        found["predicted"][one.case] = find_implausible(exam, one.stack(labels))
        found["true"][one.case] = find_implausible(exam, one.stack(truth))
    return found
