"""Bad inputs for `test_fuzz.py`: small valid ones with something broken in them, each drawn from a seed of its own.

A generator writes an input into an empty folder and returns the command line that reads it. No command trains: what
`phase1` is given names no images, or one case, which cannot be split.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import gdcm
import nibabel as nib
import numpy as np
import onnx
import pydicom
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian
from synthetic_dicom import classic, encode, segmentation

Arguments = list[str]
Generator = Callable[[Random, Path], Arguments]
Shape = Sequence[str | int]
Output = tuple[Sequence[onnx.NodeProto], Shape, Sequence[onnx.TensorProto]]
"""A network's last nodes, the shape that it promises, and their constants."""
SHAPE = (3, 24, 20)
"""Slices, rows and columns of every valid exam."""
SIZE = 32
"""Of the networks' frame."""

WORDS = [
    "", " ", "~", "null", "nan", ".nan", ".inf", "-.inf", "-1", "0", "1e309", "1e-320", "9" * 5000, "0x_", "0b", "08",
    "2001-13-45", "12:99:99", "!!int ''", "!!float x", "!!bool foo", "!!binary =", "!!timestamp x", "!!set {1}",
    "!!python/object/apply:os.getcwd []", "[" * 3000, "{a: " * 800, "- " * 2000, "&a [*a, *a]", "*nowhere",
    "{1: 2, 1: 3}", "\0", "\x1b[31mred", "\x9b2J", "[red]", "[/nope]", "a" * 5000, "=1+1", "../../..", "/dev/zero",
    "%n%s", "(", "(?P<case>", "(?P<case>a){99999999}", "(?P<case>.*)*", "ä\u202e", "\U0001f600", "{}", "[]", "[[]]",
    "true", "yes", "'", '"', "|", ">", "? ", "---", "@", "`", "\t", "\r", "\ufeff", "\ud800", "<<: 1", "_", "1_0", "+",
    "1e", "on: off", "{? a}", "!!str", "#",
]  # fmt: skip
"""What is put in the place of a value, or of a name."""
NUMBERS = [0.0, -1.0, -8.0, float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e-30, 1e-45, 3.4e38, 65536.0, 1e9]
INTEGERS = [0, -1, 1, 2, 7, 255, 256, 32767, -32768, 1000, 30000]

# --------------------------------------------------------------------------------------------------------- mutations


def mutated(random: Random, content: bytes, first: int | None = None) -> bytes:
    """Flip, cut, repeat or overwrite bytes, of the first so many if that is given."""
    data = bytearray(content)
    most = min(len(data), first or len(data))
    if not most:
        return random.randbytes(9)
    at = random.randrange(most)
    match random.randrange(6):
        case 0:
            return bytes(data[:at])
        case 1:
            for _ in range(random.choice([1, 2, 8, 64])):
                data[random.randrange(most)] ^= 1 << random.randrange(8)
        case 2:
            some = random.choice(
                [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\xc0\x7f"]
            )
            data[at : at + 4] = some
        case 3:
            data[at:at] = random.randbytes(random.choice([1, 4, 300]))
        case 4:
            del data[at : at + random.choice([1, 4, 300])]
        case _:
            data[at : at + 16] = random.randbytes(16)
    return bytes(data)


def special(random: Random, path: Path) -> None:
    """Put something that is no plain file in a file's place."""
    path.unlink(missing_ok=True)
    match random.randrange(7):
        case 0:
            os.mkfifo(path)
        case 1:
            with socket.socket(socket.AF_UNIX) as server:
                here = os.open(path.parent, os.O_RDONLY)  # a socket's name may have 108 bytes only
                server.bind(f"/proc/self/fd/{here}/{path.name}")
                os.close(here)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path.name)
        case 4:
            path.symlink_to("nowhere")
        case 5:
            path.mkdir()
        case _:
            path.with_name("loop").symlink_to(".", target_is_directory=True)


# ------------------------------------------------------------------------------------------------------ valid inputs


