"""Exams without labels: what is read, where it lies in the patient, and what is said of what cannot be read."""

import math
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from synthetic_dicom import SECRETS, classic, encode, enhanced, grey, image, series, write

from lge_sweep.errors import DataError
from lge_sweep.ingest import Exam
from lge_sweep.ingest.exams import WINDOW_UNAVAILABLE, read_exams
from lge_sweep.ingest.nifti_grid import NO_ORIENTATION, TWO_DIMENSIONAL, UNIT_AFFINE, read_nifti_grid
from lge_sweep.ingest.pseudonym import pseudonym

Array = NDArray[np.number]
OBLIQUE = nib.affines.from_matvec(
    np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, -1.0]]) * (1.5, 1.25, 8.0), (30, -20, 10)
)


def nifti(path: Path, array: Array | None = None, affine: Array = OBLIQUE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = grey(3).transpose(2, 1, 0).astype(np.int16) if array is None else array
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def patient_and_study(patient: str, study: str) -> str:
    return f"{pseudonym(patient, b'test')}_{pseudonym(study, b'test')[-6:]}"


def one(path: Path, **options: Any) -> Exam:
    (exam,), findings = read_exams(path, **options)
    assert findings == []
    return exam


def the_finding(path: Path, **options: Any) -> str:
    exams, (finding,) = read_exams(path, **options)
    assert exams == []
    assert not any(secret in finding for secret in SECRETS)
    return finding


# ------------------------------------------------------------------------------------------------------------- layouts


def test_nifti_files_beside_dicom_exams_are_exams_too(tmp_path: Path) -> None:
    """They were neither segmented nor listed, and the exit code was 0."""
    series(tmp_path / "A")
    nifti(tmp_path / "B.nii.gz")
    (tmp_path / "C.nii.gz").write_bytes(b"broken")
    exams, (finding,) = read_exams(tmp_path, "keep")
    assert [exam.case for exam in exams] == ["A", "B"]
    assert finding.startswith("C.nii.gz: ")


def test_a_dicom_study_a_folder_of_them_and_a_file(tmp_path: Path) -> None:
    files = series(tmp_path / "all" / "first", order=[2, 0, 1])
    write(enhanced(grey(), [2, 0, 1], PatientID="MRN1", StudyInstanceUID="1.5"), tmp_path / "all" / "second" / "multi")
    exams, findings = read_exams(tmp_path / "all", "keep")
    assert findings == []
    assert [exam.case for exam in exams] == ["first", "second"]
    assert [source.path for source in exams[0].sources] == [files[1], files[2], files[0]]
    assert [source.number for source in exams[1].sources] == [1, 2, 0]
    assert np.array_equal(exams[0].pixels, grey()[[1, 2, 0]])
    study = one(tmp_path / "all" / "first")
    assert study.case == patient_and_study("MRN4711", "1.2.20240506")
    assert study.slices[2] == f"{study.case}_slice002"
    assert (study.spacing_mm, study.thickness_mm, study.voxel_ml) == ((1.25, 1.5, 10.0), 8.0, 0.01875)
    assert one(tmp_path / "all" / "second" / "multi", case_ids="keep").case == "multi"
    assert len(one(files[0]).slices) == 1
    assert not any(secret in repr(study) for secret in (*SECRETS, "IM0"))


def test_a_nifti_file_a_folder_of_them_and_emidecs_layout(tmp_path: Path) -> None:
    nifti(tmp_path / "files" / "b.nii.gz")
    nifti(tmp_path / "files" / "a.NII", grey(2).transpose(2, 1, 0).astype(np.int16))
    nifti(tmp_path / "cases" / "Case_1" / "Images" / "Case_1.nii.gz")
    nifti(tmp_path / "cases" / "Case_1" / "Contours" / "Case_1.nii.gz")
    nifti(tmp_path / "cases" / "Case_2" / "Images" / "Case_2.nii.gz")
    exams, findings = read_exams(tmp_path / "files", "keep")
    assert ([exam.case for exam in exams], findings) == (["a", "b"], [])
    assert [len(exam.slices) for exam in exams] == [2, 3]
    assert one(tmp_path / "files" / "b.nii.gz").case == pseudonym("b", b"test")
    assert [exam.case for exam in read_exams(tmp_path / "cases", "keep")[0]] == ["Case_1", "Case_2"]
    exam = one(tmp_path / "cases" / "Case_1", case_ids="keep")
    assert (exam.case, exam.sources) == ("Case_1", ())
    grid = read_nifti_grid(tmp_path / "files" / "b.nii.gz")
    assert np.array_equal(exam.pixels, grid.array)
    assert exam.spacing_mm == grid.spacing_mm


def test_a_nifti_has_no_window(tmp_path: Path) -> None:
    assert one(nifti(tmp_path / "a.nii"), window=True).notes == (WINDOW_UNAVAILABLE,)


def test_nothing_to_read(tmp_path: Path) -> None:
    told = "holds no DICOM file and no NIfTI file, {}; expected an exam, or a folder of exams"
    assert the_finding(tmp_path) == told.format("it is empty")
    (tmp_path / "README.txt").touch()
    assert the_finding(tmp_path) == told.format("only files that are no images: 1 .txt (README.txt)")
    (tmp_path / "scan.jpg").touch()
    assert the_finding(tmp_path) == told.format("only 1 .jpg (scan.jpg)")
    with pytest.raises(DataError, match="no such file or folder"):
        read_exams(tmp_path / "nowhere")


# --------------------------------------------------------------------------------------------------------------- place


@pytest.mark.parametrize("multi", [False, True])
def test_dicom_positions_become_nibabels_coordinates(tmp_path: Path, multi: bool) -> None:
    files = encode(grey(4), (1.25, 1.5, 9.0), multi)
    for k, dataset in enumerate(files):
        write(dataset, tmp_path / f"{k}")
    affine = one(tmp_path).affine
    assert affine is not None
    for k in range(4):
        frames = files[0].get("PerFrameFunctionalGroupsSequence")
        x, y, z = (
            frames[3 - k].PlanePositionSequence[0].ImagePositionPatient if frames else files[k].ImagePositionPatient
        )
        assert affine @ (0, 0, k, 1) == pytest.approx((-x, -y, z, 1), abs=1e-4)
    orientation = (
        files[0].SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0] if multi else files[0]
    ).ImageOrientationPatient
    lps = np.diag([-1, -1, 1]) @ affine[:3, :3]
    assert lps[:, 0] == pytest.approx(np.array(orientation[3:]) * 1.25, abs=1e-6)
    assert lps[:, 1] == pytest.approx(np.array(orientation[:3]) * 1.5, abs=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"ImageOrientationPatient": None},
        {"ImagePositionPatient": None},
        {"PixelSpacing": None},
        {"SliceThickness": None},
    ],
)
def test_a_single_slice_without_geometry_has_no_place(tmp_path: Path, more: dict[str, Any]) -> None:
    write(classic(grey(1)[0], **more), tmp_path / "one.dcm")
    assert one(tmp_path).affine is None


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "RPI", "PSR", "AIL", "LIP", "SRA", "IPR"])
def test_a_turned_nifti_keeps_its_place(tmp_path: Path, codes: str) -> None:
    start = nib.orientations.axcodes2ornt("RAS")
    turn = nib.orientations.ornt_transform(start, nib.orientations.axcodes2ornt(codes))
    stored = nib.Nifti1Image(grey(4).astype(np.int16), OBLIQUE).as_reoriented(turn)
    nib.save(stored, tmp_path / "image.nii")
    exam = one(tmp_path / "image.nii")
    assert exam.affine is not None
    assert nib.affines.voxel_sizes(exam.affine) == pytest.approx(exam.spacing_mm, rel=1e-5)
    for s, h, w in np.argwhere(exam.pixels):
        voxel = np.linalg.inv(stored.affine) @ exam.affine @ (h, w, s, 1)
        assert voxel == pytest.approx(np.rint(voxel), abs=1e-3)
        assert np.asarray(stored.dataobj)[tuple(np.rint(voxel[:3]).astype(int))] == exam.pixels[s, h, w]


