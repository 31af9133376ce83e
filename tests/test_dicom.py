"""DICOM studies become volumes: order, intensities, spacing, masks; nothing tells who the patient is."""

import io
import shutil
from pathlib import Path
from typing import Any

import gdcm
import nibabel as nib
import numpy as np
import pydicom
import pytest
from nifti_files import load_nifti
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
)
from refused import findings, the_finding
from synthetic_dicom import (
    NORMAL,
    ORIGIN,
    SECRETS,
    SHORT_AXIS,
    SPACING,
    STEP,
    classic,
    enhanced,
    grey,
    image,
    place,
    segmentation,
    series,
    write,
)

from lge_sweep.config.data import Curate, DicomFolders
from lge_sweep.curate import curate
from lge_sweep.errors import DataError
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.dicom_pixels import apply_window
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.nifti_grid import read_nifti_grid
from lge_sweep.ingest.pseudonym import pseudonym
from lge_sweep.quantify.description import describe

VALUES = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar"}
COLOURS = {"background": (0, 0, 0), "cavity": (255, 255, 0), "myocardium": (0, 255, 0), "scar": (255, 0, 0)}
SEGMENTS = ("LV cavity", "Myocardium", "Scar")


def source(kind: str = "nifti", **more: Any) -> DicomFolders:
    mask: dict[str, Any] = {"kind": kind}
    if kind in {"index", "nifti"}:
        mask["values"] = VALUES
    if kind == "colour":
        mask["colours"] = COLOURS
    return DicomFolders.model_validate({"kind": "dicom", "mask": mask} | more)


def classes(count: int = 3, shape: tuple[int, int] = (6, 8)) -> NDArray[np.uint8]:
    """Return [S, H, W] classes that no flip or transposition leaves as they are."""
    return np.random.default_rng(1).integers(0, 4, (count, *shape)).astype(np.uint8)


def affine(steps: float = STEP) -> NDArray[np.float64]:
    """Return what a NIfTI writer gives for the synthetic series: [columns, rows, slices] in right, front, head."""
    matrix = np.eye(4)
    row, column = np.array(SHORT_AXIS[:3]), np.array(SHORT_AXIS[3:])
    matrix[:3] = np.stack([row * SPACING[1], column * SPACING[0], NORMAL * steps, ORIGIN], axis=1)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def nifti_mask(folder: Path, labels: NDArray[np.uint8] | None = None, matrix: Any = None) -> Path:
    labels = classes() if labels is None else labels
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    path = folder / "masks" / "labels.nii.gz"
    nib.save(nib.Nifti1Image(labels.transpose(2, 1, 0), affine() if matrix is None else matrix), path)
    return path


def case(root: Path, **more: Any) -> Path:
    """Write a good exam of three slices with a NIfTI mask; return its folder."""
    series(root / "exam", **more)
    nifti_mask(root / "exam")
    return root / "exam"


def one(root: Path, settings: DicomFolders | None = None) -> Volume:
    (volume,) = read(settings or source(), root)
    return volume


# ------------------------------------------------------------------------------------------------- order and geometry


def test_slices_are_ordered_along_the_normal_whatever_the_files_are_called(tmp_path: Path) -> None:
    folder = tmp_path / "exam"
    series(folder, order=[2, 0, 1])
    nifti_mask(folder)
    volume = one(tmp_path)
    assert np.array_equal(volume.pixels, grey()[[1, 2, 0]])
    assert volume.pixels.dtype == np.uint16
    assert np.array_equal(volume.labels, classes())
    assert volume.spacing_mm == (1.25, 1.5, 10.0)
    assert (volume.thickness_mm, volume.gap_mm) == (8.0, 2.0)
    assert volume.voxel_ml == pytest.approx(1.25 * 1.5 * 10 / 1000)
    assert volume.notes == ()


def test_an_enhanced_file_gives_what_its_frames_say(tmp_path: Path) -> None:
    write(enhanced(grey(), [2, 0, 1]), tmp_path / "exam" / "multi")
    nifti_mask(tmp_path / "exam")
    volume = one(tmp_path)
    slopes = np.array([2, 3, 1])[:, None, None]
    assert np.array_equal(volume.pixels, grey()[[1, 2, 0]] * slopes - 5.0)
    assert volume.spacing_mm == (1.25, 1.5, 10.0)
    assert np.array_equal(volume.labels, classes())


def test_only_the_lge_series_of_a_study_is_read(tmp_path: Path) -> None:
    case(tmp_path)
    write(classic(grey()[0], SeriesDescription="cine SA", series="1.5"), tmp_path / "exam" / "other" / "IM0.dcm")
    assert np.array_equal(one(tmp_path).pixels, grey())


def test_a_series_named_by_uid_wins_over_descriptions(tmp_path: Path) -> None:
    case(tmp_path, SeriesDescription="T1 SA", series="1.5")
    write(classic(grey()[0], SeriesDescription="LGE 4ch"), tmp_path / "exam" / "other" / "IM0.dcm")
    assert np.array_equal(one(tmp_path, source(series=["1.5"])).pixels, grey())


@pytest.mark.parametrize(
    "description",
    ["LGE_SA", "t1 Delayed Enh", "late gad", "PSIR_TFE", "de-mri sax", "DE_MRI", "MYO VIABILITY", "late-enhancement"],
)
def test_the_default_pattern_knows_what_scanners_call_lge(tmp_path: Path, description: str) -> None:
    case(tmp_path, SeriesDescription=description)
    assert len(one(tmp_path).slices) == 3


def test_a_lone_series_without_a_description_is_taken_and_noted(tmp_path: Path) -> None:
    case(tmp_path, SeriesDescription=None)
    assert one(tmp_path).notes == ("its series has no description; taken for LGE because it is the only one",)