@cache
def heart() -> tuple[np.ndarray, np.ndarray]:
    """Intensities uint16 and labels uint8 of an exam [S, H, W]."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    radius = np.hypot(y - 11.5, x - 9.5)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[:, radius < 8] = 2
    labels[:, (radius < 8) & (x > 14)] = 3
    labels[:, radius < 5] = 1
    grey = np.array([20, 250, 90, 240], dtype=np.uint16)[labels] + (y + x).astype(np.uint16)
    return grey, labels


def picture(array: np.ndarray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF"}[suffix])
    return buffer.getvalue()


@cache
def nifti(kind: str, labels: bool = False, two: bool = False) -> bytes:
    array = heart()[labels].transpose(2, 1, 0).astype(kind)
    affine = np.diag([1.5, 1.5, 8, 1])
    image = nib.Nifti2Image(array, affine, dtype=kind) if two else nib.Nifti1Image(array, affine, dtype=kind)
    return bytes(image.to_bytes())


@cache
def dicom() -> tuple[Dataset, ...]:
    return tuple(encode(heart()[0], (1.5, 1.5, 8.0)))


@cache
def multi() -> Dataset:
    return encode(heart()[0], (1.5, 1.5, 8.0), multi=True)[0]


@cache
def seg() -> Dataset:
    return segmentation(dicom(), heart()[1], ["LV cavity", "Myocardium", "Scar"])


def stored(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on values that are meant to be wrong
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@cache
def coded(syntax: str, folder: Path) -> bytes:
    """Return a slice as GDCM encodes it."""
    path = folder / f"{syntax}.dcm"
    path.write_bytes(stored(dicom()[0]))
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
    return path.read_bytes()


def network(stage: int, output: Output | None = None, kind: int = TensorProto.FLOAT, inputs: int = 1) -> bytes:
    """Return a network that labels by intensity; `output` gives its last nodes and the shape it promises instead."""
    classes = stage + 1
    bounds = [numpy_helper.from_array(np.array([[[[level]]] for level in range(classes)], np.float32).reshape(
        1, classes, 1, 1) * 80, "levels")]  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["image"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["grey"], ["one"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["one", "levels"], ["far"]),
        helper.make_node("Abs", ["far"], ["off"]),
        helper.make_node("Neg", ["off"], ["near"]),
    ]
    last, shape, more = output or ([helper.make_node("Identity", ["near"], ["p"])], ["b", classes, SIZE, SIZE], [])
    given = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["b", 3, SIZE, SIZE])]
    given += [helper.make_tensor_value_info(f"more{k}", TensorProto.UINT8, [1]) for k in range(inputs - 1)]
    graph = helper.make_graph(
        [*nodes, *last], "g", given[:inputs], [helper.make_tensor_value_info("p", kind, shape)], [*bounds, *more]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def write_model(folder: Path, networks: dict[str, bytes] | None = None, **settings: Any) -> Path:
    """Write a segmenter's folder whose digests fit."""
    folder.mkdir(parents=True)
    files = {"stage1.onnx": network(1), "stage2.onnx": network(2), **(networks or {})}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    about = {
        "format": 2, "size": SIZE, "intensity": {"clip_percentiles": [0, 100]}, "options": {},
        "facts": {"data": "fuzz"},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps({**about, **settings}))
    return folder


# --------------------------------------------------------------------------------------------------------- commands


def describe(folder: Path, source: str, random: Random | None = None) -> Arguments:
    """Look at a data set, or begin a sweep on its one case."""
    (folder / "data.yaml").write_text(f"source: {source}\n")
    data = ["--data", str(folder / "data.yaml"), "--root", str(folder / "in")]
    if random and random.random() < 0.15:
        return ["phase1", "--profile", "smoke", "--runs", str(folder / "runs"), *data]
    return [
        "data",
        "describe",
        *data,
        *(["--sheet", str(folder / "sheet.png")] if random and random.random() < 0.2 else []),
    ]


def predict(folder: Path, model: Path | None = None) -> Arguments:
    model = model or write_model(folder / "model")
    return ["predict", str(folder / "in"), str(folder / "out"), "--model", str(model), "--format", "csv,nifti"]


PAIRS = "{kind: image_pairs, mask: {kind: index, values: {0: background, 1: cavity, 2: myocardium, 3: scar}}}"
NIFTI = "{kind: nifti, mask: {values: {0: background, 1: cavity, 2: myocardium, 3: scar}}}"
DICOM = "{kind: dicom, mask: {kind: seg}}"


# ----------------------------------------------------------------------------------------------------------- settings

