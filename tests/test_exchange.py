"""Whole exams as data sets of nnU-Net v2 and of the Decathlon: they hold what the exams do, and read back the same."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import synthetic_dicom
from monai.auto3dseg.utils import datafold_read
from monai.data.decathlon_datalist import load_decathlon_datalist, load_decathlon_properties
from nifti_files import load_nifti, turned
from PIL import Image
from typer.testing import CliRunner, Result

from lge_sweep.cli import app
from lge_sweep.config.data import Curate, DataFile, NnunetDataset, Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.curate import curate
from lge_sweep.data import content_digest
from lge_sweep.data.curated_dataset import CuratedDataset
from lge_sweep.data.exchange import EMPTY_SLOTS, NO_REFLOW, PADDING_FILLED, export_dataset
from lge_sweep.data.exchange_formats import ExchangeKind
from lge_sweep.errors import ConfigError
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.nifti_grid import read_nifti_grid
from lge_sweep.ingest.nifti_write import POSITION_UNKNOWN, SHEARED_STACK, SPACING_UNKNOWN, grid_notes, nifti_on_grid
from lge_sweep.ingest.nnunet import POSITION_NOT_STORED as TOLD_UNPLACED
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.phantom_files import write_phantom
from lge_sweep.ingest.volume import slice_ids
from lge_sweep.quantify.description import describe
from lge_sweep.split import split_cases

KINDS = {"nnunet": "Dataset501_Test", "msd": "Task11_Test"}
SMALL = "{kind: phantom, cases: 6, slices: 3, size: 64, pixel_mm: 4.8}"
SPLIT = "split: {fractions: [0.4, 0.3, 0.3], seed: 3}\n"
PAIRS = """
source:
  kind: image_pairs
  case_ids: keep
  mask: {kind: index, values: {0: background, 1: cavity, 2: myocardium, 3: scar}}
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["data", "convert", *map(str, arguments)])


def data_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def written(output: Path, volumes: Sequence[Volume], kind: ExchangeKind = "nnunet", **settings: Any) -> list[str]:
    """Convert exams, some of which fall into each subset."""
    fractions = {"split": {"fractions": [0.4, 0.3, 0.3]}, **settings}
    data = DataFile.model_validate({"source": {"kind": "phantom"}, **fractions})
    dataset = CuratedDataset(volumes, curate(volumes, data.curate), data)
    return export_dataset(dataset, output, kind, lambda name, done, total: None)


def read_back(output: Path) -> list[Volume]:
    return read(read_data_file(str(output / f"{output.name}.yaml")).source, output)


def files_of(output: Path, volume: Volume) -> tuple[nib.Nifti1Image, nib.Nifti1Image]:
    """Return the image and the labels that were written of an exam."""
    (image,) = [*output.glob(f"imagesT?/{volume.case}_0000.nii.gz"), *output.glob(f"imagesT?/{volume.case}.nii.gz")]
    (labels,) = output.glob(f"labelsT?/{volume.case}.nii.gz")
    return load_nifti(image), load_nifti(labels)


def exams(**more: Any) -> list[Volume]:
    """Return six exams that differ; the first has what `more` says."""
    rng = np.random.default_rng(5)
    made = []
    for index in range(6):
        labels = rng.integers(0, 4 if index % 2 else 3, (4, 6, 8)).astype(np.uint8)
        pixels = rng.integers(-50, 2000, (4, 6, 8)).astype(np.int16)
        place = turned(rng, (1.5, 1.25, 8.0))
        made.append(
            Volume(f"p{index}", slice_ids(f"p{index}", 4), pixels, labels, spacing_mm=(1.5, 1.25, 8.0), affine=place)
        )
    return [replace(made[0], **more), *made[1:]]


