"""The commands `lge-sweep data ...`: look at a data set, convert it, make one from corrected labels."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lge_sweep.cli.commands.predict import CaseIdsOption, FoldersOption, SeriesOption, SeriesPatternOption
from lge_sweep.cli.options import A_PATH, DataOption, RootOption
from lge_sweep.cli.reporting import reporting
from lge_sweep.errors import ConfigError, DataError

data_app = typer.Typer(help="Look at a data set; convert it; make one from corrected labels.", no_args_is_help=True)

SheetOption = Annotated[Path | None, typer.Option(help="PNG file to write a contact sheet to.", **A_PATH)]
FolderArgument = Annotated[Path, typer.Argument(help="Folder to write, new or empty.", **A_PATH)]
FormatOption = Annotated[
    Literal["bmp", "png", "nnunet", "msd"],
    typer.Option(
        "--format",
        help="bmp, png: curated slices as 8-bit image pairs. nnunet, msd: whole exams for nnU-Net v2 or as the "
        "Medical Segmentation Decathlon's, in a folder DatasetNNN_Name or TaskNN_Name.",
    ),
]
MasksOption = Annotated[
    Literal["index", "colour"],
    typer.Option(help="Of bmp and png. index: intensities 0-3, 4 no-reflow where told. colour: RGB."),
]
CorrectedArgument = Annotated[
    Path,
    typer.Argument(
        help="Folder of corrected labels, DICOM SEG or NIfTI: predict's output folder, or another.",
        metavar="FOLDER",
        parser=A_PATH["parser"],
    ),
]
ImagesOption = Annotated[Path, typer.Option("--images", help="The exams, as predict was given them.", **A_PATH)]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder of the data set; each time it gets a version, in a folder.", **A_PATH)
]
PredictedOption = Annotated[
    Path | None, typer.Option("--predicted", help="Predict's output folder (default: FOLDER).", **A_PATH)
]
ByOption = Annotated[
    str,
    typer.Option(
        "--by", help="Who corrected files that name nobody; a SEG may name one (ContentCreatorName).", metavar="NAME"
    ),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--names",
        help="What segments, or values of NIfTI, are; background is left out. May be repeated.",
        metavar="Segment_1=scar,4=mvo,...",
    ),
]
UnchangedOption = Annotated[
    bool, typer.Option("--accept-unchanged", help="Take labels that were not changed as looked at, and right.")
]
TrustGridOption = Annotated[
    bool, typer.Option("--trust-grid", help="Take NIfTI files voxel by voxel, whatever their affine says.")
]


@data_app.callback()
def main() -> None:
    """Look at a data set; convert it; make one from corrected labels."""


@data_app.command()
def describe(data: DataOption = "phantom", root: RootOption = None, sheet: SheetOption = None) -> None:
    """Show cases, slices, classes, spacing, intensities and everything that is wrong."""
    with reporting() as console:
        from lge_sweep.cli.tables.data import print_descriptions
        from lge_sweep.config.loader import read_data_file
        from lge_sweep.curate import absent_classes
        from lge_sweep.ingest import survey
        from lge_sweep.labels import Label
        from lge_sweep.quantify import describe as describe_volume

        volumes, problem = survey(read_data_file(data).source, root)
        descriptions = [describe_volume(volume) for volume in volumes]
        counts = {label: sum(item.burden.pixels[label] for item in descriptions) for label in Label}
        # what was refused may have had the class
        absent, notes = absent_classes(counts) if descriptions and problem is None else ([], [])
        closing = print_descriptions(console, descriptions, notes)
        if sheet is not None and volumes:
            from lge_sweep.ingest import write_contact_sheet

            console.print_line(write_contact_sheet(volumes, sheet))
        if problem is not None or absent:
            where, findings = (problem.where, problem.findings) if problem else (data, ())
            raise DataError(where, [*findings, *absent])
        console.print_line(closing)


@data_app.command()
def convert(
    output: FolderArgument,
    data: DataOption = "phantom",
    root: RootOption = None,
    image_format: FormatOption = "bmp",
    masks: MasksOption = "index",
) -> None:
    """Write a data set in another format, with a data file that reads it (image pairs: paper, section III.A)."""
    with reporting() as console:
        from lge_sweep.cli.progress_bar import progress_bar
        from lge_sweep.config.loader import read_data_file
        from lge_sweep.curate import curate
        from lge_sweep.data import CuratedDataset, check_dataset_folder, export_dataset
        from lge_sweep.data import convert as convert_slices
        from lge_sweep.ingest import read

        settings = read_data_file(data)
        if image_format == "nnunet" or image_format == "msd":
            if masks != "index":
                raise ConfigError(f"--masks {masks} is for bmp and png; {image_format} has class values; leave it out")
            check_dataset_folder(output, image_format)
        volumes = read(settings.source, root)
        dataset = CuratedDataset(volumes, curate(volumes, settings.curate), settings)
        if image_format == "bmp" or image_format == "png":
            console.lines(convert_slices(dataset, output, image_format, masks))
            if not console.brief:
                console.lines(f"note: {note}" for note in dataset.curated.notes)
        else:
            with progress_bar(console, "writing") as on_progress:
                written = export_dataset(dataset, output, image_format, on_progress)
            console.lines(written)


@data_app.command()
def adopt(
    folder: CorrectedArgument,
    images: ImagesOption,
    out: OutOption,
    predicted: PredictedOption = None,
    by: ByOption = "",
    names: NamesOption = None,
    accept_unchanged: UnchangedOption = False,
    trust_grid: TrustGridOption = False,
    case_ids: CaseIdsOption = "hash",
    series: SeriesOption = None,
    series_pattern: SeriesPatternOption = None,
    folders: FoldersOption = "auto",
) -> None:
    """Make a data set of labels that predict wrote and a person corrected, in 3D Slicer, OHIF or another viewer.

    lge-sweep data adopt OUT --images EXAMS --out corrected --by "A. Reader"

    The options from --case-ids on are those that predict was given.
    """
    with reporting() as console:
        from lge_sweep.cli.progress_bar import progress_bar
        from lge_sweep.cli.tables.adopted import print_adopted
        from lge_sweep.deliver import AdoptRequest, parse_names
        from lge_sweep.deliver import adopt as adopt_labels

        request = AdoptRequest(
            folder=folder,
            images=images,
            output=out,
            predicted=predicted,
            by=by,
            names=parse_names(names or ()),
            accept_unchanged=accept_unchanged,
            trust_grid=trust_grid,
            case_ids=case_ids,
            series=tuple(series or ()),
            series_pattern=series_pattern,
            folders=folders,
        )
        with progress_bar(console, "reading") as on_progress:
            adopted = adopt_labels(request, on_progress)
        print_adopted(console, adopted)
