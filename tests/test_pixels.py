"""What pixels mean: bits, padding, look-up tables, palettes, transparency; each against an independent computation."""

import io
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import RLELosslessEncoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from refused import the_finding
from synthetic_dicom import classic, enhanced, grey, series, write

from lge_sweep.config.data import ImagePairs, Intensity
from lge_sweep.curate.manifest import perceptual_hash
from lge_sweep.data.grey import to_8_bit
from lge_sweep.ingest import Exam, read
from lge_sweep.ingest.contact_sheet import draw_tile
from lge_sweep.ingest.dicom_header import read_header
from lge_sweep.ingest.dicom_pixels import (
    COLOUR_PRESENTATION,
    PALETTE_APPLIED,
    TWO_POLARITIES,
    TWO_RESCALES,
    DecodedFrames,
    apply_window,
    read_pixels,
)
from lge_sweep.ingest.dicom_stored import UNUSED_BITS_SET
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.limits import intensity_problem
from lge_sweep.ingest.nifti_grid import read_nifti_grid
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.quantify.description import describe
from lge_sweep.quantify.thresholds import METHODS, classical_scar

Array = NDArray[np.number]
SHAPE = (6, 8)
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def save(dataset: FileDataset, path: Path, syntax: UID = ExplicitVRLittleEndian, high: int | None = None) -> Path:
    """Write a file whose cells are in `dataset`, little endian, in a transfer syntax."""
    if high is not None:
        dataset.HighBit = high
    cells, width = dataset.PixelData, dataset.BitsAllocated // 8
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(cells, f"<u{width}").astype(f">u{width}").tobytes()
    if syntax == RLELossless:
        packed = RLELosslessEncoder.encode(
            cells, rows=dataset.Rows, columns=dataset.Columns, samples_per_pixel=1, number_of_frames=1,
            bits_allocated=8 * width, bits_stored=8 * width, pixel_representation=0,
            photometric_interpretation="MONOCHROME2",
        )  # fmt: skip
        dataset.PixelData = encapsulate([packed])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax != ExplicitVRBigEndian:
        return write(dataset, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, little_endian=False, implicit_vr=False)
    return path


def decode(path: Path, window: bool = False) -> DecodedFrames:
    return read_pixels(path, read_header(path).frames, window)


