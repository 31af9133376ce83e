"""`lge-sweep data adopt`: labels of predict, corrected in a viewer and saved as it saves them, become a data set."""

import gzip
import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from deliveries import MODEL, Labels, rows_of
from nifti_files import load_nifti
from program import invoke
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from scipy.spatial.distance import dice as dice_distance
from synthetic_dicom import SECRETS, encode, write
from typer.testing import Result

from lge_sweep.atomic import atomic_folder
from lge_sweep.config.data import Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.deliver import AdoptRequest, adopt, deliver
from lge_sweep.hashing import file_digest
from lge_sweep.ingest import Exam, Volume, read
from lge_sweep.ingest.dicom_header import quiet_pydicom
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.phantom_nifti import write_nifti_case
from lge_sweep.labels import COLOURS, Label

MM = (1.6, 1.6, 10.0)
SLICES, SIZE = 4, 64
TISSUE = Code("85756007", "SCT", "Tissue")
"""What Slicer calls a segment of which nobody has said what it is."""


class Given:
    """Exams, what a model found in them, and the folders of all."""

    def __init__(self, folder: Path, exams: Sequence[Exam], truth: Sequence[Labels]) -> None:
        self.folder, self.exams = folder, exams
        self.found = [erode(labels) for labels in truth]
        self.truth = [np.concatenate([labels[:1] * 0, labels[1:]]) for labels in truth]  # the first slice is no heart
        for exam, labels in zip(exams, self.found, strict=True):
            deliver(exam, labels, self.out, ["seg", "nifti"] if exam.sources else ["nifti"], MODEL)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def dataset(self) -> Path:
        return self.folder / "corrected"

    def run(self, *more: str, folder: Path | None = None) -> Result:
        words = ["--images", str(self.folder / "exams"), "--out", str(self.dataset), *more]
        return invoke("data", "adopt", str(folder or self.out), *words)

    def version(self, number: int) -> list[Volume]:
        root = self.dataset / f"corrected-v{number}"
        return read(read_data_file(str(root / f"corrected-v{number}.yaml")).source, root)


def erode(labels: Labels) -> Labels:
    """Return labels as a model may have found them: scar is missed on a slice, and the cavity is a row too small."""
    found = labels.copy()
    found[1][found[1] == Label.SCAR] = Label.MYOCARDIUM
    for image in found[:2]:
        rows = np.flatnonzero((image == Label.CAVITY).any(axis=1))
        image[rows[0]][image[rows[0]] == Label.CAVITY] = Label.MYOCARDIUM
    return found


def phantom(cases: int) -> list[Volume]:
    return simulate(Phantom(kind="phantom", cases=cases, slices=SLICES, size=SIZE, pixel_mm=3.2, scar_free=0, seed=2))


@pytest.fixture
def dicom(tmp_path: Path) -> Given:
    """Two DICOM exams with identities that must not come out; slices begin at the apex."""
    truth = []
    for number, volume in enumerate(phantom(2)):
        with quiet_pydicom():
            images = encode(volume.pixels[::-1].astype(np.uint16), MM)
        for k, dataset in enumerate(images):
            dataset.PatientID = f"MRN4711{number}"
            dataset.StudyInstanceUID = f"1.2.20240506.{number}"
            dataset.SeriesInstanceUID = f"1.2.3.20240506071233.{number}"
            dataset.FrameOfReferenceUID = f"1.2.9.{number}"
            write(dataset, tmp_path / "exams" / f"Doe_{number}" / f"IM{k}.dcm")
        truth.append(volume.labels[::-1].copy())
    exams, findings = read_exams(tmp_path / "exams")
    assert findings == []
    order = [int(exam.sources[0].path.parent.name[-1]) for exam in exams]
    return Given(tmp_path, exams, [truth[number] for number in order])


@pytest.fixture
def nifti(tmp_path: Path) -> Given:
    """Three NIfTI exams, each on a grid of its own."""
    volumes = phantom(3)
    truth = {}
    for number, volume in enumerate(volumes):
        write_nifti_case(volume, tmp_path / "made")
        image = load_nifti(tmp_path / "made" / volume.case / "Images" / f"{volume.case}.nii.gz")
        (tmp_path / "exams").mkdir(exist_ok=True)
        turn = [[[0, 1], [1, 1], [2, 1]], [[0, -1], [1, -1], [2, 1]], [[2, 1], [0, -1], [1, 1]]][number]
        nib.save(image.as_reoriented(np.array(turn)), tmp_path / "exams" / f"{volume.case}.nii.gz")
        truth[volume.case] = volume.labels
    exams, findings = read_exams(tmp_path / "exams", "keep")
    assert findings == []
    return Given(tmp_path, exams, [as_exam(truth[exam.case], exam, tmp_path / "made") for exam in exams])