# --------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize(("kind", "through"), [("nnunet", "dicom"), ("nnunet", "memory"), ("msd", "nifti")])
def test_what_is_converted_reads_back_with_the_same_digest_and_split(tmp_path: Path, kind: str, through: str) -> None:
    root = tmp_path / "nifti" if through == "nifti" else None
    if root:
        write_phantom(root, 6, 3, "nifti")
        told = (root / "nifti.yaml").read_text()
        data = data_file(tmp_path, told.replace("fractions: [0.6, 0.15, 0.25]", "fractions: [0.4, 0.3, 0.3]"))
    else:
        data = data_file(tmp_path, f"source: {SMALL[:-1]}, through: {through}}}\n{SPLIT}")
    output = tmp_path / KINDS[kind]
    result = call(output, "--format", kind, "--data", data, *(["--root", root] if root else []))
    assert result.exit_code == 0, result.output
    settings = read_data_file(str(data))
    volumes, back = read(settings.source, root), read_back(output)
    for mine, theirs in zip(back, volumes, strict=True):
        assert mine.spacing_mm == pytest.approx(theirs.spacing_mm, rel=1e-6)
        assert mine.pixels.dtype == theirs.pixels.dtype
        if theirs.affine is None:
            assert mine.affine is None
        else:
            assert mine.affine is not None
            assert np.allclose(mine.affine, theirs.affine, atol=1e-4)
    first, second = (curate(v, settings.curate).manifest for v in (volumes, back))
    assert content_digest(first) == content_digest(second)
    again = read_data_file(str(output / f"{output.name}.yaml"))
    assert split_cases(first, settings.split).subsets == split_cases(second, again.split).subsets


def with_mvo() -> list[Volume]:
    """Return six exams as they are looked at, whose truth tells no-reflow; the second has none."""
    place = np.array([[0.0, -1.25, 0, 9], [-1.5, 0, 0, 4], [0, 0, 8, 2], [0, 0, 0, 1]])
    volumes = [replace(exam, affine=place, mvo=(exam.labels == 3) & (exam.pixels > 900)) for exam in exams()]
    volumes[0] = replace(volumes[0], labels=np.full((4, 6, 8), 3, np.uint8), mvo=volumes[0].pixels > 900)
    return [volumes[0], replace(volumes[1], mvo=np.zeros((4, 6, 8), bool)), *volumes[2:]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("nnunet", {"background": 0, "LV cavity": 1, "myocardium": 2, "scar": 3, "no-reflow": 4}),
        ("msd", {"0": "background", "1": "LV cavity", "2": "myocardium", "3": "scar", "4": "no-reflow"}),
    ],
)
def test_no_reflow_is_a_label_of_its_own(tmp_path: Path, kind: ExchangeKind, expected: dict[str, Any]) -> None:
    volumes = with_mvo()
    output = tmp_path / KINDS[kind]
    said = written(output, volumes, kind)
    assert any(f"case(s): {NO_REFLOW}: p0" in line for line in said)
    assert json.loads((output / "dataset.json").read_text())["labels"] == expected
    back = read_back(output)
    for volume, again in zip(volumes, back, strict=True):
        values = np.asarray(files_of(output, volume)[1].dataobj)
        assert volume.mvo is not None
        assert np.array_equal(values == 4, volume.mvo.transpose(2, 1, 0))
        assert np.array_equal(values == 3, ((volume.labels == 3) & ~volume.mvo).transpose(2, 1, 0))
        assert again.mvo is not None
        assert np.array_equal(again.labels, volume.labels)
        assert describe(again).burden.mvo_ml == pytest.approx(describe(volume).burden.mvo_ml, rel=1e-6)
    first, second = (curate(v, Curate(slices=3)).manifest for v in (volumes, back))
    assert content_digest(first) == content_digest(second)
    assert list(first["mvo_pixels"]) == list(second["mvo_pixels"])
    plain = read(NnunetDataset(kind="nnunet", case_ids="keep"), output)  # and without the data file beside it
    assert [volume.case for volume in plain if volume.mvo is not None] == [volume.case for volume in volumes]


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_that_tells_no_no_reflow_has_four_labels(tmp_path: Path, kind: ExchangeKind) -> None:
    output = tmp_path / KINDS[kind]
    assert not any(NO_REFLOW in line for line in written(output, exams(), kind))
    assert len(json.loads((output / "dataset.json").read_text())["labels"]) == 4
    assert "no-reflow" not in (output / f"{output.name}.yaml").read_text()
    assert {volume.mvo for volume in read_back(output)} == {None}


def test_no_reflow_stays_with_its_slices_where_empty_ones_are_left_out(tmp_path: Path) -> None:
    volumes = [replace(with_mvo()[0], slots=(0, 1, 3, 4)), *with_mvo()[1:]]
    output = tmp_path / KINDS["nnunet"]
    written(output, volumes)
    again = read_back(output)[0]
    assert again.slots == (0, 1, 3, 4)
    assert again.mvo is not None
    assert volumes[0].mvo is not None
    assert np.array_equal(again.mvo, volumes[0].mvo)


