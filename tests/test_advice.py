"""What is refused says the way out, and the way out works: each piece of advice is followed to the letter.

A row is a generator. It writes bad input into `root` and yields how to read it; the words of its decorator must be in
what is said. It then does what the words say, and yields again how to read it; nothing may be wrong any more. With
several words there are as many refusals. To add a piece of advice, add a row.
"""

import gzip
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pydicom
import pytest
from nibabel.processing import resample_from_to
from nifti_files import load_nifti
from numpy.typing import NDArray
from PIL import Image
from synthetic_dicom import (
    NORMAL,
    ORIGIN,
    SHORT_AXIS,
    SPACING,
    STEP,
    classic,
    enhanced,
    grey,
    segmentation,
    series,
    write,
)

from lge_sweep.config.data import DataFile
from lge_sweep.config.validation import validate
from lge_sweep.errors import DataError
from lge_sweep.ingest import survey
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.pseudonym import SALT_VARIABLE

Array = NDArray[np.number]
Row = Callable[[Path], Iterator[list[str]]]
ROWS: list[Any] = []
VALUES = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar"}
COLOURS = {"background": (0, 0, 0), "cavity": (255, 255, 0), "myocardium": (0, 255, 0), "scar": (255, 0, 0)}


def advice(*words: str) -> Callable[[Row], Row]:
    """Add a row; `words` are what each refusal must say."""

    def add(row: Row) -> Row:
        ROWS.append(pytest.param(words, row, id=row.__name__))
        return row

    return add


@pytest.mark.parametrize(("words", "row"), ROWS)
def test_what_a_message_advises_works(words: tuple[str, ...], row: Row, tmp_path: Path) -> None:
    *refused, followed = row(tmp_path)
    assert followed == []
    for said, expected in zip(refused, words, strict=True):
        assert any(expected in line for line in said), said


# ------------------------------------------------------------------------------------------------------------- reading


def said(root: Path, source: dict[str, Any]) -> list[str]:
    """Return what is said of training data."""
    settings = validate(DataFile, {"source": source}, "test").source
    try:
        volumes, problem = survey(settings, root)
    except DataError as error:
        return list(error.findings)
    assert volumes or problem
    return list(problem.findings) if problem else []


def pairs(root: Path, **more: Any) -> list[str]:
    mask = {"kind": "index", "values": VALUES}
    return said(root, {"kind": "image_pairs", "case_ids": "keep", "mask": mask} | more)


def folders(root: Path, **more: Any) -> list[str]:
    return said(root, {"kind": "nifti", "case_ids": "keep", "mask": {"values": VALUES}} | more)


def studies(root: Path, **more: Any) -> list[str]:
    return said(root, {"kind": "dicom", "mask": {"kind": "nifti", "values": VALUES}} | more)


def exams(path: Path, count: int = 1, **options: Any) -> list[str]:
    """Return what is said of exams to segment, of which there must be so many where nothing is."""
    try:
        found, findings = read_exams(path, **options)
    except DataError as error:
        return list(error.findings)
    assert findings or len(found) == count
    return findings


# ------------------------------------------------------------------------------------------------------------- writing


def classes(count: int = 3) -> NDArray[np.uint8]:
    return (np.arange(count * 48) % 4).astype(np.uint8).reshape(count, 6, 8)


def save(array: Array, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def pair(root: Path, name: str, image: Array | None = None, mask: Array | None = None) -> None:
    save(grey(1, top=255)[0].astype(np.uint8) if image is None else image, root / "images" / f"{name}.png")
    save(classes(1)[0] if mask is None else mask, root / "labels" / f"{name}.png")


def nifti(path: Path, array: Array | None = None, affine: Array | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = grey().astype(np.int16) if array is None else array
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8, 1]) if affine is None else affine), path)
    return path


def case(root: Path, name: str = "A") -> Path:
    nifti(root / name / "Images" / "x.nii.gz")
    return nifti(root / name / "Contours" / "x.nii.gz", classes())


def study(root: Path, name: str = "A", **more: Any) -> Path:
    """Write a study with a NIfTI mask; return its folder."""
    series(root / name / "LGE", **more)
    matrix = np.eye(4)
    row, column = np.array(SHORT_AXIS[:3]), np.array(SHORT_AXIS[3:])
    matrix[:3] = np.stack([row * SPACING[1], column * SPACING[0], NORMAL * STEP, ORIGIN], axis=1)
    nifti(root / name / "masks" / "m.nii.gz", classes().transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix)
    return root / name


