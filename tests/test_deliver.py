"""What is delivered for an exam: every format says the same and, the SEG aside, tells nobody who the patient is."""

import base64
import gzip
import html
import io
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from deliveries import MM, MODEL, Labels, check_dicom, classes, exam_of, nifti_exam, rows_of
from matplotlib.figure import Figure
from nifti_files import load_nifti
from numpy.typing import NDArray
from PIL import Image
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID
from synthetic_dicom import SECRETS, classic, encode, enhanced, grey, series, write

from lge_sweep import __version__
from lge_sweep.config.data import DicomFolders, Intensity, Phantom
from lge_sweep.data import to_8_bit
from lge_sweep.deliver import FORMATS, Delivery, ModelFacts, Result, deliver, read_delivery
from lge_sweep.deliver.exam_files import ABOUT_FILE
from lge_sweep.deliver.pictures import bullseye_png, slice_pngs
from lge_sweep.deliver.result import seg_obstacle
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.ingest import Exam, read
from lge_sweep.ingest.dicom_header import quiet_pydicom
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.nifti_grid import read_nifti_grid
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import COLOURS, Label
from lge_sweep.quantify import ScarExtent
from lge_sweep.report import style
from lge_sweep.report.outlines import HALO, zoom_box


@pytest.fixture(scope="module")
def phantom() -> tuple[NDArray[np.uint16], Labels]:
    """Intensities and classes of an exam with scar, from the apex up; the lowest slice was not segmented."""
    settings = Phantom(kind="phantom", cases=1, slices=6, size=96, pixel_mm=MM[0], scar_free=0, seed=3)
    (volume,) = simulate(settings)
    labels = volume.labels[::-1].copy()
    labels[0] = 0
    return volume.pixels[::-1].astype(np.uint16), labels


def from_nifti(delivery: Delivery) -> Labels:
    array = np.asarray(load_nifti(delivery.folder / "labels.nii.gz").dataobj)
    assert array.dtype == np.uint8
    return array.transpose(2, 1, 0)


def by_highdicom(exam: Exam, path: Path) -> Labels:
    seg = hd.seg.segread(path)
    first = pydicom.dcmread(exam.sources[0].path)
    if "NumberOfFrames" in first:
        numbers = [source.number + 1 for source in exam.sources]
        return np.asarray(
            seg.get_pixels_by_source_frame(
                first.SOPInstanceUID, numbers, combine_segments=True, assert_missing_frames_are_empty=True
            )
        )
    uids = [pydicom.dcmread(source.path).SOPInstanceUID for source in exam.sources]
    return np.asarray(
        seg.get_pixels_by_source_instance(uids, combine_segments=True, assert_missing_frames_are_empty=True)
    )


def by_pydicom(exam: Exam, path: Path) -> Labels:
    """Put each frame where its position in the patient says, without looking at the instances it refers to."""
    assert exam.affine is not None
    seg = pydicom.dcmread(path)
    labels = np.zeros(exam.pixels.shape, dtype=np.uint8)
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        x, y, z = groups.PlanePositionSequence[0].ImagePositionPatient
        index = np.linalg.inv(exam.affine) @ (-x, -y, z, 1)
        assert index[:2] == pytest.approx([0, 0], abs=1e-3)
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        labels[round(index[2])][frame > 0] = number
    return labels


def words_of(path: Path) -> str:
    """Return what can be read in a file; three letters of a name turn up in compressed pixels by chance."""
    if path.suffix == ".png":
        with Image.open(path) as image:
            return str(image.info)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return re.sub(r"base64,[^\"]*", "", content.decode("latin-1"))


def check_agreement(exam: Exam, labels: Labels, delivery: Delivery, root: Path) -> None:
    """SEG by three readers, NIfTI and CSV say what the labels say."""
    seg = delivery.folder / "labels.dcm"
    assert np.array_equal(from_nifti(delivery), labels)
    assert np.array_equal(by_highdicom(exam, seg), labels)
    assert np.array_equal(by_pydicom(exam, seg), labels)
    shutil.copy(seg, root / "exam" / "SEG.dcm")
    (volume,) = read(DicomFolders.model_validate({"kind": "dicom", "mask": {"kind": "seg"}}), root)
    assert np.array_equal(volume.labels, labels)
    (row,) = rows_of(delivery.folder / "burden.csv")
    assert exam.voxel_ml is not None
    for label in (Label.CAVITY, Label.MYOCARDIUM, Label.SCAR):
        assert int(row[f"{label.title}_pixels"]) == (labels == label).sum()
        assert float(row[f"{label.title}_ml"]) == pytest.approx((labels == label).sum() * exam.voxel_ml, rel=1e-12)
    assert float(row["wall_ml"]) == pytest.approx((labels >= 2).sum() * exam.voxel_ml, rel=1e-12)
    assert float(row["wall_mass_g"]) == pytest.approx((labels >= 2).sum() * exam.voxel_ml * 1.05, rel=1e-12)
    assert float(row["scar_percent_of_wall"]) == pytest.approx(100 * (labels == 3).sum() / (labels >= 2).sum())


# ----------------------------------------------------------------------------------------------------- all that is said