def as_exam(labels: Labels, exam: Exam, made: Path) -> Labels:
    """Lay labels of the phantom on the exam's slices by positions alone."""
    image = load_nifti(made / exam.case / "Contours" / f"{exam.case}.nii.gz")
    assert exam.affine is not None
    count, rows, columns = exam.pixels.shape
    index = np.indices((rows, columns, count)).reshape(3, -1)
    world = exam.affine[:3, :3] @ index + exam.affine[:3, 3:]
    inverse = np.linalg.inv(np.array(image.affine))
    back = np.rint(inverse[:3, :3] @ world + inverse[:3, 3:]).astype(int)
    values = np.asarray(image.dataobj)[tuple(back)].astype(np.uint8)
    assert np.bincount(values).tolist() == np.bincount(labels.ravel()).tolist()
    laid: Labels = values.reshape(rows, columns, count).transpose(2, 0, 1)
    return laid


Named = tuple[int, str, Code, tuple[int, int, int] | None]
"""A segment as a viewer writes it: the value of its class, its name, its terminology, its colour."""
RENAMED: tuple[Named, ...] = (
    (Label.SCAR, "Segment_3", TISSUE, COLOURS[Label.SCAR]),
    (Label.CAVITY, "Blood pool", codes.SCT.Blood, None),
    (Label.MYOCARDIUM, "myocardium", TISSUE, (1, 2, 3)),
)
"""In another order; by colour, by terminology, by name in small letters."""


def slicer_seg(exam: Exam, labels: Labels, path: Path, segments: Sequence[Named] = RENAMED, creator: str = "") -> Path:
    """Write a SEG as 3D Slicer does: segments named and numbered anew, in an order of its own, without empty frames."""
    described = [
        hd.seg.SegmentDescription(
            number,
            name,
            codes.SCT.AnatomicalStructure,
            code,
            hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            display_color=colour and hd.color.CIELabColor.from_rgb(*colour),
        )
        for number, (_, name, code, colour) in enumerate(segments, start=1)
    ]
    masks = np.stack([labels == label for label, *_ in segments], axis=-1).astype(np.uint8)
    with quiet_pydicom():
        sources = [pydicom.dcmread(source.path) for source in exam.sources]
        seg = hd.seg.Segmentation(
            sources,
            masks,
            hd.seg.SegmentationTypeValues.BINARY,
            described,
            series_instance_uid=hd.UID(),
            series_number=100,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="QIICR",
            manufacturer_model_name="dcmqi",
            software_versions="1",
            device_serial_number="1",
            content_creator_name=creator or None,
        )
        assert int(seg.NumberOfFrames) < len(segments) * len(labels), "empty frames are left out"
        for segment in seg.SegmentSequence:  # numbers with gaps, as where a segment was removed
            segment.SegmentNumber = 2 * segment.SegmentNumber + 1
        for item in seg.PerFrameFunctionalGroupsSequence:
            identity = item.SegmentIdentificationSequence[0]
            identity.ReferencedSegmentNumber = 2 * identity.ReferencedSegmentNumber + 1
        path.parent.mkdir(parents=True, exist_ok=True)
        seg.save_as(path)
    return path


Turn = tuple[tuple[int, ...], tuple[int, ...]]
"""Axes of rows, columns and slices in a file, and which of them are reversed there."""


def slicer_nifti(exam: Exam, labels: Labels, path: Path, turn: Turn = ((0, 1, 2), ()), kind: str = "int16") -> Path:
    """Write a label map with its axes in any order and direction, and the affine that says so."""
    axes, flips = turn
    array = np.flip(labels.transpose(1, 2, 0).transpose(axes), flips)
    assert exam.affine is not None
    permute = np.zeros((4, 4))
    permute[3, 3] = 1
    for place, axis in enumerate(axes):
        permute[axis, place] = -1 if place in flips else 1
        permute[axis, 3] = array.shape[place] - 1 if place in flips else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.ascontiguousarray(array).astype(kind), exam.affine @ permute), path)
    return path


def by_scipy(one: Labels, other: Labels) -> dict[str, float | None]:
    """Return the Dice of each structure, by another library."""
    found: dict[str, float | None] = {}
    for name, values in {"cavity": [1], "wall": [2, 3], "scar": [3]}.items():
        a, b = np.isin(one, values).ravel(), np.isin(other, values).ravel()
        found[name] = 1 - float(dice_distance(a, b)) if (a | b).any() else None
    return found