def test_unknown_spacing_is_noted_not_refused(tmp_path: Path) -> None:
    series(tmp_path / "exam", PixelSpacing=None)
    nifti_mask(tmp_path / "exam")
    volume = one(tmp_path)
    assert (volume.spacing_mm, volume.voxel_ml, volume.gap_mm) == (None, None, None)
    assert volume.notes[0] == "no PixelSpacing: no length, area or volume is valid"


def test_slice_distance_of_a_single_slice_is_what_the_scanner_tells(tmp_path: Path) -> None:
    told: dict[str, dict[str, Any]] = {
        "both": {"SpacingBetweenSlices": 9.0},
        "thick": {},
        "none": {"SliceThickness": None},
    }
    for name, more in told.items():
        series(tmp_path / name / "exam", grey(1), **more)
        nifti_mask(tmp_path / name / "exam", classes(1))
    both, thick, none = (one(tmp_path / name) for name in ("both", "thick", "none"))
    assert both.spacing_mm == (1.25, 1.5, 9.0)
    assert thick.spacing_mm == (1.25, 1.5, 8.0)
    assert none.spacing_mm is not None
    assert np.isnan(none.spacing_mm[2])
    assert none.voxel_ml is None
    assert none.notes == ("a single slice without thickness: no volume is valid",)


def test_a_hole_in_the_stack_is_noted(tmp_path: Path) -> None:
    series(tmp_path / "exam", order=[0, 1, 3])
    for path in sorted((tmp_path / "exam").glob("*.dcm")):
        Image.fromarray(classes()[0]).save(_inside(path, "masks"))
    assert one(tmp_path, source("index")).notes == (
        "slices are 10 to 20 mm apart (1 missing?); volumes take 10 mm a slice, nothing where one is missing",
    )


@pytest.mark.parametrize(
    ("places", "more", "slots", "distance", "note"),
    [
        ([0, 1, 2, 3], {}, (0, 1, 2, 3), 10.0, None),
        ([0, 1, 4, 5], {}, (0, 1, 4, 5), 10.0, "10 to 30 mm apart (2 missing?); volumes take 10 mm a slice"),
        ([0, 0.98, 3, 4.02], {}, (0, 1, 3, 4), 10.05, "9.8 to 20.2 mm apart (1 missing?); volumes take 10.05 mm"),
        ([0, 1, 2.5], {}, (0, 1, 2), 12.5, "10 to 15 mm apart; volumes take the mean, 12.5 mm"),
        ([0, 0.5, 1.5], {"SliceThickness": None}, (0, 1, 3), 5.0, "5 to 10 mm apart (1 missing?); volumes take 5 mm"),
        ([0, 0.5, 1.5, 2.5], {"SpacingBetweenSlices": 5.0}, (0, 1, 3, 5), 5.0, "(2 missing?); volumes take 5 mm"),
        # some scanners tell the gap between slices there
        (
            [0, 1, 2, 3],
            {"SpacingBetweenSlices": 2.0},
            (0, 1, 2, 3),
            10.0,
            "says 2 mm, which is the gap between slices of 8 mm; volumes take the positions",
        ),
        (
            [0, 1, 2, 3],
            {"SpacingBetweenSlices": 3.0},
            (0, 1, 2, 3),
            10.0,
            "are 10 mm apart by their positions, SpacingBetweenSlices says 3 mm; volumes take the positions",
        ),
        ([0, 2, 4], {"SpacingBetweenSlices": 10.0}, (0, 1, 2), 20.0, "(of 2 slices, only one is there?)"),
    ],
)
def test_slices_lie_in_slots_where_they_can(
    tmp_path: Path, places: list[float], more: dict[str, Any], slots: tuple[int, ...], distance: float, note: str | None
) -> None:
    series(tmp_path, grey(len(places)), order=places, **more)
    (exam,), _ = read_exams(tmp_path)
    assert exam.slots == slots
    assert exam.spacing_mm is not None
    assert exam.spacing_mm[2] == pytest.approx(distance)
    told = [text for text in exam.notes if "evenly spaced" not in text]  # see test_geometry
    assert len(told) == (note is not None)
    assert note is None or note in told[0]


def test_the_tag_of_a_single_slice_that_is_less_than_its_thickness_is_not_its_distance(tmp_path: Path) -> None:
    series(tmp_path, grey(1), SpacingBetweenSlices=2.0)
    (exam,), _ = read_exams(tmp_path)
    assert exam.spacing_mm == (*SPACING, 8.0)
    assert exam.notes == (
        "SpacingBetweenSlices 2 mm of a single slice of 8 mm is less than the slice is thick, perhaps a gap; the "
        "thickness is taken",
    )


def test_a_tag_of_a_single_slice_that_is_far_more_than_its_thickness_is_not_its_distance(tmp_path: Path) -> None:
    series(tmp_path, grey(1), SpacingBetweenSlices=40.0)
    (exam,), _ = read_exams(tmp_path)
    assert exam.spacing_mm == (*SPACING, 8.0)
    assert "40 mm of a single slice of 8 mm is more than twice as much; the thickness is taken" in exam.notes[0]


@pytest.mark.parametrize(
    ("places", "slots"),
    [([0, 1, 2, 8.25, 9.25, 10.25], (0, 1, 2, 8, 9, 10)), ([0, 1, 2, 4.3, 5.3], (0, 1, 2, 4, 5))],
)
def test_a_gap_makes_no_slice_thicker(tmp_path: Path, places: list[float], slots: tuple[int, ...]) -> None:
    """It is no whole number of slices; the mean step would be up to twice the distance of the slices."""
    series(tmp_path, grey(len(places)), order=places)
    (exam,), _ = read_exams(tmp_path)
    assert exam.slots == slots
    assert exam.voxel_ml == pytest.approx(SPACING[0] * SPACING[1] * STEP / 1000)
    assert "missing?); volumes take 10 mm a slice, nothing where one is missing" in exam.notes[0]
    assert "off an evenly spaced, straight stack" in exam.notes[1]


def test_a_thickness_of_0_is_unknown(tmp_path: Path) -> None:
    series(tmp_path, SliceThickness=0.0)
    (exam,), findings = read_exams(tmp_path)
    assert (exam.thickness_mm, findings) == (None, [])