@pytest.mark.parametrize("multi", [False, True])
def test_every_format_says_what_the_labels_say(
    tmp_path: Path, phantom: tuple[NDArray[np.uint16], Labels], multi: bool
) -> None:
    pixels, labels = phantom
    exam = exam_of(tmp_path, pixels, multi=multi)
    delivery = deliver(exam, labels, tmp_path / "out", list(FORMATS), MODEL)
    assert delivery.folder == tmp_path / "out" / exam.case
    written = {path for path in delivery.folder.rglob("*") if path.is_file()}
    assert written == {*delivery.files, delivery.folder / ABOUT_FILE}
    check_agreement(exam, labels, delivery, tmp_path / "data")
    affine = load_nifti(delivery.folder / "labels.nii.gz").affine
    for frame in pydicom.dcmread(delivery.folder / "labels.dcm").PerFrameFunctionalGroupsSequence:
        x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
        assert min(np.abs(affine @ (0, 0, k, 1) - (-x, -y, z, 1)).max() for k in range(6)) < 1e-3
    others = [path for path in delivery.files if path.suffix != ".dcm"]
    assert len(others) == 1 + 6 + 2 + 1
    for other in others:
        assert not any(secret in words_of(other) for secret in SECRETS), other
    check_dicom(delivery.folder / "labels.dcm")


def test_the_real_exam_keeps_its_volume_in_every_format(real_data: Path, tmp_path: Path) -> None:
    case = real_data / "emidec_nifti" / "Case_P100"
    original = read_nifti_grid(case / "Images" / "Case_P100.nii.gz")
    truth = read_nifti_grid(case / "Contours" / "Case_P100.nii.gz").array.astype(np.uint8)
    labels = np.array([0, 1, 2, 3, 3], dtype=np.uint8)[truth]
    assert original.spacing_mm is not None
    exam = exam_of(tmp_path, original.array.astype(np.uint16), original.spacing_mm)
    assert np.array_equal(exam.pixels, original.array)
    delivery = deliver(exam, labels, tmp_path / "out", list(FORMATS), MODEL)
    check_agreement(exam, labels, delivery, tmp_path / "data")
    (row,) = rows_of(delivery.folder / "burden.csv")
    assert int(row["wall_pixels"]) == 5217
    assert float(row["wall_ml"]) == pytest.approx(134.12, abs=0.005)
    assert "134.12 mL" in (delivery.folder / "report.html").read_text()
    check_dicom(delivery.folder / "labels.dcm")


# ----------------------------------------------------------------------------------------------------------- DICOM SEG


def test_a_seg_names_its_segments_its_model_and_its_patient(tmp_path: Path) -> None:
    (exam,), _ = read_exams(series(tmp_path / "exam")[0].parent)
    seg = hd.seg.segread(deliver(exam, classes(), tmp_path, ["seg"], MODEL).files[0])
    described = [seg.get_segment_description(number) for number in (1, 2, 3)]
    assert [item.segment_label for item in described] == ["LV cavity", "Myocardium", "Scar"]
    sct = codes.SCT
    assert [item.segmented_property_type for item in described] == [
        sct.Blood, sct.LeftVentricleMyocardium, sct.ScarTissue
    ]  # fmt: skip
    assert [region for item in described for region in item.anatomic_regions] == [
        sct.LeftVentricle, sct.LeftVentricleMyocardium
    ]  # fmt: skip
    made_by = described[2].algorithm_identification
    assert made_by is not None
    assert (made_by.name, made_by.version, made_by.parameters) == (MODEL.name, "7", {"weights": MODEL.digest})
    assert described[0].algorithm_type.value == "AUTOMATIC"
    assert (str(seg.PatientName), seg.PatientID, seg.StudyInstanceUID) == ("Doe^Jane", "MRN4711", "1.2.20240506")
    assert seg.SeriesInstanceUID != pydicom.dcmread(exam.sources[0].path).SeriesInstanceUID
    assert "Research use only" in seg.SeriesDescription
    assert "Research use only" in seg.ContentDescription
    referred = {uid for _, _, uid in seg.get_source_image_uids()}
    assert referred == {pydicom.dcmread(source.path).SOPInstanceUID for source in exam.sources}


def test_an_empty_prediction_and_a_source_without_an_identity(tmp_path: Path) -> None:
    none = {"PatientID": None, "PatientName": None, "PatientBirthDate": None, "StudyID": None, "StudyDate": None}
    series(tmp_path / "exam", **none, AccessionNumber=None, StudyTime=None, PatientSex=None)
    (exam,), _ = read_exams(tmp_path / "exam")
    empty = np.zeros(exam.pixels.shape, dtype=np.uint8)
    delivery = deliver(exam, empty, tmp_path, ["seg", "csv", "html"], MODEL)
    assert not by_highdicom(exam, delivery.files[0]).any()
    (row,) = rows_of(delivery.folder / "burden.csv")
    assert (row["wall_pixels"], row["wall_ml"], row["scar_percent_of_wall"]) == ("0", "0.0", "")
    page = (delivery.folder / "report.html").read_text()
    assert "No LV cavity was found in 3 of 3 slices" in page
    assert "no wall" in page
    check_dicom(delivery.files[0])


