"""Simulated exams as files: what is written is valid, tells no lie about place and distance, and reads back equal."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import gdcm
import nibabel as nib
import numpy as np
import pydicom
import pytest
from nifti_files import load_nifti
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from typer.testing import CliRunner, Result

from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.config.data import DicomFolders, Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.curate import curate
from lge_sweep.data import content_digest
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.phantom import simulate
from lge_sweep.ingest.phantom_dicom import write_dicom_study
from lge_sweep.ingest.phantom_files import DICOM_SOURCE, write_phantom
from lge_sweep.ingest.phantom_geometry import APEX_DIRECTION, COLUMN_DIRECTION, ROW_DIRECTION, nifti_affine
from lge_sweep.labels import Label
from lge_sweep.split import split_cases

SWEEPS = Path(__file__).parents[1] / "sweeps" / "data"
FORMATS = ("png", "nifti", "dicom")
SMALL = Phantom(kind="phantom", cases=3, slices=3, size=64, pixel_mm=4.8)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["phantom", *map(str, arguments)])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two exams in each format."""
    root = tmp_path_factory.mktemp("phantom")
    for kind in FORMATS:
        result = call(root / kind, "--cases", 2, "--seed", 3, "--format", kind)
        assert result.exit_code == 0, result.output
    return root


@pytest.fixture(scope="module")
def simulated() -> list[Volume]:
    return simulate(Phantom(kind="phantom", cases=2, seed=3))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Volume]:
    """The folder of a study, and its exam, whose rows and columns, and their distances, differ."""
    root, exam = tmp_path_factory.mktemp("study"), simulate(SMALL)[0]
    exam = Volume(exam.case, exam.slices, exam.pixels[:, :48], exam.labels[:, :48], spacing_mm=(1.25, 4.8, 8.0))
    write_dicom_study(exam, root)
    return root / exam.case, exam


def slices_of(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in sorted((folder / "LGE_SA").iterdir())]


def equal(back: list[Volume], simulated: list[Volume], step: int = 1) -> None:
    assert [(v.case, v.slices) for v in back] == [(v.case, v.slices) for v in simulated]
    for mine, theirs in zip(back, simulated, strict=True):
        assert mine.pixels.dtype == np.uint16
        assert np.array_equal(mine.pixels[::step], theirs.pixels)
        assert np.array_equal(mine.labels[::step], theirs.labels)
        assert mine.notes == ()


# ------------------------------------------------------------------------------------------------------- read back


@pytest.mark.parametrize("kind", FORMATS)
def test_the_data_file_reads_back_what_was_simulated(written: Path, simulated: list[Volume], kind: str) -> None:
    back = read(read_data_file(str(written / kind / f"{kind}.yaml")).source, written / kind)
    equal(back, simulated, step=-1 if kind == "dicom" else 1)  # along the normal, DICOM begins at the apex
    for volume in back:
        if kind == "png":
            assert volume.spacing_mm is None
        else:
            assert volume.spacing_mm == pytest.approx((1.6, 1.6, 10.0), rel=0 if kind == "dicom" else 1e-7)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_data_file_makes_a_sweep_and_its_header_tells_the_command(written: Path, kind: str) -> None:
    assert load_sweep("phase1", 1, str(written / kind / f"{kind}.yaml"), "smoke").curate.slices == "all"
    header = (written / kind / f"{kind}.yaml").read_text()
    assert all(f"# {word}" in header for word in ("Source", "Command", "Time", "Expected"))
    assert f"make phase1 data={kind}/{kind}.yaml root={kind}\n" in header


def test_what_is_printed_names_the_next_command(tmp_path: Path) -> None:
    result = call(tmp_path / "my set", "--cases", 6)
    assert result.output.splitlines() == [
        f"{tmp_path}/my set: 30 slices of 6 simulated exam(s), as png",
        f"next: lge-sweep phase1 --data '{tmp_path}/my set/my_set.yaml' --root '{tmp_path}/my set'",
    ]
    with Image.open(tmp_path / "my set" / "images" / "phantom000_slice000.png") as image:
        assert image.mode == "I;16"