DATA_FILES = [
    "source:\n  kind: phantom\n  cases: 1\n  slices: 1\n  size: 64\n  seed: 3\n  noise: 0.1\n  through: memory\n"
    "curate:\n  slices: 3\nsplit:\n  unit: case\n  seed: 1\nintensity:\n  clip_percentiles: [1, 99]\n",
    "source:\n  kind: image_pairs\n  images: a\n  labels: b\n  case_pattern: (?P<case>.+)_s\n  case_ids: keep\n"
    "  mask:\n    kind: colour\n    colours:\n      background: [0, 0, 0]\n      scar: [255, 0, 0]\n",
    "source:\n  kind: dicom\n  series_pattern: lge\n  series: [1.2.3]\n  window: true\n  masks: m\n"
    "  mask:\n    kind: seg\n    segments:\n      LV: cavity\n",
]
PROFILE = "training:\n  max_epochs: 1\n  batch_size: 2\n  learning_rate: 0.001\n  image_size: 64\n  width: 0.1\n"
KEYS = [
    "training.max_epochs", "training.learning_rate", "training.encoder_weights", "training.width",
    "training.image_size",
    "training.batch_size", "training.patience", "grid.model", "grid.seed", "split.fractions", "split.counts",
    "curate.slices",
    "intensity.clip_percentiles", "source.case_pattern", "source.mask", "metrics.bf_tolerance", "selection.rule",
    "selection.emphasis", "selection.tie_margin", "nowhere", "a.b.c.d", "source", "",
]  # fmt: skip
OPTIONS = [
    ["phase1", "--stage"], ["phase1", "--workers"], ["phase1", "--profile"], ["phase2",
    "--models"],
    ["phase2", "--seeds"], ["search", "--trials"], ["status", "--runs"], ["score", "docs/paper/table4_phase1.csv",
    "--rule"],
    ["score"], ["table"], ["select"], ["select", "x", "--override"], ["compare", "x"], ["data", "describe", "--data"],
    ["data", "describe", "--root"], ["data", "convert"], ["predict", "nowhere", "out", "--model"], ["predict"],
    ["predict", "nowhere", "out", "--series-pattern"], ["predict", "nowhere", "out", "--format"], ["phase4",
    "--set"], [],
]  # fmt: skip


def settings(random: Random, folder: Path) -> Arguments:
    """YAML files, --set and option values."""
    nowhere = ["--data", "emidec_png", "--root", str(folder / "nowhere"), "--runs", str(folder / "runs")]
    word = random.choice(WORDS)
    kind = random.randrange(6)
    if kind == 0:
        return ["phase1", "--profile", "smoke", *nowhere, "--set", f"{random.choice(KEYS)}={word}"]
    if kind == 1:
        return ["phase1", "--profile", "smoke", *nowhere, "--set", word]
    if kind == 2:
        value = random.choice([*WORDS, "300000", "-5", "99999999999999999999"])
        option = random.choice(OPTIONS)
        return [*option, value, *(nowhere if option[:1] in (["phase1"], ["phase2"], ["search"], ["phase4"]) else [])]
    profile = kind == 3
    text = PROFILE if profile else random.choice(DATA_FILES)
    if kind == 5:
        content = mutated(random, text.encode())
    else:
        lines = text.splitlines()
        at = random.randrange(len(lines))
        key, _, _ = lines[at].partition(": ")
        lines[at] = random.choice(
            [f"{key}: {word}", f"{lines[at]}\n{lines[at]}", f"{key[: len(key) - 1]}{word}: 1", word]
        )
        content = "\n".join(lines).encode("utf-8", "surrogatepass")
    (folder / "file.yaml").write_bytes(content)
    if profile:
        return ["phase1", "--profile", str(folder / "file.yaml"), *nowhere]
    return ["data", "describe", "--data", str(folder / "file.yaml"), "--root", str(folder)]


# ------------------------------------------------------------------------------------------------------------- images


def images(random: Random, folder: Path) -> Arguments:
    """Image pairs with a broken image."""
    break_picture(random, write_pairs(folder, random.choice([".png", ".bmp", ".tif"])) / "images")
    return describe(folder, PAIRS, random)


def write_pairs(folder: Path, suffix: str = ".png", name: str = "p1") -> Path:
    """Write two slices with their masks."""
    grey, labels = heart()
    for inner, array in (("images", grey.astype(np.uint8)), ("labels", labels)):
        (folder / "in" / inner).mkdir(parents=True)
        for k in range(2):
            (folder / "in" / inner / f"{name}_slice{k}{suffix}").write_bytes(picture(array[k], suffix))
    return folder / "in"


def break_picture(random: Random, folder: Path) -> None:
    (path,) = folder.glob("*_slice1.*")
    suffix = path.suffix
    match random.randrange(6):
        case 0:
            special(random, path)
        case 1:
            path.write_bytes(random.choice(STRANGE_PICTURES)(random))
        case 2:
            path.write_bytes(picture_of_size(random, path.read_bytes(), suffix))
        case 3:
            path.with_suffix(".tif").write_bytes(b"") if suffix != ".tif" else path.write_bytes(b"")
        case _:
            path.write_bytes(mutated(random, path.read_bytes(), random.choice([60, None])))