def test_a_seg_of_a_multi_frame_file_that_tells_everything_frame_by_frame(tmp_path: Path) -> None:
    (dataset,) = encode(grey(4), (1.25, 1.5, 9.0), multi=True)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.PlaneOrientationSequence = shared.PlaneOrientationSequence
        frame.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    write(dataset, tmp_path / "multi.dcm")
    (exam,), findings = read_exams(tmp_path / "multi.dcm")
    assert findings == []
    delivery = deliver(exam, classes(4), tmp_path / "out", ["seg"], MODEL)
    assert np.array_equal(by_highdicom(exam, delivery.files[0]), classes(4))
    assert np.array_equal(by_pydicom(exam, delivery.files[0]), classes(4))
    check_dicom(delivery.files[0])


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("degrees", [0.5, 1e-7])
def test_a_seg_has_each_slices_own_orientation(tmp_path: Path, degrees: float, multi: bool) -> None:
    images = encode(grey(4), (1.25, 1.5, 9.0), multi)
    turned = images[0].PerFrameFunctionalGroupsSequence[2] if multi else images[2]
    shared = images[0].SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0] if multi else images[0]
    row, column = np.array(shared.ImageOrientationPatient, dtype=float).reshape(2, 3)
    angle = np.radians(degrees)
    own = [*(np.cos(angle) * row + np.sin(angle) * column), *(np.cos(angle) * column - np.sin(angle) * row)]
    if multi:
        for groups in images[0].PerFrameFunctionalGroupsSequence:
            groups.PlaneOrientationSequence = [Dataset()]
            groups.PlaneOrientationSequence[0].ImageOrientationPatient = list(shared.ImageOrientationPatient)
        del images[0].SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
        turned = turned.PlaneOrientationSequence[0]
    turned.ImageOrientationPatient = [round(float(cosine), 12) for cosine in own]
    for k, dataset in enumerate(images):
        write(dataset, tmp_path / "data" / "p" / f"IM{k}.dcm")
    (exam,), _ = read_exams(tmp_path / "data" / "p")
    (path,) = deliver(exam, classes(4), tmp_path / "out", ["seg"], MODEL).files
    assert np.array_equal(by_highdicom(exam, path), classes(4))
    assert np.array_equal(by_pydicom(exam, path), classes(4))
    check_dicom(path)
    orientations = {
        tuple(groups.PlaneOrientationSequence[0].ImageOrientationPatient)
        for groups in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence
    }
    assert len(orientations) == 2
    shutil.copy(path, tmp_path / "data" / "p" / "SEG.dcm")
    again = read(DicomFolders.model_validate({"kind": "dicom", "mask": {"kind": "seg"}}), tmp_path / "data")[0]
    assert np.array_equal(again.labels, classes(4))


def test_there_is_no_seg_of_several_multi_frame_files(tmp_path: Path) -> None:
    for k in range(3):
        write(enhanced(grey(3)[k : k + 1], [k]), tmp_path / "p" / f"IM{k}.dcm")
    (exam,), _ = read_exams(tmp_path / "p")
    with pytest.raises(DataError, match="refers to one multi-frame file, but the series has several; ask for other"):
        deliver(exam, classes(), tmp_path / "out", ["seg"], MODEL)


def test_a_seg_of_a_stack_with_a_hole_refers_to_the_slices_there_are(tmp_path: Path) -> None:
    for k, place in enumerate((0, 1, 3)):
        write(classic(grey()[k], place), tmp_path / "exam" / f"IM{k}.dcm")
    (exam,), _ = read_exams(tmp_path / "exam")
    delivery = deliver(exam, classes(), tmp_path / "out", ["seg", "nifti", "csv"], MODEL)
    assert np.array_equal(by_highdicom(exam, delivery.files[0]), classes())
    assert "10 to 20 mm apart (1 missing?)" in delivery.notes[0]
    check_dicom(delivery.files[0])
    written = load_nifti(delivery.folder / "labels.nii.gz")
    assert np.array_equal(from_nifti(delivery)[[0, 1, 3]], classes())
    assert not from_nifti(delivery)[2].any()
    x, y, z = pydicom.dcmread(exam.sources[2].path).ImagePositionPatient
    assert written.affine @ (0, 0, 3, 1) == pytest.approx((-x, -y, z, 1), abs=1e-4)
    (row,) = rows_of(delivery.folder / "burden.csv")
    voxel_ml = np.prod(written.header.get_zooms()) / 1000
    assert float(row["cavity_ml"]) == pytest.approx((np.asarray(written.dataobj) == 1).sum() * voxel_ml, rel=1e-5)


