"""What images are held to: sizes, physical ranges, plain files, decoders that may die."""

import gzip
import io
import os
import struct
import time
from pathlib import Path
from random import Random
from typing import Any

import fuzz_inputs
import nibabel as nib
import numpy as np
import pydicom
import pytest
from bounded import at_most
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from synthetic_dicom import classic, enhanced, grey, place, series, write

from lge_sweep.config.data import DataFile
from lge_sweep.config.validation import validate
from lge_sweep.ingest import sandbox, survey
from lge_sweep.ingest.exams import read_exams
from lge_sweep.ingest.files import list_files
from lge_sweep.ingest.limits import INTENSITY_RANGE, Range, check_size, unusable_slices
from lge_sweep.ingest.sandbox import read_safely
from lge_sweep.ingest.volume import UnusableError
from lge_sweep.interrupts import TimeLimitError, time_limit

SECONDS = 60
"""For what is over in one, on a busy machine; for ever without the bound."""


def the_finding(path: Path) -> str:
    with at_most(SECONDS):
        exams, (finding, *_) = read_exams(path)
    assert exams == []
    return finding


def findings(root: Path, **source: Any) -> list[str]:
    mask = {"kind": "index", "values": {0: "background", 1: "cavity", 2: "myocardium", 3: "scar"}}
    settings = validate(DataFile, {"source": {"mask": mask, **source}}, "test")
    with at_most(SECONDS):
        _, problem = survey(settings.source, root)
    assert problem is not None
    return list(problem.findings)


# ------------------------------------------------------------------------------------------------------------- ranges


def test_a_range_names_field_rule_value_and_what_to_do() -> None:
    length = Range(0.5, 50, "mm")
    assert length.problem("length", (0.5, 50)) is None
    for value in (0.4, -1, 51, float("nan"), float("inf")):
        problem = length.problem("length", (1, value))
        assert problem is not None
        assert problem.startswith(f"length is 1x{value:g}; expected 0.5 to 50 mm; write the file again")
    assert str(length.problem("length", (1, 50.0000004))).startswith("length is 1x50.0000004; expected 0.5 to 50 mm")


@pytest.mark.parametrize("size", [(0, 5, 1), (5, 4097, 1), (65_535, 65_535, 1), (5, 5, 10_001), (4096, 4096, 5)])
def test_a_size_that_no_exam_has(size: tuple[int, int, int]) -> None:
    with pytest.raises(UnusableError, match=r"expected|more than"):
        check_size(*size)
    check_size(640, 640, 160)  # 3-D LGE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("SliceThickness", -8), ("SliceThickness", 1e300), ("SpacingBetweenSlices", 7.6e299),
        ("PixelSpacing", [1e30, 1e30]), ("PixelSpacing", [0, 1]), ("PixelSpacing", [-1, 1]),
        ("PixelSpacing", [1e-30, 1e-30]), ("ImagePositionPatient", [0, 0, 7.6e299]),
    ],
)  # fmt: skip
def test_a_header_of_no_patient(tmp_path: Path, field: str, value: Any) -> None:
    series(tmp_path / "exam", **{field: value} if field != "ImagePositionPatient" else {})
    if field == "ImagePositionPatient":
        write(classic(grey()[1], ImagePositionPatient=value), tmp_path / "exam" / "IM1.dcm")
    finding = the_finding(tmp_path)
    assert f"{field} is " in finding
    assert "expected " in finding


def test_slices_that_are_too_far_apart_to_be_an_exam(tmp_path: Path) -> None:
    series(tmp_path / "exam", order=[0, 20, 40])  # 200 mm
    assert "slice spacing by their ImagePositionPatient is 200; expected 0.01 to 100 mm" in the_finding(tmp_path)


def test_a_gap_that_would_be_filled_with_a_million_slices(tmp_path: Path) -> None:
    for k, where in enumerate((0, 0.002, 999)):  # 0.02 mm, then 10 m
        write(classic(grey()[k], ImagePositionPatient=place(where)), tmp_path / "exam" / f"IM{k}.dcm")
    assert "number of slices is" in the_finding(tmp_path)


def test_directions_that_overflow(tmp_path: Path) -> None:
    series(tmp_path / "exam", ImageOrientationPatient=[1e300] * 6)
    assert "is not two directions at right angles" in the_finding(tmp_path)