def picture_of_size(random: Random, content: bytes, suffix: str) -> bytes:
    """Let a header claim another size."""
    sizes = [random.choice([0, 1, 4097, 10_000, 65_535, 2**31 - 1, 2**32 - 1]) for _ in range(2)]
    data = bytearray(content)
    if suffix == ".png":
        data[16:24] = struct.pack(">II", *sizes)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif suffix == ".bmp":
        data[18:26] = struct.pack("<II", *sizes)
    else:
        first = struct.unpack("<I", data[4:8])[0] + 2
        for k, size in enumerate(sizes):  # width and height are the first two tags
            data[first + 12 * k + 8 : first + 12 * k + 12] = struct.pack("<I", size)
    return bytes(data)


def other_format(random: Random) -> bytes:
    buffer = io.BytesIO()
    kind = random.choice(["GIF", "JPEG", "ICO", "PPM", "WEBP", "TGA", "PCX", "SGI", "PDF"])
    Image.fromarray(heart()[0][0].astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def pages(random: Random) -> bytes:
    buffer, one = io.BytesIO(), Image.new("L", (20, 24))
    one.save(buffer, "TIFF", save_all=True, append_images=[one] * random.choice([1, 50]))
    return buffer.getvalue()


def floats(random: Random) -> bytes:
    array = heart()[0][0].astype(np.float32)
    array[random.randrange(24), random.randrange(20)] = random.choice(NUMBERS)
    return picture(array * np.float32(random.choice([1, 1e-44, 1e30])), ".tif")


def modes(random: Random) -> bytes:
    buffer = io.BytesIO()
    mode = random.choice(["1", "P", "LA", "RGBA", "RGB", "CMYK", "I;16", "I", "F", "LAB"])
    Image.new(mode, (20, 24)).save(buffer, "TIFF")
    return buffer.getvalue()


def postscript(random: Random) -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 20\n%%EndComments\nshowpage\n%%EOF\n"


STRANGE_PICTURES: list[Callable[[Random], bytes]] = [
    other_format, pages, floats, modes, postscript, lambda random: random.randbytes(200),
]  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- DICOM

FIELDS: dict[str, list[Any]] = {
    "NumberOfFrames": ["1000000000", "0", "-3", "4", "1e5", "x"],
    "Rows": [0, 1, 65_535], "Columns": [0, 1, 65_535], "BitsAllocated": [0, 1, 8, 32, 64, 7], "BitsStored": [0, 1, 17],
    "HighBit": [0, 99], "PixelRepresentation": [1, 7], "SamplesPerPixel": [0, 3, 65_535],
    "PhotometricInterpretation": ["RGB", "YBR_FULL", "MONOCHROME1", "PALETTE COLOR", "x" * 100, ""],
    "PixelSpacing": [["0", "0"], ["-1", "1"], ["1e30", "1"], ["nan", "nan"], ["1"], ["1e-30", "1e-30"], ["inf", "1"]],
    "SliceThickness": ["-8", "0", "1e300", "nan", "x"], "SpacingBetweenSlices": ["-8", "1e300", "nan", "1e-300"],
    "ImagePositionPatient": [["0", "0", "7.6e299"], ["1e308"] * 3, ["nan"] * 3, ["1"], ["0", "0", "-9999"], []],
    "ImageOrientationPatient": [["0"] * 6, ["1e300"] * 6, ["1", "0", "0"], ["nan"] * 6, ["1", "0", "0", "1", "0", "0"]],
    "RescaleSlope": ["0", "inf", "nan", "1e300", "1e-300", "-1"], "RescaleIntercept": ["inf", "nan", "1e300", "-1e308"],
    "WindowWidth": ["0", "-1", "1e-300", "nan"], "SeriesDescription": ["", "LGE" * 9000, "\x1b[31m", "[/nope]",
    "LGE \udcff"],
    "SOPClassUID": ["", "1.2.3", "1.2.840.10008.5.1.4.1.1.66.4"], "SeriesInstanceUID": ["", "x" * 300, "1"],
    "StudyInstanceUID": ["", "9"], "PatientID": ["", "x" * 9000, "ä"], "SpecificCharacterSet": ["ISO 2022 IR 87",
    "nonsense"],
    "TriggerTime": ["nan", "x"],
}  # fmt: skip
SYNTAXES = ["RLELossless", "JPEG2000Lossless", "JPEGLSLossless", "JPEGLosslessProcess14_1"]


def dicoms(random: Random, folder: Path) -> Arguments:
    """DICOM exams with a broken file."""
    case = write_dicom(folder)
    path = case / "IM1.dcm"
    kind = random.randrange(10)
    if kind < 3:
        path.write_bytes(with_field(random, dicom()[1]))
    elif kind == 3:
        shutil.rmtree(case)
        case.mkdir()
        path.write_bytes(with_field(random, multi()))
    elif kind == 4:
        path.write_bytes(mutated(random, path.read_bytes(), random.choice([400, None])))
    elif kind == 5:
        path.write_bytes(broken_code(random, folder))
    elif kind == 6:
        path.write_bytes(random.choice(STRANGE_DICOM)(random))
    elif kind == 7:
        special(random, path)
    else:
        path.write_bytes(with_field(random, dicom()[1], many=3))
    if random.random() < 0.4:
        (case / "SEG.dcm").write_bytes(stored(seg()))
        return describe(folder, DICOM, random)
    return predict(folder)


def write_dicom(folder: Path, name: str = "exam", suffix: str = ".dcm") -> Path:
    """Write the files of a study."""
    case = folder / "in" / name
    case.mkdir(parents=True)
    for k, dataset in enumerate(dicom()):
        (case / f"IM{k}{suffix}").write_bytes(stored(dataset))
    return case


def with_field(random: Random, dataset: Dataset, many: int = 1) -> bytes:
    changed = pydicom.dcmread(io.BytesIO(stored(dataset)))
    for _ in range(many):
        keyword = random.choice(list(FIELDS))
        value = random.choice(FIELDS[keyword])
        for item in [item for item in everything_in(changed) if keyword in item] or [changed]:
            item[keyword] = raw_element(keyword, value)
    return stored(changed)


def raw_element(keyword: str, value: Any) -> RawDataElement:
    """Return an element that is written as it is, whatever its rules are."""
    tag = Tag(keyword)
    kind = dictionary_VR(tag)
    if kind == "US":
        content = struct.pack("<H", value)
    else:
        text = "\\".join(value) if isinstance(value, list) else str(value)
        content = text.encode("utf-8", "surrogateescape")
        content += b" " * (len(content) % 2)
    return RawDataElement(tag, kind, len(content), content, 0, False, True)


def everything_in(dataset: Dataset) -> list[Dataset]:
    inner = [item for element in dataset if element.VR == "SQ" for item in element.value]
    return [dataset, *(deeper for item in inner for deeper in everything_in(item))]


def broken_code(random: Random, folder: Path) -> bytes:
    """Return a slice of which the compressed stream is broken."""
    changed = pydicom.dcmread(io.BytesIO(coded(random.choice(SYNTAXES), folder)))
    whole = bytes(get_frame(changed.PixelData, 0, number_of_frames=1))
    frame = bytearray(mutated(random, whole, random.choice([80, None])).ljust(100, b"\0"))
    for _ in range(random.randrange(5)):
        frame[random.randrange(100)] = random.randrange(256)
    changed.PixelData = encapsulate([bytes(frame)])
    if random.random() < 0.2:
        changed.Rows = changed.Columns = random.choice([1, 4096, 65_535])
    return stored(changed)


def nested(random: Random) -> bytes:
    """Return sequences in sequences, of undefined length."""
    depth = random.choice([50, 2000, 20_000])
    begin = (
        b"\x40\x00\x70\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"  # ConceptNameCodeSequence, an item
    )
    content = stored(dicom()[1])
    at = content.find(b"\xe0\x7f\x10\x00")
    return content[:at] + begin * depth + content[at:]


def deflated(random: Random) -> bytes:
    if random.random() < 0.5:
        return deflated_bomb(random.choice([64, 1200]))
    changed = pydicom.dcmread(io.BytesIO(stored(dicom()[1])))
    changed.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return mutated(random, stored(changed))


@cache
def deflated_bomb(mebibytes: int) -> bytes:
    """Return a file whose deflated part becomes so many MiB of zeros."""
    changed = pydicom.dcmread(io.BytesIO(stored(dicom()[1])))
    changed.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    content = stored(changed)
    start = 144 + struct.unpack("<I", content[140:144])[0]  # after the file meta information, whose length is there
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return content[:start] + block * mebibytes + packer.flush()


STRANGE_DICOM: list[Callable[[Random], bytes]] = [
    nested, deflated, lambda random: random.randbytes(1000), lambda random: b"\0" * 128 + b"DICM",
    lambda random: stored(classic(np.zeros((4, 4), np.uint16))),
]  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- NIfTI

PLACES = [("h", 40 + 2 * k) for k in range(8)] + [("h", 70), ("h", 72), ("h", 252), ("h", 254), ("i", 0), ("B", 123)]
PLACES += [("f", at) for at in (*range(76, 124, 4), *range(256, 328, 4))]
"""Kind and place of NIfTI-1's fields of numbers."""
TYPES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304, 3, -1]
"""Codes of data types, those of complex numbers and colours among them."""


