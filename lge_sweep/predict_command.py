"""The command `lge-sweep predict`: exams in, clinical files out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.options import A_PATH, RunsOption, reporting


def predict(
    exams: Annotated[Path, typer.Argument(help="An exam, or a folder of exams; DICOM or NIfTI.", **A_PATH)],
    output: Annotated[Path, typer.Argument(help="Folder that gets a folder an exam.", **A_PATH)],
    model: Annotated[
        str, typer.Option(help="A model of the registry, or the folder of a segmenter.")
    ] = "models:/lge-two-stage@champion",
    formats: Annotated[
        str, typer.Option("--format", help="seg, nifti, png, csv, html, joined by commas (default: all that can be).")
    ] = "",
    runtime: Annotated[Literal["onnx", "torch"], typer.Option(help="What runs the networks.")] = "onnx",
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Let torch load a folder, which can run any command: only where you would run its maker's program.",
        ),
    ] = False,
    runs: RunsOption = None,
    case_ids: Annotated[
        Literal["hash", "keep"], typer.Option(help="hash: a salted hash of the PatientID. keep: the folder's name.")
    ] = "hash",
    series: Annotated[
        list[str] | None, typer.Option(help="SeriesInstanceUID of the LGE series; may be repeated.")
    ] = None,
    series_pattern: Annotated[
        str | None, typer.Option(help="Regular expression that finds the LGE series by its SeriesDescription.")
    ] = None,
    folders: Annotated[
        Literal["auto", "cases", "series"],
        typer.Option(help="What folders in EXAMS are; auto: series where all images have one StudyInstanceUID."),
    ] = "auto",
) -> None:
    """Segment exams with the shipped model: DICOM SEG, NIfTI, pictures, tables, a page an exam. Research use only."""
    with reporting():
        from lge_sweep.console import print_predicted, progress
        from lge_sweep.errors import IncompleteError
        from lge_sweep.pipeline.predict import Reading, Shipped, predict_exams
        from lge_sweep.terminal import make_console

        reading = Reading(case_ids, tuple(series or ()), series_pattern, folders)
        names = tuple(name.strip() for name in formats.split(",") if name.strip())
        console = make_console()
        with progress(console, "segmenting") as say:
            predicted = predict_exams(exams, output, Shipped(model, runtime, runs, trust), names, reading, say)
        print_predicted(console, predicted)
        if predicted.problems:
            raise IncompleteError(len(predicted.deliveries), predicted.problems)