@pytest.mark.parametrize("cases", [2, 5, 6, 7])
def test_phase_1_is_next_only_where_the_split_lets_it_run(tmp_path: Path, cases: int) -> None:
    """It was named for two exams, too, and failed after half a minute."""
    said = call(tmp_path / "set", "--cases", cases).output.splitlines()
    data = read_data_file(str(tmp_path / "set/set.yaml"))
    curated = curate(read(data.source, tmp_path / "set"), data.curate)
    try:
        split_cases(curated.manifest, data.split)
    except DataError:
        place = f"--data {tmp_path}/set/set.yaml --root {tmp_path}/set"
        assert said[1:] == [
            "too few to train on: phase 1 takes 6 simulated exams or more (--cases 6)",
            f"next: lge-sweep data describe {place}",
        ]
        assert cases < 6
    else:
        assert said[1].startswith("next: lge-sweep phase1 ")


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_few_exams_are_segmented_next(tmp_path: Path, kind: str) -> None:
    said = call(tmp_path / "set", "--cases", 1, "--format", kind).output.splitlines()
    assert said[2:] == [f"next: segment them with a model: lge-sweep predict {tmp_path}/set OUT"]


@pytest.mark.parametrize("kind", ["nifti", "dicom"])
def test_exams_can_be_segmented_next(tmp_path: Path, kind: str) -> None:
    result = call(tmp_path / "my set", "--cases", 6, "--format", kind)
    segment = f"or segment them with a model: lge-sweep predict '{tmp_path}/my set' OUT"
    assert result.output.splitlines()[2:] == [segment]


# ----------------------------------------------------------------------------------------------------------- DICOM


def test_the_files_hold_the_simulated_pixels(study: tuple[Path, Volume]) -> None:
    folder, exam = study
    for dataset, pixels in zip(slices_of(folder), exam.pixels, strict=True):
        assert dataset.SOPClassUID == pydicom.uid.MRImageStorage == dataset.file_meta.MediaStorageSOPClassUID
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert (dataset.BitsAllocated, dataset.PhotometricInterpretation) == (16, "MONOCHROME2")
        assert np.array_equal(dataset.pixel_array, pixels)
        assert (dataset.PixelSpacing, dataset.SliceThickness, dataset.SpacingBetweenSlices) == ([1.25, 4.8], 8, 8)
        assert str(dataset.PatientName).startswith("PHANTOM^")
    assert len({dataset.SOPInstanceUID for dataset in slices_of(folder)}) == 3
    assert len({(d.StudyInstanceUID, d.SeriesInstanceUID) for d in slices_of(folder)}) == 1


def test_the_segmentation_holds_the_simulated_labels(study: tuple[Path, Volume]) -> None:
    """Without highdicom: frame by frame, by the instance and the segment that each says it belongs to."""
    folder, exam = study
    seg = pydicom.dcmread(folder / "SEG" / "SEG001.dcm")
    names = {segment.SegmentNumber: segment.SegmentLabel for segment in seg.SegmentSequence}
    assert list(names.values()) == ["LV cavity", "Myocardium", "Scar"]
    classes = {"LV cavity": Label.CAVITY, "Myocardium": Label.MYOCARDIUM, "Scar": Label.SCAR}
    instances = [dataset.SOPInstanceUID for dataset in slices_of(folder)]
    labels = np.zeros_like(exam.labels)
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        labels[instances.index(source)][mask == 1] = classes[names[number]]
    assert (exam.labels == Label.SCAR).any()
    assert np.array_equal(labels, exam.labels)


def test_the_plane_is_a_short_axis_seen_from_the_apex() -> None:
    assert np.array([ROW_DIRECTION, COLUMN_DIRECTION, APEX_DIRECTION]) @ np.array(
        [ROW_DIRECTION, COLUMN_DIRECTION, APEX_DIRECTION]
    ).T == pytest.approx(np.eye(3))
    assert np.cross(ROW_DIRECTION, COLUMN_DIRECTION) == pytest.approx(-APEX_DIRECTION)
    left, back, head = APEX_DIRECTION
    assert left > 0 > back
    assert head < 0