def niftis(random: Random, folder: Path) -> Arguments:
    """NIfTI exams with a broken image."""
    return nifti_case(random, folder, "Images")


def nifti_case(random: Random, folder: Path, broken: str) -> Arguments:
    packed = random.random() < 0.5
    path = write_nifti(folder, packed) / broken / f"x.nii{'.gz' * packed}"
    match random.randrange(8):
        case 0:
            special(random, path)
        case 1:
            path.write_bytes(pack(nifti_bomb(random), packed))
        case 2:
            kind = random.choice([">i2", "<f4", "<f8", "u1", "<i8", "<c8"])
            path.write_bytes(pack(nifti_fields(random, nifti(kind, broken != "Images"), 1), packed))
        case 3:
            content = nifti("<i2", broken != "Images", two=True)
            path.write_bytes(pack(mutated(random, content, random.choice([540, None])), packed))
        case 4:
            path.write_bytes(mutated(random, path.read_bytes(), random.choice([400, None])))
        case _:
            content = nifti("<i2", broken != "Images")
            path.write_bytes(pack(nifti_fields(random, content, random.choice([1, 1, 3])), packed))
    return describe(folder, NIFTI, random) if broken != "Images" or random.random() < 0.5 else predict(folder)


def write_nifti(folder: Path, packed: bool = False, name: str = "case", file: str = "x") -> Path:
    """Write a case's image and its mask."""
    for inner in ("Images", "Contours"):
        (folder / "in" / name / inner).mkdir(parents=True)
        path = folder / "in" / name / inner / f"{file}.nii{'.gz' * packed}"
        path.write_bytes(pack(nifti("<i2", inner == "Contours"), packed))
    return folder / "in" / name