def table(entries: Array, first: int, bits: int) -> Dataset:
    """Return an item of a LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item


def exam(path: Path) -> Exam:
    (found,), findings = read_exams(path, "keep")
    assert findings == []
    return found


def refusal(path: Path, window: bool = False) -> str:
    with pytest.raises(UnusableError) as caught:
        decode(path, window)
    return str(caught.value)


# -------------------------------------------------------------------------------------------- whole numbers, in general


@pytest.mark.parametrize("seed", range(60))
def test_any_layout_gives_what_numpy_says(seed: int, tmp_path: Path) -> None:
    """Bits, sign, overlays in free bits, padding, tables, rescale, MONOCHROME1 and syntaxes, drawn at random."""
    rng = np.random.default_rng(seed)
    allocated = int(rng.choice([8, 16, 16, 32]))
    bits = int(rng.integers(2, allocated + 1))
    low = int(rng.integers(0, allocated - bits + 1))
    signed, inverted, tabled = (bool(rng.integers(2)) for _ in range(3))
    least = -(1 << (bits - 1)) if signed else 0
    values = rng.integers(least, least + (1 << bits), SHAPE)

    junk = rng.integers(0, 1 << allocated, SHAPE) if rng.integers(2) else np.zeros(SHAPE, np.int64)
    field = ((1 << bits) - 1) << low
    cells = (((values << low) & field) | (junk & ~field & ((1 << allocated) - 1))).astype(f"<u{allocated // 8}")

    more: dict[str, Any] = {"BitsStored": bits, "PixelRepresentation": int(signed)}
    more["PhotometricInterpretation"] = "MONOCHROME1" if inverted else "MONOCHROME2"
    padding = np.zeros(SHAPE, bool)
    dataset = classic(cells.astype(f"u{allocated // 8}"), **more)
    if rng.integers(3):
        at = values.flat[rng.integers(values.size)]
        until = at + int(rng.integers(-9, 9)) if rng.integers(2) else at
        ends = np.clip([at, until], max(least, -(1 << 15)), min(least + (1 << bits), 1 << (15 if signed else 16)) - 1)
        padding = (values >= ends.min()) & (values <= ends.max())
        wrong = bool(rng.integers(2)) and allocated >= 16  # written with the other sign
        for keyword, end in zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), ends.tolist(), strict=True):
            if keyword == "PixelPaddingValue" or until != at:
                as_stored = (end + 65536) % 65536 if wrong else end
                dataset.add_new(keyword, "US" if as_stored >= 0 else "SS", as_stored)
                if wrong and not signed and end >= 32768:
                    dataset.add_new(keyword, "SS", end - 65536)
        if until == at:
            padding = values == ends[0]
    expected: NDArray[np.floating] = values.astype(np.float64)
    if tabled and bits <= 16:
        first, count = int(rng.integers(max(least, -100), 50)), int(rng.integers(1, 200))
        out_bits = int(rng.integers(8, 17))
        entries = rng.integers(0, 1 << out_bits, count)
        dataset.ModalityLUTSequence = [table(entries, first, out_bits)]
        expected = entries[np.clip(values - first, 0, count - 1)].astype(np.float64)
        expected = (1 << out_bits) - 1 - expected if inverted else expected
    else:
        slope, intercept = float(rng.choice([1, 0.5, 2, -3])), float(rng.choice([0, -1024, 7.5]))
        dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), str(intercept)
        expected = (2 * least + (1 << bits) - 1 - values if inverted else values) * slope + intercept
    syntax = NATIVE[seed % 3] if seed % 4 or allocated == 32 else RLELossless
    if syntax == ExplicitVRBigEndian and "ModalityLUTSequence" in dataset:
        item = dataset.ModalityLUTSequence[0]
        item.LUTData = np.frombuffer(item.LUTData, "<u2").astype(">u2").tobytes()
    path = save(dataset, tmp_path / "a.dcm", syntax, high=low + bits - 1)

    (found,), notes = decode(path)
    assert np.array_equal(np.isnan(found), padding)
    assert np.array_equal(found[~padding], expected[~padding].astype(found.dtype))
    assert (found.dtype == np.float32) or not padding.any()
    if bits == allocated or not junk.any():
        assert UNUSED_BITS_SET not in notes


def test_stored_bits_are_where_high_bit_says_in_an_exam(tmp_path: Path) -> None:
    pixels = grey(3, SHAPE, 4096)
    for k, image in enumerate(pixels):
        save(classic(image << 4, k, BitsStored=12), tmp_path / "in" / f"{k}.dcm", high=15)
    found = exam(tmp_path / "in")
    assert np.array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint16
    assert found.notes == ()


@pytest.mark.parametrize(
    ("stored", "high", "advice"), [(12, 10, "HighBit 11"), (12, 16, "HighBit 11"), (17, 16, "HighBit 15")]
)
def test_bits_that_are_nowhere_are_refused(tmp_path: Path, stored: int, high: int, advice: str) -> None:
    path = save(classic(grey(1)[0], BitsStored=stored), tmp_path / "a.dcm", high=high)
    text = refusal(path)
    assert text.startswith(f"BitsAllocated 16, BitsStored {stored} and HighBit {high} do not go together")
    assert advice in text
    if stored == 12:  # the advice, followed
        dataset = dcmread(path)
        dataset.HighBit = 11
        assert np.array_equal(decode(write(dataset, path)).images[0], grey(1)[0])


def test_jpeg_ls_holds_no_free_bits(tmp_path: Path) -> None:
    """It is decoded to the stored values; where HighBit says otherwise, nobody knows which bits were encoded."""
    signed = (grey(1, top=4096).astype(np.int32) - 2048).astype(np.int16)[0]
    dataset = classic(signed, BitsStored=12, PixelPaddingValue=int(signed[0, 0]))
    dataset.compress(JPEGLSLossless)
    (found,), notes = decode(write(dataset, tmp_path / "a.dcm"))
    assert np.array_equal(np.isnan(found), signed == signed[0, 0])
    assert np.array_equal(found[~np.isnan(found)], signed[signed != signed[0, 0]])
    assert notes == ()
    dataset.HighBit = 15
    text = refusal(write(dataset, tmp_path / "b.dcm"))
    assert "JPEG-LS Lossless Image Compression keeps no free bits" in text
    assert text.endswith(
        "if it decodes to values below 4096, write the file again with HighBit 11, else get it uncompressed"
    )
    dataset.HighBit = None  # absent, it is where it must be
    assert np.array_equal(decode(write(dataset, tmp_path / "c.dcm")).images[0], found, equal_nan=True)


def test_an_overlay_in_free_bits_is_dropped_with_a_note(tmp_path: Path) -> None:
    pixels = grey(1, top=4096)[0]
    overlay = np.zeros(SHAPE, np.uint16)
    overlay[2, 3] = 0x8000
    path = save(classic(pixels | overlay, BitsStored=12), tmp_path / "a.dcm")
    (found,), notes = decode(path)
    assert np.array_equal(found, pixels)
    assert notes == (UNUSED_BITS_SET,)


# ------------------------------------------------------------------------------------------------------------- padding


def test_padding_is_told_and_takes_part_in_nothing(tmp_path: Path) -> None:
    signed = grey().astype(np.int16)
    signed[:, :2] = -2000
    series(tmp_path, signed, PixelPaddingValue=-2000)
    found = exam(tmp_path)
    assert found.notes == ("33.3 % of its pixels are padding, declared to be no anatomy: background",)
    assert found.pixels.dtype == np.float32
    assert np.array_equal(np.isnan(found.pixels), signed == -2000)
    assert np.array_equal(found.pixels[:, 2:], signed[:, 2:])
    labels = np.zeros(signed.shape, np.uint8)
    labels[:, 1] = 2
    volume = found.with_labels(labels)
    assert describe(volume).intensity_range == (signed[:, 2:].min(), signed[:, 2:].max())
    assert volume.notes[1:] == ("24 labelled pixels of its masks lie on padding, where there is no anatomy",)


@pytest.mark.parametrize(("value", "syntax"), [(-2000, ImplicitVRLittleEndian), (63536, ExplicitVRLittleEndian)])
def test_padding_matches_whatever_sign_it_is_written_with(tmp_path: Path, value: int, syntax: UID) -> None:
    signed = grey(1)[0].astype(np.int16)
    signed[0] = -2000
    dataset = classic(signed)
    dataset.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
    assert np.isnan(decode(save(dataset, tmp_path / "a.dcm", syntax)).images[0]).sum() == SHAPE[1]


def test_padding_that_no_stored_value_can_have_is_looked_for_in_whole_cells(tmp_path: Path) -> None:
    """12 bits are stored, and the pad is a 16-bit pattern whose lower 12 bits are a common intensity."""
    pixels = grey(1, top=4096)[0]
    pixels[3, 3] = 0xF830 & 0xFFF
    cells = pixels.copy()
    cells[0] = 0xF830
    dataset = classic(cells, BitsStored=12)
    dataset.add_new("PixelPaddingValue", "US", 0xF830)
    (found,), notes = decode(save(dataset, tmp_path / "a.dcm"))
    assert np.isnan(found[0]).all()
    assert np.array_equal(found[1:], pixels[1:])
    assert notes == ()


@pytest.mark.parametrize("ends", [(-10.5, -7.0), (-7.0, -10.5), (np.nan, np.nan), (-np.inf, -7.0)])
@pytest.mark.parametrize("kind", ["Float", "DoubleFloat"])
def test_floating_point_padding(tmp_path: Path, kind: str, ends: tuple[float, float]) -> None:
    pixels = grey(1)[0].astype(np.float32 if kind == "Float" else np.float64) + 0.25
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = -7.0, -10.5, -6.9
    if np.isnan(ends).any():
        pixels[0, :2] = np.nan
    dataset = classic(pixels)
    data = dataset.PixelData
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, keyword)
    for suffix, value in (("Data", data), ("PaddingValue", ends[0]), ("PaddingRangeLimit", ends[1])):
        setattr(dataset, f"{kind}Pixel{suffix}", value)
    (found,), _ = decode(write(dataset, tmp_path / "a.dcm"))
    assert found.dtype == np.float32
    assert np.array_equal(np.argwhere(np.isnan(found)), [[0, 0], [0, 1]])
    assert np.array_equal(found.ravel()[2:], pixels.astype(np.float32).ravel()[2:])
    delattr(dataset, f"{kind}PixelPaddingValue")
    if np.isnan(ends).any():
        assert refusal(write(dataset, tmp_path / "b.dcm")).startswith("2 pixels are NaN, which the file does not decl")


def test_a_slice_of_padding_alone_is_a_finding(tmp_path: Path) -> None:
    pixels = grey()
    pixels[1] = 0
    series(tmp_path, pixels, PixelPaddingValue=0)
    exams, (finding,) = read_exams(tmp_path, "keep")
    assert not exams
    assert finding.endswith("slice 1: every pixel is padding, declared to be no anatomy; leave the slice out")
    pixels[1, 0] = 7
    series(tmp_path, pixels, PixelPaddingValue=0)
    (finding,) = read_exams(tmp_path, "keep")[1]
    assert finding.endswith("every pixel that is not padding has the same intensity, 7; nothing can be seen")
    (tmp_path / "IM1.dcm").unlink()  # the advice, followed
    assert len(exam(tmp_path).slices) == 2


def test_padding_is_no_part_of_a_window(tmp_path: Path) -> None:
    pixels = grey(1)[0]
    pixels[0] = 65535
    dataset = classic(pixels, WindowCenter=2000, WindowWidth=4001, PixelPaddingValue=65535)
    (found,), _ = decode(write(dataset, tmp_path / "a.dcm"), window=True)
    assert np.isnan(found[0]).all()
    assert np.array_equal(found[1:], apply_window(pixels[1:], 2000, 4001))


def test_nan_that_nobody_declared_is_refused_as_before() -> None:
    image = np.full(SHAPE, 3.0)
    image[0, 0], image[0, 1] = np.nan, np.inf
    finite = "(but NaN or infinite); write the file again with finite intensities, or leave it out"
    assert intensity_problem(image) == f"2 pixels are not finite numbers {finite}"
    assert intensity_problem(image, padded=True) == f"1 pixel is not a finite number {finite}"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_statistics_are_those_of_the_anatomy(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    anatomy = rng.integers(5, 120, (16, 10)).astype(dtype)
    wide = np.concatenate([np.full((16, 6), np.nan, np.float32), anatomy.astype(np.float32)], axis=1)
    for percentiles in ((0, 100), (1, 99), (30, 30)):
        settings = Intensity.model_construct(clip_percentiles=percentiles)
        assert np.array_equal(to_8_bit(wide, settings)[:, 6:], to_8_bit(anatomy, settings))
        assert not to_8_bit(wide, settings)[:, :6].any()
    assert not to_8_bit(np.full(SHAPE, np.nan), Intensity()).any()
    dark = np.where(np.isnan(wide), anatomy.min(), wide)
    assert perceptual_hash(wide) == perceptual_hash(dark)
    shown = np.asarray(draw_tile(wide, np.zeros(wide.shape, np.uint8)))
    assert not shown[:, : 128 * 5 // 16].any()
    assert shown.max() > 250


@pytest.mark.parametrize("method", METHODS)
def test_padding_in_the_wall_changes_no_threshold(method: str) -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:24, :24] - 11.5
    radius = np.hypot(y, x)
    wall, cavity = (radius > 5) & (radius < 10), radius < 4
    image = np.where(wall & (x > 6), 200.0, 40.0) + rng.normal(0, 4, wall.shape)
    padding = y < -7
    found = classical_scar(np.where(padding, np.nan, image), wall, cavity, method)
    assert np.array_equal(found, classical_scar(image, wall & ~padding, cavity, method))
    assert found.any()
    assert not found[padding].any()


# ---------------------------------------------------------------------------------------------------- tables, palettes


@pytest.mark.parametrize("first", [0, 300])
def test_tables_agree_with_pydicom_where_it_can_look_them_up(tmp_path: Path, first: int) -> None:
    pixels, entries = grey(1, top=1200)[0], np.arange(600)[::-1] * 100
    dataset = classic(pixels, ModalityLUTSequence=[table(entries, first, 16)])
    (found,), notes = decode(write(dataset, tmp_path / "a.dcm"))
    assert np.array_equal(found, apply_modality_lut(pixels, dataset))
    assert notes == ()
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, 0
    (found,), notes = decode(write(dataset, tmp_path / "b.dcm"))
    assert np.array_equal(found, apply_modality_lut(pixels, dataset))
    assert notes == (TWO_RESCALES,)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_lut_is_shown_where_there_is_no_window(tmp_path: Path, bits: int) -> None:
    pixels, entries = grey(1, top=1200)[0], np.linspace(0, (1 << bits) - 1, 250).astype(np.uint16)
    dataset = classic(pixels, VOILUTSequence=[table(entries, 40, bits)])
    (found,), _ = decode(write(dataset, tmp_path / "a.dcm"), window=True)
    shown = apply_voi(np.clip(pixels, 0, 289), dataset) / ((1 << bits) - 1) * 255
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.rint(shown))
    assert np.array_equal(decode(tmp_path / "a.dcm").images[0], pixels)  # and where no window is wanted, it is none
    dataset.WindowCenter, dataset.WindowWidth = 600, 1201
    (windowed,), _ = decode(write(dataset, tmp_path / "b.dcm"), window=True)
    assert np.array_equal(windowed, np.rint(np.clip((pixels - 599.5) / 1200 + 0.5, 0, 1) * 255))


def test_a_voi_lut_of_rescaled_frames_with_a_negative_first_value(tmp_path: Path) -> None:
    """The frame's own table in an enhanced file; its first value is signed because the rescaled levels are."""
    pixels = grey(2, top=400)
    dataset = enhanced(pixels, [0, 1])
    for frame, top in zip(dataset.PerFrameFunctionalGroupsSequence, (255, 127), strict=True):
        frame.FrameVOILUTSequence[0] = Dataset()
        frame.FrameVOILUTSequence[0].VOILUTSequence = [table(np.linspace(0, top, 256), -5, 8)]
    found, _ = decode(write(dataset, tmp_path / "a.dcm"), window=True)
    for k, top in enumerate((255, 127)):
        levels = pixels[k] * (k + 1.0) - 5
        assert np.array_equal(found[k], np.linspace(0, top, 256).astype(int)[np.clip(levels + 5, 0, 255).astype(int)])


