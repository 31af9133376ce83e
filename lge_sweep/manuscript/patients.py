"""What was measured of patients, as the report needs it; made anew from their table, whatever version wrote it."""

from collections.abc import Mapping
from typing import Any

from lge_sweep.pipeline import PIPELINE, read_patients
from lge_sweep.run_folders import MeasuredFolder
from lge_sweep.scoring import patient_differences

POWER_MEASURE = "mean_emidec_dice"
"""The measure by which pipelines are told apart, as they are chosen by it."""


def compared_patients(files: MeasuredFolder, subset: str) -> Mapping[str, Mapping[str, Any]]:
    """Compare every pipeline with the paper's, patient by patient, by `POWER_MEASURE`.

    Args:
        files: where the pipelines were measured.
        subset: on what.

    Returns:
        Pipeline, but for the paper's -> patients, difference, difference_low, difference_high, needed; nothing where an
        earlier version measured no patients.
    """
    if not files.patient_table("patients", subset).is_file():
        return {}
    table = read_patients(files, subset).patients
    own = {str(name): rows for name, rows in table.groupby("pipeline", sort=False)}
    if PIPELINE not in own:
        return {}
    found = {}
    for name, rows in own.items():
        lines = patient_differences(rows, own[PIPELINE]).set_index("measure", drop=False).to_dict("index")
        line = lines[POWER_MEASURE]
        ends = {"difference": line["mean"], "difference_low": line["low"], "difference_high": line["high"]}
        found[name] = {"patients": line["patients"], **ends, "needed": line["needed"]}
    return {name: line for name, line in found.items() if name != PIPELINE}