def test_a_nifti_whose_header_does_not_tell_has_no_place(tmp_path: Path) -> None:
    lost = nib.Nifti1Image(grey().astype(np.int16), None)
    nib.save(lost, tmp_path / "lost.nii")
    assert (one(tmp_path / "lost.nii").affine, one(tmp_path / "lost.nii").notes[0]) == (None, NO_ORIENTATION)
    emidec = nib.Nifti1Image(grey().astype(np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    emidec.header.set_zooms((1.4, 1.4, 13.0))
    nib.save(emidec, tmp_path / "emidec.nii")
    assert (one(tmp_path / "emidec.nii").affine, one(tmp_path / "emidec.nii").notes) == (None, (UNIT_AFFINE,))


# ----------------------------------------------------------------------------------------------------------- bad input


def test_one_bad_exam_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    for k in range(4):
        series(tmp_path / f"exam{k}", PatientID=f"P{k}", StudyInstanceUID=f"1.{k + 1}")
    (tmp_path / "exam1" / "IM1.dcm").write_bytes((tmp_path / "exam1" / "IM1.dcm").read_bytes()[:-20])
    (tmp_path / "exam2" / "IM0.dcm").write_bytes((tmp_path / "exam2" / "IM0.dcm").read_bytes()[:140])
    exams, findings = read_exams(tmp_path, "keep")
    assert [exam.case for exam in exams] == ["exam0", "exam3"]
    assert [finding.split(":")[0] for finding in findings] == ["exam2/IM0.dcm", "exam1", "exam2"]
    assert findings[2] == (
        "exam2: 1 file in it cannot be read, so that slices may be missing; restore or remove what is broken"
    )


def test_one_bad_nifti_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    good, cut = nifti(tmp_path / "good.nii"), nifti(tmp_path / "cut.nii")
    cut.write_bytes(good.read_bytes()[:-50])
    nifti(tmp_path / "cine.nii", np.ones((5, 4, 3, 20), dtype=np.int16))
    nifti(tmp_path / "dark.nii", np.zeros((5, 4, 3), dtype=np.int16))
    colour = np.zeros((5, 4, 3), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, OBLIQUE), tmp_path / "colour.nii")
    exams, findings = read_exams(tmp_path, "keep")
    assert [exam.case for exam in exams] == ["good"]
    by_file = {finding.split(":")[0]: finding for finding in findings}
    assert "holds 4-D data [5, 4, 3, 20]; expected one volume" in by_file["cine.nii"]
    assert "expected one number a voxel" in by_file["colour.nii"]
    assert "broken NIfTI file" in by_file["cut.nii"]
    assert "every pixel has the same intensity" in by_file["dark.nii"]


def test_two_nifti_files_of_one_name(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii")
    nifti(tmp_path / "a.nii.gz")
    exams, findings = read_exams(tmp_path)
    assert len(exams) == 1
    assert findings == ["a.nii.gz: there is another exam of the name a; rename one of them"]


def cine(folder: Path) -> None:
    for k in range(20):
        write(classic(grey(1)[0], 0, TriggerTime=40.0 * k), folder / f"{k}.dcm")


def doubled(folder: Path) -> None:
    series(folder)
    write(classic(grey(1)[0], 1), folder / "again.dcm")


def two_series(folder: Path) -> None:
    series(folder)
    write(classic(grey(1)[0], SeriesDescription="LGE 4ch", series="1.5"), folder / "LA.dcm")


def colour(folder: Path) -> None:
    for k in range(3):
        rgb = image(np.zeros((6, 8 * 3), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="RGB", Columns=8)
        write(rgb, folder / f"{k}.dcm")


def other_size(folder: Path) -> None:
    series(folder)
    write(classic(grey(1, (8, 8))[0], 3), folder / "IM3.dcm")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (cine, "looks like a cine, not LGE: 20 images at 1 position, 20 trigger times; make --series-pattern stricter"),
        (doubled, "are at the same position (pairs of this kind: 1); keep one of them"),
        (two_series, "2 series look like LGE: 'LGE 4ch' (1 image, LA.dcm), 'LGE SA PSIR' (3 images, IM0.dcm); their "
         "images are at the same positions (magnitude and phase-sensitive images? the same stack twice?); make "
         "--series-pattern stricter, or name one of them, or all of one stack, in --series by SeriesInstanceUID "
         "(0020,000E; pydicom show FILE::SeriesInstanceUID prints it)"),
        (other_size, "its images differ in size (6x8, 8x8)"),
        (lambda folder: series(folder, ImageOrientationPatient=None), "has no ImageOrientationPatient (nor have 2"),
        (lambda folder: series(folder, ImagePositionPatient=None), "has no ImagePositionPatient (nor have 2"),
        (lambda folder: series(folder, SeriesDescription="T2 map"), "no SeriesDescription matches --series-pattern"),
        (lambda folder: series(folder, pixels=np.zeros((3, 6, 8), np.uint16)), "nothing can be seen"),
    ],
    ids=["cine", "duplicates", "series", "mixed", "orientation", "position", "none", "dark"],
)  # fmt: skip
def test_what_is_no_lge_stack_is_refused_in_a_sentence(tmp_path: Path, make: Any, sentence: str) -> None:
    make(tmp_path / "exam")
    _, findings = read_exams(tmp_path)
    assert sentence in findings[0]
    assert findings[0].startswith("exam: ")
    assert not any(secret in findings[0] for secret in SECRETS)


def test_colour_is_refused_by_name(tmp_path: Path) -> None:
    colour(tmp_path / "exam")
    exams, findings = read_exams(tmp_path)
    assert exams == []
    assert findings[0] == "exam: 0.dcm: image is in colour (RGB); LGE is grey (a screenshot?)"


def test_spacing_that_is_missing_is_noted(tmp_path: Path) -> None:
    series(tmp_path, PixelSpacing=None)
    exam = one(tmp_path)
    assert (exam.spacing_mm, exam.voxel_ml, exam.affine) == (None, None, None)
    assert exam.notes == ("no PixelSpacing: no length, area or volume is valid",)


def test_a_series_can_be_named(tmp_path: Path) -> None:
    two_series(tmp_path)
    assert len(one(tmp_path, series=["1.5"]).slices) == 1
    assert len(one(tmp_path, series_pattern="SA").slices) == 3


def test_a_follow_up_is_another_exam_of_the_same_patient(tmp_path: Path) -> None:
    for k in range(2):
        series(tmp_path / f"exam{k}", StudyInstanceUID=f"1.{k + 1}")
    exams, findings = read_exams(tmp_path)
    assert {exam.case for exam in exams} == {patient_and_study("MRN4711", f"1.{k + 1}") for k in range(2)}
    assert (findings, exams[0].notes, exams[1].notes) == ([], (), ())
    exams, findings = read_exams(tmp_path, "keep")
    assert ([exam.case for exam in exams], findings) == (["exam0", "exam1"], [])
    assert exams[0].notes == exams[1].notes == ()


def test_one_study_in_two_folders_of_several(tmp_path: Path) -> None:
    for k, study in enumerate(("1.1", "1.2", "1.2")):
        series(tmp_path / f"exam{k}", StudyInstanceUID=study)
    exams, (finding,) = read_exams(tmp_path)
    assert len(exams) == 2
    assert finding.startswith("exam2: has the PatientID and StudyInstanceUID of exam1; put the files of one exam into")
    assert finding.endswith("carry the same ids, set --case-ids keep")


def test_a_series_that_is_asked_for_and_that_no_exam_has(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    with pytest.raises(DataError, match=r"--series 1\.2\.999: no case has this series"):
        read_exams(tmp_path, series=["1.2.999"])


def test_every_folder_is_an_exam_or_a_finding(tmp_path: Path) -> None:
    series(tmp_path / "good", StudyInstanceUID="1.1")
    report = pydicom.dcmread(series(tmp_path / "report", StudyInstanceUID="1.2")[0])
    shutil.rmtree(tmp_path / "report")
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    write(report, tmp_path / "report" / "SR.dcm")
    (tmp_path / "empty").mkdir()
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "exam.zip").write_bytes(b"PK")
    nifti(tmp_path / "other" / "Images" / "a.nii")
    exams, findings = read_exams(tmp_path, "keep")
    assert [exam.case for exam in exams] == ["good", "other"]
    told = "holds no DICOM file and no NIfTI file, {}; expected an exam, or a folder of exams"
    assert findings == [
        f"empty: {told.format('it is empty')}",
        f"packed: {told.format('only 1 .zip (exam.zip)')}",
        "report: holds no DICOM image, only Basic Text SR Storage; add its images, or move it elsewhere",
    ]


def test_a_folder_without_an_image_among_nifti_exams(tmp_path: Path) -> None:
    nifti(tmp_path / "good" / "Images" / "a.nii")
    nifti(tmp_path / "bad" / "Contours" / "b.nii")
    exams, findings = read_exams(tmp_path, "keep")
    assert [exam.case for exam in exams] == ["good"]
    assert findings == [
        f"bad: holds no NIfTI file and no Images/ itself, but Contours/b.nii; give {tmp_path / 'bad'} to segment what "
        "is in it"
    ]


def test_folders_that_are_passed_over(tmp_path: Path) -> None:
    series(tmp_path / "exam0", StudyInstanceUID="1.1")
    series(tmp_path / "exam1", StudyInstanceUID="1.2")
    series(tmp_path / "out" / "exam0", StudyInstanceUID="1.1")
    exams, findings = read_exams(tmp_path, "keep", skip={(tmp_path / "out").resolve()})
    assert ([exam.case for exam in exams], findings) == (["exam0", "exam1"], [])


def test_a_nifti_file_with_an_unknown_unit(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii")
    data = bytearray(path.read_bytes())
    data[123] = 7  # xyzt_units; 4 to 7 are no unit of length
    path.write_bytes(bytes(data))
    assert the_finding(path) == (
        "a.nii: its header's unit of length has the code 7; expected 0 to 3; write it again in mm"
    )


def test_a_nifti_file_of_two_dimensions_has_no_slice_distance(tmp_path: Path) -> None:
    exam = one(nifti(tmp_path / "a.nii", grey(1)[0].T.astype(np.int16)))
    assert exam.spacing_mm is not None
    assert exam.spacing_mm[:2] == pytest.approx((1.25, 1.5))
    assert math.isnan(exam.spacing_mm[2])
    assert (exam.voxel_ml, exam.affine, exam.notes) == (None, None, (TWO_DIMENSIONAL,))


def test_a_segmentation_and_a_mask_beside_the_images_are_passed_over(tmp_path: Path) -> None:
    series(tmp_path)
    nifti(tmp_path / "mask.nii.gz")
    seg = pydicom.dcmread(tmp_path / "IM0.dcm")
    seg.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    write(seg, tmp_path / "SEG.dcm")
    assert len(one(tmp_path).slices) == 3


def test_a_file_that_is_neither(tmp_path: Path) -> None:
    (tmp_path / "exam.dcm").write_text("neither")
    assert the_finding(tmp_path / "exam.dcm").startswith("exam.dcm: not a DICOM file")