def test_the_split_file_is_our_split(tmp_path: Path) -> None:
    data = data_file(tmp_path, f"source: {SMALL}\n{SPLIT}")
    output = tmp_path / KINDS["nnunet"]
    assert call(output, "--format", "nnunet", "--data", data).exit_code == 0
    settings = read_data_file(str(data))
    manifest = curate(read(settings.source), settings.curate).manifest
    subsets = split_cases(manifest, settings.split).subsets
    expected = {
        name: sorted({str(row.case) for row in manifest.itertuples() if subsets[str(row.slice)] == name})
        for name in ("train", "val", "test")
    }
    assert all(expected.values())
    (fold,) = json.loads((output / "splits_final.json").read_text())
    assert fold == {"train": expected["train"], "val": expected["val"]}
    assert sorted(path.name for path in (output / "imagesTs").iterdir()) == [
        f"{case}_0000.nii.gz" for case in expected["test"]
    ]
    description = json.loads((output / "dataset.json").read_text())
    assert description["channel_names"] == {"0": "LGE"}
    assert description["labels"] == {"background": 0, "LV cavity": 1, "myocardium": 2, "scar": 3}
    assert description["numTraining"] == len(list((output / "labelsTr").iterdir())) == len(fold["train"] + fold["val"])


def test_the_folds_of_a_split_file_can_be_pasted_into_a_data_file(tmp_path: Path) -> None:
    output = tmp_path / KINDS["nnunet"]
    written(output, exams())
    (fold,) = json.loads((output / "splits_final.json").read_text())
    own = read_data_file(str(output / f"{output.name}.yaml"))
    tests = sorted(path.name.removesuffix(".nii.gz") for path in (output / "labelsTs").iterdir())
    text = f"source: {{kind: nnunet, case_ids: keep}}\nsplit: {{cases: {json.dumps({**fold, 'test': tests})}}}\n"
    manifest = curate(read_back(output), own.curate).manifest
    pasted = read_data_file(str(data_file(tmp_path, text))).split
    assert split_cases(manifest, pasted).subsets == split_cases(manifest, own.split).subsets


def test_monai_reads_what_is_written_for_the_decathlon(tmp_path: Path) -> None:
    output = tmp_path / KINDS["msd"]
    volumes = exams()
    written(output, volumes, "msd")
    listed = load_decathlon_datalist(output / "dataset.json", is_segmentation=True, data_list_key="training")
    tests = load_decathlon_datalist(output / "dataset.json", is_segmentation=True, data_list_key="test")
    keys = ["name", "description", "reference", "licence", "tensorImageSize", "modality", "labels"]
    told = load_decathlon_properties(output / "dataset.json", [*keys, "numTraining", "numTest"])
    assert (told["name"], told["tensorImageSize"], told["modality"]) == ("Test", "3D", {"0": "MRI"})
    assert told["labels"] == {"0": "background", "1": "LV cavity", "2": "myocardium", "3": "scar"}
    assert (told["numTraining"], told["numTest"]) == (len(listed), len(tests))
    by_case = {volume.case: volume for volume in volumes}
    for item in listed:
        volume = by_case.pop(Path(item["image"]).name.removesuffix(".nii.gz"))
        assert np.array_equal(np.asarray(load_nifti(item["image"]).dataobj).transpose(2, 1, 0), volume.pixels)
        assert np.array_equal(np.asarray(load_nifti(item["label"]).dataobj).transpose(2, 1, 0), volume.labels)
    assert sorted(by_case) == sorted(Path(item["image"]).name.removesuffix(".nii.gz") for item in tests)
    train, val = datafold_read(str(output / "dataset.json"), str(output), fold=0)
    settings = DataFile.model_validate({"source": {"kind": "phantom"}, "split": {"fractions": [0.4, 0.3, 0.3]}})
    manifest = curate(volumes, settings.curate).manifest
    subsets = split_cases(manifest, settings.split).subsets
    for subset, items in (("train", train), ("val", val)):
        assert {f"{Path(item['label']).name.removesuffix('.nii.gz')}_slice000" for item in items} == {
            name for name, of in subsets.items() if of == subset and name.endswith("000")
        }


# ------------------------------------------------------------------------------------------------------------ geometry


