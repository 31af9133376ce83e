"""The command `lge-sweep predict`: exams in, clinical files out."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.cli.options import A_PATH, RunsOption, reporting
from lge_sweep.errors import ConfigError

ARCHIVE = "An archive"
"""Heading of the options for exams of an archive."""


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="EXAMS: an exam, or a folder of exams; DICOM or NIfTI; left out with --dicomweb. "
            "OUTPUT: folder that gets a folder an exam.",
            **{**A_PATH, "metavar": "[EXAMS] OUTPUT"},
        ),
    ],
    model: Annotated[
        str, typer.Option(help="A model of the registry, or the folder of a segmenter.")
    ] = "models:/lge-two-stage@champion",
    formats: Annotated[
        str, typer.Option("--format", help="seg, sr, nifti, png, csv, html, joined by commas (default: all that can).")
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
        Literal["hash", "keep"],
        typer.Option(
            help="hash: a salted hash of the PatientID. keep: the folder's name; nothing else shows which folder "
            "became which case.",
        ),
    ] = "hash",
    series: Annotated[
        list[str] | None, typer.Option(help="SeriesInstanceUID of the LGE series; may be repeated.")
    ] = None,
    series_pattern: Annotated[
        str | None, typer.Option(help="Regular expression that finds the LGE series by its SeriesDescription.")
    ] = None,
    dicomweb: Annotated[
        str | None,
        typer.Option(
            help="Fetch the exams from the DICOMweb service at this address, such as https://HOST/dicom-web. Who asks: "
            "LGE_SWEEP_DICOMWEB_USER and LGE_SWEEP_DICOMWEB_PASSWORD, or LGE_SWEEP_DICOMWEB_TOKEN.",
            metavar="URL",
            rich_help_panel=ARCHIVE,
        ),
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(help="StudyInstanceUID; may be repeated.", metavar="UID", rich_help_panel=ARCHIVE),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Give DICOM SEG and SR to the archive, once.", rich_help_panel=ARCHIVE)
    ] = False,
    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http",
            help="Ask another machine by http://: images and passwords cross the network unencrypted.",
            rich_help_panel=ARCHIVE,
        ),
    ] = False,
    folders: Annotated[
        Literal["auto", "cases", "series"],
        typer.Option(help="What folders in EXAMS are; auto: series where all images have one StudyInstanceUID."),
    ] = "auto",
) -> None:
    """Segment exams with the shipped model: DICOM SEG and SR, NIfTI, pictures, tables, a page an exam.

    lge-sweep predict EXAMS OUTPUT: exams on this disk.

    lge-sweep predict --dicomweb URL --study UID OUTPUT: an exam of an archive; only its LGE series is fetched.

    Research use only.
    """
    with reporting():
        _check(paths, dicomweb, study, store, plain_http)

        from lge_sweep.cli.console import print_predicted, progress
        from lge_sweep.errors import IncompleteError
        from lge_sweep.segmenter.predict import ModelChoice, ReadOptions, predict_exams
        from lge_sweep.terminal import make_console

        reading = ReadOptions(case_ids, tuple(series or ()), series_pattern, folders)
        names = tuple(name.strip() for name in formats.split(",") if name.strip())
        how = (paths[-1], ModelChoice(model, runtime, runs, trust), names, reading)
        console = make_console()
        with progress(console, "archive" if dicomweb else "segmenting") as say:
            if dicomweb is None:
                predicted = predict_exams(paths[0], *how, say)
            else:
                from lge_sweep.segmenter.archived import Request, predict_studies

                predicted = predict_studies(Request(dicomweb, tuple(study or ()), store, plain_http), *how, say)
        print_predicted(console, predicted)
        if predicted.problems:
            raise IncompleteError(len(predicted.deliveries), predicted.problems)


def _check(paths: list[Path], dicomweb: str | None, study: list[str] | None, store: bool, plain_http: bool) -> None:
    """Say what is missing or too much."""
    if dicomweb is None:
        if study or store or plain_http:
            raise ConfigError("--study, --store and --plain-http are for an archive; name it with --dicomweb URL")
        if len(paths) != 2:
            raise ConfigError(f"expected EXAMS and OUTPUT, got {len(paths)} path(s)")
    elif not study:
        raise ConfigError("which exam? Give its StudyInstanceUID with --study UID; it may be repeated")
    elif len(paths) != 1:
        raise ConfigError(
            f"with --dicomweb expected OUTPUT alone, as exams come from the archive; got {len(paths)} paths"
        )
