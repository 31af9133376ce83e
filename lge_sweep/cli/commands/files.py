"""The commands that write files to begin with: the schema of sweep files, simulated exams."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.cli.options import A_PATH
from lge_sweep.cli.reporting import reporting
from lge_sweep.errors import RunsError

SchemaArgument = Annotated[Path | None, typer.Argument(help="File to write (default: print).", **A_PATH)]
FolderArgument = Annotated[Path, typer.Argument(help="Folder to write, new or empty.", **A_PATH)]
CasesOption = Annotated[int, typer.Option(min=1, help="Number of exams.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The draw of the exams.")]
ExamFormatOption = Annotated[
    Literal["png", "nifti", "dicom"],
    typer.Option("--format", help="png: pairs of 16-bit images and masks. nifti: as EMIDEC. dicom: studies, SEG."),
]


def schema(output: SchemaArgument = None) -> None:
    """Write the JSON schema of sweep files, for completion and checks in editors."""
    with reporting() as console:
        from lge_sweep.config.export import json_schema

        text = json.dumps(json_schema(), indent=2)
        if output is None:
            console.lines(text.split("\n"))
            return
        try:
            output.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise RunsError(f"{output}: cannot be written ({error.strerror})") from error


def phantom(
    output: FolderArgument,
    cases: CasesOption = 12,
    seed: SeedOption = 0,
    exam_format: ExamFormatOption = "png",
) -> None:
    """Write simulated exams with a data file that reads them: an example of how to lay out a folder of one's own."""
    with reporting() as console:
        from lge_sweep.ingest import write_phantom

        console.lines(write_phantom(output, cases, seed, exam_format))
