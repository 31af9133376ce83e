"""Files that are not read are named, label maps are no exams, a series a slice is a stack, order is that of people."""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from synthetic_dicom import SECRETS, classic, grey, series, write

from lge_sweep.config.data import DicomFolders, ImagePairs
from lge_sweep.config.masks import IndexMask
from lge_sweep.config.validation import validate
from lge_sweep.deliver import ModelFacts, deliver
from lge_sweep.ingest import Exam, Volume, survey
from lge_sweep.ingest.dicom import DUPLICATE_FILES
from lge_sweep.ingest.dicom_studies import SAME_STUDY
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.label_maps import MAX_LABEL_VALUES, describe_label_map
from lge_sweep.ingest.nifti_exams import LABEL_MAP_GIVEN, NAME_MISLEADS
from lge_sweep.ingest.pairs import NUMBERS_MISSING
from lge_sweep.study.digest import deciding
from lge_sweep.text import natural_key

Array = NDArray[np.number]
PAIRS = ImagePairs(kind="image_pairs", case_ids="keep", mask=IndexMask(values={0: "background", 1: "cavity"}))
UNNUMBERED = PAIRS.model_copy(update={"case_pattern": r"^(?P<case>[^_]+)_"})


def pair(root: Path, name: str) -> None:
    for folder, array in (("images", grey(1, top=255)[0].astype(np.uint8)), ("labels", np.eye(6, 8, dtype=np.uint8))):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / folder / f"{name}.png")


def pairs(root: Path, source: ImagePairs = PAIRS) -> tuple[list[Volume], list[str]]:
    volumes, problem = survey(source, root)
    return volumes, list(problem.findings) if problem else []


def nifti(path: Path, array: Array | None = None, step: float = 8.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(grey().astype(np.int16) if array is None else array, np.diag([1.5, 1.5, step, 1])), path)
    return path


def labels(values: tuple[int, ...] = (1, 2), kind: Any = np.uint8) -> Array:
    array = np.zeros((3, 6, 8), kind)
    for k, value in enumerate(values):
        array[k % 3, 2, k % 8] = value
    return array


def access(root: Path, **options: Any) -> tuple[list[Exam], list[str], list[str]]:
    notes: list[str] = []
    exams, findings = read_exams(root, "keep", notes=notes, **options)
    return exams, findings, notes


# -------------------------------------------------------------------------------------------------------------- walking


def test_links_out_of_a_folder_are_followed_once_and_what_may_not_be_listed_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("root/a/1", "root/b/2", "root/closed/3", "outside/4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in {"up": "..", "twice": "a", "out": "../outside", "again": "../outside"}.items():
        (tmp_path / "root" / name).symlink_to(target)
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    found = [path.relative_to(tmp_path / "root").as_posix() for path in list_files(tmp_path / "root", deep=True)]
    assert len(found) == 4
    assert {*found} in ({"a/1", "b/2", "closed", "out/4"}, {"a/1", "b/2", "closed", "again/4"})


def test_an_exam_behind_a_link_is_read(tmp_path: Path) -> None:
    """It was not there, without a word."""
    series(tmp_path / "elsewhere")
    series(tmp_path / "exams" / "A", StudyInstanceUID="1.1", PatientID="A")
    (tmp_path / "exams" / "B").symlink_to(tmp_path / "elsewhere")
    exams, findings, _ = access(tmp_path / "exams")
    assert ([exam.case for exam in exams], findings) == (["A", "B"], [])


# ---------------------------------------------------------------------------------------------- files that are not read


def test_files_of_other_kinds_among_image_pairs_are_named(tmp_path: Path) -> None:
    pair(tmp_path, "P1_slice0")
    for name in ("P2_slice0.JPG", "P2_slice1.jpeg", "P2_slice2.jpg", "P3.mha"):
        (tmp_path / "images" / name).touch()
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "README.txt", "README", "._P1_slice0.png"):
        (tmp_path / "labels" / name).touch()
    volumes, (finding,) = pairs(tmp_path)
    assert [volume.case for volume in volumes] == ["P1"]
    assert finding.startswith("images/: files of kinds that are not read: 2 .jpg (such as P2_slice0.JPG), 1 .jpeg (P2_")
    assert "1 .mha (P3.mha); save the image anew as PNG (masks from where they were drawn" in finding


