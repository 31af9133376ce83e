"""`lge-sweep data`: what it shows of a data set, and what it writes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic_dicom
from PIL import Image
from typer.testing import CliRunner, Result

from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.config.data import DataFile, Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.curate import curate
from lge_sweep.data.preparation import Arrays, to_arrays
from lge_sweep.errors import DataError
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.contact_sheet import CAPTION_PIXELS, TILE_PIXELS, boundary_pixels, draw_tile, write_contact_sheet
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import COLOURS, Label
from lge_sweep.quantify.description import describe

SWEEPS = Path(__file__).parents[1] / "sweeps" / "data"
PAIRS = """
source:
  kind: image_pairs
  case_ids: keep
  mask: {kind: index, values: {0: background, 1: cavity, 2: myocardium, 3: scar}}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def exam(**more: Any) -> Volume:
    labels = np.repeat(np.arange(4, dtype=np.uint8), [10, 3, 5, 2]).reshape(1, 4, 5)
    pixels = np.arange(20, dtype=np.int16).reshape(1, 4, 5) - 4
    return Volume("a", ("a_slice000",), pixels, labels, **more)


def pairs(root: Path) -> Path:
    """Write two exams, of which one mask holds an unknown value; return the data file."""
    for name in ("images", "labels"):
        (root / name).mkdir()
    for case in ("p1", "p2"):
        volume = exam()
        Image.fromarray((volume.pixels[0] + 4).astype(np.uint8)).save(root / "images" / f"{case}_slice0.png")
        Image.fromarray(volume.labels[0] + (9 if case == "p2" else 0)).save(root / "labels" / f"{case}_slice0.png")
    path = root / "mine.yaml"
    path.write_text(PAIRS)
    return path


# ------------------------------------------------------------------------------------------------------------ describe


def test_classes_are_counted_and_measured() -> None:
    found = describe(exam(spacing_mm=(2.0, 1.5, 10.0), thickness_mm=8.0))
    burden = found.burden
    assert burden.pixels == {Label.BACKGROUND: 10, Label.CAVITY: 3, Label.MYOCARDIUM: 5, Label.SCAR: 2}
    assert burden.ml is not None
    assert burden.ml[Label.CAVITY] == pytest.approx(3 * 0.03)
    assert burden.wall_pixels == 7
    assert burden.wall_ml == pytest.approx(0.21)
    assert (found.size, found.intensity_range, found.gap_mm) == ((4, 5), (-4.0, 15.0), 2.0)


@pytest.mark.parametrize("spacing", [None, (1.0, 1.0, float("nan"))])
def test_no_volume_without_all_three_distances(spacing: tuple[float, float, float] | None) -> None:
    found = describe(exam(spacing_mm=spacing))
    assert (found.burden.ml, found.burden.wall_ml, found.gap_mm) == (None, None, None)


def test_describe_the_phantom() -> None:
    result = call("describe", "--data", "phantom")
    assert result.exit_code == 0, result.output
    for text in ("phantom011", "192x192", "1.6x1.6x10", "24 case(s), 72 slices; 16 case(s) with scar", "no problem"):
        assert text in result.output


def test_describe_shows_sound_cases_and_then_what_is_wrong(tmp_path: Path) -> None:
    result = call("describe", "--data", pairs(tmp_path), "--root", tmp_path)
    assert result.exit_code == 2
    assert "1 case(s), 1 slices" in result.output
    assert "unknown" in result.output
    assert "labels/p2_slice0.png: mask value 9" in result.output
    assert result.output.index("p1") < result.output.index("p2_slice0")


def scarless(root: Path, *cases: str) -> Path:
    """Write exams without scar, and the second with an unknown value; return the data file."""
    path = pairs(root)
    for number, case in enumerate(("p1", "p2")):
        labels = np.where(exam().labels[0] == Label.SCAR, Label.MYOCARDIUM, exam().labels[0])
        mask = root / "labels" / f"{case}_slice0.png"
        if case in cases:
            Image.fromarray(labels.astype(np.uint8) + 9 * number).save(mask)
        else:
            mask.unlink()
            (root / "images" / mask.name).unlink()
    return path


def test_the_last_line_counts_notes_and_promises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("source: {kind: phantom, cases: 2, slices: 3, scar_free: 1}")
    result = call("describe", "--data", path)
    assert result.exit_code == 0, result.output
    assert "note: no mask has scar: stage 2 cannot be trained; say in source.mask which value" in result.output
    assert "data describe counts" not in result.output
    notes = sum(line.startswith("note: ") for line in result.output.splitlines())
    counted = "is a note" if notes == 1 else f"are {notes} notes"
    assert result.output.splitlines()[-1] == f"nothing was refused, but there {counted} above: read before use"
    assert "no problem" not in result.output


