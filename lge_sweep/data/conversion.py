"""Write the curated slices as pairs of 8-bit images and masks, with a data file that reads them back."""

from pathlib import Path
from typing import Literal

from lge_sweep.config.data import Curate, DataFile, Intensity
from lge_sweep.csv_files import frame_text
from lge_sweep.data.curated_dataset import CuratedDataset
from lge_sweep.data.grey import to_8_bit
from lge_sweep.ingest import DataFileHeader, MaskKind, PairSlice, new_dataset, next_command, pairs_source, write_pairs
from lge_sweep.split import can_be_split
from lge_sweep.text import safe_file_name, shorten

PairFormat = Literal["bmp", "png"]
_SPACING_LOST = "spacing is in manifest.csv only: image pairs hold none"


def convert(dataset: CuratedDataset, output: Path, kind: PairFormat, masks: MaskKind) -> list[str]:
    """Write `images/`, `labels/`, the manifest and a data file of the folder's name; all of it or nothing.

    Intensities become 8 bit by the data file's own percentiles, slice by slice; the new data file clips nothing more,
    so that it gives the same 8-bit slices as the old one. Files are called ``<case>_slice<position>``.

    Args:
        dataset: the exams, the slices of them that are written, and the data file; its split is kept.
        output: a folder that is new or empty.
        kind: format of images and masks.
        masks: `index`: intensities 0-3 are the classes of `Label`, and 4 no-reflow, where the truth tells it; `colour`:
            RGB, see `write_pairs`.

    Returns:
        What was written, and the command to run next, a line each.

    Raises:
        DataError: the folder holds something already, or cannot be written.

    Source:
        Paper section III.A.
    """
    manifest, settings = dataset.curated.manifest, dataset.settings
    names = [
        f"{safe_file_name(case)}_slice{position:03d}"
        for case, position in zip(manifest["case"], manifest["position"], strict=True)
    ]
    codes = {volume.case: volume.codes for volume in dataset.volumes}
    masked = [codes[case][position] for case, position in zip(manifest["case"], manifest["position"], strict=True)]
    slices = (
        PairSlice(name, to_8_bit(image, settings.intensity), mask)
        for name, image, mask in zip(names, dataset.curated.images, masked, strict=True)
    )
    cases = manifest["case"].nunique()
    low, high = settings.intensity.clip_percentiles
    converted = DataFile(
        source=pairs_source(masks, tells_mvo="mvo_pixels" in manifest),
        curate=Curate(slices="all"),
        split=settings.split,
        intensity=Intensity(clip_percentiles=(0, 100)),
    )
    comments = DataFileHeader(
        title=f"{cases} case(s), {len(names)} slices, converted to 8-bit image pairs.",
        source=f"kind {settings.source.kind}; intensities clipped at percentiles {low:g} and {high:g} of a slice",
        expected=f"the same slices as the source's data file gives; {_SPACING_LOST}",
    )
    with new_dataset(output, converted, comments) as folder:
        write_pairs(folder, slices, kind, masks)
        (folder / "manifest.csv").write_text(frame_text(manifest.assign(file=names)), encoding="utf-8")
    renamed = {case: safe_file_name(case) for case in manifest["case"] if safe_file_name(case) != case}
    notes = [
        f"note: the case {shorten(case)!r} is called {name}: not every disk takes its name"
        for case, name in renamed.items()
    ]
    following = next_command(output, *(() if can_be_split(manifest, settings.split) else ("data", "describe")))
    return [f"{output.absolute()}: {len(names)} pairs of {cases} case(s)", *notes, f"next: {following}"]
