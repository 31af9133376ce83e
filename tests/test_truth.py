"""Truth as hospitals have it: contours of RTSTRUCT and cvi42, label maps, label codes, no-reflow."""

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import highdicom as hd
import nibabel as nib
import numpy as np
import pytest
import synthetic_dicom
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from pydicom.dataset import Dataset, FileDataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid
from refused import the_finding
from synthetic_dicom import classic, encode, write
from synthetic_truth import Points, circle, even_odd, in_patient, structure_set, workspace, write_workspace
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config.data import DicomFolders, ImagePairs
from lge_sweep.config.masks import LABELS, IndexMask, NiftiMask
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.contours import (
    DUPLICATE_CONTOUR,
    EMPTY_CONTOUR,
    NO_ENDOCARDIUM,
    PARTIAL_OVERLAP,
    SCAR_IN_CAVITY,
    Contour,
    fill_contours,
    polygon_mask,
)
from lge_sweep.ingest.cvi42 import CONTOURS_ON_OTHER_IMAGES, OPEN_CONTOUR_CLOSED
from lge_sweep.ingest.rtstruct import OTHER_SERIES
from lge_sweep.ingest.seg_alignment import NO_GEOMETRY, OTHER_FRAME_OF_REFERENCE, TURNED_SEG
from lge_sweep.labels import MVO, Label
from lge_sweep.quantify import measure
from lge_sweep.study.digest import deciding

Labels = NDArray[np.uint8]
SHAPE = (40, 48)
SPACING = (1.25, 1.5, 10.0)
RTSTRUCT = {"kind": "rtstruct", "structures": {"endo": "cavity", "EPI": "myocardium", "scar": "scar", "mvo": "mvo"}}
CVI42 = {"kind": "cvi42"}


def series(folder: Path, slices: int = 3, shape: tuple[int, int] = SHAPE) -> list[FileDataset]:
    """Write an oblique series whose slices drift in their plane; return its images, apex first."""
    images = encode(synthetic_dicom.grey(slices, shape), SPACING)
    for k, image in enumerate(images):
        along = np.array(image.ImageOrientationPatient[:3], dtype=float)
        drifted = np.array(image.ImagePositionPatient, dtype=float) + 0.7 * k * along
        image.ImagePositionPatient = [round(float(mm), 6) for mm in drifted]
        write(image, folder / f"IM{k}.dcm")
    return images


def studies(mask: Mapping[str, object]) -> DicomFolders:
    return DicomFolders.model_validate({"kind": "dicom", "case_ids": "keep", "mask": mask})


def volume(root: Path, mask: Mapping[str, object]) -> Volume:
    return read(studies(mask), root)[0]


def problem(root: Path, mask: Mapping[str, object]) -> str:
    return the_finding(studies(mask), root)


def said(exam: Volume) -> set[str]:
    """Return the notes, but for those on intensities, which are random here, and on the stack's drift."""
    others = ("its masks would fit", "the cavity of its masks", "each slice lies 0.7 mm aside")
    return {note for note in exam.notes if not note.startswith(others)}


def drawn(images: Sequence[Dataset], index: int, points: Points, refer: bool = True) -> tuple[Points, str | None]:
    return in_patient(points, images[index]), str(images[index].SOPInstanceUID) if refer else None


# ------------------------------------------------------------------------------------------------------------ contours


@pytest.mark.parametrize("seed", range(8))
def test_a_polygon_is_filled_as_by_counting_crossings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(-5, 45, (rng.integers(3, 12), 2))  # it may cross itself, and leave the image
    assert np.array_equal(polygon_mask(points, SHAPE), even_odd([points], SHAPE))


@pytest.mark.parametrize("radius", [5.3, 40.0, 150.0])
def test_the_area_of_a_disc_tends_to_that_of_a_circle(radius: float) -> None:
    rng = np.random.default_rng(0)
    middles = [160 + rng.random(2) for _ in range(5)]
    area = np.mean([polygon_mask(circle(row, column, radius), (320, 320)).sum() for row, column in middles])
    assert area == pytest.approx(np.pi * radius**2, rel=0.6 / radius)


def test_a_pixel_belongs_if_its_centre_is_in_or_on_the_line() -> None:
    square = np.array([[1, 1], [1, 3], [3, 3], [3, 1]], dtype=float)
    assert polygon_mask(square, (6, 6)).sum() == 9
    assert polygon_mask(square + 0.5, (6, 6)).sum() == 4


def contour(code: int, points: Points, structure: str = "a", index: int = 0) -> Contour:
    return Contour(structure, code, index, points)


def test_holes_and_islands_by_even_odd() -> None:
    polygons = [circle(20.1, 20.2, radius) for radius in (15, 10, 5)] + [circle(20.1, 42.2, 4)]
    labels, notes = fill_contours([contour(3, polygon) for polygon in polygons], (1, *SHAPE))
    assert np.array_equal(labels[0] == 3, even_odd(polygons, SHAPE))
    assert not notes