@pytest.mark.parametrize("missing", ["LUTData", "LUTDescriptor"])
def test_a_broken_table_is_refused(tmp_path: Path, missing: str) -> None:
    dataset = classic(grey(1)[0], ModalityLUTSequence=[table(np.arange(9), 0, 16)])
    delattr(dataset.ModalityLUTSequence[0], missing)
    assert "ModalityLUTSequence" in refusal(write(dataset, tmp_path / "a.dcm"))


def palette(dataset: FileDataset, entries: Array) -> FileDataset:
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for name, column in zip(("Red", "Green", "Blue"), entries.T, strict=True):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [len(entries), 0, 16])
        dataset.add_new(f"{name}PaletteColorLookupTableData", "OW", column.astype("<u2").tobytes())
    return dataset


def test_a_palette_of_greys_is_applied_and_one_of_colours_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, *SHAPE)).astype(np.uint8)
    greys = np.repeat(np.random.default_rng(6).permutation(256)[:, None] * 257, 3, axis=1)
    for k, image in enumerate(pixels):
        write(palette(classic(image, k), greys), tmp_path / "grey" / f"{k}.dcm")
    found = exam(tmp_path / "grey")
    expected = apply_color_lut(pixels, palette(classic(pixels[0]), greys))[..., 0]
    assert np.array_equal(found.pixels, expected)
    assert found.notes == (PALETTE_APPLIED,)
    greys[pixels[1, 0, 0], 2] += 1
    for k, image in enumerate(pixels):
        write(palette(classic(image, k), greys), tmp_path / "colour" / f"{k}.dcm")
    exams, findings = read_exams(tmp_path / "colour", "keep")
    assert not exams
    assert any("1.dcm: image is in colour (PALETTE COLOR, " in finding for finding in findings)