def test_images_in_folders_inside_are_named_but_for_the_masks_folder(tmp_path: Path) -> None:
    pair(tmp_path, "P1_slice0")
    (tmp_path / "labels").rename(tmp_path / "images" / "labels")
    source = PAIRS.model_copy(update={"labels": "images/labels"})
    assert pairs(tmp_path, source)[1] == []
    for name in ("P2", "P10", "P3"):
        (tmp_path / "images" / name).mkdir()
        (tmp_path / "images" / name / "slice0.png").touch()
    assert pairs(tmp_path, source)[1] == [
        "images/: files in folders inside it are not read: 3 .png (such as slice0.png) in P2, P3, P10; move images "
        "into images/ itself, and other files elsewhere"
    ]


def test_kinds_beside_nifti_exams_are_a_finding_where_they_could_be_exams_else_a_note(tmp_path: Path) -> None:
    nifti(tmp_path / "P1.nii.gz")
    for name in ("P2.mha", "P3.nii.bz2", "P4.nii.gz.part", "P5.zip", "shot.png", "notes.txt", "desktop.ini"):
        (tmp_path / name).touch()
    exams, (finding,), notes = access(tmp_path)
    assert [exam.case for exam in exams] == ["P1"]
    for name in ("P2.mha", "P3.nii.bz2", "P4.nii.gz.part", "P5.zip"):
        assert name in finding
    assert notes == ["files of kinds that are not read: 1 .png (shot.png)"]


def test_what_lies_beside_dicom_files_is_noted_without_names(tmp_path: Path) -> None:
    series(tmp_path / "A", StudyInstanceUID="1.1")
    for name in ("Doe.zip", "Jane.jpg", "DICOMDIR", "viewer.exe", "x.txt"):
        (tmp_path / "A" / name).touch()
    series(tmp_path / "B", StudyInstanceUID="1.2", PatientID="B")
    (tmp_path / "C.zip").touch()
    (tmp_path / "D").mkdir()
    (tmp_path / "D" / "IM0.dcm.gz").touch()
    (tmp_path / "shot.jpg").touch()
    exams, findings, notes = access(tmp_path)
    assert [exam.case for exam in exams] == ["A", "B"]
    assert notes == ["files of kinds that are not read: 1 .jpg (shot.jpg)"]
    assert exams[0].notes == ("files in its folder were not read: 1 .zip, 1 .jpg",)
    assert exams[1].notes == ()
    assert [finding.split(";")[0] for finding in findings] == [
        "C.zip: is not read", "D: holds no DICOM file and no NIfTI file, only 1 .gz (IM0.dcm.gz)",
    ]  # fmt: skip


def test_what_was_written_beside_an_exam_is_not_noted(tmp_path: Path) -> None:
    series(tmp_path / "A")
    nifti(tmp_path / "A" / "out" / "labels.nii.gz")
    (tmp_path / "A" / "out" / "x.zip").touch()
    (exam,), findings, notes = access(tmp_path / "A", skip={(tmp_path / "A" / "out").resolve()})
    assert (exam.notes, findings, notes) == ((), [], [])