def test_a_hole_by_a_keyhole() -> None:
    outer, inner = circle(20, 20, 15), circle(20, 20, 8)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner, inner[:1]]) + 0.13
    assert np.array_equal(polygon_mask(keyhole, SHAPE), even_odd([outer + 0.13, inner + 0.13], SHAPE))


def test_classes_overlap_in_a_stated_order() -> None:
    epi, endo, scar, mvo = (
        circle(20.1, column, radius) for column, radius in ((20.2, 15), (20.2, 9), (32.2, 4), (32.2, 2))
    )
    parts = [contour(MVO, mvo), contour(3, scar), contour(1, endo), contour(2, epi)]
    labels, notes = fill_contours(parts, (1, *SHAPE))
    expected = np.zeros(SHAPE, dtype=np.uint8)
    for code, polygon in ((2, epi), (1, endo), (3, scar), (MVO, mvo)):
        expected[even_odd([polygon], SHAPE)] = code
    assert np.array_equal(labels[0], expected)
    assert notes == (SCAR_IN_CAVITY,)


@pytest.mark.parametrize(
    ("polygons", "note"),
    [
        ([circle(20, 20, 15), circle(20, 20, 15)], DUPLICATE_CONTOUR),
        ([circle(20, 20, 15), circle(20.5, 3.5, 0.2)], EMPTY_CONTOUR),
        ([circle(20, 20, 10), circle(20, 30, 10)], PARTIAL_OVERLAP),
        ([circle(20, 20, 10)], NO_ENDOCARDIUM),
    ],
)
def test_what_could_be_doubted_is_said(polygons: Sequence[Points], note: str) -> None:
    labels, notes = fill_contours([contour(2, polygon) for polygon in polygons], (2, *SHAPE))
    assert note in notes
    assert labels[0].any()
    assert not labels[1].any()


# ------------------------------------------------------------------------------------------------------------ RTSTRUCT