CLAIMED = {
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID", "FrameOfReferenceUID",
    "Rows", "Columns", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PlanePositionSequence",
    "PlaneOrientationSequence", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
}  # fmt: skip
"""What a SEG may have of its source; a change of the code's list has to be a change of this one too."""
UNWRITABLE = {"SpecificCharacterSet", "PixelData", "FloatPixelData", "DoubleFloatPixelData"}
MARKS: dict[str, Any] = {
    "AE": "XMARKX", "AS": "077Y", "AT": 0x00770077, "CS": "XMARKX", "DA": "19770707", "DS": "77077.7",
    "DT": "19770707070707", "FD": 77077.7, "FL": 77077.5, "IS": "77077", "LO": "XMARKX", "LT": "XMARKX",
    "OB": b"XMARKX", "OD": b"XMARKXXX", "OF": b"XMARKXXX", "OL": b"XMARKXXX", "OV": b"XMARKXXX", "OW": b"XMARKX",
    "PN": "XMARKX^XMARKX", "SH": "XMARKX", "SL": 77077, "SS": 17077, "ST": "XMARKX", "SV": 77077, "TM": "070707.7",
    "UC": "XMARKX", "UI": "1.2.77077", "UL": 77077, "UN": b"XMARKX", "UR": "XMARKX", "US": 17077, "UT": "XMARKX",
    "UV": 77077,
}  # fmt: skip
"""VR -> a value that no SEG has unless it is copied."""
WRITTEN = ("XMARKX", "19770707", "070707", "77077", "00770077", "17077")
"""What is found of them in a text; in a UID the whole mark is looked for, as new ones are of 39 random digits."""


def plant(dataset: Dataset) -> int:
    """Put a mark into every attribute that DICOM knows and a SEG has no claim to, nested ones and private ones too."""
    planted = 0
    for keyword, tag in keyword_dict.items():
        if not keyword or keyword in CLAIMED | UNWRITABLE or tag >> 16 in (0x0000, 0x0002, 0x0004, 0xFFFC, 0xFFFE):
            continue
        vr = dictionary_VR(tag).split(" or ")[-1]
        item = Dataset()
        plant_texts(item, depth=0)
        dataset.add_new(tag, vr, [item] if vr == "SQ" else MARKS[vr])
        planted += 1
    plant_texts(dataset, depth=2)
    return planted


def plant_texts(dataset: Dataset, depth: int) -> None:
    """Put marks into what tells most, and into private attributes."""
    for keyword in ("InstitutionName", "OperatorsName", "PatientComments", "DeviceSerialNumber", "StationName"):
        setattr(dataset, keyword, MARKS[dictionary_VR(keyword)])
    block = dataset.private_block(0x0011, "XMARKX", create=True)
    for offset, vr in enumerate(("LO", "UN", "OB", "PN", "DA", "US")):
        block.add_new(offset, vr, MARKS[vr])
    if depth:
        item = Dataset()
        plant_texts(item, depth - 1)
        block.add_new(0x20, "SQ", [item])
        dataset.ReferencedStudySequence = [item]


def marks_in(dataset: Dataset) -> list[str]:
    """Where marks are: every attribute at every depth whose value or creator is one."""
    found = []
    for element in dataset.iterall():
        text = element.value.hex() if isinstance(element.value, bytes) else str(element.value)
        marks = (MARKS["UI"],) if element.VR == "UI" else (*WRITTEN, b"XMARK".hex())
        if element.VR != "SQ" and any(mark in text for mark in marks):
            found.append(f"{element.tag} {element.keyword}")
    return found


@pytest.mark.parametrize("multi", [False, True])
def test_seg_and_report_learn_nothing_from_their_source_but_what_they_must(tmp_path: Path, multi: bool) -> None:
    """The list of write_seg's docstring, attribute by attribute: a mark in each of the others must not come out."""
    pixels, allowed = grey(2), {"PatientName": "Doe^Marked", "PatientID": "XMRN", "AccessionNumber": "XACC"}
    allowed |= {"StudyID": "XSTUDY", "PatientBirthDate": "19610203", "StudyDate": "20240506", "StudyTime": "071233"}
    exam = exam_of(tmp_path, pixels, multi=multi)
    for path in {source.path for source in exam.sources}:
        dataset = pydicom.dcmread(path)
        with quiet_pydicom():
            assert plant(dataset) > 4000
            if multi:
                for group in (dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence):
                    for item in group:
                        plant_texts(next(iter(item)).value[0], depth=1)
                        plant_texts(item, depth=1)
            for keyword, value in allowed.items():
                setattr(dataset, keyword, value)
            dataset.file_meta.SourceApplicationEntityTitle = "XMARKX"
            dataset.file_meta.PrivateInformationCreatorUID = UID("1.2.77077")
            dataset.file_meta.PrivateInformation = b"XMARKX"
            dataset.save_as(path)
    paths = deliver(exam, classes(2), tmp_path / "out", ["seg", "sr"], MODEL).files
    for path, kind in zip(paths, ("Segmentation", "Comprehensive3DSR"), strict=True):
        written = pydicom.dcmread(path)
        assert marks_in(written) == []
        assert marks_in(written.file_meta) == []
        assert b"XMARK" not in path.read_bytes()
        assert {keyword: str(written[keyword].value) for keyword in allowed} == allowed
        assert written.ReferringPhysicianName == ""
        check_dicom(path, kind)
    assert np.array_equal(by_highdicom(exam, paths[0]), classes(2))


JAPANESE = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}


