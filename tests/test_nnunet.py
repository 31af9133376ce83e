"""Data sets of others in the layout of nnU-Net v2 or the Decathlon become volumes; what is wrong with them is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from nifti_files import load_nifti
from refused import findings, the_finding
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config.data import NnunetDataset
from lge_sweep.config.masks import IndexMask
from lge_sweep.ingest import read, survey
from lge_sweep.ingest.pseudonym import pseudonym

LPS = np.diag([-1.5, -1.25, 8.0, 1.0])
LABELS: dict[str, Any] = {"background": 0, "LV cavity": 1, "myocardium": 2, "scar": 3}
SOURCE = NnunetDataset(kind="nnunet", case_ids="keep")


def grey(seed: int = 0) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.random.default_rng(seed).integers(0, 4000, (8, 6, 3)).astype(np.int16)


def classes(top: int = 4) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return (np.arange(144) % top).astype(np.uint8).reshape(8, 6, 3)


def save(path: Path, array: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = LPS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def describe(root: Path, **more: Any) -> None:
    content = {"channel_names": {"0": "LGE"}, "labels": LABELS, "numTraining": 2, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps({k: v for k, v in {**content, **more}.items() if v is not None}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data set of nnU-Net: two cases for training, one for tests, with labels."""
    for index, (case, subset) in enumerate((("la_1", "Tr"), ("la_2", "Tr"), ("la_3", "Ts"))):
        save(tmp_path / f"images{subset}" / f"{case}_0000.nii.gz", grey(index))
        save(tmp_path / f"labels{subset}" / f"{case}.nii.gz", classes())
    describe(tmp_path)
    return tmp_path


@pytest.fixture
def decathlon(root: Path) -> Path:
    """The same as a data set of the Decathlon."""
    for path in root.glob("images*/*"):
        path.rename(path.with_name(path.name.replace("_0000", "")))
    training = [{"image": f"./imagesTr/{c}.nii.gz", "label": f"./labelsTr/{c}.nii.gz"} for c in ("la_1", "la_2")]
    labels = {str(value): name for name, value in LABELS.items()}
    content = {"name": "LA", "modality": {"0": "MRI"}, "labels": labels, "training": training}
    (root / "dataset.json").write_text(json.dumps({**content, "test": ["./imagesTs/la_3.nii.gz"]}))
    return root


# ------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("form", ["root", "decathlon"])
def test_cases_of_both_layouts_are_read(form: str, request: pytest.FixtureRequest) -> None:
    volumes = read(SOURCE, request.getfixturevalue(form))
    assert [volume.case for volume in volumes] == ["la_1", "la_2", "la_3"]
    for index, volume in enumerate(volumes):
        assert np.array_equal(volume.pixels, grey(index).transpose(2, 1, 0))
        assert np.array_equal(volume.labels, classes().transpose(2, 1, 0))
        assert (volume.spacing_mm, volume.notes) == ((1.25, 1.5, 8.0), ())
        assert volume.affine is not None