def check_version(given: Given, number: int, truth: dict[str, Labels]) -> None:
    """A version gives the exams' pixels and the corrected labels, at their place."""
    volumes = {volume.case: volume for volume in given.version(number)}
    assert volumes.keys() == truth.keys()
    for exam in given.exams:
        if exam.case not in truth:
            continue
        volume = volumes[exam.case]
        assert np.array_equal(volume.pixels, exam.pixels)
        assert np.array_equal(volume.labels, truth[exam.case])
        assert volume.affine is not None
        assert exam.affine is not None
        np.testing.assert_allclose(volume.affine, exam.affine, atol=1e-3)
        assert volume.voxel_ml == pytest.approx(exam.voxel_ml, rel=1e-5)


def check_row(row: dict[str, str], corrected: Labels, found: Labels) -> None:
    """A row of versions.csv says what was changed."""
    changed = np.flatnonzero((corrected != found).reshape(len(found), -1).any(axis=1))
    assert row["changed_slices"].split() == [str(place) for place in changed]
    assert int(row["changed_pixels"]) == int((corrected != found).sum()) > 0
    for name, value in by_scipy(corrected, found).items():
        assert value is not None
        assert float(row[f"dice_{name}"]) == pytest.approx(value)
    assert (row["model"], row["model_version"], row["model_digest"]) == (MODEL.name, MODEL.version, MODEL.digest)