def test_pixel_spacings_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    for k in range(3):
        write(classic(grey()[k], k, PixelSpacing=[1.40625 + 1e-6 * k, 1.40625]), tmp_path / "exam" / f"{k}.dcm")
    (exam,), findings = read_exams(tmp_path / "exam")
    assert findings == []
    assert exam.spacing_mm == pytest.approx((1.406251, 1.40625, 10))
    for k in range(3):
        write(classic(grey()[k], k, PixelSpacing=[1.40625 + 1e-3 * k, 1.40625]), tmp_path / "exam" / f"{k}.dcm")
    _, (finding,) = read_exams(tmp_path / "exam")
    assert "differ in PixelSpacing (1.40625x1.40625 mm, 1.40725x1.40625 mm, 1.40825x1.40625 mm) by more than" in finding


def test_images_that_all_lie_at_one_place(tmp_path: Path) -> None:
    series(tmp_path / "exam", grey(5), order=[0] * 5)
    _, (finding,) = read_exams(tmp_path / "exam")
    assert "all 5 images have the same ImagePositionPatient: the export lost where slices lie" in finding


def test_slices_off_a_straight_stack_are_told(tmp_path: Path) -> None:
    places = [np.array(place(k)) + np.array(SHORT_AXIS[:3]) * (3 if k == 1 else 0) for k in range(3)]
    for k in range(3):
        write(classic(grey()[k], ImagePositionPatient=places[k].round(6).tolist()), tmp_path / f"{k}.dcm")
    (exam,), _ = read_exams(tmp_path)
    assert exam.notes == (
        "slices lie up to 2.4 mm off an evenly spaced, straight stack; a NIfTI file places them in one, a DICOM SEG as "
        "they are",
    )


def test_directions_of_few_digits_keep_the_volume(tmp_path: Path) -> None:
    series(tmp_path, grey(1), ImageOrientationPatient=[0.604, 0.797, 0.0, 0.0, 0.005, -0.998])
    (exam,), _ = read_exams(tmp_path)
    assert exam.voxel_ml == pytest.approx(SPACING[0] * SPACING[1] * 8 / 1000, rel=1e-9)


@pytest.mark.parametrize(
    ("places", "more", "message"),
    [
        ([0, 1, 2, 2.2, 3, 4], {}, "IM2.dcm and IM3.dcm are 2 mm apart, other slices 10 mm"),
        ([0, 1, 2, 2.5, 3, 4, 5], {}, "IM2.dcm and IM3.dcm are 5 mm apart, other slices 10 mm"),
        ([0, 1, 2, 2.002, 3], {"SpacingBetweenSlices": 10.0}, "are 0.02 mm apart, other slices 10 mm"),
        ([0, 0.5, 1.5], {"SpacingBetweenSlices": 10.0}, "are 5 mm apart, other slices 10 mm"),
    ],
)
def test_a_slice_taken_twice_does_not_decide_the_distance(
    tmp_path: Path, places: list[float], more: dict[str, Any], message: str
) -> None:
    series(tmp_path / "exam", grey(len(places)), order=places, **more)
    finding = the_finding(source(), tmp_path)
    assert message in finding
    assert finding.endswith("(a slice taken twice?); slices that overlap have no volume; keep one of them")


def test_a_nifti_mask_of_a_stack_with_a_hole_has_an_empty_slice_there(tmp_path: Path) -> None:
    series(tmp_path / "exam", order=[0, 1, 3])
    whole = classes(4)
    nifti_mask(tmp_path / "exam", whole)
    assert np.array_equal(one(tmp_path).labels, whole[[0, 1, 3]])


def test_a_single_slice_whose_directions_are_none(tmp_path: Path) -> None:
    write(classic(grey(1)[0], ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), tmp_path / "exam" / "IM0.dcm")
    assert the_finding(source(), tmp_path).endswith("is not two directions at right angles, of length 1")


def test_a_file_of_no_frames(tmp_path: Path) -> None:
    dataset = enhanced(grey(), [0, 1, 2])
    dataset.NumberOfFrames = 0
    write(dataset, tmp_path / "exam" / "multi.dcm")
    assert the_finding(source(), tmp_path).startswith("exam/multi.dcm: NumberOfFrames is 0; expected 1 to 10000")


def test_a_named_series_that_no_case_has(tmp_path: Path) -> None:
    case(tmp_path)
    assert (
        the_finding(source(series=["1.2.999"]), tmp_path)
        == "source.series 1.2.999: no case has this series; correct it, or leave it out"
    )


def _inside(path: Path, folder: str) -> Path:
    (path.parent / folder).mkdir(exist_ok=True)
    return path.parent / folder / f"{path.stem}.png"


# --------------------------------------------------------------------------------------------------------- intensities


@pytest.mark.parametrize(
    ("dtype", "low", "high", "stored"),
    [(np.uint8, 0, 255, 8), (np.uint16, 0, 4095, 12), (np.uint16, 0, 65535, 16), (np.int16, -2048, 2047, 12),
     (np.int16, -32768, 32767, 16)],
)  # fmt: skip
def test_stored_values_of_any_depth_and_sign(tmp_path: Path, dtype: Any, low: int, high: int, stored: int) -> None:
    pixels = np.linspace(low, high, 48).astype(dtype).reshape(1, 6, 8)
    series(tmp_path / "exam", pixels, BitsStored=stored)
    nifti_mask(tmp_path / "exam", classes(1))
    volume = one(tmp_path)
    assert volume.pixels.dtype == dtype
    assert np.array_equal(volume.pixels, pixels)


def test_bits_above_those_stored_are_no_grey_levels(tmp_path: Path) -> None:
    pixels = grey(1, top=4096)
    signed = (grey(1, top=4096).astype(np.int32) - 2048).astype(np.int16)
    series(tmp_path / "a" / "exam", pixels | np.uint16(0xA000), BitsStored=12)
    series(tmp_path / "b" / "exam", signed & np.int16(0x0FFF), BitsStored=12)
    for name, expected in {"a": pixels, "b": signed}.items():
        nifti_mask(tmp_path / name / "exam", classes(1))
        assert np.array_equal(one(tmp_path / name).pixels, expected)