def test_case_ids_are_hashed_unless_told_otherwise(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGE_SWEEP_SALT", "one")
    volumes = read(NnunetDataset(kind="nnunet"), root)
    assert {volume.case for volume in volumes} == {pseudonym(f"la_{k}", b"one") for k in (1, 2, 3)}


def test_labels_are_mapped_by_name_in_either_case(root: Path) -> None:
    describe(root, labels={"background": 0, "SCAR": 3, "lv cavity": 2, "Myocardium": 1})
    assert np.array_equal(read(SOURCE, root)[0].labels, np.array([0, 2, 1, 3])[classes().transpose(2, 1, 0)])


def test_a_channel_is_chosen_by_its_number(root: Path) -> None:
    describe(root, channel_names={"0": "T2", "1": "LGE"})
    for path in sorted(root.glob("images*/*")):
        save(path.with_name(path.name.replace("_0000", "_0001")), grey(9))
    volumes = read(SOURCE.model_copy(update={"channel": 1}), root)
    assert [np.array_equal(volume.pixels, grey(9).transpose(2, 1, 0)) for volume in volumes] == [True] * 3


def test_files_that_dataset_json_names_are_read(root: Path) -> None:
    cases = {"a": {"images": ["imagesTr/la_1_0000.nii.gz"], "label": "labelsTr/la_1.nii.gz"}}
    describe(root, dataset=cases, numTraining=1)
    assert [volume.case for volume in read(SOURCE, root)] == ["a", "la_3"]


def test_nifti_that_is_not_packed(root: Path) -> None:
    for path in sorted(root.rglob("*.nii.gz")):
        save(path.with_suffix(""), np.asarray(load_nifti(path).dataobj))
        path.unlink()
    describe(root, file_ending=".nii")
    assert len(read(SOURCE, root)) == 3


def test_test_images_without_labels_are_a_note(root: Path) -> None:
    (root / "labelsTs" / "la_3.nii.gz").unlink()
    volumes = read(SOURCE, root)
    assert [volume.case for volume in volumes] == ["la_1", "la_2"]
    assert {volume.notes for volume in volumes} == {
        ("1 of 1 images in imagesTs have no labels in labelsTs and are not read",)
    }


def test_empty_slices_are_left_out_unless_something_is_labelled(root: Path) -> None:
    pixels, labels = grey(), classes()
    pixels[..., 1], labels[..., 1] = 0, 0
    for folder, array in (("imagesTr/la_1_0000", pixels), ("labelsTr/la_1", labels)):
        save(root / f"{folder}.nii.gz", array)
    first = read(SOURCE, root)[0]
    assert (first.slots, first.slices) == ((0, 2), ("la_1_slice000", "la_1_slice001"))
    assert first.notes == ("1 empty slices (one intensity, no label) are left out",)
    assert np.array_equal(first.pixels, grey().transpose(2, 1, 0)[[0, 2]])
    save(root / "labelsTr" / "la_1.nii.gz", classes())
    assert the_finding(SOURCE, root) == (
        "imagesTr/la_1_0000.nii.gz: slice 1: every pixel has the same intensity, 0; nothing can be seen"
    )


# ----------------------------------------------------------------------------------------------------------- bad input


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda root: (root / old).rename(root / new)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no labels": (
        lambda root: (root / "labelsTr" / "la_2.nii.gz").unlink(),
        "case la_2: labelsTr/la_2.nii.gz is not in the data set's folder",
    ),
    "no image": (
        lambda root: (root / "imagesTr" / "la_2_0000.nii.gz").unlink(),
        "labelsTr/la_2.nii.gz is not read: no image in imagesTr belongs to it",
    ),
    "another ending": (
        rename("imagesTr/la_2_0000.nii.gz", "imagesTr/la_2_0000.nrrd"),
        "imagesTr: la_2_0000.nrrd is not read; expected names such as CASE_0000.nii.gz, as dataset.json says; rename "
        "or remove what is something else",
    ),
    "no channel": (
        rename("imagesTr/la_2_0000.nii.gz", "imagesTr/la_2_0001.nii.gz"),
        "case la_2: imagesTr/la_2_0000.nii.gz is not in the data set's folder",
    ),
    "a case lost": (
        lambda root: describe(root, numTraining=3),
        "dataset.json: numTraining is 3, and there are 2 cases for training; a case is missing, or the number is to be "
        "mended",
    ),
    "ending not read": (
        lambda root: describe(root, file_ending=".nrrd"),
        "file_ending is .nrrd; of nnU-Net's endings .nii.gz and .nii are read",
    ),
    "a value not named": (
        lambda root: save(root / "labelsTr" / "la_1.nii.gz", classes(5)),
        "labelsTr/la_1.nii.gz: mask value 4 on 28 pixels is not in source.mask.values (known: 0, 1, 2, 3)",
    ),
    "elsewhere": (
        lambda root: save(root / "labelsTr" / "la_1.nii.gz", classes(), np.diag([-1.5, -1.25, 7.0, 1.0])),
        "labelsTr/la_1.nii.gz: mask lies elsewhere than its image",
    ),
    "broken": (
        lambda root: (root / "imagesTr" / "la_1_0000.nii.gz").write_bytes(b"x"),
        "imagesTr/la_1_0000.nii.gz: broken NIfTI file",
    ),
    "no dataset.json": (
        lambda root: (root / "dataset.json").unlink(),
        "holds no dataset.json; give the data set's own folder (DatasetNNN_Name, TaskNN_Name)",
    ),
    "no JSON": (
        lambda root: (root / "dataset.json").write_text("{'a': 1"),
        "dataset.json: cannot be read as JSON: Expecting property name",
    ),
    "deep": (
        lambda root: (root / "dataset.json").write_text("[" * 100_000),
        "dataset.json: cannot be read as JSON",
    ),
    "a list": (
        lambda root: (root / "dataset.json").write_text("[]"),
        "dataset.json: expected names and values in braces, got list",
    ),
    "no keys": (
        lambda root: describe(root, labels=None, channel_names={"x": "LGE"}),
        "dataset.json: - channel_names.x: input should be a valid integer, unable to parse string as an integer, "
        "got 'x' - labels: this setting is required",
    ),
    "region": (
        lambda root: describe(root, labels={"background": 0, "wall": [2, 3], "scar": 3}),
        "dataset.json: label 'wall' is a region of the values [2, 3]; regions overlap, and here a pixel has one class: "
        "say in source.mask what each value is, such as mask: {values: {0: background, 1: cavity}}",
    ),
    "ignore": (
        lambda root: describe(root, labels={**LABELS, "ignore": 4}),
        "dataset.json: label 'ignore' (4) marks pixels without a truth, which can neither be trained on nor scored: "
        "leave such cases out, or say in source.mask what each value is",
    ),
    "outside": (
        lambda root: describe(root, dataset={"a": {"images": ["../x.nii.gz"], "label": "/x.nii.gz"}}, numTraining=1),
        "case a: ../x.nii.gz and /x.nii.gz are not in the data set's folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told(root: Path, case: str) -> None:
    change, message = BAD[case]
    change(root)
    assert any(finding.startswith(message) for finding in findings(SOURCE, root)), findings(SOURCE, root)


def test_one_bad_case_does_not_keep_the_others_from_being_described(root: Path, tmp_path: Path) -> None:
    (root / "imagesTr" / "la_1_0000.nii.gz").write_bytes(b"x")
    data = tmp_path / "mine.yaml"
    data.write_text("source: {kind: nnunet, case_ids: keep}\n")
    result = CliRunner().invoke(app, ["data", "describe", "--data", str(data), "--root", str(root)])
    assert result.exit_code == 2
    assert "2 case(s), 6 slices" in result.output
    assert "imagesTr/la_1_0000.nii.gz: broken NIfTI file" in result.output


def test_the_folder_above_is_told_from_the_data_set(root: Path) -> None:
    (root / "Dataset001_LA").mkdir()
    (root / "dataset.json").rename(root / "Dataset001_LA" / "dataset.json")
    assert "(DatasetNNN_Name, TaskNN_Name); there is one in Dataset001_LA" in the_finding(SOURCE, root)


def test_unknown_names_are_mapped_as_the_message_shows(root: Path) -> None:
    describe(root, labels={"background": 0, "LVC": 1, "MLV": 2, "scar": 3})
    message = the_finding(SOURCE, root)
    assert (
        "labels 'LVC', 'MLV' are not in source.classes (known: background, LV cavity, myocardium, scar, no-reflow)"
        in message
    )
    shown, _, asked = message.partition("such as ")[2].partition(", where ? is one of ")
    assert asked == "background, cavity, myocardium, scar, mvo"
    classes_ = yaml.safe_load(f"{{{shown}}}")["classes"]
    assert classes_ == {"background": "background", "LVC": "?", "MLV": "?", "scar": "scar"}
    source = {"kind": "nnunet", "case_ids": "keep", "classes": {**classes_, "LVC": "cavity", "MLV": "myocardium"}}
    assert np.array_equal(read(NnunetDataset.model_validate(source), root)[0].labels, classes().transpose(2, 1, 0))


@pytest.mark.parametrize("labels", [{"background": 0, "wall": [2, 3], "scar": 3}, {**LABELS, "ignore": 4}])
def test_values_can_be_mapped_where_names_cannot(root: Path, labels: dict[str, Any]) -> None:
    describe(root, labels=labels)
    mask = IndexMask(values={0: "background", 1: "cavity", 2: "myocardium", 3: "scar"})
    volumes = read(SOURCE.model_copy(update={"mask": mask}), root)
    assert [volume.case for volume in volumes] == ["la_1", "la_2", "la_3"]


def test_a_channel_that_is_not_there(root: Path) -> None:
    assert the_finding(SOURCE.model_copy(update={"channel": 2}), root) == (
        "source.channel is 2, and dataset.json has the channel_names 0 (LGE); name one"
    )


def test_what_is_wrong_with_a_data_set_of_the_decathlon(decathlon: Path) -> None:
    assert "nnUNetv2_convert_MSD_dataset makes a file a channel" in the_finding(
        SOURCE.model_copy(update={"channel": 1}), decathlon
    )
    told = json.loads((decathlon / "dataset.json").read_text())
    (decathlon / "dataset.json").write_text(json.dumps({**told, "modality": {"0": "T2", "1": "LGE"}}))
    assert "source.channel is 0 of 2; nnU-Net's nnUNetv2_convert_MSD_dataset makes" in the_finding(SOURCE, decathlon)
    (decathlon / "dataset.json").write_text(json.dumps(told))
    (decathlon / "imagesTr" / "la_1.nii.gz").rename(decathlon / "imagesTr" / "la_1_0000.nii.gz")
    assert the_finding(SOURCE, decathlon) == (
        "case la_1: ./imagesTr/la_1.nii.gz is not in the data set's folder; of nnU-Net's first version? "
        "nnUNetv2_convert_old_nnUNet_dataset makes one of the second"
    )


def test_two_cases_of_one_name(decathlon: Path) -> None:
    content = json.loads((decathlon / "dataset.json").read_text())
    content["training"][1]["image"] = "./imagesTs/../imagesTr/la_1.nii.gz"
    (decathlon / "dataset.json").write_text(json.dumps(content))
    assert "case la_1: ./imagesTs/../imagesTr/la_1.nii.gz is not in the data set's folder" in the_finding(
        SOURCE, decathlon
    )
    content["training"][1]["image"] = "./imagesTr/la_1.nii.gz"
    (decathlon / "dataset.json").write_text(json.dumps(content))
    assert the_finding(SOURCE, decathlon) == (
        "./imagesTr/la_1.nii.gz: there is another case of this name; rename one of them"
    )


@pytest.mark.parametrize("seed", range(60))
def test_any_dataset_json_ends_in_findings(root: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = root / "dataset.json"
    describe(root, lge_sweep={"unplaced": {"la_1": [1.5, None, 8.0]}}, dataset=None)
    if seed % 2:
        content = bytearray(path.read_bytes())
        for _ in range(int(rng.integers(1, 4))):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
    else:
        told = json.loads(path.read_text())
        odd: tuple[object, ...] = (
            None,
            -1,
            1e300,
            [],
            {},
            "",
            "..",
            "a\0b",
            ["x"] * 3,
            {"x": []},
            {"0": "LGE"},
            10**400,
            True,
        )
        told[str(rng.choice([*told, "dataset", "training", "test", "modality"]))] = odd[rng.integers(len(odd))]
        path.write_text(json.dumps(told))
    volumes, problem = survey(SOURCE, root)
    assert volumes or problem