def pack(content: bytes, packed: bool) -> bytes:
    return gzip.compress(content, 1) if packed else content


def nifti_fields(random: Random, content: bytes, many: int) -> bytes:
    data = bytearray(content)
    for _ in range(many):
        kind, at = random.choice(PLACES)
        value = random.choice(NUMBERS if kind == "f" else TYPES if at == 70 else INTEGERS)
        struct.pack_into("<" + kind, data, at, abs(int(value)) % 256 if kind == "B" else value)
    return bytes(data)


def nifti_bomb(random: Random) -> bytes:
    """Return a header that promises much, before much of nothing."""
    data = bytearray(nifti("<i2"))
    struct.pack_into("<8h", data, 40, 3, *(random.choice([30_000, 4096, 512, 300]) for _ in range(3)), 1, 1, 1, 1)
    if random.random() < 0.3:
        struct.pack_into("<f", data, 108, random.choice([1e6, 1e9, 3e38]))
    return bytes(data) + bytes(random.choice([0, 40 << 20]))


# -------------------------------------------------------------------------------------------------------------- masks


def masks(random: Random, folder: Path) -> Arguments:
    """Masks of each kind, broken."""
    match random.randrange(3):
        case 0:
            break_picture(random, write_pairs(folder) / "labels")
            return describe(folder, PAIRS, random)
        case 1:
            return nifti_case(random, folder, "Contours")
    path = write_dicom(folder) / "SEG.dcm"
    match random.randrange(4):
        case 0:
            path.write_bytes(with_field(random, seg()))
        case 1:
            special(random, path)
        case _:
            path.write_bytes(mutated(random, stored(seg()), random.choice([3000, None])))
    return describe(folder, DICOM, random)


# ------------------------------------------------------------------------------------------------------- model folders

ABOUT = ["format", "size", "intensity", "options", "window", "facts", "files", "more"]
VALUES: list[Any] = [
    None, -1, 0, 31, 33, 2048, 10**400, 1e300, float("nan"), "", "x" * 5000, [], {}, [[]], {"clip_percentiles": [99,
    1]},
    {"clip_percentiles": [float("nan"), 1]}, {"crop_margin": -1}, {"crop_margin_mm": float("inf")}, {"a": 1}, True,
    {"stage1.onnx": "0" * 64}, {"crop_margin": 8, "rotations": True}, {"x" * 5000: 1}, {f"k{k}": k for k in range(500)},
]  # fmt: skip


