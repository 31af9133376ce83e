"""The command `lge-sweep predict`: exams in, clinical files out."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lge_sweep.cli.options import A_PATH, RunsOption
from lge_sweep.cli.reporting import reporting
from lge_sweep.cli.terminal import Terminal
from lge_sweep.errors import ConfigError, IncompleteError

if TYPE_CHECKING:
    from lge_sweep.segmenter import ArchiveRequest, PredictRequest

_log = logging.getLogger(__name__)
ARCHIVE = "An archive"
"""Heading of the options for exams of an archive."""

PathsArgument = Annotated[
    list[Path],
    typer.Argument(
        help="EXAMS: an exam, or a folder of exams; DICOM or NIfTI; left out with --dicomweb. "
        "OUTPUT: folder that gets a folder an exam.",
        **{**A_PATH, "metavar": "[EXAMS] OUTPUT"},
    ),
]
ModelOption = Annotated[str, typer.Option(help="A model of the registry, or the folder of a segmenter.")]
FormatOption = Annotated[
    str, typer.Option("--format", help="seg, sr, nifti, png, csv, html, joined by commas (default: all that can).")
]
RuntimeOption = Annotated[Literal["onnx", "torch"], typer.Option(help="What runs the networks.")]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Let torch load a folder, which can run any command: only where you would run its maker's program.",
    ),
]
CaseIdsOption = Annotated[
    Literal["hash", "keep"],
    typer.Option(
        help="hash: a salted hash of the PatientID. keep: the folder's name; nothing else shows which folder "
        "became which case.",
    ),
]
SeriesOption = Annotated[list[str] | None, typer.Option(help="SeriesInstanceUID of the LGE series; may be repeated.")]
SeriesPatternOption = Annotated[
    str | None, typer.Option(help="Regular expression that finds the LGE series by its SeriesDescription.")
]
FoldersOption = Annotated[
    Literal["auto", "cases", "series"],
    typer.Option(help="What folders in EXAMS are; auto: series where all images have one StudyInstanceUID."),
]
DicomwebOption = Annotated[
    str | None,
    typer.Option(
        help="Fetch the exams from the DICOMweb service at this address, such as https://HOST/dicom-web. Who asks: "
        "LGE_SWEEP_DICOMWEB_USER and LGE_SWEEP_DICOMWEB_PASSWORD, or LGE_SWEEP_DICOMWEB_TOKEN.",
        metavar="URL",
        rich_help_panel=ARCHIVE,
    ),
]
StudyOption = Annotated[
    list[str] | None,
    typer.Option(help="StudyInstanceUID; may be repeated.", metavar="UID", rich_help_panel=ARCHIVE),
]
StoreOption = Annotated[
    bool, typer.Option("--store", help="Give DICOM SEG and SR to the archive, once.", rich_help_panel=ARCHIVE)
]
PlainHttpOption = Annotated[
    bool,
    typer.Option(
        "--plain-http",
        help="Ask another machine by http://: images and passwords cross the network unencrypted.",
        rich_help_panel=ARCHIVE,
    ),
]


def predict(
    paths: PathsArgument,
    model: ModelOption = "models:/lge-two-stage@champion",
    formats: FormatOption = "",
    runtime: RuntimeOption = "onnx",
    trust: TrustOption = False,
    runs: RunsOption = None,
    case_ids: CaseIdsOption = "hash",
    series: SeriesOption = None,
    series_pattern: SeriesPatternOption = None,
    dicomweb: DicomwebOption = None,
    study: StudyOption = None,
    store: StoreOption = False,
    plain_http: PlainHttpOption = False,
    folders: FoldersOption = "auto",
) -> None:
    """Segment exams with the shipped model: DICOM SEG and SR, NIfTI, pictures, tables, a page an exam.

    lge-sweep predict EXAMS OUTPUT: exams on this disk.

    lge-sweep predict --dicomweb URL --study UID OUTPUT: an exam of an archive; only its LGE series is fetched.

    Research use only.
    """
    with reporting() as console:
        from lge_sweep.segmenter import ArchiveRequest, ModelChoice, PredictRequest, ReadOptions

        archive = None if dicomweb is None else ArchiveRequest(dicomweb, tuple(study or ()), store, plain_http)
        if archive is None and (study or store or plain_http):
            raise ConfigError("--study, --store and --plain-http are for an archive; name it with --dicomweb URL")
        _check_paths(paths, archive)
        request = PredictRequest(
            output=paths[-1],
            model=ModelChoice(model, runtime, runs, trust),
            formats=tuple(name.strip() for name in formats.split(",") if name.strip()),
            reading=ReadOptions(case_ids, tuple(series or ()), series_pattern, folders),
            processes=0,
        )
        _predict(console, paths[0], archive, request)


def _check_paths(paths: Sequence[Path], archive: "ArchiveRequest | None") -> None:
    """Say what is missing or too much."""
    if archive is None:
        if len(paths) != 2:
            raise ConfigError(f"expected EXAMS and OUTPUT, got {len(paths)} path(s)")
    elif not archive.studies:
        raise ConfigError("which exam? Give its StudyInstanceUID with --study UID; it may be repeated")
    elif len(paths) != 1:
        raise ConfigError(
            f"with --dicomweb expected OUTPUT alone, as exams come from the archive; got {len(paths)} paths"
        )


def _predict(console: Terminal, exams: Path, archive: "ArchiveRequest | None", request: "PredictRequest") -> None:
    """Segment what is asked for and print what was found.

    Args:
        console: where to print.
        exams: exams on this disk.
        archive: where exams come from instead, and which.
        request: how.

    Raises:
        IncompleteError: something was wrong with some of them.
    """
    began = time.perf_counter()
    from lge_sweep.cli.progress_bar import progress_bar
    from lge_sweep.cli.tables.predictions import print_predicted

    if archive is None:
        from lge_sweep.segmenter import predict_exams

        work = partial(predict_exams, exams, request)
    else:
        from lge_sweep.segmenter import predict_studies  # what asks an archive takes a while to import

        work = partial(predict_studies, archive, request)
    imported = time.perf_counter()
    with progress_bar(console, "segmenting" if archive is None else "archive") as on_progress:
        predicted = work(on_progress)
    print_predicted(console, predicted)
    parts = {"imports": imported - began, **predicted.seconds, "all": time.perf_counter() - began}
    _log.info("time: %s", ", ".join(f"{part} {seconds:.1f} s" for part, seconds in parts.items()))
    if predicted.problems:
        raise IncompleteError(len(predicted.deliveries), predicted.problems)