def corners(shape: tuple[int, ...]) -> NDArray[np.int_]:
    """Return the [8, 3] voxels (slice, row, column) at the corners of an array."""
    return np.array([[k * (n - 1) for k, n in zip(corner, shape, strict=True)] for corner in np.ndindex(2, 2, 2)])


def test_dicom_and_nifti_lie_at_the_same_place(written: Path) -> None:
    """A corner's place by DICOM PS3.3 C.7.6.2.1.1, as GDCM reads it, is that by the affine, as nibabel reads it."""
    image = load_nifti(written / "nifti" / "phantom001" / "Images" / "phantom001.nii.gz")
    assert image.header.get_xyzt_units()[0] == "mm"
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-3)
    assert nib.aff2axcodes(image.affine) == ("L", "I", "A")
    files = sorted((written / "dicom" / "phantom001" / "LGE_SA").iterdir())
    places = {}
    for index, path in enumerate(files):
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        origin, cosines, step = (
            np.array(getattr(reader.GetImage(), f"Get{what}")()) for what in ("Origin", "DirectionCosines", "Spacing")
        )
        places[index] = (origin, cosines[:3] * step[0], cosines[3:] * step[1])
    for index, row, column in corners((5, 192, 192)):
        origin, along, down = places[index]
        left, back, head = origin + column * along + row * down
        expected = nib.affines.apply_affine(image.affine, [column, row, index])
        assert [-left, -back, head] == pytest.approx(expected, abs=1e-3)


def test_the_same_exam_gives_the_same_bytes_and_another_seed_other_uids(
    study: tuple[Path, Volume], tmp_path: Path
) -> None:
    folder, exam = study
    write_dicom_study(exam, tmp_path / "again")
    write_dicom_study(simulate(SMALL.model_copy(update={"seed": 1}))[0], tmp_path / "other")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.dcm"))
    assert len(files) == 5
    for file in files:
        again, other = (tmp_path / name / exam.case / file for name in ("again", "other"))
        assert again.read_bytes() == (folder / file).read_bytes()
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            assert pydicom.dcmread(other)[keyword].value != pydicom.dcmread(again)[keyword].value


def test_the_series_must_be_chosen(study: tuple[Path, Volume]) -> None:
    folder, exam = study
    (volume,) = read(DICOM_SOURCE, folder.parent)
    assert (len(volume.slices), volume.spacing_mm, volume.thickness_mm) == (3, exam.spacing_mm, 8.0)
    for pattern, message in (("SA", "2 series look like LGE"), ("localizer", "mask is 48x64, its image 24x32")):
        source = DicomFolders.model_validate(DICOM_SOURCE.model_dump() | {"series_pattern": pattern})
        with pytest.raises(DataError, match=message):
            read(source, folder.parent)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_the_files_are_valid(written: Path) -> None:
    files = sorted((written / "dicom").rglob("*.dcm"))  # the second exam has no scar, so that its segment is empty
    assert len(files) == 2 * (1 + 5 + 1)
    for path in files:
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60).stderr
        assert "Error" not in told, f"{path}: {told}"
        assert ("Segmentation" if "SEG" in path.name else "MRImage") in told


# ------------------------------------------------------------------------------------------------------ through DICOM


def test_the_phantom_through_dicom_has_the_content_of_the_phantom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plain, through = (read_data_file(str(SWEEPS / f"{name}.yaml")) for name in ("phantom", "phantom_dicom"))
    exams, back = read(plain.source), read(through.source)
    equal(back, exams)
    assert [v.spacing_mm for v in back] == [v.spacing_mm for v in exams]
    digests = {content_digest(curate(volumes, plain.curate).manifest) for volumes in (exams, back)}
    assert len(digests) == 1
    assert plain.model_copy(update={"source": through.source}) == through
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [{"slices": 1, "cases": 1}, {"slices": 2, "pixel_mm": 1 / 3, "slice_mm": 25 / 3}])
def test_unusual_exams_go_through_dicom(settings: dict[str, float]) -> None:
    phantom = Phantom.model_validate({"kind": "phantom", "cases": 2, "size": 64} | settings)
    exams, back = read(phantom), read(phantom.model_copy(update={"through": "dicom"}))
    equal(back, exams)
    for mine, theirs in zip(back, exams, strict=True):
        assert mine.spacing_mm == pytest.approx(theirs.spacing_mm, rel=1e-5)
        assert mine.affine is not None
        assert np.allclose(mine.affine, nifti_affine(theirs)[:, [1, 0, 2, 3]], atol=1e-4)


