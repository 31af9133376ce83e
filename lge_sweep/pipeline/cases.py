"""What a clinician reads of each exam: volumes, mass, scar burden, predicted and true."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lge_sweep.data import load_arrays
from lge_sweep.labels import Label
from lge_sweep.pipeline.fit import TwoStage
from lge_sweep.quantify.burden import measure
from lge_sweep.report.clinical_tables import clinical_frame


def clinical_table(two_stage: TwoStage, part: str, labels: NDArray[np.uint8]) -> pd.DataFrame:
    """Return `clinical_frame` of a part's cases: the slices that are used, counted at the networks' size.

    Args:
        two_stage: the fitted pipeline.
        part: "val" or "test".
        labels: [N, S, S] values of `Label`, in the order of the part's rows.
    """
    fits = two_stage.fits
    rows = fits.rows(part)
    truth, manifest = load_arrays(fits.arrays).labels[rows], fits.manifest.iloc[rows].reset_index(drop=True)
    sides = []
    for stack in (labels, truth):
        lines = {
            case: _quantities(stack[group.index.to_numpy()], group, stack.shape[1])
            for case, group in manifest.groupby("case", sort=True)
        }
        sides.append(pd.DataFrame.from_dict(lines, orient="index", dtype=float))
    return clinical_frame(sides[0], sides[1])


def voxel_ml(exam: pd.DataFrame, size: int) -> float | None:
    """Return the volume in mL that a pixel of the resized slices of an exam stands for; None where it is unknown.

    Args:
        exam: its rows of the manifest.
        size: rows and columns of the resized slices.
    """
    first = exam.iloc[0]
    volume = float(
        first["height"] / size * first["spacing_row_mm"] * first["width"] / size * first["spacing_column_mm"]
        * first["spacing_slice_mm"] / 1000
    )  # fmt: skip
    return None if math.isnan(volume) else volume


def _quantities(labels: NDArray[np.uint8], exam: pd.DataFrame, size: int) -> dict[str, float | None]:
    burden = measure(labels, voxel_ml(exam, size))
    ml = burden.ml or {}
    return {
        "cavity_ml": ml.get(Label.CAVITY),
        "wall_ml": burden.wall_ml,
        "wall_g": burden.mass_g,
        "scar_ml": ml.get(Label.SCAR),
        "scar_percent": burden.scar_percent,
    }