def slices(root: Path, count: int = 3, name: str = "LGE SA") -> list[Path]:
    """Write a series a slice."""
    return [
        write(classic(grey()[k], k, series=f"1.9.{k}", SeriesDescription=f"{name} {k}"), root / f"s{k}" / "1.dcm")
        for k in range(count)
    ]


def anew(path: Path, **values: Any) -> None:
    """Write a DICOM file again with other values."""
    dataset = pydicom.dcmread(path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)


# --------------------------------------------------------------------------------------------------------- image pairs


@advice("no such folder; put files there, or say in source.images where they are")
def folder_of_another_name(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    (root / "images").rename(root / "lge")
    yield pairs(root)
    yield pairs(root, images="lge")


@advice("holds no image (looked for .png, .bmp, .tif, .tiff); put them there")
def empty_folder(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    shutil.move(root / "images" / "P1_slice0.png", root)
    yield pairs(root)
    shutil.move(root / "P1_slice0.png", root / "images")
    yield pairs(root)


@advice("has no mask in labels/; give it one of the same name, or move it elsewhere")
def no_mask(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pair(root, "P1_slice1")
    mask = root / "labels" / "P1_slice1.png"
    mask.unlink()
    yield pairs(root)
    shutil.copy(root / "labels" / "P1_slice0.png", mask)
    yield pairs(root)


@advice("has no image in images/; give it one of the same name, or move it elsewhere")
def no_image(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pair(root, "P1_slice1")
    (root / "images" / "P1_slice1.png").unlink()
    yield pairs(root)
    (root / "labels" / "P1_slice1.png").rename(root / "P1_slice1.png")
    yield pairs(root)


@advice("has the same name; keep one of them")
def two_of_a_name(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    other = save(grey(1)[0].astype(np.uint8), root / "images" / "P1_slice0.bmp")
    yield pairs(root)
    other.unlink()
    yield pairs(root)


@advice("save the image anew as PNG")
def jpeg(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pair(root, "P2_slice0")
    for folder in ("images", "labels"):
        path = root / folder / "P2_slice0.png"
        with Image.open(path) as image:
            image.save(path.with_suffix(".jpg"))
        path.unlink()
    yield pairs(root)
    pair(root, "P2_slice0", np.asarray(Image.open(root / "images" / "P2_slice0.jpg")))
    for folder in ("images", "labels"):
        (root / folder / "P2_slice0.jpg").unlink()
    yield pairs(root)


@advice("or move it elsewhere")
def a_file_of_another_kind(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    (root / "images" / "P1.psd").touch()
    yield pairs(root)
    (root / "images" / "P1.psd").rename(root / "P1.psd")
    yield pairs(root)


@advice("move images into images/ itself")
def folders_in_folders(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pair(root, "P2/P2_slice0")
    yield pairs(root)
    for folder in ("images", "labels"):
        shutil.move(root / folder / "P2" / "P2_slice0.png", root / folder)
    yield pairs(root)


@advice("does not match source.case_pattern ^(?P<case>.+?)_slice(?P<slice>\\d+)$; rename it, or change the pattern")
def a_name_that_does_not_match(root: Path) -> Iterator[list[str]]:
    pair(root, "P1-7")
    yield pairs(root)
    yield pairs(root, case_pattern=r"^(?P<case>.+)-(?P<slice>\d+)$")


@advice("they must be equal; save the mask anew in the image's size")
def a_mask_of_another_size(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", mask=classes(1)[0, :, :7])
    yield pairs(root)
    pair(root, "P1_slice0")
    yield pairs(root)


@advice("one exam has one size; save them anew in one, or name them as cases of their own")
def slices_of_several_sizes(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pair(root, "P1_slice1", grey(1, (7, 7))[0].astype(np.uint8), np.zeros((7, 7), np.uint8))
    yield pairs(root)
    for folder in ("images", "labels"):
        (root / folder / "P1_slice1.png").rename(root / folder / "P1b_slice1.png")
    yield pairs(root)


@advice("have the same slice number; rename one, or leave it out")
def one_number_twice(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice1")
    pair(root, "P1_slice01")
    yield pairs(root)
    for folder in ("images", "labels"):
        (root / folder / "P1_slice01.png").rename(root / folder / "P1_slice02.png")
    yield pairs(root)


@advice("number all slices of a case in their names, or none")
def numbers_in_some_names(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice1")
    pair(root, "P1")
    pattern = r"^(?P<case>P\d+)(_slice(?P<slice>\d+))?$"
    yield pairs(root, case_pattern=pattern)
    for folder in ("images", "labels"):
        (root / folder / "P1.png").rename(root / folder / "P1_slice2.png")
    yield pairs(root, case_pattern=pattern)


@advice("LGE slices are grey (was a mask or a screenshot put here?); save it as grey")
def an_image_in_colour(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", np.stack([grey(1)[0]] * 3, -1).astype(np.uint8) + np.arange(3, dtype=np.uint8))
    yield pairs(root)
    path = root / "images" / "P1_slice0.png"
    Image.open(path).convert("L").save(path)
    yield pairs(root)


@advice("is called .png and holds JPEG; expected PNG, BMP or TIFF; convert it")
def jpeg_called_png(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    path = root / "images" / "P1_slice0.png"
    Image.open(path).save(path, format="JPEG")
    yield pairs(root)
    Image.open(path).save(path, format="PNG")
    yield pairs(root)


@advice("holds 2 pages; each slice needs a file of its own")
def several_pages(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    pages = [Image.fromarray(page.astype(np.uint8)) for page in grey(2, top=255)]
    path = root / "images" / "P1_slice0.tif"
    (root / "images" / "P1_slice0.png").unlink()
    pages[0].save(path, save_all=True, append_images=pages[1:])
    yield pairs(root)
    path.unlink()
    for k, page in enumerate(pages):
        pair(root, f"P1_slice{k}", np.asarray(page))
    yield pairs(root)


# --------------------------------------------------------------------------------------------------------------- masks


@advice("list what it holds, or save it with the values known")
def a_value_that_is_not_listed(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", mask=classes(1)[0] * 2)
    yield pairs(root)
    yield pairs(root, mask={"kind": "index", "values": {2 * value: name for value, name in VALUES.items()}})


@advice("save it with the values known")
def a_value_that_is_not_known(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", mask=classes(1)[0] * 2)
    yield pairs(root)
    pair(root, "P1_slice0", mask=classes(1)[0])
    yield pairs(root)


@advice("list what it holds, or save it with the colours known")
def a_colour_that_is_not_listed(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", mask=np.array([(9, 9, 9), (1, 2, 3)], np.uint8)[classes(1)[0] % 2])
    yield pairs(root, mask={"kind": "colour", "colours": COLOURS})
    yield pairs(root, mask={"kind": "colour", "colours": {"background": (9, 9, 9), "scar": (1, 2, 3)}})


@advice("set kind: colour and give colours:, or save the class values as 8-bit grey")
def a_mask_in_colour(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0", mask=np.array(list(COLOURS.values()), np.uint8)[classes(1)[0]])
    yield pairs(root)
    yield pairs(root, mask={"kind": "colour", "colours": COLOURS})


@advice("set kind: index and give values:, or save it as RGB")
def a_grey_mask(root: Path) -> Iterator[list[str]]:
    pair(root, "P1_slice0")
    yield pairs(root, mask={"kind": "colour", "colours": COLOURS})
    yield pairs(root, mask={"kind": "index", "values": VALUES})


# --------------------------------------------------------------------------------------------------------------- NIfTI


@advice("holds no folder; expected one a case, with Images/ in it")
def no_folder(root: Path) -> Iterator[list[str]]:
    yield folders(root)
    case(root)
    yield folders(root)


@advice("A/Images: holds no NIfTI file, only 1 .mha (x.mha); expected one of .nii or .nii.gz, and a folder a case")
def no_nifti_file(root: Path) -> Iterator[list[str]]:
    case(root)
    image = root / "A" / "Images" / "x.nii.gz"
    kept = image.rename(root / "kept.gz")
    (image.parent / "x.mha").touch()
    yield folders(root)
    (image.parent / "x.mha").unlink()
    kept.rename(image)
    yield folders(root)


@advice("holds several NIfTI files (x.nii.gz, y.nii.gz); expected one of .nii or .nii.gz, and a folder a case")
def several_nifti_files(root: Path) -> Iterator[list[str]]:
    case(root)
    image = root / "A" / "Images" / "x.nii.gz"
    shutil.copy(image, image.with_name("y.nii.gz"))
    yield folders(root)
    case(root, "B")
    image.with_name("y.nii.gz").rename(root / "B" / "Images" / "x.nii.gz")
    yield folders(root)


@advice("has no mask A/Contours/x.nii.gz; there is 1 .nii.gz (y.nii.gz); give a NIfTI mask its image's name")
def a_mask_of_another_name(root: Path) -> Iterator[list[str]]:
    mask = case(root)
    mask.rename(mask.with_name("y.nii.gz"))
    yield folders(root)
    mask.with_name("y.nii.gz").rename(mask)
    yield folders(root)


@advice("A/Images: files of kinds that are not read: 1 .nrrd (y.nrrd); convert them to NIfTI, or move them elsewhere")
def another_kind_beside_the_image(root: Path) -> Iterator[list[str]]:
    case(root)
    (root / "A" / "Images" / "y.nrrd").touch()
    yield folders(root)
    (root / "A" / "Images" / "y.nrrd").rename(root / "A" / "y.nrrd")
    yield folders(root)


@advice("files beside the folders of cases are not read: 1 .nii.gz (B.nii.gz); put each exam into a folder of its own")
def a_nifti_file_beside_the_cases(root: Path) -> Iterator[list[str]]:
    case(root)
    nifti(root / "B.nii.gz")
    yield folders(root)
    case(root, "B")
    (root / "B.nii.gz").rename(root / "B" / "Images" / "x.nii.gz")
    yield folders(root)


@advice("it does not begin with a NIfTI header; save it as .nii or .nii.gz")
def no_nifti_header(root: Path) -> Iterator[list[str]]:
    path = nifti(root / "a.nii.gz")
    content = path.read_bytes()
    path.write_bytes(gzip.compress(b"MGH" * 300))
    yield exams(path)
    path.write_bytes(content)
    yield exams(path)


@advice("(cut off?); get it again")
def cut_off(root: Path) -> Iterator[list[str]]:
    path = nifti(root / "a.nii")
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    yield exams(path)
    path.write_bytes(content)
    yield exams(path)


@advice("holds 4-D data [3, 6, 8, 2]; expected one volume, [columns, rows, slices]")
def a_film(root: Path) -> Iterator[list[str]]:
    film = np.stack([grey()] * 2, -1).astype(np.int16)
    yield exams(nifti(root / "a.nii", film))
    yield exams(nifti(root / "a.nii", film[..., 0]))


# ------------------------------------------------------------------------------------------------------------- exams


@advice("no such file or folder; give an exam, or a folder of exams")
def no_such_file(root: Path) -> Iterator[list[str]]:
    nifti(root / "a.nii")
    yield exams(root / "b.nii")
    yield exams(root / "a.nii")


@advice("holds no DICOM file and no NIfTI file, only 1 .jpg (a.jpg); expected an exam, or a folder of exams")
def a_folder_of_pictures(root: Path) -> Iterator[list[str]]:
    (root / "a.jpg").touch()
    yield exams(root)
    nifti(root / "a.nii")
    yield exams(root)


@advice("1 .mha (b.mha), 1 .zip (c.zip); unpack archives and convert other kinds to DICOM or NIfTI")
def kinds_that_are_not_read(root: Path) -> Iterator[list[str]]:
    nifti(root / "a.nii")
    (root / "b.mha").touch()
    (root / "c.zip").touch()
    yield exams(root)
    nifti(root / "b.nii")
    nifti(root / "c.nii")
    (root / "b.mha").unlink()
    (root / "c.zip").unlink()
    yield exams(root, 3)


def labels() -> Array:
    array = np.zeros((9, 9, 3), np.uint8)
    array[3:5, 3:5] = 1
    return array


@advice(
    "looks like a label map (2 different whole numbers, 95% of it 0), not like an image, and was left out; if it is"
)
def an_image_of_few_grey_levels(root: Path) -> Iterator[list[str]]:
    path = nifti(root / "a.nii", labels())
    yield exams(root)
    yield exams(path)


@advice("there is another exam of the name a; rename one of them")
def two_exams_of_a_name(root: Path) -> Iterator[list[str]]:
    nifti(root / "a.nii")
    other = nifti(root / "a.nii.gz")
    yield exams(root)
    other.rename(root / "b.nii.gz")
    yield exams(root, 2)


def advised(root: Path, findings: list[str]) -> Path:
    """Return the folder to give, which stands as it must be typed."""
    (place,) = {place for finding in findings for place in re.findall("give (.*) to segment", finding)}
    assert Path(place).is_relative_to(root)
    return Path(place)


@advice("all: holds no NIfTI file and no Images/ itself, but w/P1/x.nii; give ")
def exams_that_lie_deeper(root: Path) -> Iterator[list[str]]:
    nifti(root / "all" / "w" / "P1" / "x.nii")
    nifti(root / "all" / "w" / "P2" / "x.nii")
    findings = exams(root)
    yield findings
    assert advised(root, findings) == root / "all" / "w"
    yield exams(advised(root, findings), 2)


@advice("train: holds no NIfTI file and no Images/ itself, but A/Images/x.nii.gz; give ")
def case_folders_that_lie_deeper(root: Path) -> Iterator[list[str]]:
    case(root / "train", "A")
    case(root / "train", "B")
    findings = exams(root)
    yield findings
    assert advised(root, findings) == root / "train"
    yield exams(advised(root, findings), 2)


@advice(
    "other.nii.gz: looks like an image, and was not read, as NIfTI files beside DICOM files are taken for masks; if"
)
def a_nifti_exam_beside_dicom_files(root: Path) -> Iterator[list[str]]:
    series(root / "A")
    other = nifti(root / "A" / "other.nii.gz")
    yield exams(root)
    (root / "B").mkdir()
    other.rename(root / "B" / "other.nii.gz")
    yield exams(root, 2)


@advice("begin with a dot: .A, .B; rename what is to be read so that it begins with another character")
def hidden_exams(root: Path) -> Iterator[list[str]]:
    for name in (".A", ".B"):
        series(root / name, StudyInstanceUID=f"1.{ord(name[1])}", PatientID=name)
    series(root / "C", StudyInstanceUID="1.3", PatientID="C")
    yield exams(root)
    (root / ".A").rename(root / "A")
    shutil.rmtree(root / ".B")
    yield exams(root, 2)


@advice(*["A: has no folder masks/, in which its masks (a NIfTI file) are looked for; put them there, name"] * 2)
def masks_that_lie_elsewhere(root: Path) -> Iterator[list[str]]:
    (study(root) / "masks").rename(root / "A" / "truth")
    yield studies(root)
    assert studies(root, masks="truth") == []
    yield studies(root)
    (root / "A" / "truth").rename(root / "A" / "masks")
    yield studies(root)


@advice("A/Images: is missing; put the case's image there, or say in source.images where it is")
def images_that_lie_elsewhere(root: Path) -> Iterator[list[str]]:
    case(root)
    case(root, "B")
    for name in ("A", "B"):
        (root / name / "Images").rename(root / name / "LGE")
    yield folders(root)
    yield folders(root, images="LGE")


@advice("A.zip: is an archive (.zip), which is not read; unpack it and give the folder with its files")
def an_archive_that_is_given(root: Path) -> Iterator[list[str]]:
    series(root / "A")
    archive = Path(shutil.make_archive(str(root / "A"), "zip", root / "A"))
    yield exams(archive)
    shutil.unpack_archive(archive, root / "unpacked")
    yield exams(root / "unpacked")


@advice("A.nii.gz: broken NIfTI file: its gzip compression is cut off or damaged; get it again")
def a_file_that_is_cut_off(root: Path) -> Iterator[list[str]]:
    path = nifti(root / "A.nii.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    yield exams(path)
    path.write_bytes(whole)
    yield exams(path)


@advice("cannot be looked into (Permission denied); get the right to read it, or remove it")
def a_folder_that_may_not_be_read(root: Path) -> Iterator[list[str]]:
    series(root / "A", StudyInstanceUID="1.1")
    series(root / "B", StudyInstanceUID="1.2", PatientID="B")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "B":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with patch("os.scandir", scandir):
        yield exams(root)
    yield exams(root, 2)


@advice("mend the link or remove it")
def a_broken_link(root: Path) -> Iterator[list[str]]:
    series(root)
    (root / "IM9.dcm").symlink_to(root / "nowhere")
    yield exams(root)
    (root / "IM9.dcm").unlink()
    yield exams(root)


@advice("is a pipe, a socket, a device or a folder; expected a file; remove it, or put the file here")
def a_pipe(root: Path) -> Iterator[list[str]]:
    files = series(root)
    content = files[1].read_bytes()
    files[1].unlink()
    os.mkfifo(files[1])
    yield exams(root)
    files[1].unlink()
    files[1].write_bytes(content)
    yield exams(root)


@advice("give the slices of the heart only")
def more_slices_than_an_exam_has(root: Path) -> Iterator[list[str]]:
    with patch("lge_sweep.ingest.limits.MAX_PIXELS", 200):
        yield exams(nifti(root / "a.nii", grey(5).astype(np.int16)))
        yield exams(nifti(root / "a.nii", grey(3).astype(np.int16)))


# ------------------------------------------------------------------------------------------------- DICOM: which series


@advice("make source.series_pattern stricter")
def a_stricter_pattern(root: Path) -> Iterator[list[str]]:
    series(study(root) / "LA", SeriesDescription="LGE 4ch", series="1.5")
    yield studies(root)
    yield studies(root, series_pattern="LGE SA")


@advice(
    "name one of them, or all of one stack, in source.series by SeriesInstanceUID (0020,000E; pydicom show FILE::Series"
)
def magnitude_and_phase(root: Path) -> Iterator[list[str]]:
    series(study(root) / "mag", series="1.5")
    yield studies(root)
    uid = str(pydicom.dcmread(root / "A" / "mag" / "IM0.dcm").SeriesInstanceUID)
    yield studies(root, series=[uid])


@advice("or all of one stack, in source.series")
def all_series_of_one_stack(root: Path) -> Iterator[list[str]]:
    folder = study(root)
    shutil.rmtree(folder / "LGE")
    files = slices(folder)
    write(classic(grey(1)[0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], series="1.7", SeriesDescription="LGE 4ch"),
          folder / "la" / "1.dcm")  # fmt: skip
    yield studies(root)
    yield studies(root, series=[str(pydicom.dcmread(file).SeriesInstanceUID) for file in files])


@advice(
    "source.series names 2 series of it", "source.series 1.99: no case has this series; correct it, or leave it out"
)
def series_that_are_not_one_stack(root: Path) -> Iterator[list[str]]:
    series(study(root) / "mag", series="1.5")
    uid = str(pydicom.dcmread(root / "A" / "LGE" / "IM0.dcm").SeriesInstanceUID)
    yield studies(root, series=["1.5", uid])
    yield studies(root, series=[uid, "1.99"])
    yield studies(root, series=[uid])


@advice("no SeriesDescription matches source.series_pattern", "no SeriesDescription matches source.series_pattern")
def a_description_of_another_kind(root: Path) -> Iterator[list[str]]:
    study(root, SeriesDescription="T1 SA", series="1.5")
    yield studies(root)
    yield studies(root, series_pattern="T2")
    assert studies(root, series=["1.5"]) == []
    yield studies(root, series_pattern="T1")


@advice("they differ in StudyInstanceUID; name one of them, or all of one stack, in --series")
def two_studies_in_a_folder(root: Path) -> Iterator[list[str]]:
    series(root / "A" / "x", StudyInstanceUID="1.1", series="1.1.1")
    series(root / "A" / "y", StudyInstanceUID="1.2", series="1.2.1")
    yield exams(root)
    assert exams(root, series=["1.1.1"]) == []
    for name in "xy":  # or put the files of each study into a folder of their own in the root
        (root / "A" / name).rename(root / name)
    (root / "A").rmdir()
    yield exams(root, 2)


# --------------------------------------------------------------------------------------------- DICOM: whose exam it is


def same_study(root: Path) -> None:
    for name, uid in (("A", "1.5"), ("B", "1.6")):
        study(root, name, series=uid, FrameOfReferenceUID=f"{uid}.1")


@advice(
    "folders A and B: their files have the same StudyInstanceUID (0020,000D) and PatientID (0010,0020), as those of "
    "one exam, but each an LGE series with a FrameOfReferenceUID (0020,0052) of its own, and a folder masks/ each, as "
    "those of several; if each folder is an exam, set source.folders: cases and source.case_ids: keep"
)
def two_patients_with_one_study(root: Path) -> Iterator[list[str]]:
    same_study(root)
    yield studies(root)
    yield studies(root, folders="cases", case_ids="keep")


@advice("if they are series of one exam, set --folders series", "name one of them, or all of one stack, in --series")
def two_series_that_look_like_two_exams(root: Path) -> Iterator[list[str]]:
    same_study(root)
    yield exams(root)
    yield exams(root, folders="series")
    yield exams(root, folders="series", series=["1.6"])


@advice("set --folders cases and --case-ids keep")
def two_exams_with_one_study(root: Path) -> Iterator[list[str]]:
    same_study(root)
    yield exams(root)
    yield exams(root, 2, folders="cases", case_ids="keep")


@advice("holds images of 2 different patients (PatientID (0010,0020) differs: A/LGE/IM0.dcm, B/LGE/IM0.dcm); give each")
def two_patients_in_a_folder(root: Path) -> Iterator[list[str]]:
    for name in "AB":
        study(root / "all", name, PatientID=name, StudyInstanceUID="1." + str(ord(name)))
    yield studies(root)
    assert studies(root / "all") == []  # or take the folder that holds their folders for the root
    for name in "AB":
        (root / "all" / name).rename(root / name)
    (root / "all").rmdir()
    yield studies(root)


@advice(
    "has the PatientID of A; keep one exam a patient, or, where the files of all patients carry the same PatientID, set"
)
def two_exams_of_a_patient(root: Path) -> Iterator[list[str]]:
    for k, name in enumerate("AB"):
        study(root, name, StudyInstanceUID=f"1.{k + 1}")
    yield studies(root)
    assert studies(root, case_ids="keep") == []
    shutil.rmtree(root / "B")
    yield studies(root)


@advice(
    "has the PatientID and StudyInstanceUID of B; put the files of one exam into one folder, or, where the files of all"
)
def one_study_in_two_folders(root: Path) -> Iterator[list[str]]:
    series(root / "A", StudyInstanceUID="1.1")
    files = series(root / "B", StudyInstanceUID="1.2")
    (root / "C").mkdir()
    moved = files[2].rename(root / "C" / files[2].name)
    yield exams(root)
    assert exams(root, 3, case_ids="keep") == []
    moved.rename(files[2])
    (root / "C").rmdir()
    yield exams(root, 2)


# ---------------------------------------------------------------------------------------------------- DICOM: its files


@advice("holds no DICOM file; expected a folder a case, with the files of its study")
def no_dicom_file(root: Path) -> Iterator[list[str]]:
    yield studies(root)
    study(root)
    yield studies(root)


@advice("files beside the folders of cases are not read: 1 .nii.gz (m.nii.gz); put masks into masks/ of a case")
def a_mask_beside_the_cases(root: Path) -> Iterator[list[str]]:
    mask = study(root) / "masks" / "m.nii.gz"
    mask.rename(root / "m.nii.gz")
    yield studies(root)
    (root / "m.nii.gz").rename(mask)
    yield studies(root)


@advice(
    "B: holds no DICOM file, only 1 .zip (B.zip); unpack archives and convert other kinds to DICOM, or move them else"
)
def a_case_that_is_packed(root: Path) -> Iterator[list[str]]:
    study(root)
    (root / "B").mkdir()
    (root / "B" / "B.zip").touch()
    yield studies(root)
    (root / "B" / "B.zip").unlink()
    study(root, "B", PatientID="B", StudyInstanceUID="1.2")
    yield studies(root)


@advice("holds no DICOM image, only Basic Text SR Storage; add its images, or move it elsewhere")
def a_report_alone(root: Path) -> Iterator[list[str]]:
    study(root)
    report = classic(grey(1)[0], StudyInstanceUID="1.9", PatientID="B")
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    write(report, root / "B" / "SR.dcm")
    yield studies(root)
    shutil.rmtree(root / "B")
    yield studies(root)


@advice("1 file in it cannot be read, so that slices may be missing; restore or remove what is broken")
def a_broken_file(root: Path) -> Iterator[list[str]]:
    files = series(root)
    content = files[1].read_bytes()
    files[1].write_bytes(content[:150])
    yield exams(root)
    files[1].write_bytes(content)
    yield exams(root)


@advice("differ, but have the same SOPInstanceUID (0008,0018); remove one of them")
def two_files_of_one_instance(root: Path) -> Iterator[list[str]]:
    files = series(root)
    shutil.copy(files[0], root / "copy.dcm")
    anew(root / "copy.dcm", SeriesDescription="LGE again")
    yield exams(root)
    (root / "copy.dcm").unlink()
    yield exams(root)


@advice("keep one of them")
def two_images_at_one_position(root: Path) -> Iterator[list[str]]:
    series(root)
    other = write(classic(grey()[1], 1), root / "other.dcm")
    yield exams(root)
    other.unlink()
    yield exams(root)


@advice("write the file again with the right value, or leave the file out")
def a_value_that_no_scanner_makes(root: Path) -> Iterator[list[str]]:
    files = series(root)
    anew(files[2], PixelSpacing=[0, 0])
    yield exams(root)
    anew(files[2], PixelSpacing=list(SPACING))
    yield exams(root)


@advice("export the study again with geometry")
def no_geometry(root: Path) -> Iterator[list[str]]:
    series(root, ImagePositionPatient=None)
    yield exams(root)
    series(root)
    yield exams(root)


@advice("has no WindowCenter and WindowWidth, and no VOI LUT; set source.window: false")
def no_window(root: Path) -> Iterator[list[str]]:
    study(root)
    yield studies(root, window=True)
    yield studies(root, window=False)


# ------------------------------------------------------------------------------------------------------ DICOM: masks


@advice("a multi-frame file cannot have mask images by file name; give a NIfTI or DICOM SEG mask")
def mask_images_of_a_multi_frame_file(root: Path) -> Iterator[list[str]]:
    shutil.rmtree(study(root) / "LGE")
    source = enhanced(grey(), [0, 1, 2])
    source.Modality, source.FrameOfReferenceUID = "MR", "1.2.9"
    write(source, root / "A" / "LGE")
    yield studies(root, mask={"kind": "index", "values": VALUES})
    yield studies(root, mask={"kind": "nifti", "values": VALUES})


@advice("holds 2 DICOM SEG files (SEG0.dcm, SEG1.dcm); keep one")
def two_segmentations(root: Path) -> Iterator[list[str]]:
    files = series(root / "A")
    sources = [pydicom.dcmread(file) for file in files]
    for k in range(2):
        write(segmentation(sources, classes(), ("LV cavity", "Myocardium", "Scar")), root / "A" / f"SEG{k}.dcm")
    yield studies(root, mask={"kind": "seg"})
    (root / "A" / "SEG1.dcm").unlink()
    yield studies(root, mask={"kind": "seg"})


@advice("are not in source.mask.segments (known: Heart, Wall, Scar)")
def a_segment_that_is_not_listed(root: Path) -> Iterator[list[str]]:
    sources = [pydicom.dcmread(file) for file in series(root / "A")]
    names = ("LV cavity", "Myocardium", "Scar")
    write(segmentation(sources, classes(), names), root / "A" / "SEG.dcm")
    known = {"Heart": "cavity", "Wall": "myocardium", "Scar": "scar"}
    yield studies(root, mask={"kind": "seg", "segments": known})
    yield studies(root, mask={"kind": "seg", "segments": dict(zip(names, known.values(), strict=True))})


@advice("2 masks are called IM0, but masks are found by the names of images; rename them")
def two_mask_images_of_a_name(root: Path) -> Iterator[list[str]]:
    files = series(root / "A")
    for k, file in enumerate(files):
        save(classes()[k], root / "A" / "masks" / f"{file.stem}.png")
    (root / "A" / "masks" / "IM0.png").rename(root / "A" / "masks" / "IM0.bmp")
    (root / "A" / "masks" / "IM1.png").rename(root / "A" / "masks" / "IM0.png")
    yield studies(root, mask={"kind": "index", "values": VALUES})
    (root / "A" / "masks" / "IM0.png").rename(root / "A" / "masks" / "IM1.png")
    Image.open(root / "A" / "masks" / "IM0.bmp").save(root / "A" / "masks" / "IM0.png")
    (root / "A" / "masks" / "IM0.bmp").unlink()
    yield studies(root, mask={"kind": "index", "values": VALUES})


# ---------------------------------------------------------------------------------------------------------------- salt


@advice("set LGE_SWEEP_SALT to a secret of yours")
def a_salt_that_cannot_be_made(root: Path) -> Iterator[list[str]]:
    nifti(root / "a.nii")
    (root / "file").touch()
    environment = {SALT_VARIABLE: "", "XDG_CONFIG_HOME": str(root / "file")}
    with patch.dict(os.environ, environment):
        yield exams(root / "a.nii")
        os.environ[SALT_VARIABLE] = "a secret of mine"
        yield exams(root / "a.nii")


# ----------------------------------------------------------------------------------------------------- where voxels lie


def placed(root: Path, name: str, array: Array, origin: float = 30.0) -> Path:
    """Write a NIfTI file that has a position."""
    path = root / "A" / name / "a.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = nib.affines.from_matvec(np.diag([-1.5, -1.25, 8.0]), (origin, 20, 10))
    nib.save(nib.Nifti1Image(array.transpose(2, 1, 0), affine), path)
    return path


@advice("set source.trust_grid: true", "set source.trust_grid: true, else resample it onto the image")
def a_mask_that_lost_its_position(root: Path) -> Iterator[list[str]]:
    placed(root, "Images", grey().astype(np.int16))
    mask = placed(root, "Contours", classes())
    nib.save(nib.Nifti1Image(np.asarray(load_nifti(mask).dataobj), np.eye(4)), mask)
    yield folders(root)
    assert folders(root, trust_grid=True) == []
    yield folders(root)
    placed(root, "Contours", classes())
    yield folders(root)


@advice("resample it onto the image")
def a_mask_that_lies_elsewhere(root: Path) -> Iterator[list[str]]:
    image = placed(root, "Images", grey().astype(np.int16))
    mask = placed(root, "Contours", classes(), origin=36)
    yield folders(root)
    nib.save(resample_from_to(load_nifti(mask), load_nifti(image), order=0), mask)
    yield folders(root)


@advice("set source.folders: cases and source.case_ids: keep")
def folders_of_the_same_instances(root: Path) -> Iterator[list[str]]:
    """Two anonymised variants of one exam: the same UIDs, other pixels."""
    for name, change in (("A", 0), ("B", 5)):
        for k, file in enumerate(series(root / name)):
            write(classic(grey()[k] + np.uint16(change), k, SOPInstanceUID=f"1.2.3.{k}"), file)
        nib.save(nib.Nifti1Image(classes().transpose(2, 1, 0), np.eye(4)), root / name / "mask.nii")
    yield studies(root, masks=".")
    yield studies(root, masks=".", folders="cases", case_ids="keep")
