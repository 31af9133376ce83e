"""The DICOM SR of an exam: the numbers of burden.csv, what they refer to, and nothing that it must not tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from deliveries import MM, MODEL, Labels, check_dicom, classes, exam_of, nifti_exam, rows_of
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from synthetic_dicom import series

from lge_sweep.config.data import Phantom
from lge_sweep.deliver import Result, deliver
from lge_sweep.deliver.sr import AHA_SITES, SCAR_SHARE_CODE, report_comments
from lge_sweep.errors import DataError
from lge_sweep.ingest import Exam
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.volume import slice_ids
from lge_sweep.quantify.segments import SEGMENT_NAMES

KIND = "Comprehensive3DSR"


def heart(folder: Path, multi: bool) -> tuple[Exam, Labels]:
    """An exam with scar, from the apex up, and its labels; the lowest slice was not segmented."""
    (volume,) = simulate(Phantom(kind="phantom", cases=1, slices=6, size=64, pixel_mm=MM[0], scar_free=0, seed=3))
    labels = volume.labels[::-1].copy()
    labels[0] = 0
    return exam_of(folder, volume.pixels[::-1].astype(np.uint16), multi=multi), labels


def numbers_of(group: Any) -> dict[str, tuple[float, str]]:
    """Name of each measurement -> its value, as floating point, and its unit."""
    return {item.name.meaning: (item.value, item.unit.value) for item in group.get_measurements()}


def measured(report: Any, tracking: str) -> Any:
    groups = [
        group
        for group in (
            *report.content.get_volumetric_roi_measurement_groups(),
            *report.content.get_image_measurement_groups(),
        )
        if group.tracking_identifier == tracking
    ]
    (group,) = groups
    return group


def comments_in(report: Dataset) -> list[str]:
    return [item.TextValue for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "121106"]


@pytest.mark.parametrize("multi", [False, True])
def test_the_report_has_the_numbers_of_the_table(tmp_path: Path, multi: bool) -> None:
    exam, labels = heart(tmp_path, multi)
    delivery = deliver(exam, labels, tmp_path / "out", ["csv", "sr"], MODEL)
    (row,) = rows_of(delivery.folder / "burden.csv")
    report = hd.sr.srread(delivery.folder / "report.dcm")
    for tracking, column in (("LV cavity", "cavity_ml"), ("Myocardium", "myocardium_ml"), ("Scar", "scar_ml")):
        assert numbers_of(measured(report, tracking)) == {"Volume": (float(row[column]), "mL")}
    assert numbers_of(measured(report, "LV wall")) == {
        "Volume": (float(row["wall_ml"]), "mL"),
        "Left Ventricle Mass": (float(row["wall_mass_g"]), "g"),
        SCAR_SHARE_CODE.meaning: (float(row["scar_percent_of_wall"]), "%"),
    }
    by_site = {
        item.finding_sites[0].value.value: item.value
        for item in measured(report, "LV wall by AHA segment").get_measurements()
    }
    columns = [f"scar_percent_{k:02d}_{name.replace(' ', '_')}" for k, name in enumerate(SEGMENT_NAMES, start=1)]
    told = {site.value: float(row[c]) for site, c in zip(AHA_SITES, columns, strict=True) if row[c]}
    assert len(told) > 10
    assert by_site == told
    check_dicom(delivery.folder / "report.dcm", KIND)


def test_each_site_is_the_segment_of_its_number() -> None:
    for site, name in zip(AHA_SITES[:16], SEGMENT_NAMES, strict=False):
        assert site.meaning == f"left ventricle {name} segment"
    assert AHA_SITES[16] == codes.SCT.ApexOfLeftVentricle


@pytest.mark.parametrize("multi", [False, True])
def test_the_report_refers_to_the_segments_and_to_every_image(tmp_path: Path, multi: bool) -> None:
    exam, labels = heart(tmp_path, multi)
    delivery = deliver(exam, labels, tmp_path / "out", ["seg", "sr"], MODEL)
    seg, report = (pydicom.dcmread(path) for path in delivery.files)
    images = [pydicom.dcmread(source.path, stop_before_pixels=True) for source in exam.sources]
    uids = {image.SOPInstanceUID for image in images}
    content = hd.sr.srread(delivery.files[1]).content
    assert isinstance(content, hd.sr.MeasurementReport)
    for number, group in enumerate(content.get_volumetric_roi_measurement_groups(), start=1):
        segment = group.referenced_segment
        assert segment is not None
        assert (segment.referenced_sop_instance_uid, segment.referenced_segment_numbers) == (
            seg.SOPInstanceUID,
            [number],
        )
        assert group.tracking_uid == seg.SegmentSequence[number - 1].TrackingUID
        shown = [item.ReferencedSOPSequence[0] for item in group[0].ContentSequence if item.ValueType == "IMAGE"][1:]
        assert {item.ReferencedSOPInstanceUID for item in shown} == uids
        if multi:
            assert [int(k) for k in shown[0].ReferencedFrameNumber] == [source.number + 1 for source in exam.sources]
    evidence = [
        instance.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for one in study.ReferencedSeriesSequence
        for instance in one.ReferencedSOPSequence
    ]
    assert set(evidence) == uids | {seg.SOPInstanceUID}
    assert report.StudyInstanceUID == seg.StudyInstanceUID == images[0].StudyInstanceUID
    assert len({report.SeriesInstanceUID, seg.SeriesInstanceUID, images[0].SeriesInstanceUID}) == 3


def test_the_report_says_what_it_is_for_and_by_what_it_was_made(tmp_path: Path) -> None:
    exam, labels = heart(tmp_path, multi=False)
    delivery = deliver(exam, labels, tmp_path / "out", ["sr"], MODEL)
    assert [path.name for path in delivery.files] == ["labels.dcm", "report.dcm"]
    assert "labels.dcm was written too: report.dcm refers to it" in delivery.notes
    report = pydicom.dcmread(delivery.files[1])
    flags = (report.CompletionFlag, report.PreliminaryFlag, report.VerificationFlag)
    assert flags == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")
    assert "Research use only" in report.SeriesDescription
    said = comments_in(report)
    assert said == report_comments(Result(exam, labels, MODEL))
    assert said[0] == "Research use only; not for diagnosis"
    assert "No LV cavity was found in 1 of 6 slices." in said
    words = {element.value for element in report.iterall() if element.keyword in ("TextValue", "CodeMeaning")}
    assert {MODEL.name, MODEL.version, f"weights: {MODEL.digest}", "Artificial Intelligence"} <= words
    assert {"Scar tissue", "Left ventricle", "Magnetic resonance imaging of heart (procedure)"} <= words


def test_the_pseudonym_is_not_in_files_that_name_the_patient(tmp_path: Path) -> None:
    """Who has both would know the patient behind every other file."""
    exam, labels = heart(tmp_path, multi=False)
    for path in deliver(exam, labels, tmp_path / "out", ["sr"], MODEL).files:
        assert exam.case.encode() not in path.read_bytes()


@pytest.mark.parametrize("case", ["1", "0", "cavity", "slice"])
def test_what_is_said_does_not_depend_on_what_the_exam_is_called(tmp_path: Path, case: str) -> None:
    """With --case-ids keep it may be called by a number or a word that comments have, too."""
    exam, labels = heart(tmp_path, multi=False)
    labels[1, 0, 0] = labels[4, 0, 0] = 1  # on the image's edge
    said = report_comments(Result(exam, labels, MODEL))
    assert any("mass is that of the wall, 1.05 g/mL." in text for text in said)
    assert any("pixels on the image's edge: 1 in slice001, slice004 (expected" in text for text in said)
    called = replace(exam, case=case, slices=slice_ids(case, len(exam.slices)))
    assert report_comments(Result(called, labels, MODEL)) == said


def test_an_empty_prediction_has_volumes_of_nothing_and_no_share(tmp_path: Path) -> None:
    (exam,), _ = read_exams(series(tmp_path / "exam", PatientID=None, PatientName=None)[0].parent)
    delivery = deliver(exam, np.zeros(exam.pixels.shape, dtype=np.uint8), tmp_path / "out", ["sr"], MODEL)
    report = hd.sr.srread(delivery.files[1])
    assert numbers_of(measured(report, "Scar")) == {"Volume": (0.0, "mL")}
    assert numbers_of(measured(report, "LV wall")) == {"Volume": (0.0, "mL"), "Left Ventricle Mass": (0.0, "g")}
    assert isinstance(report.content, hd.sr.MeasurementReport)
    assert len(report.content.get_image_measurement_groups()) == 1
    assert any("thirds need at least 3 slices" in text for text in comments_in(report))
    check_dicom(delivery.files[1], KIND)


def test_what_is_made_twice_has_the_same_uids_and_what_differs_has_others(tmp_path: Path) -> None:
    def uids(name: str, labels: Labels, model: Any = MODEL) -> list[str]:
        made = [pydicom.dcmread(path) for path in deliver(exam, labels, tmp_path / name, ["sr"], model).files]
        own = [made[0].SegmentSequence[0].TrackingUID, made[0].DimensionOrganizationSequence[0][0x00209164].value]
        return own + [uid for one in made for uid in (one.SeriesInstanceUID, one.SOPInstanceUID)]

    (exam,), _ = read_exams(series(tmp_path / "exam")[0].parent)
    labels, other = classes(), classes()
    other[0, 0, 0] = 3 - other[0, 0, 0]
    first, again = uids("a", labels), uids("b", labels)
    assert first == again
    assert len(set(first)) == len(first)
    for changed in (uids("c", other), uids("d", labels, type(MODEL)("other", "8", "f" * 64, ""))):
        assert not set(first) & set(changed)


def test_when_there_can_be_no_report_it_is_said_why(tmp_path: Path) -> None:
    exam = nifti_exam(tmp_path, np.diag([1.5, 1.25, 8.0, 1.0]))
    with pytest.raises(DataError, match="but the exam is not DICOM; ask for other formats than sr"):
        deliver(exam, classes(), tmp_path / "out", ["sr"], MODEL)
    assert list((tmp_path / "out").iterdir()) == []
    notes = deliver(exam, classes(), tmp_path / "out", [], MODEL).notes
    assert "no sr: there is no seg, to which it refers" in notes