def test_what_is_wrong_with_slices_is_told_once_for_an_exam() -> None:
    pixels = np.arange(7 * 4.0).reshape(7, 2, 2)
    pixels[[0, 1, 2, 4], 0, 0] = 1.5e33, 1e13, 1e13, 1e13
    pixels[5:] = 3
    range_of, flat = unusable_slices(pixels)
    assert range_of.startswith(
        "slices 0-2, 4: intensity is 1 to 1.5e+33; expected -1e+12 to 1e+12; write the file again"
    )
    assert flat == "slices 5-6: every pixel has the same intensity, 3; nothing can be seen"
    pixels[3, 0, 0], pixels[6] = np.nan, 4
    assert [text.split(";")[0] for text in unusable_slices(pixels)][1:] == [
        "slice 3: 1 pixel is not a finite number (but NaN or infinite)",
        "slices 5-6: every pixel has the same intensity in each of them",
    ]


@pytest.mark.parametrize("more", [{"RescaleSlope": 1e300}, {"RescaleIntercept": -1e308}, {"RescaleSlope": 1e30}])
def test_grey_levels_beyond_any_scanner(tmp_path: Path, more: dict[str, Any]) -> None:
    series(tmp_path / "exam", **more)
    finding = the_finding(tmp_path)
    assert (
        "are not finite numbers" in finding
        or f"expected {INTENSITY_RANGE.low:g} to {INTENSITY_RANGE.high:g}" in finding
    )


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        (80, 1e30, "distance of pixels is 1e+30x"), (84, 0.0, "distance of pixels is 1.5x0"),
        (88, float("nan"), "slice spacing is nan"), (88, 1e30, "slice spacing is 1e+30"),
        (88, -8.0, "slice spacing is -8"), (292, 1e30, "its affine is 1e+30"),
        (112, 1e38, "are not finite numbers"), (112, 1e20, "intensity is"), (108, 1e9, "vox_offset is 1000000000"),
    ],
)  # fmt: skip
def test_a_nifti_header_of_no_patient(tmp_path: Path, at: int, value: float, told: str) -> None:
    content = bytearray(fuzz_inputs.nifti("<i2"))
    struct.pack_into("<f", content, at, value)
    (tmp_path / "a.nii").write_bytes(content)
    assert told in the_finding(tmp_path)


# ---------------------------------------------------------------------------------------------- what a file can hold


def test_frames_that_a_file_cannot_hold(tmp_path: Path) -> None:
    dataset = enhanced(grey(), [0, 1, 2])
    for frames, told in (("1000000000", "NumberOfFrames is 1e+09; expected 1 to 10000"), ("9999", "in a file of")):
        dataset.NumberOfFrames = frames
        write(dataset, tmp_path / "multi.dcm")
        assert told in the_finding(tmp_path / "multi.dcm")


@pytest.mark.parametrize("syntax", [None, "JPEG2000Lossless", "RLELossless"])
def test_rows_and_columns_that_a_file_cannot_hold(tmp_path: Path, syntax: str | None) -> None:
    content = fuzz_inputs.stored(fuzz_inputs.dicom()[0]) if syntax is None else fuzz_inputs.coded(syntax, tmp_path)
    at = content.find(b"\x28\0\x10\0US\2\0"), content.find(b"\x28\0\x11\0US\2\0")
    changed = bytearray(content)
    for start in at:
        changed[start + 8 : start + 10] = b"\xff\xff"
    exam = tmp_path / "exam" / "IM0.dcm"
    exam.parent.mkdir()
    exam.write_bytes(changed)
    assert "size is 65535x65535; expected 1 to 4096 pixels" in the_finding(exam.parent)


def test_a_picture_that_claims_an_enormous_image(tmp_path: Path) -> None:
    root = fuzz_inputs.write_pairs(tmp_path)
    Image.new("1", (5000, 8)).save(root / "images" / "p1_slice1.png")
    assert "p1_slice1.png: size is 8x5000; expected 1 to 4096 pixels" in findings(root, kind="image_pairs")[0]