def test_nifti_files_beside_dicom_files_are_named_and_images_among_them_are_a_finding(tmp_path: Path) -> None:
    """Another patient's exam was dropped as a mask, unnamed."""
    series(tmp_path / "A", StudyInstanceUID="1.1")
    series(tmp_path / "B", StudyInstanceUID="1.2", PatientID="B")
    for name in ("A", "B"):
        nifti(tmp_path / name / "masks" / "m.nii.gz", labels())
    exams, findings, notes = access(tmp_path)
    assert ([exam.case for exam in exams], [exam.notes for exam in exams], findings) == (["A", "B"], [(), ()], [])
    assert notes == [
        "2 files left out as label maps, such as A/masks/m.nii.gz (3 different whole numbers, 99% of it 0, beside "
        "DICOM files); if it is an image, give the file itself"
    ]
    other = nifti(tmp_path / "A" / "other.nii.gz")
    exams, (finding,), _ = access(tmp_path)
    assert len(exams) == 2
    assert finding.startswith("A/other.nii.gz: looks like an image, and was not read")
    (tmp_path / "C").mkdir()
    other.rename(tmp_path / "C" / "other.nii.gz")
    exams, findings, _ = access(tmp_path)
    assert ([exam.case for exam in exams], findings) == (["A", "B", "C"], [])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("P1.zip", "is an archive (.zip), which is not read; unpack it and give the folder with its files"),
        ("P1.tar.gz", "is an archive (.tar.gz), which is not read; unpack it and give the folder with its files"),
        (
            "P1.JPG",
            "is a picture or a film (.jpg), which is no exam; give the DICOM or NIfTI files that it was made from",
        ),
        (
            "P1.png",
            "is a picture or a film (.png), which is no exam; give the DICOM or NIfTI files that it was made from",
        ),
        ("P1.mha", "holds a volume in a format that is not read (.mha); convert it to DICOM or NIfTI, and give that"),
        ("P1.txt", "is no image (.txt); give a DICOM or NIfTI file, or a folder of exams"),
        ("DICOMDIR", "is no image (no ending); give a DICOM or NIfTI file, or a folder of exams"),
        (
            "IM1",
            "not a DICOM file (no 'DICM' at byte 128), or cut off before it; give a DICOM or NIfTI file, or a folder "
            "of exams",
        ),
    ],
)
def test_a_file_of_another_kind_that_is_given_is_told_what_to_give(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_bytes(b"PK" * 200)
    assert access(tmp_path / name)[1] == [f"{name}: {told}"]


def test_a_dicom_file_of_another_ending_is_read(tmp_path: Path) -> None:
    write(classic(grey()[0]), tmp_path / "P1.jpg")
    assert len(access(tmp_path / "P1.jpg")[0]) == 1


def test_hidden_exams_are_named_and_what_systems_hide_is_not(tmp_path: Path) -> None:
    nifti(tmp_path / "P1.nii.gz")
    for name in (".git/x.png", ".ipynb_checkpoints/x.png", ".cache/P1.nii", "._P1.nii.gz", ".DS_Store", ".notes/x.txt",
                 ".P9-1a2b3c4d/labels.nii"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert access(tmp_path)[1:] == ([], [])
    hidden = series(tmp_path / ".P2" / "deep", StudyInstanceUID="1.2")
    for path in hidden:
        path.rename(path.with_suffix(""))
    nifti(tmp_path / ".P3.nii.gz")
    (finding,) = access(tmp_path)[1]
    assert finding.startswith(
        "1 folder and 1 file that could hold exams are passed over, as their names begin with a dot: .P2, .P3.nii.gz; "
    )
    assert access(tmp_path, skip={(tmp_path / name).resolve() for name in (".P2", ".P3.nii.gz")})[1] == []
    pair(tmp_path / "pairs", "P1_slice0")
    (tmp_path / "pairs" / "images" / ".P2_slice0.png").touch()
    (finding,) = pairs(tmp_path / "pairs")[1]
    assert finding.startswith(
        "1 file that could hold exams is passed over, as its name begins with a dot: images/.P2_sl"
    )


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    pair(tmp_path, "P1_slice0")
    (tmp_path / "images" / "P2_slice0.png").symlink_to("P2_slice0.png")
    (finding,) = pairs(tmp_path)[1]
    assert finding.startswith("P2_slice0.png: has no mask in labels/")
    series(tmp_path / "A")
    (tmp_path / "A" / "IM9.dcm").symlink_to("IM9.dcm")
    _, findings, _ = access(tmp_path / "A", skip={tmp_path / "out"})
    assert findings[0].startswith("IM9.dcm: cannot be opened")


def test_a_folder_that_may_not_be_entered_does_not_keep_others_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nifti(tmp_path / "A" / "Images" / "a.nii")
    nifti(tmp_path / "B" / "Images" / "b.nii")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if "B" in Path(path).parts:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    exams, findings, _ = access(tmp_path)
    assert [exam.case for exam in exams] == ["A"]
    assert findings == ["B/Images: cannot be looked into (Permission denied); get the right to read it, or remove it"]


def test_an_image_object_without_pixels_is_named(tmp_path: Path) -> None:
    dataset = classic(grey()[0])
    del dataset.PixelData
    write(dataset, tmp_path / "A" / "a.dcm")
    assert access(tmp_path)[1] == ["A: a.dcm: has no pixel data (cut off?)"]


# ----------------------------------------------------------------------------------------------------------- label maps


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("P1_gt", labels()),
        ("P1_seg", labels(kind=np.float32)),
        ("P1-label", labels((200, 500, 600), np.uint16)),
        ("P1_gd", labels((200, 500, 600, 1220, 2221), np.int16)),
        ("mask_P1", 1 + labels()),  # no background
        ("P1_mask", labels(())),  # empty
        ("other", labels()),  # by content and grid
        ("other", labels(tuple(range(1, MAX_LABEL_VALUES)))),
    ],
)
def test_a_label_map_beside_its_image_is_left_out_with_a_note(tmp_path: Path, name: str, array: Array) -> None:
    nifti(tmp_path / "P1.nii.gz")
    nifti(tmp_path / f"{name}.nii.gz", array)
    exams, findings, (note,) = access(tmp_path)
    assert ([exam.case for exam in exams], findings) == (["P1"], [])
    assert note.startswith(f"{name}.nii.gz: left out as a label map (")
    assert note.endswith(", on the grid of P1.nii.gz); if it is an image, give the file itself")