@pytest.mark.parametrize(
    ("odd", "read_back"),
    [
        (JAPANESE, {"PatientName": "Yamada^Tarou=山田^太郎"}),
        ({"SpecificCharacterSet": "ISO 2022 IR 100", "PatientName": "Müller^Änne"}, {"PatientName": "Müller^Änne"}),
        ({"SpecificCharacterSet": ""}, {"PatientName": "Doe^Jane"}),
        ({"PatientSex": "U"}, {"PatientSex": "", "PatientBirthDate": "19610203"}),
        ({"PatientBirthDate": "1961"}, {"PatientSex": "F", "PatientBirthDate": ""}),
        ({"StudyDate": "ANON", "StudyTime": "ANON"}, {"StudyDate": "", "StudyTime": "", "PatientID": "MRN4711"}),
    ],
    ids=["japanese", "latin", "none", "sex", "birth date", "study date"],
)
def test_odd_headers_do_not_cost_seg_and_report(tmp_path: Path, odd: dict[str, Any], read_back: dict[str, str]) -> None:
    with quiet_pydicom():
        series(tmp_path / "exam", **odd)
    (exam,), _ = read_exams(tmp_path / "exam")
    paths = deliver(exam, classes(), tmp_path / "out", ["seg", "sr"], MODEL).files
    for written in map(pydicom.dcmread, paths):
        assert {keyword: str(written[keyword].value or "") for keyword in read_back} == read_back
    assert np.array_equal(by_highdicom(exam, paths[0]), classes())
    check_dicom(paths[0])
    check_dicom(paths[1], "Comprehensive3DSR")


def test_when_there_can_be_no_seg_it_is_said_why(tmp_path: Path) -> None:
    exam = nifti_exam(tmp_path, np.diag([1.5, 1.25, 8.0, 1.0]))
    with pytest.raises(DataError, match="but the exam is not DICOM; ask for other formats than seg"):
        deliver(exam, classes(), tmp_path / "out", ["csv", "seg"], MODEL)
    assert list((tmp_path / "out").iterdir()) == []
    (unplaced,), _ = read_exams(series(tmp_path / "a", PixelSpacing=None)[0].parent)
    assert "needs position, orientation, PixelSpacing and slice spacing" in str(seg_obstacle(unplaced))
    for k in range(2):
        write(enhanced(grey(2), [2 * k, 2 * k + 1]), tmp_path / "b" / f"{k}")
    (several,), _ = read_exams(tmp_path / "b")
    assert "but the series has several" in str(seg_obstacle(several))
    (adrift,), _ = read_exams(series(tmp_path / "c", FrameOfReferenceUID=None)[0].parent)
    assert seg_obstacle(adrift) is None
    with pytest.raises(DataError, match=r"needs the FrameOfReferenceUID .*, and they have none; ask for") as caught:
        deliver(adrift, classes(), tmp_path / "out", ["seg"], MODEL)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    delivery = deliver(adrift, classes(), tmp_path / "out", [], MODEL)
    assert {path.name for path in delivery.folder.iterdir()} == {
        "labels.nii.gz", "overlays", "burden.csv", "slices.csv", "report.html", ABOUT_FILE,
    }  # fmt: skip
    assert delivery.notes[0].startswith("no seg: a DICOM SEG needs the FrameOfReferenceUID (0020,0052)")
    assert delivery.notes[1] == "no sr: there is no seg, to which it refers"
    assert delivery.notes[0] in html.unescape((delivery.folder / "report.html").read_text())
    assert read_delivery(tmp_path / "out", adrift, [], MODEL) == delivery


# --------------------------------------------------------------------------------------------------------------- NIfTI


def skewed(image: nib.Nifti1Image) -> None:
    image.set_sform(np.array([[1.1, 0.5, 0, 4], [-0.4, 1.2, 0, 5], [0, 0, -8, 6], [0, 0, 0, 1.0]]), 1)


def as_emidec(image: nib.Nifti1Image) -> None:
    image.set_sform(np.diag([-1.0, -1.0, 1.0, 1.0]), 2)
    image.header.set_zooms((1.4, 1.4, 13.0))


def lost(image: nib.Nifti1Image) -> None:
    image.set_sform(None, 0)
    image.set_qform(None, 0)


def in_microns(image: nib.Nifti1Image) -> None:
    affine = np.diag([1000.0, 1000.0, 1000.0, 1.0]) @ image.affine
    image.set_sform(affine)
    image.set_qform(affine)
    image.header.set_xyzt_units("micron")


@pytest.mark.parametrize("codes", ["RAS", "LPS", "AIL", "SRA"])
@pytest.mark.parametrize("change", [None, skewed, as_emidec, lost, in_microns])
def test_nifti_lies_on_the_very_grid_of_its_source(
    tmp_path: Path, codes: str, change: Callable[[nib.Nifti1Image], None] | None
) -> None:
    ras = nib.orientations.axcodes2ornt("RAS")
    turn = nib.orientations.ornt_transform(ras, nib.orientations.axcodes2ornt(codes))
    shape = (4, 6, 8)
    image = nib.Nifti1Image(np.arange(192, dtype=np.int16).reshape(shape), np.diag([1.5, 1.25, 8.0, 1.0]))
    source = image.as_reoriented(turn)
    if change:
        change(source)
    source.header["descrip"] = b"Doe^Jane"
    nib.save(source, tmp_path / "image.nii")
    (exam,), _ = read_exams(tmp_path / "image.nii", "keep")
    labels = (exam.pixels % 4).astype(np.uint8)
    delivery = deliver(exam, labels, tmp_path / "out", ["nifti"], MODEL)
    assert delivery.notes[: len(exam.notes)] == exam.notes
    written, source = (
        load_nifti(delivery.files[0]),
        load_nifti(tmp_path / "image.nii"),
    )
    assert written.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(source.dataobj) % 4)
    assert np.array_equal(written.affine, source.affine)
    for field in ("pixdim", "sform_code", "qform_code", "xyzt_units"):
        assert np.array_equal(written.header[field], source.header[field]), field
    assert bytes(written.header["descrip"].item()) == b"Research use only; not for diagnosis"
    assert np.array_equal(read_nifti_grid(delivery.files[0]).array, labels)