def test_rescale_gives_the_scanners_units(tmp_path: Path) -> None:
    case(tmp_path, RescaleSlope="0.5", RescaleIntercept="-100")
    assert np.array_equal(one(tmp_path).pixels, grey() * 0.5 - 100)


@pytest.mark.parametrize("signed", [False, True])
def test_monochrome1_is_turned_over(tmp_path: Path, signed: bool) -> None:
    pixels = grey(top=2000).astype(np.int16 if signed else np.uint16)
    case(tmp_path, pixels=pixels, PhotometricInterpretation="MONOCHROME1", BitsStored=12)
    expected = -1 - pixels if signed else 4095 - pixels
    assert np.array_equal(one(tmp_path).pixels, expected)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function: str) -> None:
    pixels = grey(1)[0]
    dataset = classic(pixels, WindowCenter=1500.0, WindowWidth=900.0, VOILUTFunction=function)
    expected = apply_windowing(pixels, dataset) / 65535 * 255
    assert np.abs(apply_window(pixels, 1500, 900, function) - expected).max() <= 0.5 + 1e-6


def test_the_window_is_applied_on_request_frame_by_frame(tmp_path: Path) -> None:
    write(enhanced(grey(), [0, 1, 2]), tmp_path / "exam" / "multi")
    nifti_mask(tmp_path / "exam")
    volume = one(tmp_path, source(window=True))
    assert volume.pixels.dtype == np.uint8
    for k, shown in enumerate(volume.pixels):
        assert np.array_equal(shown, apply_window(grey()[k] * (k + 1.0) - 5, 1000 * (k + 1), 2000))


def test_a_windowed_monochrome1_is_bright_where_values_are_small(tmp_path: Path) -> None:
    case(tmp_path, PhotometricInterpretation="MONOCHROME1", WindowCenter=[2000, 1], WindowWidth=[4000, 1])
    assert np.array_equal(one(tmp_path, source(window=True)).pixels, 255 - apply_window(grey(), 2000, 4000))


def test_a_window_that_is_not_there(tmp_path: Path) -> None:
    case(tmp_path)
    expected = "exam: IM0.dcm: has no WindowCenter and WindowWidth, and no VOI LUT; set source.window: false"
    assert findings(source(window=True), tmp_path)[0] == expected


LOSSLESS = ["RLELossless", "JPEG2000Lossless", "JPEGLSLossless", "JPEGLosslessProcess14_1", "JPEGLosslessProcess14"]


def compress(path: Path, syntax: str) -> None:
    """Encode a file again, by GDCM, as scanners and archives do (most often JPEG lossless, process 14)."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_compressed_without_loss(tmp_path: Path, syntax: str) -> None:
    pixels = grey(shape=(64, 32))
    for path in series(tmp_path / "exam", pixels, BitsStored=12, HighBit=11):
        compress(path, syntax)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID.is_compressed
    nifti_mask(tmp_path / "exam", classes(shape=(64, 32)))
    assert np.array_equal(one(tmp_path).pixels, pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_compressed_pixels_that_are_cut_off(tmp_path: Path, syntax: str) -> None:
    path = write(classic(grey(1, (64, 32))[0]), tmp_path / "exam" / "IM0.dcm")
    compress(path, syntax)
    path.write_bytes(path.read_bytes()[:-1500])
    nifti_mask(tmp_path / "exam", classes(1, (64, 32)))
    assert "IM0.dcm: " in the_finding(source(), tmp_path)


def test_jpeg(tmp_path: Path) -> None:
    pixels = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (1, 64, 1))
    dataset = classic(pixels[0])
    buffer = io.BytesIO()
    Image.fromarray(pixels[0]).save(buffer, "JPEG", quality=100)
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].is_undefined_length = True
    write(dataset, tmp_path / "exam" / "IM0.dcm")
    nifti_mask(tmp_path / "exam", classes(1, (64, 64)))
    assert np.abs(one(tmp_path).pixels.astype(int) - pixels).max() <= 2


def test_big_endian(tmp_path: Path) -> None:
    dataset = classic(grey(1)[0])
    dataset.PixelData = grey(1)[0].astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    path = tmp_path / "exam" / "IM0.dcm"
    path.parent.mkdir()
    pydicom.dcmwrite(path, dataset, little_endian=False, implicit_vr=False)
    nifti_mask(tmp_path / "exam", classes(1))
    assert np.array_equal(one(tmp_path).pixels, grey(1))


# --------------------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("kind", ["index", "colour"])
def test_masks_are_images_of_the_same_name(tmp_path: Path, kind: str) -> None:
    for k, path in enumerate(series(tmp_path / "exam", order=[2, 0, 1])):
        mask = classes()[k] if kind == "index" else np.array(list(COLOURS.values()), dtype=np.uint8)[classes()[k]]
        Image.fromarray(mask).save(_inside(path, "masks"))
    assert np.array_equal(one(tmp_path, source(kind)).labels, classes()[[1, 2, 0]])


def test_masks_beside_files_without_an_ending(tmp_path: Path) -> None:
    write(classic(grey(1)[0]), tmp_path / "exam" / "1.2.840.7")
    Image.fromarray(classes()[0]).save(tmp_path / "exam" / "1.2.840.7.png")
    assert np.array_equal(one(tmp_path, source("index", masks=".")).labels, classes()[:1])


@pytest.mark.parametrize("flips", [(), (0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_a_nifti_mask_is_laid_on_by_its_position(tmp_path: Path, flips: tuple[int, ...], axes: tuple[int, ...]) -> None:
    series(tmp_path / "exam")
    path = nifti_mask(tmp_path / "exam")
    stored = load_nifti(path)
    ornt = np.array([[axis, -1 if axis in flips else 1] for axis in axes])
    nib.save(stored.as_reoriented(ornt), path)
    volume = one(tmp_path)
    assert np.array_equal(volume.labels, classes())
    assert volume.notes == ()


def test_a_nifti_mask_without_a_position_is_taken_in_order_and_noted(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    nifti_mask(tmp_path / "exam", matrix=np.diag([-1.0, -1.0, 1.0, 1.0]))
    volume = one(tmp_path)
    assert np.array_equal(volume.labels, classes())
    assert "its NIfTI mask holds no position" in volume.notes[0]


def test_a_nifti_mask_at_the_origin_is_laid_on_by_its_position_if_that_fits(tmp_path: Path) -> None:
    """Its first voxel is at 0, as in masks that lost their position; here the series' is, too."""
    rows_and_columns = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for k in range(3):
        where = [0.0, 0.0, STEP * k]
        exam = classic(grey()[k], ImagePositionPatient=where, ImageOrientationPatient=rows_and_columns)
        write(exam, tmp_path / "exam" / f"IM{k}.dcm")
    path = nifti_mask(tmp_path / "exam", matrix=np.diag([-SPACING[1], -SPACING[0], STEP, 1.0]))
    nib.save(load_nifti(path).as_reoriented(np.array([[1, 1], [0, 1], [2, 1]])), path)
    volume = one(tmp_path)
    assert np.array_equal(volume.labels, classes())
    assert not any("position" in note for note in volume.notes)