def test_what_looks_like_a_label_map_and_is_not_called_one_is_a_finding_unless_it_is_given(tmp_path: Path) -> None:
    nifti(tmp_path / "P1.nii.gz")
    array = labels()
    array[0, 2] = (1, 2) * 4  # something in each slice
    odd = nifti(tmp_path / "P2.nii.gz", array, step=9.0)
    exams, (finding,), notes = access(tmp_path)
    assert ([exam.case for exam in exams], notes) == (["P1"], [])
    assert finding.startswith("P2.nii.gz: looks like a label map (3 different whole numbers, 94% of it 0), not like an")
    (exam,), findings, notes = access(odd)
    assert (findings, notes, exam.notes) == (
        [],
        [],
        (LABEL_MAP_GIVEN.format("3 different whole numbers, 94% of it 0"),),
    )


def test_label_maps_alone_are_a_finding(tmp_path: Path) -> None:
    nifti(tmp_path / "labelsTr" / "P1.nii.gz", labels())
    exams, (finding,), _ = access(tmp_path)
    assert (exams, finding[:50]) == ([], "holds no image: labelsTr/P1.nii.gz: left out as a ")


@pytest.mark.parametrize(
    "array",
    [
        grey(),
        grey() % MAX_LABEL_VALUES - 1.0,  # negative numbers
        grey() % MAX_LABEL_VALUES / 2,  # halves
        grey() % MAX_LABEL_VALUES,  # hardly any 0
        labels(tuple(range(1, MAX_LABEL_VALUES + 1))),  # one value too many
    ],
)
def test_images_are_no_label_maps(tmp_path: Path, array: Array) -> None:
    assert describe_label_map(array) is None
    exams, findings, notes = access(nifti(tmp_path / "P1.nii.gz", array.astype(np.float32)).parent)
    assert (len(exams), findings, notes) == (1, [], [])


