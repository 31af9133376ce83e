"""The command `lge-sweep evaluate`: anybody's label maps, measured by the same rules, beside ours."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.cli.options import A_PATH, DataOption, ProfileOption, RootOption, RunsOption, SetOption
from lge_sweep.cli.reporting import reporting

FolderArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder of label maps called by their cases: NIfTI, one a case, or PNG, one a slice.", **A_PATH
    ),
]
NameOption = Annotated[str | None, typer.Option(help="What to call them in tables (default: the folder's name).")]
SubsetOption = Annotated[
    Literal["val", "test"],
    typer.Option(help="Whose cases. test: a look at the test subset, which is recorded."),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        help="What numbers mean (default: EMIDEC's: 1 cavity, 2 myocardium, 3 infarction, 4 no-reflow, which is scar).",
        metavar="1=cavity,2=myocardium,...",
    ),
]
MapOption = Annotated[
    Path | None,
    typer.Option("--map", help="CSV file, columns file and case, for files called otherwise.", **A_PATH),
]
MissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Measure what can be; list what is missing or cannot be used.")
]
TrustGridOption = Annotated[
    bool, typer.Option("--trust-grid", help="Take NIfTI files voxel by voxel, whatever their affine says.")
]


def evaluate(
    folder: FolderArgument,
    name: NameOption = None,
    subset: SubsetOption = "val",
    classes: ClassesOption = None,
    names: MapOption = None,
    allow_missing: MissingOption = False,
    trust_grid: TrustGridOption = False,
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    settings: SetOption = None,
    runs: RunsOption = None,
) -> None:
    """Measure anybody's label maps as our pipelines are: another program's, a published model's, a second observer's.

    lge-sweep evaluate nnunet/predictions --name nnunet --data mydata.yaml --root FOLDER

    Data, profile and settings are those of phase 3, whose pipelines stand beside them.
    """
    with reporting() as console:
        from lge_sweep.cli.evaluate import ExternalOptions, run_evaluate

        options = ExternalOptions(
            folder=folder,
            name=name,
            subset=subset,
            classes=classes,
            names=names,
            allow_missing=allow_missing,
            trust_grid=trust_grid,
            data=data,
            root=root,
            profile=profile,
            settings=settings or (),
            runs=runs,
        )
        run_evaluate(console, options)