def test_nifti_of_an_exam_without_a_place(tmp_path: Path) -> None:
    (adrift,), _ = read_exams(series(tmp_path / "exam", PixelSpacing=None)[0].parent)
    delivery = deliver(adrift, classes(), tmp_path / "out", ["nifti"], MODEL)
    assert np.array_equal(from_nifti(delivery), classes())
    assert "where the slices lie in the patient is unknown" in delivery.notes[-2]
    assert np.array_equal(load_nifti(delivery.files[0]).affine, np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert "1 mm in place of those that are not" in delivery.notes[-1]


# ---------------------------------------------------------------------------------------------------------- CSV, pages


def test_slices_add_up_to_the_exam(tmp_path: Path, phantom: tuple[NDArray[np.uint16], Labels]) -> None:
    exam = exam_of(tmp_path, phantom[0])
    delivery = deliver(exam, phantom[1], tmp_path / "out", ["csv"], MODEL)
    (row,), slices = (rows_of(path) for path in delivery.files)
    assert [item["slice"] for item in slices] == list(exam.slices)
    assert [item["level"] for item in slices] == ["", "apical", "mid", "mid", "basal", "basal"]
    for column in ("cavity_pixels", "scar_pixels", "wall_ml", "scar_ml"):
        assert sum(float(item[column]) for item in slices) == pytest.approx(float(row[column]))
    assert [item["cavity_found"] for item in slices] == ["False"] + ["True"] * 5
    assert (row["slices_without_cavity"], row["model"], row["model_digest"]) == ("1", MODEL.name, MODEL.digest)
    assert {item["use"] for item in [row, *slices]} == {"Research use only; not for diagnosis"}


class Links(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data"}]


def page_of(exam: Exam, labels: Labels, folder: Path) -> tuple[str, Links]:
    page = deliver(exam, labels, folder, ["html"], MODEL).files[0].read_text()
    links = Links()
    links.feed(page)
    return page, links


def test_the_page_is_whole_in_itself(tmp_path: Path, phantom: tuple[NDArray[np.uint16], Labels]) -> None:
    exam = exam_of(tmp_path, phantom[0])
    page, found = page_of(exam, phantom[1], tmp_path / "out")
    assert len(found.links) == 1 + len(exam.slices)
    for link in found.links:
        kind, data = link.split(",")
        assert kind == "data:image/png;base64"
        Image.open(io.BytesIO(base64.b64decode(data))).verify()
    assert not {"script", "link", "iframe", "object"} & set(found.tags)
    assert "two-stage &lt;b&gt;LGE&lt;/b&gt;" in page
    assert not re.search(r"https?:|url\(|@import", page)
    assert page.count("Research use only; not for diagnosis") == 2
    assert f"{exam.case}_slice000</p>" in page
    result = Result(exam, phantom[1], MODEL)
    assert f"{result.burden.wall_ml:.2f} mL" in page
    assert f"{result.burden.scar_percent:.1f} %" in page
    assert not isinstance(result.segments, str)
    assert "without the insertion points of the right ventricle" in page


def test_the_page_tells_the_exam_and_shows_the_heart_where_it_is(tmp_path: Path) -> None:
    labels = np.zeros((3, 60, 90), dtype=np.uint8)
    labels[:, 30:50, 10:40] = Label.CAVITY
    exam = exam_of(tmp_path, grey(3, (60, 90)), (1.5, 1.0, 8.0))
    page, found = page_of(exam, labels, tmp_path / "out")
    cells = re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", page)
    assert {
        ("source", "DICOM"),
        ("slices", "3 of 60 x 90 pixels"),
        ("pixel (row x column)", "1.5 x 1 mm"),
        ("slice spacing", "8 mm"),
        ("thickness of a slice", "6.4 mm"),
        ("position in the patient", "known"),
    } <= set(cells)
    with Image.open(io.BytesIO(base64.b64decode(found.links[-1].split(",")[1]))) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert drawn.shape[:2] == (300, 400)
    yellow = np.argwhere(np.abs(drawn - COLOURS[Label.CAVITY]).max(axis=2) < 30)
    top, left, side = zoom_box(list(labels))
    scale, second = np.array([300, 200]) / side, np.array([0, 200])
    assert yellow.min(axis=0) == pytest.approx((np.array([30, 10]) - (top, left)) * scale + second, abs=4)
    assert yellow.max(axis=0) == pytest.approx((np.array([50, 40]) - (top, left)) * scale + second, abs=4)


def test_the_page_says_why_there_is_no_bulls_eye(tmp_path: Path) -> None:
    page, found = page_of(nifti_exam(tmp_path, None), classes(), tmp_path / "out")
    assert "Not given: where the slices lie in the patient is unknown" in page
    assert len(found.links) == 3


@pytest.mark.parametrize("seed", range(4))
def test_pictures_are_what_matplotlib_draws_of_greys_and_contours(seed: int, tmp_path: Path) -> None:
    """Drawn without its help: a figure for all slices, greys looked up before, outlines as paths."""
    rng = np.random.default_rng(seed)
    shape = (3, int(rng.integers(20, 90)), int(rng.integers(20, 90)))
    exam = exam_of(tmp_path, rng.integers(0, 4000, shape, dtype=np.uint16), (1.5, 1.1, 9.0))
    labels = np.repeat(np.repeat(rng.integers(0, 4, (3, 10, 10)), 9, axis=1), 9, axis=2)[:, : shape[1], : shape[2]]
    labels[0, :5] = 0
    for k, png in enumerate(slice_pngs(Result(exam, labels.astype(np.uint8), MODEL))):
        drawn = np.asarray(Image.open(io.BytesIO(png)))
        high, wide = shape[1] * 1.5, shape[2] * 1.1
        inches = (wide * 6.4 / max(high, wide), high * 6.4 / max(high, wide))
        figure = Figure(figsize=inches, dpi=100, facecolor="black")
        ax = figure.add_axes((0, 0, 1, 1))
        grey = to_8_bit(exam.pixels[k], Intensity())
        ax.imshow(grey, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        for label in (Label.MYOCARDIUM, Label.CAVITY, Label.SCAR):
            mask = np.pad((labels[k] == label).astype(float), 1)
            if mask.any():
                at = (np.arange(-1, shape[2] + 1), np.arange(-1, shape[1] + 1))
                lines = ax.contour(*at, mask, levels=[0.5], colors=[style.class_colour(label.title)], linewidths=1.4)
                lines.set_path_effects(HALO)
        ax.set_xlim(-0.5, shape[2] - 0.5)
        ax.set_ylim(shape[1] - 0.5, -0.5)
        ax.set_axis_off()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        assert np.array_equal(drawn, np.asarray(Image.open(buffer).convert("RGB")))


def test_pictures_show_the_outlines_in_their_colours(
    tmp_path: Path, phantom: tuple[NDArray[np.uint16], Labels]
) -> None:
    exam = exam_of(tmp_path, phantom[0])
    files = deliver(exam, phantom[1], tmp_path / "out", ["png"], MODEL).files
    assert [file.name for file in files] == [f"{name}.png" for name in exam.slices]
    for index, file in enumerate(files):
        with Image.open(file) as image:
            assert image.size == (640, 640)
            drawn = np.asarray(image.convert("RGB")).astype(int)
        for label in (Label.CAVITY, Label.MYOCARDIUM, Label.SCAR):
            near = np.argwhere(np.abs(drawn - COLOURS[label]).max(axis=2) < 30)
            region = np.argwhere(phantom[1][index] == label)
            assert (len(near) > 0) == (len(region) > 0)
            if len(region):
                pixel = 640 / 96
                assert (near.min(axis=0) >= region.min(axis=0) * pixel - 4).all()
                assert (near.max(axis=0) <= (region.max(axis=0) + 1) * pixel + 4).all()


def test_pixels_that_are_no_squares_are_drawn_to_scale(tmp_path: Path) -> None:
    exam = exam_of(tmp_path, grey(3, (20, 40)), (3.0, 1.0, 8.0))
    file = deliver(exam, classes(3, (20, 40)), tmp_path / "out", ["png"], MODEL).files[0]
    with Image.open(file) as image:
        assert image.size == (427, 640) or image.size == (426, 640)


@pytest.mark.parametrize(
    ("segment", "x", "y"), [(1, 0, 0.87), (3, -0.76, -0.44), (8, -0.54, 0.31), (10, 0, -0.62), (16, 0.37, 0)]
)
def test_the_bulls_eye_has_each_segment_in_its_place(segment: int, x: float, y: float) -> None:
    extent = ScarExtent(tuple(100.0 if k == segment else 0.0 for k in range(1, 18)), {}, ())
    picture = np.asarray(Image.open(io.BytesIO(bullseye_png(extent))).convert("RGB")).astype(int)
    full = np.abs(picture - COLOURS[Label.SCAR]).max(axis=2) < 6
    rows, columns = np.nonzero(full)
    offset = np.array([columns.mean() - picture.shape[1] / 2, picture.shape[0] / 2 - rows.mean()])
    assert len(rows) > 500
    assert offset / np.hypot(*offset) == pytest.approx(np.array([x, y]) / np.hypot(x, y), abs=0.25)


# ------------------------------------------------------------------------------------------------------ whole or not


def test_nothing_is_overwritten_and_nothing_is_left_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = nifti_exam(tmp_path, None)
    deliver(exam, classes(), tmp_path / "out", ["csv"], MODEL)
    before = (tmp_path / "out" / exam.case / "burden.csv").read_bytes()
    with pytest.raises(DataError, match=r"folder .* is there already, in other formats \(csv; now nifti\); nothing is"):
        deliver(exam, classes(), tmp_path / "out", ["nifti"], MODEL)
    assert (tmp_path / "out" / exam.case / "burden.csv").read_bytes() == before

    assert read_delivery(tmp_path / "out", exam, ["nifti"], MODEL) is None

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, "html", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\)"):
        deliver(exam, classes(), tmp_path / "full", ["csv", "html"], MODEL)
    assert list((tmp_path / "full").iterdir()) == []


def test_what_was_delivered_is_known_again_and_what_differs_is_not(tmp_path: Path) -> None:
    exam = exam_of(tmp_path, np.arange(3 * 48, dtype=np.uint16).reshape(3, 6, 8))
    made = deliver(exam, classes(), tmp_path / "out", ["csv", "seg"], MODEL)
    assert read_delivery(tmp_path / "out", exam, ["csv", "seg"], MODEL) == made
    others = [
        (exam, ["csv"], MODEL),
        (exam, ["csv", "seg"], replace(MODEL, digest="other")),
        (replace(exam, pixels=exam.pixels + 1), ["csv", "seg"], MODEL),
        (replace(exam, spacing_mm=(1.0, 1.0, 8.0)), ["csv", "seg"], MODEL),
        (replace(exam, affine=np.eye(4)), ["csv", "seg"], MODEL),
    ]
    for other, formats, model in others:
        assert read_delivery(tmp_path / "out", other, formats, model) is None
    (made.folder / "labels.dcm").unlink()
    assert read_delivery(tmp_path / "out", exam, ["csv", "seg"], MODEL) is None


def test_what_differs_in_a_folder_that_is_there_is_named(tmp_path: Path) -> None:
    exam = exam_of(tmp_path, np.arange(3 * 48, dtype=np.uint16).reshape(3, 6, 8))
    made = deliver(exam, classes(), tmp_path / "out", ["csv", "seg"], MODEL)

    def refusal(exam: Exam = exam, formats: Sequence[str] = ("csv", "seg"), model: ModelFacts = MODEL) -> str:
        assert read_delivery(tmp_path / "out", exam, formats, model) is None
        with pytest.raises(DataError) as caught:
            deliver(exam, classes(), tmp_path / "out", formats, model)
        (said,) = caught.value.findings
        start = f"folder {made.folder} is there already, "
        end = "; nothing is overwritten: move it, or write to another folder"
        assert said.startswith(start)
        assert said.endswith(end)
        return said.removeprefix(start).removesuffix(end)

    other, digest = replace(exam, pixels=exam.pixels + 1), replace(MODEL, digest="other")
    assert refusal(other) == "of other images"
    assert refusal(formats=["nifti"]) == "in other formats (csv, seg; now nifti)"
    assert refusal(formats=[]) == "in other formats (csv, seg; now all)"
    assert refusal(model=digest) == "by another model"
    assert refusal(other, model=digest) == "of other images and by another model"
    about = json.loads((made.folder / ABOUT_FILE).read_text())
    (made.folder / ABOUT_FILE).write_text(json.dumps({**about, "lge_sweep": "0.0.1"}))
    assert refusal() == f"by another version of this program (now {__version__})"
    (made.folder / "labels.dcm").rename(made.folder / "other.dcm")
    assert refusal() == f"by another version of this program (now {__version__}) and without its labels.dcm"
    (made.folder / ABOUT_FILE).write_text(json.dumps(about))
    assert refusal() == "without its labels.dcm"
    for text in ("", "[]", '{"files": 3}'):
        (made.folder / ABOUT_FILE).write_text(text)
        assert refusal() == "without an about.json that tells of what it is"
    (made.folder / ABOUT_FILE).unlink()
    assert refusal() == "without an about.json that tells of what it is"


def test_what_a_killed_run_left_is_cleared_away_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    exam = nifti_exam(tmp_path, None)
    old, new = tmp_path / "out" / f".{exam.case}-1", tmp_path / "out" / f".{exam.case}-2"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "labels.dcm").write_bytes(b"")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    delivery = deliver(exam, classes(), tmp_path / "out", ["csv"], MODEL)
    assert sorted((tmp_path / "out").iterdir()) == [new, delivery.folder]


def test_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        deliver(nifti_exam(tmp_path, None), classes(), tmp_path / "out", ["csv"], MODEL)


def test_unknown_formats_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown format 'nift': did you mean 'nifti'"):
        deliver(nifti_exam(tmp_path, None), classes(), tmp_path / "out", ["csv", "nift"], MODEL)
    assert not (tmp_path / "out").exists()


def test_a_single_slice_with_thickness_has_a_seg(tmp_path: Path) -> None:
    write(classic(grey(1)[0]), tmp_path / "one.dcm")
    (exam,), _ = read_exams(tmp_path / "one.dcm")
    delivery = deliver(exam, classes(1), tmp_path / "out", ["seg", "nifti"], MODEL)
    assert np.array_equal(by_highdicom(exam, delivery.files[0]), classes(1))
    assert np.array_equal(from_nifti(delivery), classes(1))
    check_dicom(delivery.files[0])