def test_an_image_that_is_called_a_label_map_is_segmented_with_a_note(tmp_path: Path) -> None:
    nifti(tmp_path / "P1_seg.nii.gz")
    (exam,), findings, _ = access(tmp_path)
    assert (exam.notes, findings) == ((NAME_MISLEADS,), [])


def test_layouts_of_nnunet_and_acdc(tmp_path: Path) -> None:
    for k in range(2):
        nifti(tmp_path / "nnunet" / "imagesTr" / f"P{k}_0000.nii.gz")
        nifti(tmp_path / "nnunet" / "labelsTr" / f"P{k}.nii.gz", labels())
        nifti(tmp_path / "acdc" / f"patient{k}" / f"patient{k}_frame01.nii.gz")
        nifti(tmp_path / "acdc" / f"patient{k}" / f"patient{k}_frame01_gt.nii.gz", labels())
        (tmp_path / "acdc" / f"patient{k}" / "Info.cfg").touch()
    for name, cases in (("nnunet", ["P0_0000", "P1_0000"]), ("acdc", ["patient0", "patient1"])):
        exams, findings, notes = access(tmp_path / name)
        assert ([exam.case for exam in exams], findings, len(notes)) == (cases, [], 1)
    assert notes[0].startswith(
        "2 files left out as label maps, such as patient0/patient0_frame01_gt.nii.gz (3 different"
    )


# --------------------------------------------------------------------------------------------------------- DICOM series


def slices(root: Path, count: int = 4, **more: Any) -> list[Path]:
    """Write a series a slice, in an order that is not that of positions."""
    order = [2, 0, 3, 1, 4, 5][:count]
    return [
        write(
            classic(grey(6)[k], place, **({"series": f"1.9.{k}", "SeriesDescription": f"LGE SA {k}"} | more)),
            root / f"S{k}" / "1.dcm",
        )
        for k, place in enumerate(order)
    ]


@pytest.mark.parametrize("options", [{}, {"series": [f"1.9.{k}" for k in range(4)]}])
@pytest.mark.parametrize("name", ["", "P1"])
def test_a_series_a_slice_is_one_stack(tmp_path: Path, options: dict[str, Any], name: str) -> None:
    slices(tmp_path / name)
    (exam,), findings, _ = access(tmp_path, **options)
    assert findings == []
    assert np.array_equal(exam.pixels, grey(6)[[1, 3, 0, 2]])
    assert exam.notes == (
        "4 series of one image each joined to a stack: same orientation, PixelSpacing, size and frame of reference, "
        "other positions",
    )


def test_a_segmentation_of_a_joined_stack_lists_its_series(tmp_path: Path) -> None:
    files = slices(tmp_path / "in")
    (exam,), _, _ = access(tmp_path / "in")
    labels = np.ones(exam.pixels.shape, np.uint8)
    deliver(exam, labels, tmp_path / "out", ["seg"], ModelFacts("m", "1", "0" * 64, "a study"))
    seg = pydicom.dcmread(next((tmp_path / "out").glob("*/labels.dcm")))
    listed = {
        str(item.SeriesInstanceUID): [str(image.ReferencedSOPInstanceUID) for image in item.ReferencedInstanceSequence]
        for item in seg.ReferencedSeriesSequence
    }
    assert listed == {
        str(source.SeriesInstanceUID): [str(source.SOPInstanceUID)] for source in map(pydicom.dcmread, files)
    }