def models(random: Random, folder: Path) -> Arguments:
    """Folders of segmenters: settings and networks whose digests fit."""
    write_exam(folder)
    stage = random.choice([1, 2])
    kind = random.randrange(6)
    if kind == 0:
        return predict(folder, write_model(folder / "model", **{random.choice(ABOUT): random.choice(VALUES)}))
    if kind == 1:
        model = write_model(folder / "model")
        path = model / random.choice(["settings.json", "stage1.onnx"])
        if random.random() < 0.5:
            special(random, path)
        else:
            path.write_bytes(mutated(random, path.read_bytes()))
        return predict(folder, model)
    content = network(stage)
    content = mutated(random, content) if kind < 4 else random.choice(STRANGE_NETWORKS)(stage)
    return predict(folder, write_model(folder / "model", {f"stage{stage}.onnx": content}))


def write_exam(folder: Path, name: str = "a") -> Path:
    """Write an exam without labels."""
    (folder / "in").mkdir()
    (folder / "in" / f"{name}.nii").write_bytes(nifti("<i2"))
    return folder


def ends(
    *nodes: onnx.NodeProto, shape: Shape | None = None, constants: Sequence[onnx.TensorProto] = ()
) -> Callable[[int], Output]:
    return lambda stage: (list(nodes), shape or ["b", stage + 1, SIZE, SIZE], list(constants))


