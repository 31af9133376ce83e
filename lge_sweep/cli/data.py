"""The commands `lge-sweep data ...`: look at a data set, convert it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lge_sweep.cli.options import A_PATH, DataOption, RootOption, reporting

if TYPE_CHECKING:
    from lge_sweep.config.data import DataFile
    from lge_sweep.ingest import Volume
    from lge_sweep.quantify.describe import Description
    from lge_sweep.terminal import Terminal

data_app = typer.Typer(help="Look at a data set; convert it.", no_args_is_help=True)


@data_app.callback()
def main() -> None:
    """Look at a data set; convert it."""


@data_app.command()
def describe(
    data: DataOption = "phantom",
    root: RootOption = None,
    sheet: Annotated[Path | None, typer.Option(help="PNG file to write a contact sheet to.", **A_PATH)] = None,
) -> None:
    """Show cases, slices, classes, spacing, intensities and everything that is wrong."""
    with reporting():
        from lge_sweep.curate import absent_classes
        from lge_sweep.errors import DataError
        from lge_sweep.ingest import survey
        from lge_sweep.labels import Label
        from lge_sweep.quantify.describe import describe as describe_volume
        from lge_sweep.terminal import make_console

        volumes, problem = survey(_settings(data).source, root)
        console = make_console()
        descriptions = [describe_volume(volume) for volume in volumes]
        if descriptions:
            _print_table(console, descriptions)
        counts = {label: sum(item.burden.pixels[label] for item in descriptions) for label in Label}
        # what was refused may have had the class
        absent, notes = absent_classes(counts) if descriptions and problem is None else ([], [])
        notes = [*_notes(descriptions), *notes]
        for line in (*_summary(descriptions), *(f"note: {note}" for note in notes), *_findings(descriptions)):
            console.print(line, soft_wrap=True)
        if sheet is not None and volumes:
            from lge_sweep.ingest.contact_sheet import write_contact_sheet

            console.print(write_contact_sheet(volumes, sheet), soft_wrap=True)
        if problem is not None or absent:
            where, findings = (problem.where, problem.findings) if problem else (data, ())
            raise DataError(where, [*findings, *absent])
        console.print(_closing(descriptions, len(notes)), soft_wrap=True)


@data_app.command()
def convert(
    output: Annotated[Path, typer.Argument(help="Folder to write, new or empty.", **A_PATH)],
    data: DataOption = "phantom",
    root: RootOption = None,
    image_format: Annotated[
        Literal["bmp", "png", "nnunet", "msd"],
        typer.Option(
            "--format",
            help="bmp, png: curated slices as 8-bit image pairs. nnunet, msd: whole exams for nnU-Net v2 or as the "
            "Medical Segmentation Decathlon's, in a folder DatasetNNN_Name or TaskNN_Name.",
        ),
    ] = "bmp",
    masks: Annotated[
        Literal["index", "colour"],
        typer.Option(help="Of bmp and png. index: intensities 0-3, 4 no-reflow where told. colour: RGB."),
    ] = "index",
) -> None:
    """Write a data set in another format, with a data file that reads it (image pairs: paper, section III.A)."""
    with reporting():
        from lge_sweep.data.exchange_formats import check_dataset_folder
        from lge_sweep.errors import ConfigError
        from lge_sweep.ingest import read
        from lge_sweep.terminal import say

        settings = _settings(data)
        if image_format in ("nnunet", "msd"):
            if masks != "index":
                raise ConfigError(f"--masks {masks} is for bmp and png; {image_format} has class values; leave it out")
            check_dataset_folder(output, image_format)
        volumes = read(settings.source, root)
        say(*_converted(volumes, settings, output, image_format, masks))


def _converted(
    volumes: "list[Volume]",
    settings: "DataFile",
    output: Path,
    image_format: Literal["bmp", "png", "nnunet", "msd"],
    masks: Literal["index", "colour"],
) -> list[str]:
    from lge_sweep.cli.console import progress
    from lge_sweep.curate import curate
    from lge_sweep.data.convert import convert as convert_slices
    from lge_sweep.data.exchange import ExchangeDataset, export_dataset
    from lge_sweep.terminal import make_console

    curated = curate(volumes, settings.curate)
    if image_format == "bmp" or image_format == "png":
        made = convert_slices(volumes, curated, settings, output, image_format, masks)
        return made + [f"note: {note}" for note in curated.notes]
    with progress(make_console(), "writing") as tell:
        return export_dataset(ExchangeDataset(volumes, curated, settings), output, image_format, tell)


def _settings(data: str) -> "DataFile":
    from lge_sweep.config.data import DataFile
    from lge_sweep.config.loader import find_file, read_yaml, validate

    path = find_file(DataFile, data)
    return validate(DataFile, read_yaml(path), str(path))


def _print_table(console: "Terminal", descriptions: Sequence["Description"]) -> None:
    from lge_sweep.labels import Label
    from lge_sweep.terminal_table import Column, print_table

    tissues = [label for label in Label if label != Label.BACKGROUND]
    amounts = [*(label.title for label in tissues), "myo. + scar"]
    if any(item.burden.mvo_pixels is not None for item in descriptions):
        amounts.append("mvo")
    titles = ("slices", "size", "spacing mm", "gap mm", "grey", *(f"{name}\npx (mL)" for name in amounts))
    rows = []
    for item in descriptions:
        ml = item.burden.ml or {}
        rows.append(
            (
                item.case,
                str(item.slices),
                f"{item.size[0]}x{item.size[1]}",
                "unknown" if item.spacing_mm is None else "x".join(f"{mm:.4g}" for mm in item.spacing_mm),
                "-" if item.gap_mm is None else f"{item.gap_mm:.3g}",
                f"{item.grey[0]:g}-{item.grey[1]:g}",
                *(_amount(item.burden.pixels[label], ml.get(label)) for label in tissues),
                _amount(item.burden.wall_pixels, item.burden.wall_ml),
                *([_amount(item.burden.mvo_pixels, item.burden.mvo_ml)] if "mvo" in amounts else []),
            )
        )
    print_table(console, [Column("case", "text", key=True), *map(Column, titles)], rows)


def _amount(pixels: int | None, ml: float | None) -> str:
    if pixels is None:
        return "-"
    return str(pixels) if ml is None else f"{pixels} ({ml:.2f})"


def _summary(descriptions: Sequence["Description"]) -> list[str]:
    from lge_sweep.labels import Label

    if not descriptions:
        return []
    slices = sum(item.slices for item in descriptions)
    scarred = sum(1 for item in descriptions if item.burden.pixels[Label.SCAR])
    lines = [f"{len(descriptions)} case(s), {slices} slices; {scarred} case(s) with scar"]
    obstructed = [item for item in descriptions if item.burden.mvo_pixels]
    if obstructed:
        volumes = [item.burden.mvo_ml for item in obstructed if item.burden.mvo_ml is not None]
        total = f" (mvo_ml {sum(volumes):.2f} in all)" if len(volumes) == len(obstructed) else ""
        lines[0] += f"; {len(obstructed)} with no-reflow (mvo), which counts as scar{total}"
    return lines


def _notes(descriptions: Sequence["Description"]) -> list[str]:
    """Return every note once, with the cases that it is about."""
    from lge_sweep.text import cases_by_note, list_names

    notes = cases_by_note((item.case, note) for item in descriptions for note in item.notes)
    return [f"{note}: {list_names(cases, 8)}" for note, cases in notes.items()]


def _findings(descriptions: Sequence["Description"]) -> list[str]:
    from lge_sweep.quantify import case_sentences

    return [f"finding: {text}" for text in case_sentences({item.case: item.findings for item in descriptions})]


def _closing(descriptions: Sequence["Description"], notes: int) -> str:
    found = sum(bool(item.findings) for item in descriptions)
    if not found and not notes:
        return "no problem found"
    if not found:
        counted = f"are {notes} notes" if notes > 1 else "is a note"
        return f"nothing was refused, but there {counted} above: read before use"
    count = f"{found} of {len(descriptions)} case(s) have findings"
    return f"{count}: labels that no heart has; are these the right masks, and their values the right classes?"