@pytest.mark.parametrize("packed", [False, True])
def test_voxels_that_a_file_cannot_hold(tmp_path: Path, packed: bool) -> None:
    content = bytearray(fuzz_inputs.nifti("<i2"))
    struct.pack_into("<3h", content, 42, 400, 400, 400)
    (tmp_path / f"a.nii{'.gz' * packed}").write_bytes(fuzz_inputs.pack(bytes(content), packed))
    assert "broken NIfTI file: its header promises 128000352 bytes, it holds" in the_finding(tmp_path)
    struct.pack_into("<3h", content, 42, 4096, 4096, 4000)
    (tmp_path / f"a.nii{'.gz' * packed}").write_bytes(fuzz_inputs.pack(bytes(content), packed))
    assert "more than 64 Mi pixels" in the_finding(tmp_path)


def test_of_a_gzip_file_no_more_is_read_than_its_header_promises(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.nii.gz", "wb", 1) as file:
        file.write(fuzz_inputs.nifti("<i2"))
        file.write(bytes(1 << 26))
        file.flush()
    whole = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "a.nii.gz").write_bytes(whole[:-100_000])  # whoever reads on finds that it is cut off
    exams, problems = read_exams(tmp_path)
    assert (len(exams), problems) == (1, [])


def test_a_broken_checksum_is_noticed(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(fuzz_inputs.nifti("<i2")))
    content[-6] ^= 1
    (tmp_path / "a.nii.gz").write_bytes(content)
    assert the_finding(tmp_path) == (
        "a.nii.gz: broken NIfTI file: its gzip compression is cut off or damaged; get it again"
    )


@pytest.mark.parametrize("kind", [np.complex64, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])])
def test_voxels_that_are_no_numbers(tmp_path: Path, kind: Any) -> None:
    nib.save(nib.Nifti1Image(np.ones((9, 8, 3)).astype(kind), np.eye(4)), tmp_path / "a.nii")
    assert "expected one number a voxel" in the_finding(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_nifti_file_cut_off_anywhere(tmp_path: Path, packed: bool) -> None:
    content = fuzz_inputs.pack(fuzz_inputs.nifti("<i2"), packed)
    for length in range(0, len(content), 11):
        (tmp_path / "a.nii").write_bytes(content[:length])
        assert "broken NIfTI file" in the_finding(tmp_path)


# --------------------------------------------------------------------------------------------------------- plain files


def make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


SPECIAL = pytest.mark.parametrize("make", [make_pipe, make_device, make_loop])


@SPECIAL
def test_a_pipe_a_device_or_a_loop_is_named_not_opened(tmp_path: Path, make: Any) -> None:
    pairs = fuzz_inputs.write_pairs(tmp_path / "pairs")
    make(pairs / "images" / "p1_slice1.png")
    make(pairs / "labels" / "p1_slice0.png")
    cases = fuzz_inputs.write_nifti(tmp_path / "nifti")
    make(cases / "Images" / "x.nii")
    make(cases / "Contours" / "x.nii")
    told = (
        *findings(pairs, kind="image_pairs"),
        *findings(cases.parent, kind="nifti"),
        the_finding(cases / "Images"),
    )
    assert len(told) >= 4
    assert all("is a pipe, a socket, a device" in one or "cannot be opened" in one or "no mask" in one for one in told)


@SPECIAL
def test_a_dicom_exam_with_a_pipe_in_it_may_lack_a_slice(tmp_path: Path, make: Any) -> None:
    path = series(tmp_path / "exam")[1]
    make(path)
    assert "IM1.dcm: " in the_finding(tmp_path)


def test_a_folder_that_links_to_itself_is_walked_once(tmp_path: Path) -> None:
    series(tmp_path / "exam")
    (tmp_path / "exam" / "again").symlink_to(tmp_path)
    (tmp_path / "exam" / ".hidden").mkdir()
    (tmp_path / "exam" / ".hidden" / "file").touch()
    assert [path.name for path in list_files(tmp_path, deep=True)] == ["IM0.dcm", "IM1.dcm", "IM2.dcm"]
    (exam,), problems = read_exams(tmp_path)
    assert (len(exam.slices), problems) == (3, [])


# ---------------------------------------------------------------------------------------------------- decoders that die


@pytest.mark.parametrize(
    ("syntax", "place"), [("JPEG2000Lossless", 42), ("JPEGLSLossless", 6), ("JPEGLosslessProcess14_1", 6)]
)
def test_a_broken_stream_kills_no_more_than_its_decoder(tmp_path: Path, syntax: str, place: int) -> None:
    """Of each of these GDCM 3.2.6 calls `abort`."""
    content = fuzz_inputs.coded(syntax, tmp_path)
    path = tmp_path / "exam" / "IM0.dcm"
    path.parent.mkdir()
    path.write_bytes(content)
    assert len(read_exams(path)[0]) == 1
    changed = pydicom.dcmread(io.BytesIO(content))
    frame = bytearray(get_frame(changed.PixelData, 0, number_of_frames=1))
    frame[place] = 0xFF
    changed.PixelData = encapsulate([bytes(frame)])
    path.write_bytes(fuzz_inputs.stored(changed))
    assert "IM0.dcm: " in the_finding(path.parent)
    path.write_bytes(content)
    assert len(read_exams(path)[0]) == 1


def test_sequences_in_sequences_and_deflated_bombs(tmp_path: Path) -> None:
    path = tmp_path / "IM0.dcm"
    for content in (fuzz_inputs.nested(Random(depth)) for depth in range(2)):
        path.write_bytes(content)
        with at_most(SECONDS):
            read_exams(path)
    changed = fuzz_inputs.deflated_bomb(1200)
    path.write_bytes(changed)
    assert "IM0.dcm: " in the_finding(path)


def give_up(path: Path, how: str) -> object:
    if how == "dies":
        os.abort()
    if how == "hangs":
        time.sleep(SECONDS)
    if how == "grows":
        return len(bytearray(3 << 30))
    if how == "fails":
        raise UnusableError("as it should")
    return [path, os.getpid()]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("dies", "was killed by what it holds"),
        ("hangs", "takes more than 0 s to decode"),
        ("grows", "was killed by what it holds"),
        ("fails", "as it should"),
    ],
)
def test_a_child_may_die_hang_or_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, told: str) -> None:
    path = tmp_path / "coded.dcm"
    path.write_bytes(fuzz_inputs.coded("RLELossless", tmp_path))
    if how == "hangs":
        monkeypatch.setattr(sandbox, "DECODE_SECONDS", 0.3)
    with at_most(SECONDS), pytest.raises(UnusableError, match=told):
        read_safely(give_up, path, how)
    monkeypatch.undo()
    where = read_safely(give_up, path, "answers")
    assert isinstance(where, list)
    assert where[0] == path
    assert where[1] != os.getpid()