@pytest.mark.parametrize(
    ("more", "clash"),
    [
        ({"FrameOfReferenceUID": "1.2.10"}, "they differ in FrameOfReferenceUID"),
        ({"PixelSpacing": [1.25, 1.6]}, "they differ in PixelSpacing"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}, "they differ in ImageOrientationPatient"),
        ({"ImageOrientationPatient": None}, "they differ in ImageOrientationPatient"),
        ({"PixelSpacing": None, "StudyInstanceUID": "1.7"}, "they differ in StudyInstanceUID, PixelSpacing"),
        ({"ImagePositionPatient": None}, "they hold no ImageOrientationPatient or ImagePositionPatient"),
        ({"index": 1}, "their images are at the same positions"),
        ({"shape": (8, 6)}, "they differ in Rows and Columns"),
    ],
)
def test_series_that_are_no_stack_name_the_tag_that_clashes(tmp_path: Path, more: dict[str, Any], clash: str) -> None:
    slices(tmp_path / "P1")
    index, shape = more.pop("index", 8), more.pop("shape", (6, 8))
    other = classic(
        grey(1, shape)[0], index, **({"series": "1.8", "SeriesDescription": "LGE x", "SeriesNumber": 7} | more)
    )
    write(other, tmp_path / "P1" / "x" / "1.dcm")
    exams, findings, _ = access(tmp_path)
    assert exams == []
    assert len(findings) == 1
    assert findings[0].startswith("P1: 5 series look like LGE: 'LGE SA 0' (1 image, S0/1.dcm), ")
    assert "'LGE x' (series 7, 1 image, x/1.dcm); " + clash in findings[0]
    assert not any(secret in findings[0] for secret in SECRETS)


def test_spacing_and_orientation_that_differ_in_the_last_digits_are_the_same(tmp_path: Path) -> None:
    for k, path in enumerate(slices(tmp_path)):
        dataset = pydicom.dcmread(path)
        dataset.ImageOrientationPatient = [0.6 + 1e-6 * k, 0.8 - 0.75e-6 * k, 0, 0, 0, -1]
        dataset.save_as(path)
    assert len(access(tmp_path)[0]) == 1


def test_stacks_that_look_like_lge_are_not_joined_unless_they_are_named(tmp_path: Path) -> None:
    for k in range(2):
        series(tmp_path / f"S{k}", grey(2), order=[2 * k, 2 * k + 1], series=f"1.{k}", SeriesDescription="LGE SA")
    _, (finding,), _ = access(tmp_path)
    assert "they agree and could be one stack; name one of them, or all of one stack, in --series by" in finding
    assert "stricter" not in finding  # of one description no pattern makes two
    (exam,), _, _ = access(tmp_path, series=["1.0", "1.1"])
    assert len(exam.slices) == 4


def test_many_series_are_listed_in_short(tmp_path: Path) -> None:
    for k in range(12):
        write(classic(grey(1)[0], 0, series=f"1.9.{k}", SeriesDescription=f"LGE {k}"), tmp_path / f"S{k}" / "1.dcm")
    _, (finding,), _ = access(tmp_path)
    assert "'LGE 2' (1 image, S2/1.dcm), 'LGE 3'" in finding
    assert " and 4 more; their images are at the same positions" in finding


# ----------------------------------------------------------------------------------------------- whose exam a folder is


def test_folders_of_different_patients_with_one_study_are_exams(tmp_path: Path) -> None:
    for name in "AB":
        series(tmp_path / name, PatientID=name, series=f"1.{ord(name)}")
    exams, findings, _ = access(tmp_path)
    assert ([exam.case for exam in exams], findings) == (["A", "B"], [])
    assert exams[0].notes == exams[1].notes == (SAME_STUDY,)


@pytest.mark.parametrize("patient", ["MRN4711", None])
def test_folders_of_one_study_with_frames_of_reference_of_their_own_are_unclear(
    tmp_path: Path, patient: str | None
) -> None:
    for k, name in enumerate(("P1", "P10", "P2")):
        series(tmp_path / name, PatientID=patient, series=f"1.{k}", FrameOfReferenceUID=f"2.{k}")
    exams, (finding,), _ = access(tmp_path)
    tags = "StudyInstanceUID (0020,000D)" + " and PatientID (0010,0020)" * bool(patient)
    assert exams == []
    assert finding.startswith(
        f"folders P1, P2 and P10: their files have the same {tags}, as those of one exam, but each"
    )
    assert len(access(tmp_path, folders="cases")[0]) == 3