def test_structures_are_laid_where_they_lie(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    rings = {"Endo": circle(20.3, 22.1, 7.7), "epi ": circle(20.1, 22.4, 13.2), "Scar": circle(20.1, 33.2, 3)}
    structures = {name: [drawn(images, k, ring) for k in (0, 2)] for name, ring in rings.items()}
    structures["scar"] = [drawn(images, 2, circle(9.1, 22.2, 2.4))]
    write(structure_set(structures), tmp_path / "p" / "RS.dcm")
    exam = volume(tmp_path, RTSTRUCT)
    expected = np.zeros((3, *SHAPE), dtype=np.uint8)
    for k in (0, 2):
        for code, name in ((2, "epi "), (1, "Endo"), (3, "Scar")):
            expected[k][even_odd([rings[name]], SHAPE)] = code
    expected[2][even_odd([circle(9.1, 22.2, 2.4)], SHAPE)] = 3
    order = [int(source.path.stem.removeprefix("IM")) for source in exam.sources]
    assert np.array_equal(exam.labels, expected[order])
    assert exam.mvo is not None
    assert not exam.mvo.any()
    assert not said(exam)


def test_a_disc_has_its_area_in_ml(tmp_path: Path) -> None:
    images = series(tmp_path / "p", shape=(160, 160))
    ring = circle(80, 80, 1, 800)
    mm = [((ring - 80) * [40 / SPACING[0], 40 / SPACING[1]] + 80, k) for k in range(3)]  # a circle of 40 mm
    write(structure_set({"endo": [drawn(images, k, points) for points, k in mm]}), tmp_path / "p" / "RS.dcm")
    exam = volume(tmp_path, RTSTRUCT)
    pixels = measure(exam.labels, None).pixels[Label.CAVITY]
    assert pixels * SPACING[0] * SPACING[1] == pytest.approx(3 * np.pi * 40**2, rel=2e-3)


@pytest.mark.parametrize(("off", "count"), [(0.9, 0), (-0.9, 0), (1.1, 1), (5.0, 1), (10.0, 1)])
def test_a_contour_off_the_slices_is_a_finding_that_names_the_distance(tmp_path: Path, off: float, count: int) -> None:
    images = series(tmp_path / "p")
    normal = np.cross(images[0].ImageOrientationPatient[:3], images[0].ImageOrientationPatient[3:])
    points, _ = drawn(images, 2, circle(20, 20, 8))
    apart = np.sign(np.dot(np.subtract(images[2].ImagePositionPatient, images[0].ImagePositionPatient), normal))
    write(structure_set({"endo": [(points + apart * off * normal, None)]}), tmp_path / "p" / "RS.dcm")
    if not count:
        assert volume(tmp_path, RTSTRUCT).labels.any()
    else:
        text = problem(tmp_path, RTSTRUCT)
        assert f"structure 'endo' has 1 of 1 contours up to {off:.3g} mm off the nearest slice" in text
        assert "1 mm count as on it" in text


def test_the_slice_that_a_contour_lacks_can_be_added(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    write(structure_set({"endo": [drawn(images, k, circle(20, 20, 8)) for k in range(3)]}), tmp_path / "p" / "RS.dcm")
    (tmp_path / "p" / "IM2.dcm").rename(tmp_path / "p" / "IM2.txt")
    refused = problem(tmp_path, RTSTRUCT)
    assert "up to 10 mm off the nearest slice" in refused
    assert "add the slice" in refused
    (tmp_path / "p" / "IM2.txt").rename(tmp_path / "p" / "IM2.dcm")
    assert volume(tmp_path, RTSTRUCT).labels.any(axis=(1, 2)).all()


def test_a_tilted_contour_is_on_no_slice(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    points, _ = drawn(images, 1, circle(20, 20, 8))
    tilted = points + np.linspace(-3, 3, len(points))[:, None] * np.eye(3)[2]
    write(structure_set({"endo": [(tilted, None)]}), tmp_path / "p" / "RS.dcm")
    assert "off the nearest slice" in problem(tmp_path, RTSTRUCT)


def test_contours_of_another_series_need_the_same_frame_of_reference(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    points, _ = drawn(images, 1, circle(20, 20, 8))
    path = tmp_path / "p" / "RS.dcm"
    write(structure_set({"endo": [(points, "1.2.3.4")]}), path)
    assert said(volume(tmp_path, RTSTRUCT)) == {OTHER_SERIES}
    write(structure_set({"endo": [(points, "1.2.3.4")]}, frame="1.2.10"), path)
    assert "refers to images of another series, and its frame of reference (0020,0052) is another" in problem(
        tmp_path, RTSTRUCT
    )
    write(structure_set({"endo": [(points, None)]}, frame=None), path)
    assert "refers to no image, and its frame of reference (0020,0052) is" in problem(tmp_path, RTSTRUCT)
    write(structure_set({"endo": [(points, str(images[2].SOPInstanceUID))]}), path)
    assert "refer to one slice and lie in another" in problem(tmp_path, RTSTRUCT)


@pytest.mark.parametrize("kind", ["OPEN_PLANAR", "POINT", "OPEN_NONPLANAR"])
def test_open_contours_are_named_and_the_advice_helps(tmp_path: Path, kind: str) -> None:
    images = series(tmp_path / "p")
    structures = {"endo": [drawn(images, 0, circle(20, 20, 8))], "scar": [drawn(images, 0, circle(20, 20, 2))]}
    dataset = structure_set(structures)
    dataset.ROIContourSequence[1].ContourSequence[0].ContourGeometricType = kind
    write(dataset, tmp_path / "p" / "RS.dcm")
    text = problem(tmp_path, RTSTRUCT)
    assert f"structure 'scar' has 1 of 1 contours that hold no area ({kind}" in text
    assert "list the structure as background" in text
    listed = {"endo": "cavity", "scar": "background"}
    assert set(np.unique(volume(tmp_path, {"kind": "rtstruct", "structures": listed}).labels)) == {0, 1}


def test_every_structure_is_listed_and_the_advice_helps(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    structures = {"endo": [drawn(images, 0, circle(20, 20, 8))], "BODY": [drawn(images, 0, circle(20, 20, 18))]}
    write(structure_set(structures), tmp_path / "p" / "RS.dcm")
    assert "structure 'BODY' is not in source.mask.structures (known: endo, EPI, scar, mvo)" in problem(
        tmp_path, RTSTRUCT
    )
    listed = {"endo": "cavity", "body": "background"}
    assert volume(tmp_path, {"kind": "rtstruct", "structures": listed}).labels.any()


def test_one_structure_set_a_case(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    assert problem(tmp_path, RTSTRUCT) == "p: holds no RTSTRUCT file"
    for name in ("A.dcm", "B.dcm"):
        write(structure_set({"endo": [drawn(images, 0, circle(20, 20, 8))]}), tmp_path / "p" / name)
    assert problem(tmp_path, RTSTRUCT) == "p: holds 2 RTSTRUCT files (A.dcm, B.dcm); keep one"
    (tmp_path / "p" / "A.dcm").unlink()
    assert volume(tmp_path, RTSTRUCT).labels.any()


def test_contours_far_from_the_image(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    write(structure_set({"endo": [drawn(images, 0, circle(200, 20, 8))]}), tmp_path / "p" / "RS.dcm")
    assert "no contour of source.mask.structures holds a pixel" in problem(tmp_path, RTSTRUCT)


def test_broken_structure_sets(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    dataset = structure_set({"endo": [drawn(images, 0, circle(20, 20, 8))]})
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = [1.0, 2.0]
    write(dataset, tmp_path / "p" / "RS.dcm")
    assert "ContourData is not three finite numbers a point" in problem(tmp_path, RTSTRUCT)
    dataset.ROIContourSequence[0].ReferencedROINumber = 7
    write(dataset, tmp_path / "p" / "RS.dcm")
    assert "contours of a structure that its list of structures does not have" in problem(tmp_path, RTSTRUCT)


# --------------------------------------------------------------------------------------------------------------- cvi42


def test_contours_of_a_workspace_become_pixels(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    endo, epi, dark, more = (
        circle(20.3, 22.1, 7.7),
        circle(20.1, 22.4, 13),
        circle(20.1, 33.2, 2),
        circle(9.4, 22.2, 1.7),
    )
    found: dict[str, Mapping[str, Points]] = {
        str(images[1].SOPInstanceUID): {
            "saepicardialContour": epi, "saendocardialContour": endo, "noReflowAreaContour": dark,
            "noReflowAreaContour0001": more, "saReferenceMyoContour": more,
        }
    }  # fmt: skip
    write_workspace(tmp_path / "p" / "W.cvi42wsx", found)
    exam = volume(tmp_path, CVI42)
    index = [source.path.name for source in exam.sources].index("IM1.dcm")
    expected = np.zeros(SHAPE, dtype=np.uint8)
    for code, polygon in ((2, epi), (1, endo), (3, dark), (3, more)):
        expected[even_odd([polygon], SHAPE)] = code
    assert np.array_equal(exam.labels[index], expected)
    assert exam.mvo is not None
    assert np.array_equal(exam.mvo[index], even_odd([dark], SHAPE) | even_odd([more], SHAPE))
    assert np.count_nonzero(exam.labels) == np.count_nonzero(expected)
    assert not said(exam)


def test_the_same_drawing_is_the_same_pixels_as_rtstruct_and_as_cvi42(tmp_path: Path) -> None:
    """Holes, islands in them and beside them, and a contour that overlaps another in part."""
    endo = [circle(20.3, 22.1, 9.7), circle(20.2, 22.3, 6.1), circle(20.4, 22.2, 3.2), circle(5.2, 40.3, 3.3)]
    dark = [circle(20.1, 33.2, 4.1), circle(22.3, 34.4, 3.2)]
    epi = circle(20.1, 22.4, 15.2)
    images = series(tmp_path / "rt" / "p")
    structures = {"endo": endo, "epi": [epi], "mvo": dark}
    laid = {name: [drawn(images, 1, ring) for ring in rings] for name, rings in structures.items()}
    write(structure_set(laid), tmp_path / "rt" / "p" / "RS.dcm")
    images = series(tmp_path / "cvi" / "p")
    kinds = {"saepicardialContour": [epi], "saendocardialContour": endo, "noReflowAreaContour": dark}
    numbered = {kind + (f"{k:04d}" if k else ""): ring for kind, rings in kinds.items() for k, ring in enumerate(rings)}
    write_workspace(tmp_path / "cvi" / "p" / "W.cvi42wsx", {str(images[1].SOPInstanceUID): numbered})
    one, other = volume(tmp_path / "rt", RTSTRUCT), volume(tmp_path / "cvi", CVI42)
    expected = np.zeros(SHAPE, dtype=np.uint8)
    for code, polygons in ((2, [epi]), (1, endo), (MVO, dark)):
        expected[even_odd(polygons, SHAPE)] = code
    assert np.array_equal(one.codes[1], expected)
    assert np.array_equal(one.codes, other.codes)
    assert said(one) == said(other) == {SCAR_IN_CAVITY, PARTIAL_OVERLAP}


@pytest.mark.parametrize("resolution", [1, 2, 8])
def test_points_are_in_units_of_the_resolution(tmp_path: Path, resolution: int) -> None:
    images = series(tmp_path / "p")
    ring = circle(20.3, 22.1, 7.7)
    found = {str(images[0].SOPInstanceUID): {"saendocardialContour": ring}}
    write_workspace(tmp_path / "p" / "W.cvi42wsx", found, resolution=resolution)
    assert np.count_nonzero(volume(tmp_path, CVI42).labels) == even_odd([ring], SHAPE).sum()


def test_open_contours_are_closed_with_a_note_where_they_are_asked_for(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    half = circle(20, 20, 9, 400)[:201]
    found = {str(images[0].SOPInstanceUID): {"saendocardialOpenContour": half}}
    write_workspace(tmp_path / "p" / "W.cvi42wsx", found)
    text = problem(tmp_path, CVI42)
    assert "contour 'saendocardialOpenContour' is not in source.mask.contours" in text
    exam = volume(tmp_path, {"kind": "cvi42", "contours": {"saendocardialOpenContour": "cavity"}})
    assert OPEN_CONTOUR_CLOSED in exam.notes
    assert exam.labels.sum() == pytest.approx(np.pi * 81 / 2, rel=0.12)


def test_contours_of_other_images_are_left_out(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    cine = classic(synthetic_dicom.grey(1, SHAPE)[0], 7, SeriesInstanceUID="1.2.8", SeriesDescription="cine")
    write(cine, tmp_path / "p" / "cine.dcm")
    ring = {"saendocardialContour": circle(20, 20, 8)}
    uids = {str(image.SOPInstanceUID): ring for image in (images[0], cine)}
    path = write_workspace(tmp_path / "p" / "W.cvi42wsx", uids)
    assert CONTOURS_ON_OTHER_IMAGES not in volume(tmp_path, CVI42).notes
    write_workspace(path, uids | {"1.2.3.4.5": ring})
    assert CONTOURS_ON_OTHER_IMAGES in volume(tmp_path, CVI42).notes
    write_workspace(path, {"1.2.3.4.5": ring})
    assert "has no contour on an image of the LGE series, and some on 1 other images" in problem(tmp_path, CVI42)


def test_one_workspace_a_series(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    assert problem(tmp_path, CVI42) == "p: holds no cvi42 workspace in XML (.cvi42wsx)"
    (tmp_path / "p" / "W.cvi42ws").write_bytes(b"\0\1")
    assert "only a binary one; in cvi42: Workspace, Export Workspace, as XML" in problem(tmp_path, CVI42)
    found = {str(images[0].SOPInstanceUID): {"saendocardialContour": circle(20, 20, 8)}}
    for name in ("A.cvi42wsx", "B.CVI42WSX.xml"):
        write_workspace(tmp_path / "p" / name, found)
    assert "2 workspaces have contours on the LGE series (A.cvi42wsx, B.CVI42WSX.xml); keep one" in problem(
        tmp_path, CVI42
    )
    write_workspace(tmp_path / "p" / "A.cvi42wsx", {"1.2.3": {"saendocardialContour": circle(20, 20, 8)}})
    assert volume(tmp_path, CVI42).labels.any()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text[: len(text) // 2], "broken XML"),
        (lambda text: text.replace('?>', '?><!DOCTYPE x [<!ENTITY a "aaaa">]>', 1), "declares a document type"),
        (lambda text: text.replace("<Point:x>", "<Point:x>z", 1), "is not a finite number"),
        (lambda text: text.replace("<Point:x>", "<Point:z>", 1).replace("</Point:x>", "</Point:z>", 1), "has 399 x"),
        (lambda text: text.replace(">4<", ">0<"), "SubpixelResolution [0.0]; expected"),
        (lambda text: text.replace(">4<", ">1<"), "reaches to row 112, column 112 of images of 40x48"),
        (lambda text: text.replace("Doe", "<a>" * 70 + "</a>" * 70), "more than 64 elements inside of each other"),
    ],
)  # fmt: skip
def test_broken_and_hostile_workspaces(tmp_path: Path, edit: object, message: str) -> None:
    images = series(tmp_path / "p")
    text = workspace({str(images[0].SOPInstanceUID): {"saendocardialContour": circle(20, 20, 8)}})
    assert callable(edit)
    (tmp_path / "p" / "W.cvi42wsx").write_text(edit(text), encoding="utf-8")
    assert message in problem(tmp_path, CVI42)


# ------------------------------------------------------------------------------------------------------------ DICOM SEG


def segmentation(images: Sequence[Dataset], pixels: NDArray[np.number], kind: str, **more: Any) -> Dataset:
    names = ("LV cavity", "Myocardium", "Scar", "No-reflow")
    segments = [
        hd.seg.SegmentDescription(
            number, name, codes.SCT.Organ, codes.SCT.Heart, hd.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, name in enumerate(names, start=1)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return hd.seg.Segmentation(
            list(images), pixels, kind, segments, series_instance_uid=generate_uid(), series_number=9,
            sop_instance_uid=generate_uid(), instance_number=1, manufacturer="test", manufacturer_model_name="test",
            software_versions="1", device_serial_number="1", **more,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["LABELMAP", "BINARY", "FRACTIONAL"])
def test_every_kind_of_segmentation_gives_the_same_labels(tmp_path: Path, kind: str) -> None:
    images = series(tmp_path / "p")
    labels = np.random.default_rng(0).integers(0, 5, (3, *SHAPE)).astype(np.uint8)
    pixels = labels if kind == "LABELMAP" else np.stack([labels == k for k in range(1, 5)], axis=-1)
    more = {"max_fractional_value": 255} if kind == "FRACTIONAL" else {}
    seg = segmentation(images, pixels.astype(float if kind == "FRACTIONAL" else np.uint8), kind, **more)
    assert (seg.SOPClassUID == "1.2.840.10008.5.1.4.1.1.66.7") == (kind == "LABELMAP")
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    listed = {"lv cavity": "cavity", "myocardium": "myocardium", "scar": "scar", "no-reflow": "mvo"}
    exam = volume(tmp_path, {"kind": "seg", "segments": listed})
    order = [int(source.path.stem.removeprefix("IM")) for source in exam.sources]
    assert np.array_equal(exam.labels, np.minimum(labels, 3)[order])
    assert exam.mvo is not None
    assert np.array_equal(exam.mvo, labels[order] == 4)


SEG = {
    "kind": "seg",
    "segments": {"LV cavity": "cavity", "Myocardium": "myocardium", "Scar": "scar", "No-reflow": "mvo"},
}


def binary(images: Sequence[Dataset], labels: Labels) -> Dataset:
    """Return a SEG in which each frame has functional groups of its own; highdicom shares those of a plane."""
    seg = segmentation(images, np.stack([labels == k for k in range(1, 5)], axis=-1).astype(np.uint8), "BINARY")
    shared = seg.SharedFunctionalGroupsSequence[0]
    for groups in seg.PerFrameFunctionalGroupsSequence:
        for name in ("PlanePositionSequence", "DerivationImageSequence"):
            setattr(groups, name, deepcopy(getattr(groups, name)))
        groups.PlaneOrientationSequence = deepcopy(shared.PlaneOrientationSequence)
        groups.PixelMeasuresSequence = deepcopy(shared.PixelMeasuresSequence)
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    return seg


def shift(seg: Dataset, rows: float, columns: float, slices: float, frames: int | None = None) -> None:
    """Move frames by so many pixels, and mm along the normal."""
    for groups in seg.PerFrameFunctionalGroupsSequence[:frames]:
        row, column = np.array(groups.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
        by = columns * SPACING[1] * row + rows * SPACING[0] * column + slices * np.cross(row, column)
        plane = groups.PlanePositionSequence[0]
        plane.ImagePositionPatient = [float(mm) for mm in np.array(plane.ImagePositionPatient, dtype=float) + by]


def turned(seg: Dataset, transposed: bool, mirrored: Sequence[int]) -> None:
    """Store the same segmentation with other directions of rows and columns.

    Args:
        seg: changed.
        transposed: whether rows become columns.
        mirrored: axes that are reversed before that, 0 for the order of rows.
    """
    frames = np.flip(seg.pixel_array, tuple(axis + 1 for axis in mirrored))
    for groups in seg.PerFrameFunctionalGroupsSequence:
        directions = groups.PlaneOrientationSequence[0]
        row, column = np.array(directions.ImageOrientationPatient, dtype=float).reshape(2, 3)
        first = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        if 0 in mirrored:
            first, column = first + column * SPACING[0] * (SHAPE[0] - 1), -column
        if 1 in mirrored:
            first, row = first + row * SPACING[1] * (SHAPE[1] - 1), -row
        groups.PlanePositionSequence[0].ImagePositionPatient = [float(mm) for mm in first]
        cosines = [*column, *row] if transposed else [*row, *column]
        directions.ImageOrientationPatient = [float(cosine) for cosine in cosines]
        groups.PixelMeasuresSequence[0].PixelSpacing = list(SPACING[1::-1] if transposed else SPACING[:2])
    if transposed:
        frames = frames.transpose(0, 2, 1)
        seg.Rows, seg.Columns = SHAPE[::-1]
    seg.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()


def in_order(labels: Labels, exam: Volume) -> Labels:
    return labels[[int(source.path.stem.removeprefix("IM")) for source in exam.sources]]


def five_classes(seed: int) -> Labels:
    return np.random.default_rng(seed).integers(0, 5, (3, *SHAPE)).astype(np.uint8)


@pytest.mark.parametrize("mirrored", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_seg_in_other_directions_is_turned_onto_its_images(
    tmp_path: Path, transposed: bool, mirrored: tuple[int, ...]
) -> None:
    images, labels = series(tmp_path / "p"), five_classes(2)
    seg = binary(images, labels)
    turned(seg, transposed, mirrored)
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    exam = volume(tmp_path, SEG)
    assert np.array_equal(exam.labels, np.minimum(in_order(labels, exam), 3))
    assert said(exam) == ({TURNED_SEG} if transposed or mirrored else set())


@pytest.mark.parametrize(
    ("by", "frames", "told"),
    [
        (
            (0, 20, 0),
            None,
            "12 of its 12 frames lie elsewhere than the images that they refer to, by up to 30 mm (a ",
        ),
        ((16, 0, 0), 5, "5 of its 12 frames lie elsewhere than the images that they refer to, by up to 20 mm (a "),
        ((0, 0, 10), None, "by up to 10 mm (a corner of it is 1 voxels off); export the segmentation that "),
        ((0.3, 0, 0), None, "by up to 0.375 mm (a corner of it is 0.3 voxels off)"),
        ((0, 0, 3), None, "by up to 3 mm (a corner of it is 0.3 voxels off)"),
        ((0.2, -0.2, 2), None, None),
    ],
)
def test_a_seg_that_lies_elsewhere_is_refused_with_the_distance(
    tmp_path: Path, by: tuple[float, float, float], frames: int | None, told: str | None
) -> None:
    seg = binary(series(tmp_path / "p"), five_classes(3))
    shift(seg, *by, frames)
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    if told is None:
        assert said(volume(tmp_path, SEG)) == set()
    else:
        assert told in problem(tmp_path, SEG)


def test_a_seg_of_other_spacing_direction_or_frame_of_reference(tmp_path: Path) -> None:
    images, labels = series(tmp_path / "p"), five_classes(4)
    path = tmp_path / "p" / "SEG.dcm"
    seg = binary(images, labels)
    seg.FrameOfReferenceUID = "1.2.77"
    seg.save_as(path)
    exam = volume(tmp_path, SEG)
    assert said(exam) == {OTHER_FRAME_OF_REFERENCE}
    assert np.array_equal(exam.labels, np.minimum(in_order(labels, exam), 3))
    shift(seg, 0, 20, 0)
    seg.save_as(path)
    assert "voxels off), and it names another frame of reference (0020,0052); export" in problem(tmp_path, SEG)
    for share, why in ((0.5, "direction or spacing differ"), (1.015, "a corner of it is 0.7")):
        seg = binary(images, labels)
        for groups in seg.PerFrameFunctionalGroupsSequence:
            groups.PixelMeasuresSequence[0].PixelSpacing = [mm * share for mm in SPACING[:2]]
        seg.save_as(path)
        assert why in problem(tmp_path, SEG)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        groups.PlaneOrientationSequence[0].ImageOrientationPatient = [0, 0, 0, 0, 1, 0]
    seg.save_as(path)
    assert "ImageOrientationPatient of its frame 1 is not two directions at right angles" in problem(tmp_path, SEG)


def test_a_seg_without_positions_is_laid_by_reference(tmp_path: Path) -> None:
    images, labels = series(tmp_path / "p"), five_classes(5)
    path = tmp_path / "p" / "SEG.dcm"
    seg = binary(images, labels)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.PlanePositionSequence
    seg.save_as(path)
    exam = volume(tmp_path, SEG)
    assert said(exam) == {NO_GEOMETRY}
    assert np.array_equal(exam.labels, np.minimum(in_order(labels, exam), 3))
    source = seg.PerFrameFunctionalGroupsSequence[4].DerivationImageSequence[0].SourceImageSequence[0]
    source.SpatialLocationsPreserved = "NO"
    seg.save_as(path)
    assert "it cannot be told where its frame 5 lies: it has no position" in problem(tmp_path, SEG)


def test_a_seg_frame_that_refers_to_every_image_is_laid_where_it_lies(tmp_path: Path) -> None:
    images, labels = series(tmp_path / "p"), five_classes(6)
    seg = binary(images, labels)
    items = {s.ReferencedSOPInstanceUID: s for g in seg.PerFrameFunctionalGroupsSequence
             for s in g.DerivationImageSequence[0].SourceImageSequence}  # fmt: skip
    for groups in seg.PerFrameFunctionalGroupsSequence:
        groups.DerivationImageSequence[0].SourceImageSequence = [deepcopy(item) for item in items.values()]
        for item in groups.DerivationImageSequence[0].SourceImageSequence:
            del item.SpatialLocationsPreserved  # as dcmqi writes it
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    exam = volume(tmp_path, SEG)
    assert np.array_equal(exam.labels, np.minimum(in_order(labels, exam), 3))
    assert exam.mvo is not None
    assert np.array_equal(exam.mvo, in_order(labels, exam) == 4)
    assert said(exam) == set()


def test_overlapping_segments_are_in_the_order_of_contours(tmp_path: Path) -> None:
    images = series(tmp_path / "p")
    cavity, wall, scar, mvo = np.random.default_rng(7).random((4, 3, *SHAPE)) < 0.4
    seg = segmentation(images, np.stack([cavity, wall, scar, mvo], axis=-1).astype(np.uint8), "BINARY")
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    exam = volume(tmp_path, SEG)
    expected = np.select([mvo | scar, cavity, wall], [Label.SCAR, Label.CAVITY, Label.MYOCARDIUM], 0)
    assert np.array_equal(exam.labels, in_order(expected, exam))
    assert exam.mvo is not None
    assert np.array_equal(exam.mvo, in_order(mvo, exam))
    assert said(exam) == {
        f"segments of its SEG overlap: cavity over myocardium in {(cavity & wall).sum()} pixels, scar over myocardium "
        f"in {(scar & wall).sum()} pixels, mvo over myocardium in {(mvo & wall).sum()} pixels, scar over cavity in "
        f"{(scar & cavity).sum()} pixels, mvo over cavity in {(mvo & cavity).sum()} pixels, mvo over scar in "
        f"{(mvo & scar).sum()} pixels"
    }


def test_a_label_map_with_a_value_of_no_segment(tmp_path: Path) -> None:
    seg = segmentation(series(tmp_path / "p"), five_classes(8), "LABELMAP")
    pixels = seg.pixel_array.copy()
    pixels[1, 2, 3] = 9
    seg.PixelData = pixels.tobytes()
    seg.save_as(tmp_path / "p" / "SEG.dcm")
    assert "its pixels have the value 9, which is of no segment; export it again" in problem(tmp_path, SEG)


# --------------------------------------------------------------------------------------------------------- label codes


def test_label_codes_of_public_data_sets() -> None:
    expected = {
        "emidec": {0: 0, 1: Label.CAVITY, 2: Label.MYOCARDIUM, 3: Label.SCAR, 4: MVO},
        "acdc": {0: 0, 1: 0, 2: Label.MYOCARDIUM, 3: Label.CAVITY},
        "myops": {0: 0, 200: Label.MYOCARDIUM, 500: Label.CAVITY, 600: 0, 1220: Label.MYOCARDIUM, 2221: Label.SCAR},
    }
    names = [*(label.title for label in Label), "mvo"]
    assert {name: {k: names.index(v) for k, v in found.items()} for name, found in LABELS.items()} == expected


@pytest.mark.parametrize("kind", [IndexMask, NiftiMask])
def test_values_and_labels_exclude_each_other(kind: type[IndexMask]) -> None:
    (name,) = get_args(kind.model_fields["kind"].annotation)
    with pytest.raises(ValidationError, match="both are given; remove one"):
        kind.model_validate({"kind": name, "values": {0: "scar"}, "labels": "acdc"})
    with pytest.raises(ValidationError, match="neither is given"):
        kind.model_validate({"kind": name})


def test_settings_without_labels_decide_what_they_did_before_there_were_labels() -> None:
    mask = IndexMask(values={0: "background"})
    assert deciding(mask, 2) == {"values": {"0": "background"}}
    again = IndexMask(labels="emidec")
    assert IndexMask.model_validate(again.model_dump()) == again


def test_myops_codes_on_a_nifti_mask_of_dicom(tmp_path: Path) -> None:
    series(tmp_path / "p")
    values = np.array([0, 200, 500, 600, 1220, 2221], dtype=np.int16)
    stored = values[np.random.default_rng(1).integers(0, 6, (3, *SHAPE))]
    (tmp_path / "p" / "masks").mkdir()
    nib.save(nib.Nifti1Image(stored.transpose(2, 1, 0), np.eye(4)), tmp_path / "p" / "masks" / "m.nii.gz")
    exam = volume(tmp_path, {"kind": "nifti", "labels": "myops"})
    classes = np.zeros(2222, dtype=np.uint8)
    classes[[200, 500, 1220, 2221]] = Label.MYOCARDIUM, Label.CAVITY, Label.MYOCARDIUM, Label.SCAR
    assert np.array_equal(exam.labels, classes[stored])
    assert exam.mvo is None


def pairs(root: Path, codes_of: NDArray[np.uint8], mask: str) -> Path:
    for name in ("images", "labels"):
        (root / name).mkdir(exist_ok=True)
    grey = np.where(codes_of == 1, 200, 40) + np.arange(codes_of.shape[1]) % 7
    Image.fromarray(grey.astype(np.uint8)).save(root / "images" / "p1_slice0.png")
    Image.fromarray(codes_of).save(root / "labels" / "p1_slice0.png")
    (root / "mine.yaml").write_text(f"source: {{kind: image_pairs, case_ids: keep, mask: {mask}}}")
    return root / "mine.yaml"


EMIDEC = np.repeat(np.arange(5, dtype=np.uint8), [10, 3, 5, 2, 4]).reshape(4, 6)


def describe(data: Path, root: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", "describe", "--data", str(data), "--root", str(root)])
    return result.exit_code, result.output


def test_no_reflow_is_scar_and_a_class_of_its_own_in_tables(tmp_path: Path) -> None:
    code, output = describe(pairs(tmp_path, EMIDEC, "{kind: index, labels: emidec}"), tmp_path)
    assert code == 0, output
    assert "1 case(s) with scar; 1 with no-reflow (mvo), which counts as scar" in output
    source = ImagePairs.model_validate({"kind": "image_pairs", "mask": {"labels": "emidec", "kind": "index"}})
    exam = read(source.model_copy(update={"case_ids": "keep"}), tmp_path)[0]
    burden = measure(exam.labels, 0.5, exam.mvo)
    assert (burden.pixels[Label.SCAR], burden.mvo_pixels, burden.mvo_ml) == (6, 4, 2.0)
    assert measure(exam.labels, 0.5).mvo_ml is None


def test_unknown_codes_name_the_data_set_and_the_advice_helps(tmp_path: Path) -> None:
    code, output = describe(pairs(tmp_path, EMIDEC, "{kind: index, labels: acdc}"), tmp_path)
    assert code == 2
    assert "mask value 4 on 4 pixels is not in the codes of source.mask.labels: acdc (known: 0, 1, 2, 3)" in output
    assert "give source.mask.values instead, with all that it holds" in " ".join(output.split())
    values = "{0: background, 1: cavity, 2: myocardium, 3: scar, 4: mvo}"
    assert describe(pairs(tmp_path, EMIDEC, f"{{kind: index, values: {values}}}"), tmp_path)[0] == 0


def test_colours_can_tell_no_reflow(tmp_path: Path) -> None:
    colours = {"background": [0, 0, 0], "cavity": [255, 255, 0], "scar": [9, 9, 9], "mvo": [5, 6, 7]}
    source = ImagePairs.model_validate({"kind": "image_pairs", "mask": {"kind": "colour", "colours": colours}})
    assert source.mask.tells_mvo
    rgb = np.array([colours[name] for name in ("background", "cavity", "scar", "mvo")], dtype=np.uint8)[None]
    pairs(tmp_path, EMIDEC, "{}")
    Image.fromarray(np.arange(4, dtype=np.uint8)[None] * 50).save(tmp_path / "images" / "p1_slice0.png")
    Image.fromarray(rgb).save(tmp_path / "labels" / "p1_slice0.png")
    exam = read(source.model_copy(update={"case_ids": "keep"}), tmp_path)[0]
    assert exam.labels.ravel().tolist() == [0, 1, 3, 3]
    assert exam.mvo is not None
    assert exam.mvo.ravel().tolist() == [False, False, False, True]