@pytest.mark.parametrize("seed", range(24))
def test_every_voxel_lies_where_its_pixel_does(tmp_path: Path, seed: int) -> None:
    """Any orientation, handedness, shear, type of values, gaps."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 5)), int(rng.integers(5, 9)), int(rng.integers(5, 9)))
    row_mm, column_mm, slice_mm = rng.uniform([0.7, 0.7, 4], [2, 2, 12]).tolist()
    spacing = (row_mm, column_mm, slice_mm)
    affine = turned(rng, spacing, shear=float(rng.choice([0, 0.5])))
    dtype = str(rng.choice(["int16", "uint16", "float32", "uint8"]))
    slots = tuple(np.cumsum(rng.integers(1, 3, shape[0])) - 1) if rng.random() < 0.5 else ()
    pixels = rng.integers(0, 200, shape).astype(dtype)
    exam = Volume("p", slice_ids("p", shape[0]), pixels, pixels.astype(np.uint8), spacing_mm=spacing, affine=affine,
                  slots=slots)  # fmt: skip
    nib.save(nifti_on_grid(exam, pixels, empty=250), tmp_path / "x.nii.gz")
    image = load_nifti(tmp_path / "x.nii.gz")
    values = np.asarray(image.dataobj)
    assert values.dtype == dtype
    found = {}
    for index in np.ndindex(values.shape):
        if values[index] != 250:
            found[tuple(np.round(nib.affines.apply_affine(image.affine, index), 2))] = values[index]
    assert len(found) == pixels.size
    for (k, row, column), value in np.ndenumerate(pixels):
        place = affine @ [row, column, (slots or range(shape[0]))[k], 1]
        near = min(found, key=lambda at: float(np.abs(np.array(at) - place[:3]).max()))
        assert np.abs(np.array(near) - place[:3]).max() < 0.011
        assert found[near] == value
    sheared = np.abs(np.dot(affine[:3, 0], affine[:3, 2])) > 1e-3
    assert (int(image.header["qform_code"]) == 0) == sheared
    assert grid_notes(exam) == ([SHEARED_STACK] if sheared else [])
    if not sheared:
        assert np.allclose(image.get_qform(), image.affine, atol=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_files_of_any_order_of_axes_are_written_in_one(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    upright = nib.Nifti1Image(rng.integers(0, 4, (9, 8, 3)).astype(np.int16), turned(rng, (1.5, 1.25, 8.0)))
    order = np.column_stack([rng.permutation(3), rng.choice([-1, 1], 3)])
    nib.save(upright.as_reoriented(order), tmp_path / "source.nii")
    grid = read_nifti_grid(tmp_path / "source.nii")
    labels = grid.array.astype(np.uint8)
    exam = Volume("p", slice_ids("p", 3), grid.array, labels, affine=grid.placed, stored=grid.stored)
    image = nifti_on_grid(exam, exam.pixels)
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), exam.pixels)
    for value in range(4):
        theirs, mine = (
            nib.affines.apply_affine(file.affine, np.argwhere(np.asarray(file.dataobj) == value))
            for file in (upright, image)
        )
        assert np.abs(np.sort(theirs.round(2), axis=0) - np.sort(mine.round(2), axis=0)).max() < 0.011
    nib.save(image, tmp_path / "written.nii")
    again = read_nifti_grid(tmp_path / "written.nii")
    assert np.array_equal(again.array, exam.pixels)
    assert again.spacing_mm == pytest.approx(grid.spacing_mm)


def test_image_and_labels_have_one_geometry_bit_by_bit(tmp_path: Path) -> None:
    output = tmp_path / KINDS["nnunet"]
    volumes = exams()
    written(output, volumes)
    for volume in volumes:
        image, labels = files_of(output, volume)
        for field in ("pixdim", "srow_x", "srow_y", "srow_z", "quatern_b", "qoffset_x", "qform_code", "sform_code"):
            assert image.header[field].tobytes() == labels.header[field].tobytes(), field
        assert (image.get_data_dtype(), labels.get_data_dtype()) == (np.int16, np.uint8)


def test_sheared_exams_are_told_and_nnunet_is_told_to_read_them_with_nibabel(tmp_path: Path) -> None:
    output = tmp_path / KINDS["nnunet"]
    said = written(output, exams(affine=turned(np.random.default_rng(1), (1.5, 1.25, 8.0), 0.4)))
    assert f"note: 1 case(s): {SHEARED_STACK}: p0" in said
    assert json.loads((output / "dataset.json").read_text())["overwrite_image_reader_writer"] == "NibabelIO"
    assert read_back(output)[0].case == "p0"
    written(tmp_path / "Dataset502_Straight", exams())
    assert "overwrite" not in (tmp_path / "Dataset502_Straight" / "dataset.json").read_text()


# --------------------------------------------------------------------------------------------- what exams do not have


def test_unknown_distances_do_not_become_known(tmp_path: Path) -> None:
    volumes = exams(spacing_mm=None, affine=None)
    volumes[1] = replace(volumes[1], spacing_mm=(1.5, 1.25, float("nan")), affine=None)
    volumes[2] = replace(volumes[2], affine=None)
    output = tmp_path / KINDS["nnunet"]
    said = written(output, volumes)
    assert f"note: 3 case(s): {POSITION_UNKNOWN}: p0, p1, p2" in said
    assert f"note: 2 case(s): {SPACING_UNKNOWN}: p0, p1" in said
    assert np.array_equal(files_of(output, volumes[0])[0].affine, np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert np.array_equal(files_of(output, volumes[2])[0].affine, np.diag([-1.25, -1.5, 8.0, 1.0]))
    back = read_back(output)
    assert back[0].spacing_mm is None
    assert back[1].spacing_mm == pytest.approx((1.5, 1.25, float("nan")), nan_ok=True)
    assert back[2].spacing_mm == (1.5, 1.25, 8.0)
    assert [volume.affine is None for volume in back] == [True, True, True, False, False, False]
    assert [TOLD_UNPLACED in volume.notes for volume in back] == [True, True, True, False, False, False]
    assert [volume.voxel_ml is None for volume in back] == [True, True, False, False, False, False]


def test_image_pairs_keep_their_unknown_spacing(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for volume in simulate(Phantom(kind="phantom", cases=6, slices=1, size=64, pixel_mm=4.8)):
        Image.fromarray(volume.pixels[0].astype(np.uint16)).save(tmp_path / "images" / f"{volume.slices[0]}.png")
        Image.fromarray(volume.labels[0]).save(tmp_path / "labels" / f"{volume.slices[0]}.png")
    output = tmp_path / KINDS["nnunet"]
    result = call(output, "--format", "nnunet", "--data", data_file(tmp_path, PAIRS + SPLIT), "--root", tmp_path)
    assert result.exit_code == 0, result.output
    assert SPACING_UNKNOWN in result.output
    assert {volume.spacing_mm for volume in read_back(output)} == {None}


def test_slices_that_are_missing_are_written_empty_and_left_out_again(tmp_path: Path) -> None:
    volumes = exams(slots=(0, 1, 3, 4))
    output = tmp_path / KINDS["nnunet"]
    said = written(output, volumes)
    assert f"note: 1 case(s): {EMPTY_SLOTS}: p0" in said
    image, labels = (np.asarray(file.dataobj) for file in files_of(output, volumes[0]))
    assert set(np.unique(image[..., 2])) == {volumes[0].pixels.min()}
    assert not labels[..., 2].any()
    back = read_back(output)[0]
    assert back.slots == (0, 1, 3, 4)
    assert back.slices == volumes[0].slices
    assert np.array_equal(np.sort(back.pixels, axis=None), np.sort(volumes[0].pixels, axis=None))
    assert any("1 empty slice" in note for note in back.notes)
    assert back.affine is not None
    assert abs(np.linalg.det(back.affine)) == pytest.approx(1.5 * 1.25 * 8.0, rel=1e-5)


def test_padding_becomes_the_lowest_intensity(tmp_path: Path) -> None:
    pixels = exams()[0].pixels.astype(np.float32)
    pixels[:, 0] = np.nan
    volumes = exams(pixels=pixels)
    output = tmp_path / KINDS["nnunet"]
    said = written(output, volumes)
    assert f"note: 1 case(s): {PADDING_FILLED}: p0" in said
    image = np.asarray(files_of(output, volumes[0])[0].dataobj).transpose(2, 1, 0)
    assert image.dtype == np.float32
    assert np.array_equal(image, np.where(np.isnan(pixels), np.nanmin(pixels), pixels))


def test_whole_exams_are_written_where_curate_would_use_fewer(tmp_path: Path) -> None:
    output = tmp_path / KINDS["nnunet"]
    said = written(output, exams(), curate={"slices": 2})
    assert any("all slices are written; curate.slices: 2 is kept for reading: p0, p1" in line for line in said)
    assert files_of(output, exams()[0])[0].shape == (8, 6, 4)
    assert read_data_file(str(output / f"{output.name}.yaml")).curate.slices == 2


def test_cases_that_counts_leave_out_stay_in_the_draw(tmp_path: Path) -> None:
    counts = {subset: {"normal": 0, "scar": 1} for subset in ("train", "val", "test")}
    output = tmp_path / KINDS["nnunet"]
    volumes = exams()
    said = written(output, volumes, split={"counts": counts})
    assert any("in no subset (split.counts, split.cases)" in line for line in said)
    again = read_data_file(str(output / f"{output.name}.yaml"))
    first, second = (curate(v, again.curate).manifest for v in (volumes, read_back(output)))
    subsets = split_cases(first, again.split).subsets
    assert subsets == split_cases(second, again.split).subsets
    assert len(subsets) == 3 * 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2])
def test_too_few_cases_for_a_split_are_all_for_training(tmp_path: Path, kind: ExchangeKind, count: int) -> None:
    output = tmp_path / KINDS[kind]
    said = written(output, exams()[:count], kind)
    assert any(f"note: {count} case(s) cannot be split into train, val and test (at least 3 can)" in x for x in said)
    assert f"{count} train and 0 val in imagesTr, 0 test in imagesTs" in said[0]
    assert said[1].startswith("next: lge-sweep data describe --data ")
    names = {path.name for path in output.iterdir()}
    assert names == {"imagesTr", "labelsTr", "dataset.json", f"{output.name}.yaml"}
    assert [volume.case for volume in read_back(output)] == [f"p{index}" for index in range(count)]
    assert json.loads((output / "dataset.json").read_text())["numTraining"] == count


# ----------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["out", "Dataset51_Heart", "my set 2", "Datasetxyz_A", "Dataset501_Hörz"])
def test_a_name_that_does_not_fit_is_refused_with_one_that_does(tmp_path: Path, kind: str, name: str) -> None:
    data = data_file(tmp_path, f"source: {SMALL}\n{SPLIT}")
    options = ("--format", kind, "--data", data)
    result = call(tmp_path / name, *options)
    assert result.exit_code == 2
    assert "finds a data set by its folder's name" in result.output
    assert not (tmp_path / name).exists()
    proposed = " ".join(result.output.split()).rpartition(", as ")[2]
    assert call(proposed, *options).exit_code == 0


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    output = tmp_path / KINDS["nnunet"]
    result = call(output, "--format", "nnunet", "--masks", "colour")
    assert (result.exit_code, "leave it out" in result.output) == (2, True)
    with pytest.raises(ConfigError, match=r"set split\.unit: case"):
        written(output, exams(), split={"unit": "slice"})
    (output / "precious").mkdir(parents=True)
    result = call(output, "--format", "nnunet", "--data", data_file(tmp_path, f"source: {SMALL}\n{SPLIT}"))
    assert (result.exit_code, "nothing is overwritten" in result.output) == (2, True)
    volumes = [replace(volume, case=volume.case * 130) for volume in exams()]
    volumes = [replace(volume, slices=slice_ids(volume.case, 4)) for volume in volumes]
    with pytest.raises(Exception, match=r"at most 243 bytes, no dot before it\); set source\.case_ids: hash"):
        written(tmp_path / "Dataset502_Long", volumes)


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = nib.save

    def full(image: nib.Nifti1Image, path: Path) -> None:
        if "p3" in str(path):
            raise OSError(28, "No space left on device")
        saved(image, path)

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(Exception, match=r"cannot be written \(No space left on device\); nothing was"):
        written(tmp_path / "Dataset501_Full", exams())
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_written_tells_who_the_patient_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(6):
        folder = tmp_path / "in" / f"Doe{index}"
        more: dict[str, Any] = {"PatientID": f"MRN4711{index}", "StudyInstanceUID": f"1.2.20240506.{index}"}
        pixels = rng.integers(0, 4000, (3, 6, 8)).astype(np.uint16)
        labels = rng.integers(0, 4, (3, 6, 8)).astype(np.uint8)
        (folder / "masks").mkdir(parents=True)
        paths = synthetic_dicom.series(folder, pixels, series=f"1.2.3.20240506071233.{index}", **more)
        for path, mask in zip(paths, labels, strict=True):
            Image.fromarray(mask).save(folder / "masks" / f"{path.stem}.png")
    data = data_file(tmp_path, PAIRS.replace("image_pairs", "dicom").replace("  case_ids: keep\n", "") + SPLIT)
    output = tmp_path / KINDS["nnunet"]
    result = call(output, "--format", "nnunet", "--data", data, "--root", tmp_path / "in")
    assert result.exit_code == 0, result.output
    texts = [result.output.encode()]
    for path in output.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        texts += [
            path.name.encode(),
            bytes(load_nifti(path).header.binaryblock) if path.suffix == ".gz" else content,
        ]
    assert not [secret for secret in synthetic_dicom.SECRETS for text in texts if secret.encode() in text]
