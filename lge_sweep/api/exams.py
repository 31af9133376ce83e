"""Exams with and without labels, for programs: read, segmented, compared."""

from pathlib import Path
from typing import TYPE_CHECKING

from lge_sweep.paths import as_path
from lge_sweep.progress import ProgressCallback, say_nothing
from lge_sweep.segmenter import ModelChoice, PredictRequest, PredictResult, ReadOptions

if TYPE_CHECKING:  # they take a while to import
    import pandas as pd

    from lge_sweep.arrays import LabelImage
    from lge_sweep.ingest import Volume

CHAMPION = "models:/lge-two-stage@champion"
"""The segmenter that phase 3 has shipped last."""
TOLERANCE_MM = 2.0
"""Of surfaces, as `metrics.nsd_tolerance_mm` has it where nothing is said."""


def read_data(data: str = "phantom", root: str | Path | None = None) -> "list[Volume]":
    """Read every exam of a data file, with its labels; of phantom, simulate them.

    Args:
        data: name or path of a data file, such as one that `write_phantom` wrote; "phantom": simulated exams.
        root: folder of the images; None: as `LGE_SWEEP_DATA` says.

    Returns:
        A `Volume` a case, in the order of case ids: `pixels` [S, H, W] in the file's own units, `labels` [S, H, W]
        (0 background, 1 cavity, 2 myocardium, 3 scar), `spacing_mm` (row, column, slice), or None where it is unknown.

    Raises:
        ConfigError: there is no such data file, or a setting of it is wrong.
        DataError: an exam cannot be used; the message lists all that is wrong.
    """
    from lge_sweep.config.loader import read_data_file
    from lge_sweep.ingest import read

    return read(read_data_file(data).source, as_path(root))


def predict(
    exams: str | Path,
    output: str | Path,
    *,
    model: str | Path = CHAMPION,
    runs: str | Path | None = None,
    formats: tuple[str, ...] = (),
    runtime: str = "onnx",
    trust: bool = False,
    reading: ReadOptions | None = None,
    processes: int = 1,
    on_progress: ProgressCallback | None = None,
) -> PredictResult:
    """Segment exams with a shipped model and write what was found: a folder an exam, as `lge-sweep predict` does.

    An exam whose folder the same model has written in the same formats before is not done again. Research use only.

    Args:
        exams: an exam, or a folder of exams: DICOM or NIfTI.
        output: folder that gets a folder an exam, and `burden.csv`, a row an exam.
        model: of the registry, or the folder of a segmenter.
        runs: the runs directory, for a model of the registry; None: as `LGE_SWEEP_RUNS` says, else `runs` here.
        formats: "seg", "sr", "nifti", "png", "csv", "html"; none: all that an exam allows.
        runtime: what runs the networks: "onnx" or "torch".
        trust: as for `load_segmenter`.
        reading: how exams are read, `lge_sweep.segmenter.ReadOptions`; None: case ids are hashes, the LGE series is
            found by its name.
        processes: exams done at the same time; 0: as many as cores and memory allow. From two on, a program that is a
            file needs the guard `if __name__ == "__main__":`.
        on_progress: told what is done next, how many exams are done, and how many there are.

    Returns:
        What was written, and a sentence for everything that was wrong with some of the exams.

    Raises:
        ConfigError: a format or the runtime is unknown.
        DataError: there is no such file or folder, or no exam in it could be read.
        ModelError: there is no such model.
        RunsError: the registry cannot be opened.
    """
    from lge_sweep.segmenter import predict_exams

    request = PredictRequest(
        output=Path(output),
        model=ModelChoice(str(model), runtime, as_path(runs), trust),
        formats=formats,
        reading=reading or ReadOptions(),
        processes=processes,
    )
    return predict_exams(Path(exams), request, on_progress or say_nothing)


def compare_labels(
    prediction: "LabelImage",
    truth: "LabelImage",
    spacing_mm: tuple[float, float, float] | None = None,
    *,
    slots: tuple[int, ...] = (),
    tolerance_mm: float = TOLERANCE_MM,
) -> "pd.DataFrame":
    """Measure the labels of an exam against the truth, in 3-D, as EMIDEC's challenge does.

    Args:
        prediction: [S, H, W] uint8: 0 background, 1 cavity, 2 myocardium, 3 scar.
        truth: the same.
        spacing_mm: distance of rows, columns and slices, mm, each above 0; None: not known, and then neither distances
            nor volumes are.
        slots: place of each slice in an evenly spaced stack, rising; none: no slice is missing between others.
        tolerance_mm: of the normalised surface Dice (nsd), mm, >= 0.

    Returns:
        Indexed by structure: cavity, wall (myocardium and scar together), scar. Columns: true_voxels,
        predicted_voxels; dice (0 to 1; NaN where neither has the structure), emidec_dice (1 there); hd_mm, hd95_mm,
        assd_mm (mm), nsd (0 to 1); true_ml, predicted_ml, error_ml (mL); of the scar true_percent, predicted_percent,
        share_error_percent and ratio_percent (per cent of the wall). A missing number is NaN.

    Raises:
        ValueError: the arrays, the spacing or the slots do not fit each other.

    Source: see `lge_sweep.metrics.measure_exam`.

    >>> import numpy as np
    >>> truth = np.array([[[1, 1, 2, 3]]], dtype=np.uint8)
    >>> compare_labels(np.array([[[1, 2, 2, 3]]], dtype=np.uint8), truth)["dice"].round(3).to_dict()
    {'cavity': 0.667, 'wall': 0.8, 'scar': 1.0}
    """
    from lge_sweep.metrics import ExamGrid, measure_exam

    grid = ExamGrid(spacing_mm or (float("nan"),) * 3, slots or tuple(range(len(truth))))
    return measure_exam(prediction, truth, grid, tolerance_mm).set_index("structure")