def constant(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def repeated(stage: int) -> Output:
    """Return nodes that make an output of terabytes of a small input."""
    node = helper.make_node("Tile", ["near", "times"], ["p"])
    return [node], ["b", "c", "h", "w"], [constant("times", 1, 1, 30_000, 30_000)]


def not_a_number(stage: int) -> Output:
    nodes = [helper.make_node("Sqrt", ["near"], ["p"])]
    return nodes, ["b", stage + 1, SIZE, SIZE], []


STRANGE_NETWORKS: list[Callable[[int], bytes]] = [
    lambda stage: b"",
    lambda stage: network(3 - stage),
    lambda stage: network(stage, inputs=0),
    lambda stage: network(stage, inputs=2),
    lambda stage: network(stage, repeated(stage)),
    lambda stage: network(stage, not_a_number(stage)),
    lambda stage: network(
        stage, ends(helper.make_node("Cast", ["near"], ["p"], to=TensorProto.DOUBLE))(stage), TensorProto.DOUBLE
    ),
    lambda stage: network(
        stage, ends(helper.make_node("Cast", ["near"], ["p"], to=TensorProto.STRING))(stage), TensorProto.STRING
    ),
    lambda stage: network(stage, ends(helper.make_node("Shape", ["near"], ["p"]), shape=[4])(stage), TensorProto.INT64),
    lambda stage: network(
        stage,
        ends(helper.make_node("Reshape", ["near", "to"], ["p"]), shape=["n"], constants=[constant("to", -1)])(stage),
    ),
    lambda stage: network(stage, ends(helper.make_node("NoSuchNode", ["near"], ["p"]))(stage)),
    lambda stage: network(stage, ends(helper.make_node("Identity", ["nowhere"], ["p"]))(stage)),
]

# ------------------------------------------------------------------------------------------------------------- tables

COLUMNS = "model,accuracy,mean_accuracy,dice,iou,f1,bf,sensitivity,specificity"
TABLE = "\n".join([COLUMNS, *(f"net{k},{','.join(f'.{k}{c}' for c in range(1, 9))}" for k in range(1, 5))]) + "\n"


def scores(random: Random, folder: Path) -> Arguments:
    """Tables of scores."""
    rows = [row.split(",") for row in TABLE.splitlines()]
    word = random.choice([*WORDS, "-", "1e400", "-0", "1,2", "\n", '"a', "inf", "0,5"])
    match random.randrange(5):
        case 0:
            rows[random.randrange(len(rows))][random.randrange(len(rows[0]))] = word
        case 1:
            rows[0][random.randrange(len(rows[0]))] = random.choice(rows[0])
        case 2:
            rows[random.randrange(len(rows))] = [word] * random.choice([0, 1, 400])
        case 3:
            rows = rows[: random.randrange(len(rows))]
        case _:
            rows[1][0] = word
            rows[2][0] = word
    content = "\n".join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")
    (folder / "table.csv").write_bytes(mutated(random, content) if random.random() < 0.3 else content)
    if random.random() < 0.1:
        special(random, folder / "table.csv")
    return ["score", str(folder / "table.csv"), "--rule", random.choice(["mean", "weighted"])]


# -------------------------------------------------------------------------------------------------------------- names

NAMES = [b"caf\xe9", b"\xff\xfe", b"[red]", b"[bold", b"a\nb", b"\x1b[2J", b"=1+1", b"-x", b"--help", b" ",
    b"a" * 200,
         "ä\u202e".encode(), b"%s%n", b"a'b\"c", b"*?", b"NA", b"..a", b"a:b", b"q?x=1", b"p%20q", b"~",
         b"$HOME"]  # fmt: skip


def names(random: Random, folder: Path) -> Arguments:
    """Sound inputs under odd names."""
    name = os.fsdecode(random.choice(NAMES))
    match random.randrange(6):
        case 0:
            write_dicom(folder, name, name[:20])
            return predict(folder)
        case 1:
            write_exam(folder, name)
            return [*predict(folder), "--case-ids", random.choice(["hash", "keep"])]
        case 2:
            write_pairs(folder, name=name)
            return describe(folder, PAIRS[:-1] + ", case_ids: keep}", random)
        case 3:
            write_nifti(folder, name=name, file=name[:40])
            return describe(folder, NIFTI[:-1] + ", case_ids: keep}", random)
        case 4:
            (folder / f"{name}.csv").write_text(TABLE)
            return ["score", str(folder / f"{name}.csv")]
    (folder / name).mkdir()
    return random.choice([["status", "--runs", str(folder / name)], ["table", name, "--runs", str(folder / name)],
                          ["predict", str(folder / name), str(folder / "out"), "--model", str(folder / name)],
                          ["data", "describe", "--data", name, "--root", str(folder / name)]])  # fmt: skip


# ----------------------------------------------------------------------------------------------------- runs directories

RECORDS = ["plan.json", "selection.json", "sweep.yaml", "manifest.csv", "ranking.csv", "outcome.json", "per_image.csv",
           "best.pt", "history.csv", "predictions.npz", "study.log", "mlflow.db", "images.npy",
           "loss_curve.png"]  # fmt: skip


def runs(finished: Path) -> Generator:
    """Return the generator of finished runs directories with a garbled record."""

    def generate(random: Random, folder: Path) -> Arguments:
        copy = folder / "runs"
        shutil.copytree(finished, copy)
        name = random.choice(RECORDS)
        path = random.choice(sorted(copy.rglob(name)))
        garble(random, path)
        (sweep,) = sorted(path.name for path in copy.glob("phase1*"))
        cells = sorted(path.name for path in copy.glob("phase1*/cells/*"))
        command = random.choice(
            [["status"], ["table", sweep], ["compare", f"{sweep}/{cells[0]}", cells[1]], ["status"], ["table", sweep]]
            + [["select", sweep]] * (random.random() < 0.3 or name in {"best.pt", "mlflow.db"})
        )
        return [*command, "--runs", str(copy)]

    return generate


def garble(random: Random, path: Path) -> None:
    content = path.read_bytes()
    match random.randrange(6):
        case 0:
            path.unlink()
        case 1:
            special(random, path)
        case 2:
            path.write_bytes(
                random.choice([b"", b"{}", b"[]", b"null", b"\0" * 100, b"text\n", b"\xff\xfe\xfd", b"NaN"])
            )
        case 3 if path.suffix in {".json", ".log"}:
            lines = content.decode().splitlines()
            at = random.randrange(len(lines))
            lines[at] = lines[at].replace(random.choice(['"', ":", "{", "1", "0.", ","]), random.choice(WORDS[:40]), 1)
            path.write_text("\n".join(lines), encoding="utf-8", errors="surrogateescape")
        case _:
            path.write_bytes(mutated(random, content))


def write_table(folder: Path) -> None:
    (folder / "table.csv").write_text(TABLE)


SOUND: list[tuple[str, Callable[[Path], object], Callable[[Path], Arguments]]] = [
    ("pairs", write_pairs, lambda folder: describe(folder, PAIRS)),
    ("nifti", write_nifti, lambda folder: describe(folder, NIFTI)),
    ("dicom", lambda folder: (write_dicom(folder) / "SEG.dcm").write_bytes(stored(seg())),
     lambda folder: describe(folder, DICOM)),
    ("dicom-predict", write_dicom, predict),
    ("nifti-predict", write_exam, predict),
    ("table", write_table, lambda folder: ["score", str(folder / "table.csv")]),
]  # fmt: skip
"""What is broken by the generators, as it is: name, what writes it, the command that reads it."""