def test_series_folders_of_a_study_stay_one_exam(tmp_path: Path) -> None:
    series(tmp_path / "LGE", series="1.1")
    series(tmp_path / "cine", series="1.2", SeriesDescription="cine", FrameOfReferenceUID="2.2")
    assert len(access(tmp_path)[0]) == 1
    assert len(access(tmp_path, folders="series")[0]) == 1
    exams, findings, _ = access(tmp_path, folders="cases")
    assert [exam.case for exam in exams] == ["LGE"]
    assert findings[0].startswith("cine: no SeriesDescription matches --series-pattern")


def test_the_setting_decides_nothing_where_it_is_the_default() -> None:
    source = {"kind": "dicom", "mask": {"kind": "seg"}}
    assert "folders" not in deciding(validate(DicomFolders, source, "test"), 2)
    assert deciding(validate(DicomFolders, source | {"folders": "cases"}, "test"), 2)["folders"] == "cases"


def test_a_file_that_was_copied_is_read_once(tmp_path: Path) -> None:
    files = series(tmp_path / "A")
    shutil.copy(files[1], tmp_path / "A" / "copy.dcm")
    (exam,), findings, _ = access(tmp_path)
    assert (len(exam.slices), exam.notes, findings) == (3, (DUPLICATE_FILES,), [])


# ---------------------------------------------------------------------------------------------------------------- order


def test_exams_are_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        nifti(tmp_path / f"P{number}.nii.gz")
    assert [exam.case for exam in access(tmp_path)[0]] == ["P1", "P9", "P10"]


def test_numbers_in_names_are_ordered_by_value() -> None:
    names = ["im2", "im02b", "im10", "im٣", "Im4", "im4", "im5_2", "im5_10", "im10a", "scan1"]
    assert sorted(names, key=natural_key) == [
        "im2", "im02b", "im٣", "Im4", "im4", "im5_2", "im5_10", "im10", "im10a", "scan1",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_image_pairs_without_a_number_keep_the_natural_order_of_their_names(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    numbers = sorted(rng.sample(range(300), 8))
    form = rng.choice(["a_im{:d}", "a_{:03d}", "a_x{:d}_7", "a_ser2_im{:d}b", "a_{:d}of300"])
    for number in rng.sample(numbers, len(numbers)):
        pair(tmp_path, form.format(number))
    (volume,), findings = pairs(tmp_path, UNNUMBERED)
    assert (volume.slices, findings) == (tuple(form.format(number) for number in numbers), [])


@pytest.mark.parametrize(
    ("numbers", "notes"),
    [
        ((1, 2, 3), ()),
        ((0, 2, 4), ()),
        ((7,), ()),
        ((1, 2, 4), (NUMBERS_MISSING,)),
        ((1, 2, 10, 11), (NUMBERS_MISSING,)),
    ],
)
def test_gaps_in_slice_numbers_are_noted(tmp_path: Path, numbers: tuple[int, ...], notes: tuple[str, ...]) -> None:
    for number in numbers:
        pair(tmp_path, f"P_slice{number}")
    (volume,), findings = pairs(tmp_path)
    assert volume.slices == tuple(f"P_slice{number}" for number in numbers)
    assert (volume.notes, findings) == (notes, [])


def test_slices_that_are_numbered_in_letters_keep_their_natural_order(tmp_path: Path) -> None:
    source = PAIRS.model_copy(update={"case_pattern": r"^(?P<case>[^_]+)_.*_(?P<slice>[a-z]\d+)$"})
    for name in ("P_x_a10", "P_y_a9", "P_z_b1"):
        pair(tmp_path, name)
    assert pairs(tmp_path, source)[0][0].slices == ("P_y_a9", "P_x_a10", "P_z_b1")