def test_where_cases_are_refused_no_class_is_called_missing_and_no_cases_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    some = call("describe", "--data", scarless(tmp_path / "one", "p1", "p2"), "--root", tmp_path / "one")
    none = call("describe", "--data", scarless(tmp_path / "two", "p2"), "--root", tmp_path / "two")
    assert (some.exit_code, none.exit_code) == (2, 2)
    assert "1 case(s), 1 slices; 0 case(s) with scar" in some.output
    assert "no mask has" not in some.output
    assert "case(s)" not in none.output


def test_the_contact_sheet_has_a_row_a_case(tmp_path: Path) -> None:
    volumes = simulate(Phantom(kind="phantom", cases=2, slices=3, size=64))
    assert "contact sheet of 2 case(s)" in write_contact_sheet(volumes, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (3 * TILE_PIXELS, 2 * (TILE_PIXELS + CAPTION_PIXELS))
        assert tuple(COLOURS[Label.MYOCARDIUM]) in {colour for _, colour in sheet.getcolors(1 << 20) or []}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_a_tile_keeps_the_shape_of_the_slice() -> None:
    assert draw_tile(np.arange(32).reshape(4, 8), np.zeros((4, 8), dtype=np.uint8)).size == (
        TILE_PIXELS,
        TILE_PIXELS // 2,
    )


def test_outlines_are_inside_and_include_the_border() -> None:
    region = np.zeros((5, 6), dtype=bool)
    region[0:4, 1:5] = True
    expected = region.copy()
    expected[1:3, 2:4] = False
    assert np.array_equal(boundary_pixels(region), expected)


def test_a_sheet_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        write_contact_sheet([exam()], tmp_path / "file" / "sheet.png")
    with pytest.raises(DataError, match="there is no exam"):
        write_contact_sheet([], tmp_path / "sheet.png")


def test_the_sheet_is_an_option(tmp_path: Path) -> None:
    result = call("describe", "--sheet", tmp_path / "sheet.png")
    assert result.exit_code == 0
    assert (tmp_path / "sheet.png").is_file()


def test_an_unknown_data_file_is_explained() -> None:
    result = call("describe", "--data", "emidec_nift")
    assert result.exit_code == 2
    assert "did you mean 'emidec_nifti'" in result.output


def test_the_real_exam_has_its_known_volume(real_data: Path) -> None:
    result = call("describe", "--data", "emidec_nifti", "--root", real_data / "emidec_nifti")
    assert result.exit_code == 0
    assert "5217 (134.12)" in result.output
    assert "1.406x1.406x13" in result.output


# ------------------------------------------------------------------------------------------------------------- convert


def prepared(settings: DataFile, root: Path | None) -> tuple[list[str], Arrays]:
    curated = curate(read(settings.source, root), settings.curate)
    return list(curated.manifest["case"]), to_arrays(curated.images, curated.labels, 96, settings.intensity)


@pytest.mark.parametrize(("kind", "masks"), [("bmp", "colour"), ("png", "index")])
def test_what_is_converted_trains_like_its_source(tmp_path: Path, kind: str, masks: str) -> None:
    output = tmp_path / "out"
    result = call("convert", output, "--data", "phantom", "--format", kind, "--masks", masks)
    assert result.exit_code == 0, result.output
    assert "72 pairs of 24 case(s)" in result.output
    assert "next: lge-sweep phase1 " in result.output
    (cases, arrays), (cases_again, again) = (
        prepared(read_data_file(str(path)), root)
        for path, root in ((SWEEPS / "phantom.yaml", None), (output / "out.yaml", output))
    )
    assert cases == cases_again
    assert np.array_equal(arrays.images, again.images)
    assert np.array_equal(arrays.labels, again.labels)
    with Image.open(output / "images" / f"phantom000_slice000.{kind}") as image:
        assert (image.mode, image.format) == ("L", kind.upper())
    with Image.open(output / "labels" / f"phantom000_slice000.{kind}") as mask:
        assert mask.mode == ("L" if masks == "index" else "RGB")


@pytest.mark.parametrize("masks", ["index", "colour"])
def test_no_reflow_is_told_in_image_pairs(tmp_path: Path, masks: str) -> None:
    for name in ("images", "labels"):
        (tmp_path / "in" / name).mkdir(parents=True)
    rng = np.random.default_rng(2)
    for k in range(4):
        grey, codes = rng.integers(0, 255, (8, 9)).astype(np.uint8), rng.integers(0, 5, (8, 9)).astype(np.uint8)
        Image.fromarray(grey).save(tmp_path / "in" / "images" / f"a_slice{k}.png")
        Image.fromarray(codes).save(tmp_path / "in" / "labels" / f"a_slice{k}.png")
    data = tmp_path / "mine.yaml"
    data.write_text(
        "source: {kind: image_pairs, case_ids: keep, mask: {kind: index, labels: emidec}}\ncurate: {slices: 3}\n"
    )
    output = tmp_path / "out"
    result = call("convert", output, "--data", data, "--root", tmp_path / "in", "--format", "png", "--masks", masks)
    assert result.exit_code == 0, result.output
    (first,) = read(read_data_file(str(data)).source, tmp_path / "in")
    (again,) = read(read_data_file(str(output / "out.yaml")).source, output)
    assert first.mvo is not None
    assert again.mvo is not None
    assert first.mvo[:3].any()
    assert np.array_equal(again.mvo, first.mvo[:3])
    assert np.array_equal(again.labels, first.labels[:3])


def test_only_curated_slices_are_written_and_the_split_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("source: {kind: phantom, cases: 2, slices: 5, size: 64}\ncurate: {slices: 3}\nsplit: {seed: 7}\n")
    result = call("convert", tmp_path / "out", "--data", path)
    assert result.exit_code == 0
    assert "next: lge-sweep data describe " in result.output  # two cases cannot be split
    assert sorted(p.name for p in (tmp_path / "out" / "images").iterdir())[:3] == [
        f"phantom000_slice{k:03d}.bmp" for k in (1, 2, 3)
    ]
    assert read_data_file(str(tmp_path / "out" / "out.yaml")).split.seed == 7
    manifest = (tmp_path / "out" / "manifest.csv").read_text()
    assert "spacing_row_mm" in manifest
    header = (tmp_path / "out" / "out.yaml").read_text()
    assert all(f"# {word}" in header for word in ("Source", "Command", "Time", "Expected"))


def test_the_data_file_has_a_name_that_a_sweep_takes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("source: {kind: phantom, cases: 2, slices: 1, size: 64}\n")
    result = call("convert", tmp_path / "my 'set'", "--data", path)
    assert result.exit_code == 0, result.output
    assert load_sweep("phase1", 1, str(tmp_path / "my 'set'" / "my_set_.yaml"), "smoke").data == "my_set_"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("data")
    result = call("convert", tmp_path, "--data", "phantom")
    assert result.exit_code == 2
    assert "nothing is overwritten" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Image.Image.save

    def full(self: Image.Image, path: Path, **options: object) -> None:
        if "labels" in str(path):
            raise OSError(28, "No space left on device")
        saved(self, path)

    monkeypatch.setattr(Image.Image, "save", full)
    result = call("convert", tmp_path / "out", "--data", "phantom")
    assert result.exit_code == 2
    assert "cannot be written (No space left on device); nothing was" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_source_with_a_problem_is_not_converted(tmp_path: Path) -> None:
    result = call("convert", tmp_path / "out", "--data", pairs(tmp_path), "--root", tmp_path)
    assert result.exit_code == 2
    assert "mask value 9" in result.output
    assert not (tmp_path / "out").exists()


def test_the_real_exam_converts_and_reads_back(real_data: Path, tmp_path: Path) -> None:
    root = real_data / "emidec_nifti"
    assert call("convert", tmp_path / "out", "--data", "emidec_nifti", "--root", root).exit_code == 0
    (original,) = read(read_data_file(str(SWEEPS / "emidec_nifti.yaml")).source, root)
    (back,) = read(read_data_file(str(tmp_path / "out" / "out.yaml")).source, tmp_path / "out")
    assert (back.case, back.slices) == (original.case, original.slices)
    assert np.array_equal(back.labels, original.labels)
    assert back.pixels.dtype == np.uint8


def test_nothing_that_is_shown_or_written_tells_who_the_patient_is(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).integers(0, 4, (3, 6, 8)).astype(np.uint8)
    for path, mask in zip(synthetic_dicom.series(tmp_path / "in" / "exam"), labels, strict=True):
        (path.parent / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(path.parent / "masks" / f"{path.stem}.png")
    data = tmp_path / "mine.yaml"
    data.write_text(PAIRS.replace("image_pairs", "dicom"))
    options = ("--data", data, "--root", tmp_path / "in")
    shown = call("describe", *options, "--sheet", tmp_path / "sheet.png")
    written = call("convert", tmp_path / "out", *options)
    assert (shown.exit_code, written.exit_code) == (0, 0), shown.output + written.output
    assert "1.25x1.5x10" in shown.output
    texts = [shown.output.encode(), written.output.encode(), (tmp_path / "sheet.png").read_bytes()]
    for path in (tmp_path / "out").rglob("*"):
        texts += [path.name.encode(), path.read_bytes() if path.is_file() else b""]
    assert not [secret for secret in synthetic_dicom.SECRETS for text in texts if secret.encode() in text]