def test_a_temporary_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"none: 1 problem\n  - cannot be written .*; set TMPDIR"):
        read(SMALL.model_copy(update={"through": "dicom"}))


def test_what_the_reader_finds_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks for another series finds fault with every exam, and the exams are not used."""
    other = DICOM_SOURCE.model_copy(update={"series_pattern": "T2"})
    monkeypatch.setattr("lge_sweep.ingest.phantom_files.DICOM_SOURCE", other)
    with pytest.raises(DataError, match="phantom: 3 problems") as caught:
        read(SMALL.model_copy(update={"through": "dicom"}))
    assert "phantom002: no SeriesDescription matches" in str(caught.value)


def test_a_sweep_on_the_plain_phantom_keeps_its_digest() -> None:
    from lge_sweep.study.digest import sweep_digest

    before = ["source.cases=12", "training.patience=5", "training.ema=null"]
    digests = [
        sweep_digest(load_sweep("phase1", 1, "phantom", "laptop", [f"source.through={through}", *before]), "content")[
            :12
        ]
        for through in ("memory", "dicom")
    ]
    assert digests[0] == "396007174dcf"  # as before there was this setting
    assert digests[1] != digests[0]


def test_a_sweep_on_emidec_keeps_its_digest() -> None:
    from lge_sweep.study.digest import sweep_digest

    kept, hashed = (
        sweep_digest(load_sweep("phase1", 1, "emidec_png", "laptop", [f"source.case_ids={ids}"]), "content")[:10]
        for ids in ("keep", "hash")
    )
    assert kept == "e11498faa8"  # as before there was this setting
    assert hashed != kept


def test_exams_through_dicom_are_described() -> None:
    result = CliRunner().invoke(app, ["data", "describe", "--data", "phantom_dicom"])
    assert result.exit_code == 0, result.output
    for text in ("phantom011", "192x192", "1.6x1.6x10", "24 case(s), 72 slices; 16 case(s) with scar", "no problem"):
        assert text in result.output


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_overwritten(tmp_path: Path, kind: str) -> None:
    (tmp_path / "precious").write_text("data")
    for output in (tmp_path, tmp_path / "precious"):
        result = call(output, "--format", kind, "--cases", 1)
        assert result.exit_code == 2
        assert result.output.endswith("is not an empty folder; nothing is overwritten\n")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert call(tmp_path / "out", "--cases", 1).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", "labels", "out.yaml"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        write_phantom(tmp_path / "file" / "below", cases=1, seed=0)


def test_a_disk_that_fills_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Dataset.save_as

    def full(self: Dataset, path: Path, **options: bool) -> None:
        if path.parent.name == "SEG":
            raise OSError(28, "No space left on device")
        saved(self, path, **options)

    monkeypatch.setattr(Dataset, "save_as", full)
    result = call(tmp_path / "out", "--format", "dicom", "--cases", 1)
    assert result.exit_code == 2
    assert "cannot be written (No space left on device); nothing was" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format(tmp_path: Path) -> None:
    result = call(tmp_path / "out", "--format", "tiff")
    assert result.exit_code == 2
    assert "'tiff' is not one of 'png', 'nifti', 'dicom'" in " ".join(result.output.replace("│", "").split())
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_more_exams_than_there_can_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"phantom:\n  - cases: .* less than or equal to 10000, got 10001"):
        write_phantom(tmp_path / "out", cases=10_001, seed=0)
    assert call(tmp_path / "out", "--cases", 10_001).exit_code == 2


def test_a_way_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"source\.through: unknown value 'dicm': did you mean 'dicom'"):
        load_sweep("phase1", 1, "phantom", "smoke", ["source.through=dicm"])