@pytest.mark.parametrize(
    ("photometric", "shape", "told"),
    [("MONOCHROME2", "INVERSE", True), ("MONOCHROME1", "IDENTITY", True), ("MONOCHROME1", "INVERSE", False),
     ("MONOCHROME2", "IDENTITY", False)],
)  # fmt: skip
def test_contradictory_polarity_is_told(tmp_path: Path, photometric: str, shape: str, told: bool) -> None:
    dataset = classic(grey(1)[0], PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    assert decode(write(dataset, tmp_path / "a.dcm")).notes == (TWO_POLARITIES,) * told


def test_values_that_stand_for_colours_are_told(tmp_path: Path) -> None:
    path = write(enhanced(grey(1), [0], PixelPresentation="MIXED"), tmp_path / "a.dcm")
    assert decode(path).notes == (COLOUR_PRESENTATION,)


def test_each_slice_is_rescaled_by_its_own_slope(tmp_path: Path) -> None:
    pixels = grey()
    for k, image in enumerate(pixels):
        dataset = classic(image, k, RescaleSlope=str(k + 0.5), RescaleIntercept=str(-k), PixelPaddingValue=9)
        write(dataset, tmp_path / f"{k}.dcm")
    found = exam(tmp_path).pixels
    assert np.array_equal(found, pixels * (np.arange(3)[:, None, None] + 0.5) - np.arange(3)[:, None, None])


def test_padding_of_an_enhanced_file_is_that_of_all_its_frames(tmp_path: Path) -> None:
    pixels = grey()
    pixels[:, 0] = 4001
    (found, *_), _ = decode(write(enhanced(pixels, [0, 1, 2], PixelPaddingValue=4001), tmp_path / "a.dcm"))
    assert np.isnan(found[0]).all()
    assert np.array_equal(found[1:], pixels[0, 1:] - 5.0)


# --------------------------------------------------------------------------------------------------------- image files


def pairs_of(root: Path, image: Image.Image | bytes, mask: Image.Image, ending: str = "png", **more: Any) -> ImagePairs:
    """Write one pair and return the source that reads it."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    path = root / "images" / f"p1_slice0.{ending}"
    path.write_bytes(image) if isinstance(image, bytes) else image.save(path, **more)
    mask.save(root / "labels" / "p1_slice0.png")
    values = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar"}
    return ImagePairs.model_validate(
        {"kind": "image_pairs", "case_ids": "keep", "mask": {"kind": "index", "values": values}}
    )


def classes() -> NDArray[np.uint8]:
    return (np.arange(48) % 4).astype(np.uint8).reshape(SHAPE)


def with_palette(indices: NDArray[np.uint8], entries: Any) -> Image.Image:
    image = Image.frombytes("P", indices.shape[::-1], indices.tobytes())
    image.putpalette(bytes(np.asarray(entries, np.uint8).ravel()))
    return image


def tiff(array: Array, order: Literal["<", ">"], photometric: int) -> bytes:
    """Write a TIFF of one strip by hand."""
    rows, columns = array.shape
    data = array.astype(array.dtype.newbyteorder(order)).tobytes()
    bits, kind = 8 * array.dtype.itemsize, 3 if array.dtype.kind == "f" else 1
    tags = [(256, columns), (257, rows), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1), (278, rows),
            (279, len(data)), (339, kind)]  # fmt: skip
    u2, u4 = (np.dtype(f"{order}u{size}") for size in (2, 4))
    out = io.BytesIO()
    out.write((b"II" if order == "<" else b"MM") + np.array(42, u2).tobytes() + np.array(8 + len(data), u4).tobytes())
    out.write(data + np.array(len(tags), u2).tobytes())
    for tag, value in tags:
        out.write(np.array([tag, 4], u2).tobytes() + np.array([1, value], u4).tobytes())
    return out.getvalue() + bytes(4)


@pytest.mark.parametrize(
    ("dtype", "order", "photometric"),
    [(np.uint16, "<", 1), (np.uint16, ">", 1), (np.uint16, "<", 0), (np.uint8, "<", 0), (np.uint8, ">", 0),
     (np.float32, "<", 0), (np.float32, ">", 1)],
)  # fmt: skip
def test_tiff_of_any_order_and_polarity(tmp_path: Path, dtype: Any, order: Literal["<", ">"], photometric: int) -> None:
    array = np.random.default_rng(7).integers(0, 250, SHAPE).astype(dtype)
    array = array * 200 if dtype == np.uint16 else array
    (volume,) = read(pairs_of(tmp_path, tiff(array, order, photometric), Image.fromarray(classes()), "tif"), tmp_path)
    turned = -array if dtype == np.float32 else np.iinfo(dtype).max - array
    assert np.array_equal(volume.pixels[0], array if photometric else turned)


def test_an_image_with_a_palette_has_the_greys_that_it_shows(tmp_path: Path) -> None:
    greys = np.random.default_rng(8).permutation(256).astype(np.uint8)
    indices = np.random.default_rng(9).integers(0, 256, SHAPE, dtype=np.uint8)
    image = with_palette(indices, np.repeat(greys[:, None], 3, axis=1))
    (volume,) = read(pairs_of(tmp_path, image, Image.fromarray(classes())), tmp_path)
    assert np.array_equal(volume.pixels[0], greys[indices])
    assert volume.pixels.dtype == np.uint8
    assert not any("padding" in note for note in volume.notes)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "I;16"])
def test_transparent_pixels_are_no_anatomy(tmp_path: Path, mode: str) -> None:
    grey_ = np.random.default_rng(10).integers(10, 250, SHAPE).astype(np.uint8)
    grey_[:2] = 3
    clear = grey_ == 3
    more: dict[str, Any] = {}
    alpha = np.where(clear, 0, 255).astype(np.uint8)
    if mode in {"LA", "RGBA"}:
        image = Image.fromarray(np.dstack([grey_] * (1 if mode == "LA" else 3) + [alpha]), mode=None)
    elif mode == "P":
        image, more = with_palette(grey_, np.repeat(np.arange(256)[:, None], 3, axis=1)), {"transparency": 3}
    else:
        image, more = Image.fromarray(grey_.astype("u2") if mode == "I;16" else grey_), {"transparency": 3}
    (volume,) = read(pairs_of(tmp_path, image, Image.fromarray(classes()), **more), tmp_path)
    assert np.array_equal(np.isnan(volume.pixels[0]), clear)
    assert np.array_equal(volume.pixels[0][~clear], grey_[~clear])
    assert volume.notes[0].startswith("33.3 % of its pixels are padding")


def test_half_transparent_pixels_are_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(11).integers(0, 250, (*SHAPE, 2)).astype(np.uint8)
    array[..., 1] = 255
    array[0, :3, 1] = 100
    source = pairs_of(tmp_path, Image.fromarray(array), Image.fromarray(classes()))
    assert the_finding(source, tmp_path).startswith("p1_slice0.png: 3 pixels are half transparent")
    pairs_of(tmp_path, Image.fromarray(array).convert("L"), Image.fromarray(classes()))  # the advice, followed
    (volume,) = read(source, tmp_path)
    assert np.array_equal(volume.pixels[0], array[..., 0])


GREY_4 = np.repeat(np.array([0, 85, 170, 255])[:, None], 3, axis=1)
COLOUR_4 = np.array([[0, 0, 0], [255, 255, 0], [0, 255, 0], [255, 0, 0]])


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (COLOUR_4[[3, 1, 0, 2]], classes()),  # colours are no numbers: the index
        (GREY_4, classes()),  # greys that are not listed: the index
        (np.repeat(np.arange(4)[:, None], 3, axis=1), classes()),  # both the same
    ],
)
def test_an_index_mask_with_a_palette_is_read_by_its_indices(tmp_path: Path, entries: Any, expected: Array) -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(SHAPE))
    (volume,) = read(pairs_of(tmp_path, image, with_palette(classes(), entries)), tmp_path)
    assert np.array_equal(volume.labels[0], expected)


def test_a_palette_of_greys_that_are_the_classes_in_another_order(tmp_path: Path) -> None:
    """As programs leave it that make PNG files smaller: the picture is the same, the indices are any."""
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(SHAPE))
    order = np.array([9, 4, 7, 5])  # indices that are no classes
    entries = np.full((10, 3), 77)
    entries[order] = np.arange(4)[:, None]
    source = pairs_of(tmp_path, image, with_palette(order[classes()].astype(np.uint8), entries))
    (volume,) = read(source, tmp_path)
    assert np.array_equal(volume.labels[0], classes())
    mixed = with_palette(np.array([2, 0, 3, 1], np.uint8)[classes()], np.repeat([[1], [3], [0], [2]], 3, axis=1))
    pairs_of(tmp_path, image, mixed)
    finding = the_finding(source, tmp_path)
    assert "index 0 is shown as grey 1, and source.mask.values lists both, as background and as cavity" in finding
    pairs_of(tmp_path, image, mixed.convert("L"))  # the advice, followed
    (volume,) = read(source, tmp_path)
    assert np.array_equal(volume.labels[0], classes())


def test_a_colour_mask_that_hides_a_class_is_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(SHAPE))
    alpha = np.where(classes() == 0, 0, 255).astype(np.uint8)
    colours = dict(zip(("background", "cavity", "myocardium", "scar"), COLOUR_4.tolist(), strict=True))
    pairs_of(tmp_path, image, Image.fromarray(np.dstack([COLOUR_4[classes()].astype(np.uint8), alpha])))
    mask = {"kind": "colour", "colours": colours}
    source = ImagePairs.model_validate({"kind": "image_pairs", "case_ids": "keep", "mask": mask})
    (volume,) = read(source, tmp_path)  # what is transparent is background
    assert np.array_equal(volume.labels[0], classes())
    alpha[classes() == 3] = 0
    pairs_of(tmp_path, image, Image.fromarray(np.dstack([COLOUR_4[classes()].astype(np.uint8), alpha])))
    assert "with 12 pixels that are not opaque and have a class's colour" in the_finding(source, tmp_path)
    pairs_of(tmp_path, image, with_palette(classes(), COLOUR_4))  # a palette is applied
    (volume,) = read(source, tmp_path)
    assert np.array_equal(volume.labels[0], classes())


# --------------------------------------------------------------------------------------------------------------- NIfTI


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize(("slope", "inter"), [(2.0, -5.0), (0.0, 7.0), (np.nan, np.nan), (1.0, 0.0)])
def test_nifti_slopes_are_applied_and_display_ranges_are_not(
    tmp_path: Path, ending: str, dtype: Any, slope: float, inter: float
) -> None:
    stored = np.random.default_rng(12).integers(0, 200, (8, 6, 2)).astype(dtype)
    image = nib.Nifti1Image(stored, np.diag([1.5, 1.5, 8, 1]))
    header = image.header
    header["cal_min"], header["cal_max"] = 20, 30
    header["scl_slope"], header["scl_inter"] = slope, inter
    content = bytearray(header.binaryblock) + bytes(4) + stored.tobytes(order="F")
    content[108:112] = np.float32(352).tobytes()
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    if ending == "nii.gz":
        import gzip

        path = tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress(bytes(content)))
    applied = stored * slope + inter if slope == 2.0 else stored
    assert np.array_equal(np.sort(read_nifti_grid(path).array, None), np.sort(applied, None))