def contents(folder: Path) -> dict[Path, str]:
    return {path: file_digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def said(result: Result) -> str:
    return " ".join(result.output.split())


def words_of(path: Path) -> str:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("latin-1")


# ------------------------------------------------------------------------------------------------------ what is adopted


def test_a_seg_as_slicer_saves_it_comes_back(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    slicer_seg(exam, truth, dicom.out / exam.case / "labels.dcm", creator="Reader^Anna")  # over the prediction
    images, files = contents(dicom.folder / "exams"), contents(dicom.out)
    done = dicom.run()
    assert done.exit_code == 0, done.output
    assert contents(dicom.folder / "exams") == images
    assert contents(dicom.out) == files
    check_version(dicom, 1, {exam.case: truth})
    (row,) = rows_of(dicom.dataset / "versions.csv")
    check_row(row, truth, dicom.found[0])
    assert (row["by"], row["file"], row["version"], row["slices"]) == ("Anna Reader", "seg", "1", str(SLICES))
    for note in ("'Segment_3' is taken for scar by its colour", "'Blood pool' is taken for cavity by its terminology"):
        assert note in said(done)
    assert "1 case(s): 1 adopted" in said(done)
    assert "next: lge-sweep data describe" in said(done)
    written = [path for path in dicom.dataset.rglob("*") if path.is_file()]
    assert len(written) == 6
    assert not any(secret in words_of(path) for path in written for secret in SECRETS)
    assert "Doe" not in done.output


TURNS: list[Turn] = [(axes, flips) for axes in permutations(range(3)) for flips in ((), (0,), (1, 2))]


@pytest.mark.parametrize("turn", TURNS)
def test_a_nifti_label_map_in_any_order_comes_back(dicom: Given, turn: Turn) -> None:
    exam, truth = dicom.exams[1], dicom.truth[1]
    kind = ("uint8", "int16", "uint16", "float32")[TURNS.index(turn) % 4]
    ending = ("nii", "nii.gz")[TURNS.index(turn) % 2]
    slicer_nifti(exam, truth, dicom.folder / "saved" / f"{exam.case}-label.{ending}", turn, kind)
    adopted = adopt(request(dicom), lambda *_: None)
    assert [case.case for case in adopted.new] == [exam.case]
    check_version(dicom, 1, {exam.case: truth})


def request(given: Given, **more: Any) -> AdoptRequest:
    known = {"predicted": given.out, "by": "AR", "images": given.folder / "exams", "output": given.dataset}
    return AdoptRequest(folder=given.folder / "saved", **{**known, **more})


def test_nifti_exams_and_a_first_sweep_on_them(nifti: Given, inline: None) -> None:
    """Saved over the prediction, beside it, and in a folder called by the case."""
    names = [exam.case for exam in nifti.exams]
    places = [nifti.out / names[0] / "labels.nii.gz", nifti.out / names[1] / "Segmentation.nii",
              nifti.out / names[2] / "new" / "x.nii.gz"]  # fmt: skip
    for exam, truth, path in zip(nifti.exams, nifti.truth, places, strict=True):
        slicer_nifti(exam, truth, path)
    done = nifti.run("--by", "A. Reader", "--case-ids", "keep")
    assert done.exit_code == 0, done.output
    check_version(nifti, 1, dict(zip(names, nifti.truth, strict=True)))
    for row, truth, found in zip(rows_of(nifti.dataset / "versions.csv"), nifti.truth, nifti.found, strict=True):
        check_row(row, truth, found)
        assert row["by"] == "A. Reader"
    words = done.output.splitlines()[-1].removeprefix("next: lge-sweep ").split()
    described = invoke(*words)  # 3 are too few to be split by shares
    assert described.exit_code == 0, described.output
    assert "3 case(s), 12 slices; 3 case(s) with scar" in described.output
    counts = ",".join(f"{subset}: {{normal: 0, scar: 1}}" for subset in ("train", "val", "test"))
    options = [
        "--set",
        f"split.counts={{{counts}}}",
        "--set",
        "grid.model=[unet]",
        "--runs",
        str(nifti.folder / "runs"),
    ]
    swept = invoke("phase1", *words[2:], "--stage", "1", "--profile", "smoke", *options)
    assert swept.exit_code == 0, swept.output
    assert "phase1 stage 1: corrected-v1, smoke" in swept.output


def test_a_second_time_makes_another_version_and_keeps_the_first(dicom: Given) -> None:
    one, two = dicom.exams
    slicer_nifti(one, dicom.truth[0], dicom.folder / "saved" / one.case / "labels.nii.gz")
    assert adopt(request(dicom), lambda *_: None).record.version == 1
    first = contents(dicom.dataset / "corrected-v1")
    again = adopt(request(dicom), lambda *_: None)
    assert (again.again, again.record.version) == (True, 1)
    assert contents(dicom.dataset / "corrected-v1") == first
    slicer_seg(two, dicom.truth[1], dicom.folder / "saved" / "SEG.dcm", creator="Slicer")
    better = dicom.truth[0].copy()
    better[2][better[2] == Label.SCAR] = Label.MYOCARDIUM
    done = dicom.run("--predicted", str(dicom.out), "--by", "Second", folder=dicom.folder / "saved")
    assert done.exit_code == 0, done.output
    assert "version 2, 2 case(s): 1 adopted, 1 as in version 1" in said(done)
    assert contents(dicom.dataset / "corrected-v1") == first
    check_version(dicom, 1, {one.case: dicom.truth[0]})
    check_version(dicom, 2, {one.case: dicom.truth[0], two.case: dicom.truth[1]})
    slicer_nifti(one, better, dicom.folder / "saved" / one.case / "labels.nii.gz")
    assert [case.case for case in adopt(request(dicom), lambda *_: None).new] == [one.case]
    check_version(dicom, 3, {one.case: better, two.case: dicom.truth[1]})
    rows = rows_of(dicom.dataset / "versions.csv")
    assert [(row["version"], row["case"], row["by"]) for row in rows] == [
        ("1", one.case, "AR"), ("2", two.case, "Second"), ("3", one.case, "AR")
    ]  # fmt: skip
    record = json.loads((dicom.dataset / "corrected-v3" / "version.json").read_text())
    assert {case["case"]: case["adopted_in"] for case in record["cases"]} == {one.case: 3, two.case: 2}


def test_what_was_not_finished_is_passed_over(dicom: Given) -> None:
    """Killed processes left the hidden folders of an exam and of a version, all in them but for the name."""
    one, two = dicom.exams
    slicer_nifti(one, dicom.truth[0], dicom.folder / "saved" / one.case / "new.nii")
    with suppress(OSError), atomic_folder(dicom.out / two.case) as unfinished:
        shutil.copytree(dicom.out / two.case, unfinished, dirs_exist_ok=True)
        assert adopt(request(dicom), lambda *_: None).record.version == 1
        slicer_nifti(two, dicom.truth[1], dicom.folder / "saved" / two.case / "new.nii")
        with suppress(OSError), atomic_folder(dicom.dataset / "corrected-v1") as version:
            shutil.copytree(dicom.dataset / "corrected-v1", version, dirs_exist_ok=True)
            assert adopt(request(dicom), lambda *_: None).record.version == 2
    check_version(dicom, 2, {one.case: dicom.truth[0], two.case: dicom.truth[1]})


def test_labels_that_are_right_are_taken_where_that_is_said(dicom: Given) -> None:
    one, two = dicom.exams
    slicer_nifti(one, dicom.truth[0], dicom.out / one.case / "better.nii")
    assert dicom.run("--by", "AR", "--accept-unchanged").exit_code == 0
    check_version(dicom, 1, {one.case: dicom.truth[0], two.case: dicom.found[1]})
    rows = {row["case"]: row for row in rows_of(dicom.dataset / "versions.csv")}
    assert (rows[two.case]["changed_pixels"], rows[two.case]["file"]) == ("0", "as predicted")
    assert {float(rows[two.case][f"dice_{name}"]) for name in ("cavity", "wall", "scar")} == {1.0}
    (dicom.out / one.case / "better.nii").unlink()
    taken = dicom.run("--by", "AR", "--accept-unchanged")  # what was corrected stays so
    assert "nothing was written" in said(taken)
    slicer_seg(one, dicom.found[0], dicom.out / one.case / "again.dcm")
    refused = dicom.run("--by", "AR")
    assert refused.exit_code == 2
    assert "nothing was changed" in said(refused)
    assert "again.dcm holds the labels as predicted; not adopted" in said(refused)


def test_no_reflow_is_told_apart_where_it_is_named(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    core = np.zeros_like(truth, dtype=bool)
    core[2] = truth[2] == Label.SCAR
    coded = np.where(core, np.uint8(4), truth)
    segments = (*RENAMED, (4, "no-reflow", TISSUE, None))
    slicer_seg(exam, coded, dicom.out / exam.case / "new.dcm", segments, "AR")
    assert dicom.run().exit_code == 0
    (volume,) = dicom.version(1)
    assert np.array_equal(volume.labels, truth)
    assert volume.mvo is not None
    assert np.array_equal(volume.mvo, core)


def test_pixels_are_those_that_the_model_saw(dicom: Given) -> None:
    """A model that was trained on the files' own window: predict read the exam so, and the data set has it so."""
    for path in (dicom.folder / "exams").rglob("*.dcm"):
        with quiet_pydicom():
            dataset = pydicom.dcmread(path)
            dataset.WindowCenter, dataset.WindowWidth = 400, 700
            dataset.save_as(path)
    (exam, _), findings = read_exams(dicom.folder / "exams", window=True)
    assert findings == []
    other = dicom.folder / "windowed"
    deliver(exam, dicom.found[0], other, ["nifti"], MODEL)
    slicer_nifti(exam, dicom.truth[0], other / exam.case / "labels.nii.gz")
    assert dicom.run("--by", "AR", folder=other).exit_code == 0
    (volume,) = dicom.version(1)
    assert np.array_equal(volume.pixels, exam.pixels)
    assert volume.pixels.max() <= 255


# ------------------------------------------------------------------------------------------------------ what is refused


def refusal(given: Given, *more: str, by: str = "AR", folder: Path | None = None) -> str:
    """Adopt in vain: one message, nothing written."""
    done = given.run(*["--by", by] * bool(by), *more, folder=folder)
    assert done.exit_code == 2, done.output
    assert not given.dataset.exists()
    assert "Traceback" not in done.output
    assert "keep" in more or "Doe" not in done.output
    return said(done)


def test_unknown_segments_are_named_and_can_be_explained(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    segments = (
        (Label.SCAR, "Segment 1", TISSUE, (9, 9, 9)),
        (Label.CAVITY, "LV cavity", TISSUE, None),
        (Label.MYOCARDIUM, "old, wall", TISSUE, None),
    )
    slicer_seg(exam, truth, dicom.out / "IM0001", segments)  # without an ending, in no exam's folder
    told = refusal(dicom)
    assert "segments 'Segment 1', 'old, wall' are not known by name, terminology or colour" in told
    assert "(its segments: 'Segment 1', 'LV cavity', 'old, wall')" in told
    assert "with --names 'Segment 1=CLASS,old, wall=CLASS'" in told
    assert "segment 'old, wall' is not known" in refusal(dicom, "--names", "segment 1=scar")
    done = dicom.run("--by", "AR", "--names", "Segment 1=scar,old, wall=myocardium")
    assert done.exit_code == 0, done.output
    check_version(dicom, 1, {exam.case: truth})


def test_segments_that_overlap_are_refused(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    path = slicer_seg(exam, truth, dicom.out / exam.case / "new.dcm")
    with quiet_pydicom():
        seg = pydicom.dcmread(path)
        frames = seg.pixel_array.copy()
        scar, wall = [int(item.SegmentNumber) for item in seg.SegmentSequence][::2]
        place = {
            (int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber),
             tuple(groups.PlanePositionSequence[0].ImagePositionPatient)): k
            for k, groups in enumerate(seg.PerFrameFunctionalGroupsSequence)
        }  # fmt: skip
        first = next(position for number, position in place if number == scar)
        frames[place[wall, first]] |= frames[place[scar, first]]
        count = int(frames[place[scar, first]].sum())
        seg.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
        seg.save_as(path)
    told = refusal(dicom)
    assert f"its segments overlap (scar over myocardium in {count} pixels), and a pixel has one class" in told


def test_values_that_are_not_known_are_named_and_can_be_explained(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    values = np.where(truth == Label.SCAR, 7, truth)
    slicer_nifti(exam, values, dicom.out / exam.case / "new.nii.gz")
    told = refusal(dicom)
    assert f"holds values that are not known: 7 in {(values == 7).sum()} pixels" in told
    assert "(known: 0 background, 1 cavity, 2 myocardium, 3 scar)" in told
    assert "--names 7=CLASS" in told
    for number in ("65536", "9" * 5000):  # of so many digits `int` makes none
        assert f"--names: values are 0 to 65535, got {number[:5]}" in refusal(dicom, "--names", f"{number}=scar")
    assert dicom.run("--by", "AR", "--names", "7=scar").exit_code == 0
    check_version(dicom, 1, {exam.case: truth})


def test_values_that_a_viewer_exchanged_are_found(dicom: Given) -> None:
    """Slicer numbers segments in their order: without the cavity's the wall becomes 1, and scar 2."""
    exam, truth = dicom.exams[0], dicom.truth[0]
    exchanged = np.array([0, 3, 1, 2], dtype=np.uint8)[truth]
    slicer_nifti(exam, exchanged, dicom.out / exam.case / "new.nii.gz")
    told = refusal(dicom)
    assert "its values seem exchanged" in told
    names = re.search(r"would with --names (\S+); give that", told)
    assert names is not None
    assert dicom.run("--by", "AR", "--names", names[1]).exit_code == 0
    check_version(dicom, 1, {exam.case: truth})


def test_values_that_a_viewer_exchanged_are_found_beside_those_that_are_named(dicom: Given) -> None:
    """Naming scar says nothing of cavity and wall; what is advised then is right, or taken as it is with a warning."""
    exam, truth = dicom.exams[0], dicom.truth[0]
    path = dicom.out / exam.case / "new.nii.gz"
    for scar, given in ((4, "4=scar"), (3, "3=scar,Segment_1=cavity"), (4, "4=mvo")):
        slicer_nifti(exam, np.array([0, 2, 1, scar], dtype=np.uint8)[truth], path)
        told = refusal(dicom, "--names", given)
        assert f"would with --names {given},1=myocardium,2=cavity; give that" in told
        assert f"if they are right as they are, --names {given},1=cavity,2=myocardium" in told
    insisted = dicom.run("--by", "AR", "--names", "4=scar,1=cavity,2=myocardium")
    assert insisted.exit_code == 0, insisted.output
    (row,) = rows_of(dicom.dataset / "versions.csv")
    assert float(row["dice_cavity"]) < 0.1 < float(row["dice_wall"])
    assert f"warning: {exam.case}/new.nii.gz: hardly a pixel of cavity is as predicted (Dice 0.0" in said(insisted)
    assert "of wall is" not in said(insisted)
    mended = dicom.run("--by", "AR", "--names", "4=scar,1=myocardium,2=cavity")
    assert "version 2, 1 case(s): 1 adopted" in said(mended)
    assert "warning" not in mended.output
    check_version(dicom, 2, {exam.case: truth})


def test_named_values_leave_the_others_as_they_are(dicom: Given) -> None:
    """No false alarm: two values of scar, one named; and a named value that this file has not."""
    exam, truth = dicom.exams[0], dicom.truth[0]
    values = truth.copy()
    values[2][truth[2] == Label.SCAR] = 9
    slicer_nifti(exam, values, dicom.out / exam.case / "new.nii.gz")
    assert dicom.run("--by", "AR", "--names", "9=scar,7=cavity").exit_code == 0
    check_version(dicom, 1, {exam.case: truth})


def test_a_structure_that_only_one_of_both_has_is_no_warning(dicom: Given) -> None:
    """Scar that the model had not found, or that there is none of, is a correction; segments that are exchanged are."""
    exam, truth = dicom.exams[0], dicom.truth[0]
    without = np.where(truth == Label.SCAR, np.uint8(Label.MYOCARDIUM), truth)
    slicer_seg(exam, without, dicom.out / exam.case / "new.dcm", RENAMED[1:], "AR")
    done = dicom.run()
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output
    swapped = np.array([0, 2, 1, 3], dtype=np.uint8)[truth]
    slicer_seg(exam, swapped, dicom.out / exam.case / "new.dcm", creator="AR")
    done = dicom.run()
    assert done.exit_code == 0, done.output
    assert "new.dcm: hardly a pixel of cavity is as predicted (Dice 0.0" in said(done)


def test_labels_on_another_grid_are_refused(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    path = dicom.folder / "saved" / exam.case / "new.nii"
    predicted = ("--predicted", str(dicom.out))
    slicer_nifti(exam, truth[:, ::2, ::2], path)
    assert "does not lie as its exam does" in refusal(dicom, *predicted, folder=path.parents[1])
    slicer_nifti(exam, truth, path)
    image = load_nifti(path)
    moved = np.array(image.affine) + np.array([[0, 0, 0, 9], [0] * 4, [0] * 4, [0] * 4])
    nib.save(nib.Nifti1Image(image.get_fdata(), moved), path)
    told = refusal(dicom, *predicted, folder=path.parents[1])
    assert "does not lie as its exam does (a corner of it is" in told
    nib.save(nib.Nifti1Image(np.zeros(image.shape, dtype=np.int16), image.affine), path)
    assert "holds no label at all" in refusal(dicom, *predicted, folder=path.parents[1])
    path.write_bytes(b"no NIfTI")
    assert "broken NIfTI file" in refusal(dicom, *predicted, folder=path.parents[1])
    path.unlink()
    seg = slicer_seg(exam, truth, path.with_name("new.dcm"))
    with quiet_pydicom():
        dataset = pydicom.dcmread(seg)
        for groups in dataset.PerFrameFunctionalGroupsSequence:
            position = groups.PlanePositionSequence[0]
            position.ImagePositionPatient = [float(mm) + 5 for mm in position.ImagePositionPatient]
        dataset.save_as(seg)
    assert "frames lie elsewhere than the images" in refusal(dicom, *predicted, folder=path.parents[1])


def test_nothing_changed_is_refused(dicom: Given) -> None:
    told = refusal(dicom)
    assert "holds no labels but those that predict wrote: nothing was changed" in told
    assert "[0/0]" not in told
    (dicom.out / "Segmentation.seg.nrrd").write_bytes(b"NRRD0004\n")
    told = refusal(dicom)
    assert "not read: 1 .nrrd (Segmentation.seg.nrrd): export as DICOM SEG or NIfTI" in told


def test_exams_that_predict_did_not_write_are_refused(dicom: Given) -> None:
    one, two = dicom.exams
    saved = dicom.folder / "saved"
    for path in sorted((dicom.out / two.case).iterdir(), reverse=True):
        path.unlink()
    (dicom.out / two.case).rmdir()
    slicer_seg(two, dicom.truth[1], saved / "other.dcm")
    slicer_nifti(one, dicom.truth[0], saved / "whose.nii")
    assert "name predict's output folder with --predicted" in refusal(dicom, folder=saved)
    told = refusal(dicom, "--predicted", str(dicom.out), folder=saved)
    assert "other.dcm: refers to images of no exam that predict wrote" in told
    assert "whose.nii: is of no exam that predict wrote; put it into a folder called by its exam's folder" in told


def test_other_images_are_refused(dicom: Given) -> None:
    exam = dicom.exams[0]
    slicer_nifti(exam, dicom.truth[0], dicom.out / exam.case / "new.nii")
    told = refusal(dicom, "--case-ids", "keep")
    assert f"{exam.case}: its images are not in" in told
    assert "with the same --case-ids, --series, --series-pattern and --folders, if any" in told
    path = exam.sources[0].path
    with quiet_pydicom():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = bytes(reversed(dataset.PixelData))
        dataset.save_as(path)
    assert "is not what predict segmented" in refusal(dicom)
    path.write_bytes(path.read_bytes()[:-4000])
    done = dicom.run("--by", "AR")
    assert done.exit_code == 2
    assert "IM0.dcm: its pixels cannot be decoded" in said(done)


def test_files_of_other_names_and_images_are_no_labels_of_an_exam(dicom: Given) -> None:
    """All in one folder, images too: what is an image is passed over, what may be of another exam is refused."""
    exam, truth = dicom.exams[0], dicom.truth[0]
    folder = dicom.folder / "exams"
    slicer_nifti(exam, exam.pixels.astype(np.uint8), folder / "volume.nii.gz", kind="int16")
    slicer_nifti(exam, truth, folder / f"{exam.case}_2.nii.gz")
    predicted = ("--predicted", str(dicom.out), "--by", "AR")
    done = dicom.run(*predicted, folder=folder)
    assert done.exit_code == 2
    assert f"{exam.case}_2.nii.gz: is of no exam that predict wrote" in said(done)
    (folder / f"{exam.case}_2.nii.gz").rename(folder / f"{exam.case} corrected.nii.gz")
    done = dicom.run(*predicted, folder=folder)
    assert done.exit_code == 0, done.output
    assert "images, no label maps, left out: volume.nii.gz" in said(done)
    assert "hardly a pixel" not in said(done)
    check_version(dicom, 1, {exam.case: truth})
    slicer_nifti(exam, np.roll(truth, 30, axis=2), folder / f"{exam.case} corrected.nii.gz")
    assert f"hardly a pixel is as predicted; are these labels of {exam.case}?" in said(
        dicom.run(*predicted, folder=folder)
    )


def test_who_corrected_must_be_known(dicom: Given) -> None:
    exam, truth = dicom.exams[0], dicom.truth[0]
    slicer_seg(exam, truth, dicom.out / exam.case / "new.dcm", creator="Slicer")
    assert "new.dcm: does not say who corrected it; give --by NAME" in refusal(dicom, by="")
    slicer_nifti(exam, dicom.found[0] * 0 + 1, dicom.out / exam.case / "new.nii")
    told = refusal(dicom, "--names", "1=cavity")
    assert "hold different corrections of one exam; keep one of them" in told


def test_by_is_for_files_that_name_nobody(dicom: Given) -> None:
    """A NIfTI beside SEGs needs --by; who made the SEGs is not replaced by it."""
    one, two = dicom.exams
    slicer_seg(one, dicom.truth[0], dicom.out / one.case / "new.dcm", creator="Reader^Anna")
    slicer_nifti(two, dicom.truth[1], dicom.out / two.case / "new.nii")
    assert f"{two.case}/new.nii: does not say who corrected it" in refusal(dicom, by="")
    done = dicom.run("--by", "B. Other")
    assert done.exit_code == 0, done.output
    by = {row["case"]: row["by"] for row in rows_of(dicom.dataset / "versions.csv")}
    assert by == {one.case: "Anna Reader", two.case: "B. Other"}
    assert f"{one.case}/new.dcm: names Anna Reader as who corrected it, which stands" in said(done)
    assert "new.nii: names" not in said(done)


def test_two_exams_of_a_patient_are_refused(tmp_path: Path) -> None:
    """As the reader of DICOM refuses them: a split would put one patient into several subsets."""
    (volume,) = phantom(1)
    for number in range(2):
        with quiet_pydicom():
            images = encode(volume.pixels.astype(np.uint16) + np.uint16(number), MM)
        for k, dataset in enumerate(images):
            dataset.StudyInstanceUID = f"1.2.{number}"
            write(dataset, tmp_path / "exams" / f"visit{number}" / f"IM{k}.dcm")
    exams, findings = read_exams(tmp_path / "exams")
    assert findings == []
    given = Given(tmp_path, exams, [volume.labels] * 2)
    for exam, truth in zip(exams, given.truth, strict=True):
        slicer_nifti(exam, truth, given.out / exam.case / "new.nii")
    assert "are exams of one patient" in refusal(given)
    (given.out / exams[0].case / "new.nii").unlink()
    assert given.run("--by", "AR").exit_code == 0


def test_places_that_cannot_be(dicom: Given, tmp_path: Path) -> None:
    exam = dicom.exams[0]
    slicer_nifti(exam, dicom.truth[0], dicom.out / exam.case / "new.nii")
    for out in (dicom.out / "set", dicom.folder / "exams", tmp_path):
        done = dicom.run("--by", "AR", "--out", str(out))
        assert done.exit_code == 2
        assert "lie in each other; name a folder outside of it" in said(done)
    (dicom.dataset / "mine").mkdir(parents=True)
    done = dicom.run("--by", "AR")
    assert done.exit_code == 2
    assert "holds other things than versions of corrected labels; nothing is overwritten" in said(done)
    assert "no such file or folder" in said(dicom.run("--by", "AR", "--images", str(tmp_path / "none")))
    assert "no such folder" in said(dicom.run("--by", "AR", folder=tmp_path / "none"))


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("labels", {"shape": [4, 64, 64], "zlib": "AAAA"}, "the labels in it cannot be unpacked"),
        ("labels", {"shape": [4, 64, 63], "zlib": None}, "labels.zlib is not what predict writes"),
        ("labels", {"shape": [9999, 9999, 9999], "zlib": ""}, "the labels in it cannot be unpacked"),
        ("model", 3, "model is not what predict writes"),
    ],
)
def test_what_predict_wrote_may_be_damaged(dicom: Given, key: str, value: object, why: str) -> None:
    about = dicom.out / dicom.exams[0].case / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), key: value}))
    told = refusal(dicom)
    assert why in told
    assert "give the same `lge-sweep predict` again with another output folder, and name that with --predicted" in told


def test_a_version_that_is_damaged_is_named(dicom: Given) -> None:
    exam = dicom.exams[0]
    slicer_nifti(exam, dicom.truth[0], dicom.out / exam.case / "new.nii")
    assert dicom.run("--by", "AR").exit_code == 0
    (dicom.dataset / "corrected-v1" / "version.json").write_text("{}")
    done = dicom.run("--by", "AR")
    assert done.exit_code == 2
    assert "version.json is damaged: version is not what this program writes" in said(done)
    assert "Move its folder elsewhere, or name a new folder with --out" in said(done)
