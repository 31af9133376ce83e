"""What a clinician reads of each exam: volumes, mass, scar burden, predicted and true."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.data.resize import resize_labels
from lge_sweep.labels import Label
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.quantify import Burden
from lge_sweep.report.clinical_tables import clinical_frame


def clinical_table(two_stage: TwoStage, part: str, labels: NDArray[np.uint8]) -> pd.DataFrame:
    """Return `clinical_frame` of a part's cases: the slices that are used, at the exam's own size.

    Where the truth tells no-reflow from other scar, a last column, mvo_ml, has its volume.

    Args:
        two_stage: the fitted pipeline.
        part: "val" or "test".
        labels: [N, S, S] values of `Label`, in the order of the part's rows.
    """
    manifest = two_stage.fits.manifest.iloc[two_stage.fits.rows(part)]
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
