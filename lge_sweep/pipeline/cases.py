"""What a clinician reads of each exam: volumes, mass, scar burden, what cannot be a heart; predicted and true."""

import numpy as np
import pandas as pd

from lge_sweep.arrays import LabelImage
from lge_sweep.data import resize_labels
from lge_sweep.ingest import Exam
from lge_sweep.labels import Label
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.quantify import Burden, Finding, find_implausible
from lge_sweep.report import clinical_frame


def clinical_table(two_stage: TwoStage, subset: str, labels: LabelImage) -> pd.DataFrame:
    """Return `clinical_frame` of a subset's cases: the slices that are used, at the exam's own size.

    Where the truth tells no-reflow from other scar, a last column, mvo_ml, has its volume.

    Args:
        two_stage: the fitted pipeline.
        subset: "val" or "test".
        labels: [N, S, S] values of `Label`, in the order of the subset's rows.
    """
    manifest = two_stage.fits.manifest.iloc[two_stage.fits.rows(subset)]
    counted = manifest[["case"]].copy()
    for label in Label:
        counted[f"{label.title}_truth"] = manifest[f"{label.title}_pixels"]
    native = [
        np.bincount(resize_labels(image, rows, columns).ravel(), minlength=len(Label))
        for image, rows, columns in zip(labels, manifest["height"], manifest["width"], strict=True)
    ]
    counted[[f"{label.title}_predicted" for label in Label]] = np.stack(native)
    counts = counted.groupby("case").sum()
    spacing = manifest.groupby("case")[["spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"]].first()
    voxel_ml = spacing.prod(axis=1, skipna=False) / 1000
    predicted, truth = (_quantities(counts, voxel_ml, side) for side in ("predicted", "truth"))
    table = clinical_frame(predicted, truth)
    if "mvo_pixels" in manifest:
        mvo = manifest.groupby("case")["mvo_pixels"].sum() * voxel_ml
        table["mvo_ml"] = mvo.loc[truth.index].to_numpy()
    return table


def _quantities(counts: pd.DataFrame, voxel_ml: pd.Series, side: str) -> pd.DataFrame:
    """Volumes, mass and burden of each case from its numbers of pixels."""
    rows = {}
    for case in counts.index:
        pixels = {label: int(counts.loc[case, f"{label.title}_{side}"]) for label in Label}
        burden = Burden(pixels, None if pd.isna(voxel_ml[case]) else float(voxel_ml[case]))
        ml = burden.ml or {}
        rows[case] = {
            "cavity_ml": ml.get(Label.CAVITY),
            "wall_ml": burden.wall_ml,
            "wall_g": burden.mass_g,
            "scar_ml": ml.get(Label.SCAR),
            "scar_percent": burden.scar_percent,
        }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float)


def case_findings(two_stage: TwoStage, subset: str, labels: LabelImage) -> dict[str, dict[str, tuple[Finding, ...]]]:
    """Look for what no left ventricle has in a subset's cases: the slices that are used, at the exam's own size.

    The slices' orientation is not known here: a stack is taken to be upright.

    Args:
        two_stage: the fitted pipeline.
        subset: "val" or "test".
        labels: [N, S, S] values of `Label`, in the order of the subset's rows.

    Returns:
        "predicted" and "true" -> case -> its findings.
    """
    rows = two_stage.fits.rows(subset)
    manifest = two_stage.fits.manifest.iloc[rows].reset_index(drop=True)
    found: dict[str, dict[str, tuple[Finding, ...]]] = {"predicted": {}, "true": {}}
    for case, slices in manifest.groupby("case"):
        images = np.stack([two_stage.images[rows[k]] for k in slices.index])
        truth = np.stack([two_stage.labels[rows[k]] for k in slices.index])
        predicted = np.stack([resize_labels(labels[k], *images.shape[1:]) for k in slices.index])
        spacing = slices[["spacing_row_mm", "spacing_column_mm", "spacing_slice_mm"]].iloc[0].to_numpy(dtype=float)
        known = None if np.isnan(spacing[:2]).any() else tuple(spacing.tolist())
        slots = tuple((slices["position"] - slices["position"].min()).tolist())
        exam = Exam(str(case), tuple(slices["slice"]), images, spacing_mm=known, slots=slots)
        found["predicted"][str(case)] = find_implausible(exam, predicted)
        found["true"][str(case)] = find_implausible(exam, truth)
    return found