def test_a_nifti_mask_without_a_position_and_of_other_distances_is_refused(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    nifti_mask(tmp_path / "exam", matrix=np.diag([-2.0, -2.0, 3.0, 1.0]))
    assert "mask lies elsewhere than its series" in the_finding(source(), tmp_path)


@pytest.mark.parametrize("multi", [False, True])
def test_a_seg_gives_the_classes_of_its_segments(tmp_path: Path, multi: bool) -> None:
    labels = classes()
    labels[1] = 0  # a slice that the SEG leaves out
    if multi:
        sources = [enhanced(grey(), [2, 0, 1])]
        write(sources[0], tmp_path / "exam" / "multi")
    else:
        sources = [classic(grey()[k], [2, 0, 1][k]) for k in range(3)]
        for k, dataset in enumerate(sources):
            write(dataset, tmp_path / "exam" / f"IM{k}.dcm")
    write(segmentation(sources, labels, SEGMENTS), tmp_path / "exam" / "seg" / "SEG.dcm")
    assert np.array_equal(one(tmp_path, source("seg")).labels, labels[[1, 2, 0]])


# ------------------------------------------------------------------------------------------------- cases and privacy


def test_nothing_tells_who_the_patient_is(tmp_path: Path) -> None:
    case(tmp_path)
    volume = one(tmp_path)
    assert volume.case == pseudonym("MRN4711", b"test")
    assert volume.slices == tuple(f"{volume.case}_slice{k:03d}" for k in range(3))
    curated = curate([volume], Curate())
    for text in (repr(volume), curated.manifest.to_csv(), repr(curated.notes)):
        assert not any(secret in text for secret in SECRETS)


def test_warnings_about_odd_values_do_not_quote_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in case(tmp_path).glob("*.dcm"):
        data = path.read_bytes().replace(b"19610203", b"Jane Doe").replace(b"MRN4711 ", b"MRN\\4711")
        path.write_bytes(data)
    assert len(one(tmp_path).slices) == 3
    assert "Doe" not in "".join(capfd.readouterr())


def test_case_ids_of_folders(tmp_path: Path) -> None:
    case(tmp_path)
    assert one(tmp_path, source(case_ids="keep")).case == "exam"
    case(tmp_path / "nameless", PatientID=None)
    assert one(tmp_path / "nameless").case == pseudonym("exam", b"test")


def test_a_root_that_is_one_study_is_one_case(tmp_path: Path) -> None:
    series(tmp_path / "series1")
    write(classic(grey()[0], SeriesDescription="cine", series="1.5"), tmp_path / "series2" / "IM0.dcm")
    nifti_mask(tmp_path)
    volume = one(tmp_path, source(case_ids="keep"))
    assert (volume.case, len(volume.slices)) == (tmp_path.name, 3)


def test_single_files_are_cases(tmp_path: Path) -> None:
    sources = [enhanced(grey(), [0, 1, 2], PatientID=f"P{k}", StudyInstanceUID=f"1.{k + 1}") for k in range(2)]
    for k, dataset in enumerate(sources):
        write(dataset, tmp_path / f"exam{k}.dcm")
        write(segmentation([dataset], classes(), SEGMENTS), tmp_path / f"seg{k}.dcm")
    volumes = read(source("seg", case_ids="keep"), tmp_path)
    assert [volume.case for volume in volumes] == ["exam0", "exam1"]


def test_two_exams_of_a_patient(tmp_path: Path) -> None:
    for k in range(2):
        series(tmp_path / f"exam{k}", StudyInstanceUID=f"1.{k + 1}")
        nifti_mask(tmp_path / f"exam{k}")
    assert "exam1: has the PatientID of exam0; keep one exam a patient" in the_finding(source(), tmp_path)
    first, second = read(source(case_ids="keep"), tmp_path)
    assert [note[:36] for note in first.notes] == ["3 slices of the same pixels in exam0"]
    assert second.notes[0].startswith("has the PatientID of another case")


# ----------------------------------------------------------------------------------------------------------- bad input


def test_truncated_pixels(tmp_path: Path) -> None:
    path = case(tmp_path) / "IM1.dcm"
    path.write_bytes(path.read_bytes()[:-20])
    assert the_finding(source(), tmp_path) == (
        "exam: IM1.dcm: its pixels cannot be decoded (Explicit VR Little Endian; ValueError): cut off, or an encoding "
        "without a plugin"
    )


@pytest.mark.parametrize("keep", [0, 100, 140, 400, 700])
def test_truncated_header(tmp_path: Path, keep: int) -> None:
    path = case(tmp_path) / "IM1.dcm"
    path.write_bytes(path.read_bytes()[:keep])
    found = findings(source(), tmp_path)
    assert found[0].startswith("exam/IM1.dcm: ")
    assert "DICOM" in found[0]


def test_a_file_that_ends_before_its_pixels(tmp_path: Path) -> None:
    path = case(tmp_path) / "IM1.dcm"
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    write(dataset, path)
    assert the_finding(source(), tmp_path) == "exam: IM1.dcm: has no pixel data (cut off?)"


def test_dicom_without_an_image(tmp_path: Path) -> None:
    report = image(grey(1)[0], "1.2.840.10008.5.1.4.1.1.88.11")
    del report.PixelData
    write(report, tmp_path / "exam" / "SR.dcm")
    assert (
        the_finding(source(), tmp_path)
        == "exam: holds no DICOM image, only Basic Text SR Storage; add its images, or move it elsewhere"
    )


def test_a_report_among_the_images_is_passed_over(tmp_path: Path) -> None:
    report = image(grey(1)[0], "1.2.840.10008.5.1.4.1.1.88.11", series="1.7")
    del report.PixelData
    write(report, case(tmp_path) / "SR.dcm")
    assert len(one(tmp_path).slices) == 3


def test_a_file_that_is_not_dicom(tmp_path: Path) -> None:
    (case(tmp_path) / "IM9.dcm").write_text("not DICOM at all")
    assert (
        the_finding(source(), tmp_path)
        == "exam/IM9.dcm: not a DICOM file (no 'DICM' at byte 128), or cut off before it"
    )


def test_an_empty_root(tmp_path: Path) -> None:
    assert (
        the_finding(source(), tmp_path) == "holds no DICOM file; expected a folder a case, with the files of its study"
    )


def test_several_series_that_look_like_lge(tmp_path: Path) -> None:
    case(tmp_path)
    write(classic(grey()[0], SeriesDescription="LGE 4ch", series="1.5"), tmp_path / "exam" / "other" / "LA.dcm")
    assert the_finding(source(), tmp_path) == (
        "exam: 2 series look like LGE: 'LGE 4ch' (1 image, other/LA.dcm), 'LGE SA PSIR' (3 images, IM0.dcm); their "
        "images are at the same positions (magnitude and phase-sensitive images? the same stack twice?); make "
        "source.series_pattern stricter, or name one of them, or all of one stack, in source.series by "
        "SeriesInstanceUID (0020,000E; pydicom show FILE::SeriesInstanceUID prints it)"
    )


def test_no_series_that_looks_like_lge(tmp_path: Path) -> None:
    case(tmp_path, SeriesDescription="T2 map")
    assert "exam: no SeriesDescription matches" in the_finding(source(), tmp_path)
    assert "there are 'T2 map' (3 images, IM0.dcm)" in the_finding(source(), tmp_path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "its images are not parallel"),
        ({"PixelSpacing": [2.0, 2.0]}, "its images differ in PixelSpacing (1.25x1.5 mm, 2x2 mm)"),
        ({"ImageOrientationPatient": None}, "IM3.dcm: has no ImageOrientationPatient, so 4 slices cannot be put in"),
        ({"ImagePositionPatient": None}, "IM3.dcm: has no ImagePositionPatient, so 4 slices cannot be put in order"),
        (
            {"PatientID": "other"},
            "holds images of 2 different patients (PatientID (0010,0020) differs: IM0.dcm, IM3.dcm); give each patient",
        ),
    ],
)
def test_an_image_unlike_the_others_of_its_series(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    write(classic(grey()[0], 3, **more), case(tmp_path) / "IM3.dcm")
    assert f"exam: {message}" in findings(source(), tmp_path)[0]


def test_images_of_different_size_in_a_series(tmp_path: Path) -> None:
    write(classic(grey(1, (8, 8))[0], 3), case(tmp_path) / "IM3.dcm")
    assert "exam: its images differ in size (6x8, 8x8)" in the_finding(source(), tmp_path)


@pytest.mark.parametrize("keyword", ["ImageOrientationPatient", "ImagePositionPatient"])
def test_geometry_missing_from_all_slices(tmp_path: Path, keyword: str) -> None:
    case(tmp_path, **{keyword: None})
    assert the_finding(source(), tmp_path) == (
        f"exam: IM0.dcm: has no {keyword} (nor have 2 other images), so 3 slices cannot be put in order; "
        "export the study again with geometry"
    )


def test_directions_that_are_none(tmp_path: Path) -> None:
    case(tmp_path, ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
    assert "is not two directions at right angles" in the_finding(source(), tmp_path)


def test_geometry_that_is_no_numbers(tmp_path: Path) -> None:
    for path in case(tmp_path).glob("IM1.dcm"):
        path.write_bytes(path.read_bytes().replace(b"1.25\\1.5", b"1.25\\abc"))
    assert "exam/IM1.dcm: PixelSpacing is not 2 finite numbers" in findings(source(), tmp_path)


def test_duplicate_positions(tmp_path: Path) -> None:
    write(classic(grey()[0], 1), case(tmp_path) / "IM3.dcm")
    assert the_finding(source(), tmp_path) == (
        "exam: IM1.dcm and IM3.dcm are at the same position (pairs of this kind: 1); keep one of them"
    )


def test_two_kinds_of_images_in_one_series(tmp_path: Path) -> None:
    folder = case(tmp_path)
    for k in range(3):
        write(classic(grey(6)[3 + k], k), folder / f"PSIR{k}.dcm")
    assert "keep one of them (magnitude and phase-sensitive images in one series?)" in the_finding(source(), tmp_path)


@pytest.mark.parametrize("multi", [False, True])
def test_cine_mistaken_for_lge(tmp_path: Path, multi: bool) -> None:
    if multi:
        write(enhanced(grey(8), [0, 0, 0, 0, 1, 1, 1, 1]), tmp_path / "exam" / "cine")
    else:
        for k in range(8):
            write(classic(grey(8)[k], k // 4, TriggerTime=30.0 * (k % 4)), tmp_path / "exam" / f"IM{k}.dcm")
    assert "exam: looks like a cine, not LGE: 8 images at 2 positions" in the_finding(source(), tmp_path)


def test_colour(tmp_path: Path) -> None:
    picture = image(grey(1)[0], SecondaryCaptureImageStorage, series="1.5", SeriesDescription="LGE report")
    picture.SamplesPerPixel, picture.PhotometricInterpretation, picture.PlanarConfiguration = 3, "RGB", 0
    picture.BitsAllocated = picture.BitsStored = 8
    picture.HighBit = 7
    picture.PixelData = bytes(6 * 8 * 3)
    write(picture, tmp_path / "exam" / "IM0.dcm")
    assert the_finding(source(), tmp_path) == "exam: IM0.dcm: image is in colour (RGB); LGE is grey (a screenshot?)"


def test_a_slice_that_shows_nothing(tmp_path: Path) -> None:
    pixels = grey()
    pixels[1] = 7
    case(tmp_path, pixels=pixels)
    assert "exam: slice 1: every pixel has the same intensity, 7" in the_finding(source(), tmp_path)


def test_image_masks_that_do_not_fit(tmp_path: Path) -> None:
    paths = series(tmp_path / "exam")
    Image.fromarray(classes(1, (6, 7))[0]).save(_inside(paths[0], "masks"))
    Image.fromarray(classes()[0] + 9).save(_inside(paths[1], "masks"))
    _inside(paths[2], "masks").write_bytes(b"")
    found = findings(source("index"), tmp_path)
    assert found[0] == "exam: IM0.png: mask is 6x7, its image 6x8; they must be equal"
    assert found[1].startswith("exam: IM1.png: mask value 9 ")
    assert found[2].startswith("exam: IM2.png: not an image file that can be read")


def test_image_masks_that_are_missing_or_stray(tmp_path: Path) -> None:
    paths = series(tmp_path / "exam", grey(2))
    Image.fromarray(classes()[0]).save(_inside(paths[0], "masks"))
    Image.fromarray(classes()[0]).save(_inside(tmp_path / "exam" / "IM7.dcm", "masks"))
    assert findings(source("index"), tmp_path) == [
        "exam: IM1.dcm: has no mask masks/IM1.png (or .bmp, .tif, .tiff)",
        "exam: IM7.png: is the mask of no image of the LGE series",
    ]


def test_names_that_do_not_tell_masks_or_images_apart(tmp_path: Path) -> None:
    paths = series(tmp_path / "exam", grey(2))
    for reader in ("a", "b"):
        (tmp_path / "exam" / "masks" / reader).mkdir(parents=True)
        Image.fromarray(classes()[0]).save(tmp_path / "exam" / "masks" / reader / "IM0.png")
    Image.fromarray(classes()[1]).save(tmp_path / "exam" / "masks" / "IM1.bmp")
    told = "but masks are found by the names of images; rename them, or give a NIfTI or DICOM SEG mask"
    assert the_finding(source("index"), tmp_path) == f"exam: 2 masks are called IM0, {told}"
    shutil.rmtree(tmp_path / "exam" / "masks" / "b")
    (tmp_path / "exam" / "other").mkdir()
    paths[1].rename(tmp_path / "exam" / "other" / "IM0.dcm")
    assert findings(source("index"), tmp_path)[0] == f"exam: 2 images are called IM0, {told}"


def test_image_masks_for_a_multi_frame_file(tmp_path: Path) -> None:
    write(enhanced(grey(), [0, 1, 2]), tmp_path / "exam" / "multi")
    (tmp_path / "exam" / "masks").mkdir()
    assert "a multi-frame file cannot have mask images" in the_finding(source("index"), tmp_path)


@pytest.mark.parametrize(
    ("labels", "matrix", "message"),
    [
        (classes(2), None, "mask is 8x6x2, its image 8x6x3; they must be equal (columns, rows, slices)"),
        (classes(), affine(12.0), "mask lies elsewhere than its series (direction or spacing differ)"),
        (
            classes(),
            affine() + np.eye(4)[:, [3]] @ np.eye(4)[[3]] * 0 + np.outer([5, 0, 0, 0], [0, 0, 0, 1]),
            "elsewhere",
        ),
        (classes() + np.uint8(9), None, "mask value 9 "),
    ],
)
def test_a_nifti_mask_that_does_not_fit(tmp_path: Path, labels: Any, matrix: Any, message: str) -> None:
    series(tmp_path / "exam")
    nifti_mask(tmp_path / "exam", labels, matrix)
    assert message in the_finding(source(), tmp_path)
    assert the_finding(source(), tmp_path).startswith("exam: labels.nii.gz: ")


def test_a_nifti_mask_that_is_missing(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    assert the_finding(source(), tmp_path) == (
        "exam: has no folder masks/, in which its masks (a NIfTI file) are looked for; put them there, name their "
        "folder in source.masks (. is the case's own), or say in source.mask.kind what they are: seg, rtstruct, cvi42, "
        "nifti, index, colour"
    )


def test_one_series_in_two_frames_of_reference(tmp_path: Path) -> None:
    for k in range(4):
        more = {"FrameOfReferenceUID": "1.2.10"} if k == 3 else {}
        write(classic(grey(4)[k], k, **more), tmp_path / "exam" / f"IM{k}.dcm")
    nifti_mask(tmp_path / "exam")
    assert the_finding(source(), tmp_path) == (
        "exam: its images are in 2 frames of reference (FrameOfReferenceUID (0020,0052) differs: 1 like IM3.dcm, 3 "
        "like IM0.dcm), so that their positions cannot be compared (was the patient positioned anew?); keep those of "
        "one, or, where an anonymiser drew them, write the same FrameOfReferenceUID into all"
    )
    (tmp_path / "exam" / "IM3.dcm").unlink()
    assert len(one(tmp_path).pixels) == 3


def test_a_seg_of_other_instances(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    others = [classic(grey()[k], k) for k in range(3)]
    write(segmentation(others, classes(), SEGMENTS), tmp_path / "exam" / "SEG.dcm")
    assert the_finding(source("seg"), tmp_path) == (
        "exam: SEG.dcm: refers to 3 instances that the LGE series does not have (of 3 it refers to); it belongs to "
        "another series, or files are missing"
    )


def test_a_seg_whose_frames_name_other_images_than_its_series(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sources = [pydicom.dcmread(path) for path in series(tmp_path / "exam")]
    seg = segmentation(sources, classes(), SEGMENTS)
    frame = seg.PerFrameFunctionalGroupsSequence[0]
    frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.20240506"
    path = write(seg, tmp_path / "exam" / "SEG.dcm")
    assert "SEG.dcm: refers to 1 instance that the LGE series does not have" in the_finding(source("seg"), tmp_path)
    del frame.DerivationImageSequence
    write(seg, path)
    assert "SEG.dcm: its frame 1 does not say which image it belongs to" in the_finding(source("seg"), tmp_path)
    assert capfd.readouterr().err == ""


def test_a_seg_with_an_unknown_segment_or_of_another_size(tmp_path: Path) -> None:
    sources = [pydicom.dcmread(path) for path in series(tmp_path / "exam")]
    path = write(segmentation(sources, classes(), ("LV cavity", "Fat", "Scar")), tmp_path / "exam" / "SEG.dcm")
    assert "SEG.dcm: segment 'Fat' is not in source.mask.segments (known: LV cavity, Myocardium, Scar)" in the_finding(
        source("seg"), tmp_path
    )
    seg = segmentation(sources, classes(), SEGMENTS)
    seg.Rows, seg.Columns = 8, 6
    write(seg, path)
    assert "SEG.dcm: mask is 8x6, its image 6x8" in the_finding(source("seg"), tmp_path)


def test_no_seg_and_two(tmp_path: Path) -> None:
    sources = [pydicom.dcmread(path) for path in series(tmp_path / "exam")]
    assert the_finding(source("seg"), tmp_path) == "exam: holds no DICOM SEG file"
    for k in range(2):
        write(segmentation(sources, classes(), SEGMENTS), tmp_path / "exam" / f"SEG{k}.dcm")
    assert the_finding(source("seg"), tmp_path) == "exam: holds 2 DICOM SEG files (SEG0.dcm, SEG1.dcm); keep one"


def test_everything_wrong_comes_in_one_report(tmp_path: Path) -> None:
    for k, name in enumerate(("a", "b", "good", "c")):
        series(tmp_path / name, StudyInstanceUID=f"1.{k + 1}", PatientID=f"P{k}")
        nifti_mask(tmp_path / name)
    (tmp_path / "a" / "IM0.dcm").write_bytes(b"")
    write(classic(grey()[0], 1, StudyInstanceUID="1.2", PatientID="P1"), tmp_path / "b" / "IM9.dcm")
    nifti_mask(tmp_path / "c", classes() + np.uint8(9))
    found = findings(source(), tmp_path)
    assert found[0].startswith("a/IM0.dcm: not a DICOM file")
    assert any(finding.startswith("b: IM1.dcm and IM9.dcm") for finding in found)
    assert any(finding.startswith("c: labels.nii.gz: mask value 9") for finding in found)
    assert not any("good" in finding for finding in found)


# ----------------------------------------------------------------------------------------------------------- fuzzing


@pytest.mark.parametrize("name", ["IM1.dcm", "SEG.dcm"])
def test_broken_bytes_end_in_a_report_never_in_a_traceback_or_a_leak(tmp_path: Path, name: str) -> None:
    sources = [pydicom.dcmread(path) for path in series(tmp_path / "exam")]
    write(segmentation(sources, classes(), SEGMENTS), tmp_path / "exam" / "SEG.dcm")
    path, random = tmp_path / "exam" / name, np.random.default_rng(0)
    whole = path.read_bytes()
    for trial in range(40):
        data = bytearray(whole)
        for index in random.integers(0, len(data), 1 + trial % 8):
            data[index] = random.integers(256)
        path.write_bytes(data[: random.integers(len(data))] if trial % 4 == 0 else data)
        try:
            read(source("seg"), tmp_path)
        except DataError as error:
            assert not any(secret in str(error) for secret in SECRETS)  # noqa: PT017


# ----------------------------------------------------------------------------------------------------------- real exam


def test_the_real_exam_keeps_its_volume_through_dicom(real_data: Path, tmp_path: Path) -> None:
    original = read_nifti_grid(real_data / "emidec_nifti" / "Case_P100" / "Images" / "Case_P100.nii.gz")
    labels = read_nifti_grid(real_data / "emidec_nifti" / "Case_P100" / "Contours" / "Case_P100.nii.gz").array
    assert original.spacing_mm is not None
    row, column, step = original.spacing_mm
    places = [[float(x) for x in ORIGIN + NORMAL * step * k] for k in range(len(labels))]
    pixels = original.array.astype(np.uint16)
    sources = [
        classic(pixels[k], PixelSpacing=[row, column], ImagePositionPatient=places[k], SliceThickness=8.0)
        for k in range(len(labels))
    ]
    for k, dataset in enumerate(sources):
        write(dataset, tmp_path / "exam" / f"IM{k}.dcm")
    merged = np.array([0, 1, 2, 3, 3], dtype=np.uint8)[labels.astype(np.uint8)]
    write(segmentation(sources, merged, SEGMENTS), tmp_path / "exam" / "SEG.dcm")
    volume = one(tmp_path, source("seg"))
    assert np.array_equal(volume.pixels, pixels)
    assert np.array_equal(volume.labels, merged)
    assert describe(volume).burden.wall_ml == pytest.approx(134.12, abs=0.005)