def test_a_child_that_is_idle_ends_and_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "coded.dcm"
    path.write_bytes(fuzz_inputs.coded("RLELossless", tmp_path))
    first = read_safely(give_up, path, "answers")
    assert read_safely(give_up, path, "answers") == first  # the same process
    assert sandbox._child is not None
    sandbox._child[0].terminate()
    sandbox._child[0].join()
    assert read_safely(give_up, path, "answers") != first


def test_plain_numbers_are_read_here(tmp_path: Path) -> None:
    path = write(classic(grey()[0]), tmp_path / "plain.dcm")
    assert read_safely(give_up, path, "answers") == [path, os.getpid()]


def test_a_header_of_a_million_items_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """8 MiB of empty items took 39 s and 824 MB, and a file may have a thousand."""
    path = write(enhanced(grey(), [0, 1, 2]), tmp_path / "bomb.dcm")
    content, tag = path.read_bytes(), bytes.fromhex("0052 2992")
    place = content.index(tag)
    items = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * 200_000
    sequence = tag + b"SQ\x00\x00" + len(items).to_bytes(4, "little") + items
    path.write_bytes(content[:place] + sequence)
    monkeypatch.setattr(sandbox, "PLAIN_SECONDS", 0.3)
    with at_most(SECONDS):
        assert "it takes longer than 0 s; its header holds more than that of any exam" in the_finding(path)


def test_a_limit_that_is_reached_while_an_object_is_deleted_still_ends_the_step() -> None:
    """Python prints what is raised there and goes on."""

    class Slow:
        def __del__(self) -> None:
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                pass

    def step() -> None:
        Slow()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            pass

    with pytest.raises(TimeLimitError), time_limit(0.03):
        step()


def test_a_limit_that_a_library_takes_for_an_error_of_the_file_is_told_as_the_limit() -> None:
    def step() -> None:
        try:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                pass
        except BaseException:
            raise OSError("No tag to read") from None

    with pytest.raises(TimeLimitError, match="it takes longer than 0 s"), time_limit(0.03):
        step()
    with pytest.raises(OSError, match="before that"), time_limit(5):
        raise OSError("before that")
