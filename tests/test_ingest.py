"""Image pairs on disk become volumes; whatever is wrong with a folder comes in one report."""

import os
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from refused import findings, the_finding

from lge_sweep.config.data import DataFile, ImagePairs, Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.config.masks import IndexMask
from lge_sweep.curate import curate
from lge_sweep.errors import DataError
from lge_sweep.ingest import Exam, Volume, read
from lge_sweep.ingest.duplicates import flag_duplicate_slices
from lge_sweep.ingest.pseudonym import pseudonym
from lge_sweep.ingest.volume import slice_ids
from lge_sweep.labels import Label
from lge_sweep.paths import DATA_VARIABLE
from lge_sweep.split import split_cases

Array = NDArray[np.number | np.bool_]
EMIDEC = Path(__file__).parent.parent / "sweeps" / "data" / "emidec_png.yaml"
COLOURS: dict[str, tuple[int, int, int]] = {
    "background": (0, 0, 0),
    "cavity": (255, 255, 0),
    "myocardium": (0, 255, 0),
    "scar": (255, 0, 0),
}

INDEX = ImagePairs(
    kind="image_pairs",
    case_ids="keep",
    mask=IndexMask(values={0: "background", 1: "cavity", 2: "myocardium", 3: "scar", 4: "scar"}),
)
COLOUR = ImagePairs.model_validate(
    {"kind": "image_pairs", "case_ids": "keep", "mask": {"kind": "colour", "colours": COLOURS}}
)


def grey(seed: int = 0, shape: tuple[int, int] = (6, 8)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def classes(shape: tuple[int, int] = (6, 8)) -> NDArray[np.uint8]:
    return (np.arange(shape[0] * shape[1]) % 4).astype(np.uint8).reshape(shape)


def save(array: Array, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def pair(root: Path, name: str, image: Array | None = None, mask: Array | None = None, suffix: str = "png") -> Path:
    """Save an image, and a mask of the same name as PNG; return the image's path."""
    save(classes() if mask is None else mask, root / "labels" / f"{name}.png")
    return save(grey() if image is None else image, root / "images" / f"{name}.{suffix}")


# ------------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("suffix", "dtype", "top"),
    [
        ("png", np.uint8, 255),
        ("bmp", np.uint8, 255),
        ("png", np.uint16, 65535),
        ("tif", np.uint16, 65535),
        ("tiff", np.float32, 1.5),
    ],
)
def test_grey_levels_are_as_in_the_file(tmp_path: Path, suffix: str, dtype: type[np.number], top: float) -> None:
    image = np.linspace(0, top, 48).astype(dtype).reshape(6, 8)
    pair(tmp_path, "p1_slice0", image, suffix=suffix)
    (volume,) = read(INDEX, tmp_path)
    assert volume.pixels.dtype == dtype
    assert np.array_equal(volume.pixels[0], image)
    assert volume.spacing_mm is None


def test_32_bit_integers_become_floats(tmp_path: Path) -> None:
    image = (np.arange(48, dtype=np.int32) * 5000 - 100_000).reshape(6, 8)
    pair(tmp_path, "p1_slice0", image, suffix="tif")
    (volume,) = read(INDEX, tmp_path)
    assert volume.pixels.dtype == np.float32
    assert np.array_equal(volume.pixels[0], image)


@pytest.mark.parametrize("suffix", ["PNG", "Tiff"])
def test_file_endings_in_capitals_are_read(tmp_path: Path, suffix: str) -> None:
    pair(tmp_path, "p1_slice0", suffix=suffix)
    assert len(read(INDEX, tmp_path)) == 1


def test_grey_saved_with_colour_channels_or_alpha_is_grey(tmp_path: Path) -> None:
    image, opaque = grey(), np.full((6, 8), 255, dtype=np.uint8)
    pair(tmp_path, "p1_slice0", np.dstack([image] * 3))
    pair(tmp_path, "p1_slice1", np.dstack([image] * 3 + [opaque]))
    pair(tmp_path, "p1_slice2", np.dstack([image, opaque]))
    (volume,) = read(INDEX, tmp_path)
    assert np.array_equal(volume.pixels, np.stack([image] * 3))


def test_index_mask_values_become_classes_and_two_values_may_be_one_class(tmp_path: Path) -> None:
    mask = classes()
    mask[0, :4] = 4
    pair(tmp_path, "p1_slice0", mask=mask)
    (volume,) = read(INDEX, tmp_path)
    assert volume.labels.dtype == np.uint8
    assert volume.labels[0, 0].tolist() == [Label.SCAR] * 4 + [0, 1, 2, 3]
    assert np.array_equal(volume.labels[0, 1:], classes()[1:])


def test_a_palette_mask_is_read_by_its_indices(tmp_path: Path) -> None:
    path = pair(tmp_path, "p1_slice0")
    palette = Image.fromarray(classes())
    palette.putpalette([9, 9, 9, 255, 255, 0, 0, 255, 0, 255, 0, 0])
    palette.save(tmp_path / "labels" / path.name)
    assert np.array_equal(read(INDEX, tmp_path)[0].labels[0], classes())


def test_colours_become_classes(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0", mask=np.array(list(COLOURS.values()), dtype=np.uint8)[classes()])
    pair(tmp_path, "p1_slice1", mask=np.full((6, 8, 3), (255, 255, 0), dtype=np.uint8))
    (volume,) = read(COLOUR, tmp_path)
    assert np.array_equal(volume.labels[0], classes())
    assert (volume.labels[1] == Label.CAVITY).all()


# --------------------------------------------------------------------------------------------------- cases and slices


def test_slices_are_ordered_by_number_and_cases_by_id(tmp_path: Path) -> None:
    for k, name in enumerate(["b_slice10", "b_slice2", "a_slice1", "b_slice1"]):
        pair(tmp_path, name, grey(k))
    a, b = read(INDEX, tmp_path)
    assert (a.case, a.slices) == ("a", ("a_slice1",))
    assert (b.case, b.slices) == ("b", ("b_slice1", "b_slice2", "b_slice10"))
    assert np.array_equal(b.pixels, np.stack([grey(3), grey(1), grey(0)]))


def test_the_pattern_tells_the_case_and_without_a_slice_group_names_tell_the_order(tmp_path: Path) -> None:
    source = INDEX.model_copy(update={"case_pattern": r"pat(?P<case>\d+)"})
    for name in ("x_pat7_b", "x_pat7_a", "y_pat12_a"):
        pair(tmp_path, name)
    volumes = read(source, tmp_path)
    assert [(v.case, v.slices) for v in volumes] == [("12", ("y_pat12_a",)), ("7", ("x_pat7_a", "x_pat7_b"))]


def test_other_files_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    image = pair(tmp_path, "p1_slice0")
    (image.parent / "._p1_slice0.png").write_bytes(b"resource fork")
    (image.parent / "notes.txt").write_text("not an image")
    assert read(INDEX, tmp_path)[0].slices == ("p1_slice0",)


def test_folder_names_are_settings(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0")
    (tmp_path / "images").rename(tmp_path / "lge")
    (tmp_path / "labels").rename(tmp_path / "truth")
    volumes = read(INDEX.model_copy(update={"images": "lge", "labels": "truth"}), tmp_path)
    assert [v.case for v in volumes] == ["p1"]


# ----------------------------------------------------------------------------------------------------------- bad input


def test_both_missing_folders_are_named(tmp_path: Path) -> None:
    assert findings(INDEX, tmp_path) == [
        f"{tmp_path / name}: no such folder; put files there, or say in source.{name} where they are"
        for name in ("images", "labels")
    ]


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    image = pair(tmp_path, "p1_slice0")
    image.unlink()
    assert (
        the_finding(INDEX, tmp_path) == f"{tmp_path / 'images'}: holds no image (looked for .png, .bmp, .tif, .tiff); "
        "put them there, or say in source.images where they are"
    )


def test_image_without_mask_and_mask_without_image(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0")
    save(grey(), tmp_path / "images" / "p1_slice1.png")
    save(classes(), tmp_path / "labels" / "p1_slice2.png")
    assert findings(INDEX, tmp_path) == [
        "p1_slice1.png: has no mask in labels/; give it one of the same name, or move it elsewhere",
        "p1_slice2.png: has no image in images/; give it one of the same name, or move it elsewhere",
    ]


def test_two_files_of_one_name_do_not_hide_a_missing_mask(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0")
    save(grey(), tmp_path / "images" / "p1_slice0.bmp")
    save(grey(), tmp_path / "images" / "p1_slice1.png")
    assert findings(INDEX, tmp_path) == [
        "p1_slice0.png: p1_slice0.bmp has the same name; keep one of them",
        "p1_slice1.png: has no mask in labels/; give it one of the same name, or move it elsewhere",
    ]


def test_image_and_mask_of_different_size(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0", mask=classes((6, 7)))
    assert (
        the_finding(INDEX, tmp_path)
        == "p1_slice0.png: image is 6x8, its mask 6x7; they must be equal; save the mask anew in the image's size"
    )


def test_slices_of_different_size_in_a_case(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0")
    pair(tmp_path, "p1_slice1", grey(shape=(8, 6)), classes((8, 6)))
    pair(tmp_path, "p2_slice0", grey(shape=(9, 9)), classes((9, 9)))
    assert (
        the_finding(INDEX, tmp_path)
        == "case p1: its slices differ in size (6x8, 8x6); one exam has one size; save them anew in one, "
        "or name them as cases of their own"
    )


def test_value_not_in_the_mapping(tmp_path: Path) -> None:
    mask = classes()
    mask[0, :3] = 9
    pair(tmp_path, "p1_slice0", mask=mask)
    assert the_finding(INDEX, tmp_path) == (
        "labels/p1_slice0.png: mask value 9 on 3 pixels is not in source.mask.values (known: 0, 1, 2, 3, 4); "
        "the mask is 8-bit grey (mode L, 6x8): list what it holds, or save it with the values known"
    )


def test_colour_not_in_the_mapping(tmp_path: Path) -> None:
    mask = np.zeros((6, 8, 3), dtype=np.uint8)
    mask[0, :2] = (254, 255, 0)
    pair(tmp_path, "p1_slice0", mask=mask)
    assert the_finding(COLOUR, tmp_path) == (
        "labels/p1_slice0.png: mask colour [254, 255, 0] on 2 pixels is not in source.mask.colours (known: background "
        "[0, 0, 0], cavity [255, 255, 0], myocardium [0, 255, 0], scar [255, 0, 0]); the mask is 8-bit colour (mode "
        "RGB, 6x8): list what it holds, or save it with the colours known"
    )


# Masks of a mode that the data file does not expect. Pillow writes (6, 8, 2) as LA and (6, 8, 4) as RGBA.

OPAQUE = np.full((6, 8), 255, dtype=np.uint8)
SEE_THROUGH = np.where(classes() == 0, 0, OPAQUE).astype(np.uint8)
RULE = "source.mask.kind is index, which reads one number a pixel as the class"


def painted() -> NDArray[np.uint8]:
    return np.array(list(COLOURS.values()), dtype=np.uint8)[classes()]


def of_mode(root: Path, mode: str, array: Array, suffix: str = "png") -> None:
    """Save a pair and check that its mask was written in that mode of Pillow."""
    save(grey(), root / "images" / "p1_slice0.png")
    path = save(array, root / "labels" / f"p1_slice0.{suffix}")
    with Image.open(path) as image:
        assert image.mode == mode


@pytest.mark.parametrize(
    ("mode", "mask", "suffix"),
    [
        ("LA", np.dstack([classes(), OPAQUE]), "png"),
        ("LA", np.dstack([classes(), OPAQUE]), "tif"),
        ("RGB", np.dstack([classes()] * 3), "png"),
        ("RGBA", np.dstack([classes()] * 3 + [OPAQUE]), "png"),
        ("I;16", classes().astype(np.uint16), "png"),
        ("I;16B", classes().astype(">u2"), "tif"),
        ("I", classes().astype(np.int32), "tif"),
        ("F", classes().astype(np.float32), "tif"),
    ],
)
def test_index_masks_of_any_mode_that_holds_one_number_a_pixel(
    tmp_path: Path, mode: str, mask: Array, suffix: str
) -> None:
    of_mode(tmp_path, mode, mask, suffix)
    assert np.array_equal(read(INDEX, tmp_path)[0].labels[0], classes())


def test_a_1_bit_mask_holds_0_and_1(tmp_path: Path) -> None:
    source = INDEX.model_copy(update={"mask": IndexMask(values={0: "background", 1: "cavity"})})
    of_mode(tmp_path, "1", classes() > 1)
    assert np.array_equal(read(source, tmp_path)[0].labels[0], classes() > 1)
    source = INDEX.model_copy(update={"mask": IndexMask(values={0: "background", 255: "cavity"})})
    assert the_finding(source, tmp_path) == (
        "labels/p1_slice0.png: mask value 1 on 24 pixels is not in source.mask.values (known: 0, 255); "
        "the mask is 1-bit grey (mode 1, 6x8): list what it holds, or save it with the values known"
    )


@pytest.mark.parametrize(
    ("mode", "mask", "what"),
    [
        ("RGB", painted(), "8-bit colour (mode RGB, 6x8)"),
        ("RGBA", np.dstack([painted(), SEE_THROUGH]), "8-bit colour with alpha (mode RGBA, 6x8)"),
    ],
)
def test_colour_mask_where_index_values_are_expected(tmp_path: Path, mode: str, mask: Array, what: str) -> None:
    of_mode(tmp_path, mode, mask)
    assert the_finding(INDEX, tmp_path) == (
        f"labels/p1_slice0.png: mask is in colour: {what}, but {RULE}; "
        "set kind: colour and give colours:, or save the class values as 8-bit grey"
    )


@pytest.mark.parametrize(
    ("mode", "mask", "what"),
    [
        ("LA", np.dstack([classes(), SEE_THROUGH]), "8-bit grey with alpha (mode LA, 6x8)"),
        ("RGBA", np.dstack([classes()] * 3 + [SEE_THROUGH]), "8-bit colour with alpha (mode RGBA, 6x8)"),
    ],
)
def test_index_mask_whose_alpha_says_something(tmp_path: Path, mode: str, mask: Array, what: str) -> None:
    of_mode(tmp_path, mode, mask)
    assert the_finding(INDEX, tmp_path) == (
        f"labels/p1_slice0.png: mask is {what} with 12 pixels that are not opaque, but {RULE}; "
        "save the class values as 8-bit grey, without alpha"
    )


def test_index_mask_of_16_bit_with_other_values(tmp_path: Path) -> None:
    of_mode(tmp_path, "I;16", classes().astype(np.uint16) * 21845)
    assert the_finding(INDEX, tmp_path) == (
        "labels/p1_slice0.png: mask value 21845 on 12 pixels (and 2 other values) is not in source.mask.values "
        "(known: 0, 1, 2, 3, 4); the mask is 16-bit grey (mode I;16, 6x8): list what it holds, or save it with the "
        "values known"
    )


def test_index_mask_of_numbers_that_are_not_whole(tmp_path: Path) -> None:
    mask = classes().astype(np.float32)
    mask[0, :3] = np.nan
    of_mode(tmp_path, "F", mask, "tif")
    assert the_finding(INDEX, tmp_path).startswith("labels/p1_slice0.tif: mask value nan on 3 pixels is not in")
    of_mode(tmp_path, "F", classes() / np.float32(2), "tif")
    assert the_finding(INDEX, tmp_path).startswith(
        "labels/p1_slice0.tif: mask value 0.5 on 12 pixels (and 1 other value) is"
    )


def test_index_mask_of_inks(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0")
    (tmp_path / "labels" / "p1_slice0.png").unlink()
    Image.fromarray(np.dstack([classes() * 0] * 3 + [classes()])).convert("CMYK").save(
        tmp_path / "labels" / "p1_slice0.tif"
    )
    assert the_finding(INDEX, tmp_path) == (
        f"labels/p1_slice0.tif: mask is neither grey nor RGB (mode CMYK, 6x8), but {RULE}; "
        "save the class values as 8-bit grey"
    )


@pytest.mark.parametrize("folder", ["images", "labels"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("source", [INDEX, COLOUR])
def test_16_bits_in_each_of_three_channels_are_not_cut_to_8(
    tmp_path: Path, folder: str, suffix: str, source: ImagePairs
) -> None:
    pair(tmp_path, "p1_slice0", mask=classes() if source is INDEX else painted())
    (tmp_path / folder / "p1_slice0.png").unlink()
    path = tmp_path / folder / f"p1_slice0.{suffix}"
    cv2.imwrite(
        str(path), np.dstack([classes().astype(np.uint16)] * 3)
    )  # Pillow reads this as zeros, but cannot write it
    assert the_finding(source, tmp_path) == (
        f"{'' if folder == 'images' else 'labels/'}p1_slice0.{suffix}: "
        "holds 16 bits in each of RGB, of which Pillow reads 8; save it as 16-bit grey, or as 8-bit RGB"
    )


@pytest.mark.parametrize(
    ("mode", "mask", "suffix", "what"),
    [
        ("1", classes() > 0, "png", "1-bit grey (mode 1, 6x8)"),
        ("L", classes(), "png", "8-bit grey (mode L, 6x8)"),
        ("LA", np.dstack([classes(), OPAQUE]), "png", "8-bit grey with alpha (mode LA, 6x8)"),
        ("I;16", classes().astype(np.uint16) * 0, "png", "16-bit grey (mode I;16, 6x8)"),
        ("I", classes().astype(np.int32), "tif", "32-bit integers (mode I, 6x8)"),
        ("F", classes().astype(np.float32), "tif", "floating-point numbers (mode F, 6x8)"),
    ],
)
def test_grey_mask_where_colours_are_expected(tmp_path: Path, mode: str, mask: Array, suffix: str, what: str) -> None:
    of_mode(tmp_path, mode, mask, suffix)
    assert the_finding(COLOUR, tmp_path) == (
        f"labels/p1_slice0.{suffix}: mask is {what}, but source.mask.kind is colour; "
        "set kind: index and give values:, or save it as RGB"
    )


def test_a_slice_of_background_alone_may_be_grey_among_colour_masks(tmp_path: Path) -> None:
    of_mode(tmp_path, "L", classes() * 0)  # as programs that shrink PNG files leave it
    assert not read(COLOUR, tmp_path)[0].labels.any()


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_colours_with_a_palette_or_alpha_are_read(tmp_path: Path, mode: str) -> None:
    pair(tmp_path, "p1_slice0")
    Image.fromarray(painted()).convert(mode).save(tmp_path / "labels" / "p1_slice0.png")
    assert np.array_equal(read(COLOUR, tmp_path)[0].labels[0], classes())


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
@pytest.mark.parametrize("kept", [0.0, 0.2, 0.5, 0.9])
def test_truncated_file(tmp_path: Path, suffix: str, kept: float) -> None:
    image = pair(tmp_path, "p1_slice0", grey(shape=(40, 40)), classes((40, 40)), suffix)
    data = image.read_bytes()
    image.write_bytes(data[: int(len(data) * kept)])
    assert re.match(rf"p1_slice0\.{suffix}: (broken image file|not an image file)", the_finding(INDEX, tmp_path))


def test_text_with_the_ending_of_an_image(tmp_path: Path) -> None:
    image = pair(tmp_path, "p1_slice0")
    image.write_text("not an image")
    assert (
        the_finding(INDEX, tmp_path) == "p1_slice0.png: not an image file that can be read; expected PNG, BMP or TIFF"
    )


def test_broken_header_that_claims_an_enormous_image(tmp_path: Path) -> None:
    image = pair(tmp_path, "p1_slice0", suffix="bmp")
    data = bytearray(image.read_bytes())
    data[18:26] = (60_000).to_bytes(4, "little") * 2  # width and height of a BMP
    image.write_bytes(data)
    assert the_finding(INDEX, tmp_path).startswith("p1_slice0.bmp: its image has more than 10^8 pixels")


def test_broken_mask_is_found_like_a_broken_image(tmp_path: Path) -> None:
    image = pair(tmp_path, "p1_slice0")
    (tmp_path / "labels" / image.name).write_bytes(b"")
    assert (
        the_finding(INDEX, tmp_path)
        == "labels/p1_slice0.png: not an image file that can be read; expected PNG, BMP or TIFF"
    )


@pytest.mark.parametrize("level", [0, 77])
def test_image_of_a_single_grey_level(tmp_path: Path, level: int) -> None:
    pair(tmp_path, "p1_slice0", np.full((6, 8), level, dtype=np.uint8))
    assert the_finding(INDEX, tmp_path) == (
        f"p1_slice0.png: every pixel has the same intensity, {level}; nothing can be seen"
    )


def test_pixels_that_are_not_finite(tmp_path: Path) -> None:
    image = grey().astype(np.float32)
    image[0, :2] = np.nan
    image[1, 0] = np.inf
    pair(tmp_path, "p1_slice0", image, suffix="tif")
    assert the_finding(INDEX, tmp_path).startswith("p1_slice0.tif: 3 pixels are not finite numbers (but NaN")


def test_colour_image_among_the_grey_ones(tmp_path: Path) -> None:
    pair(tmp_path, "p1_slice0", np.dstack([grey(1), grey(2), grey(3)]))
    assert the_finding(INDEX, tmp_path).startswith("p1_slice0.png: image is in colour")


def test_colour_image_saved_with_a_palette(tmp_path: Path) -> None:
    image = Image.fromarray(classes())
    image.putpalette([0, 0, 0, 255, 255, 0, 0, 255, 0, 255, 0, 0])
    image.save(pair(tmp_path, "p1_slice0"))
    assert the_finding(INDEX, tmp_path).startswith("p1_slice0.png: image is in colour")


def test_a_stack_in_one_file_is_not_cut_to_its_first_slice(tmp_path: Path) -> None:
    path = pair(tmp_path, "p1_slice0", suffix="tif")
    Image.fromarray(grey(1)).save(path, save_all=True, append_images=[Image.fromarray(grey(2))])
    assert the_finding(INDEX, tmp_path) == "p1_slice0.tif: holds 2 pages; each slice needs a file of its own"


def test_cases_of_image_pairs_are_hashed_unless_told_otherwise(tmp_path: Path) -> None:
    for name in ("Doe_slice1", "Doe_slice0", "Roe_slice0"):
        pair(tmp_path, name, grey(len(name)))
    kept = read(INDEX, tmp_path)
    hashed = read(ImagePairs(kind="image_pairs", mask=INDEX.mask), tmp_path)
    expected = {pseudonym(volume.case, b"test"): volume for volume in kept}
    assert [volume.case for volume in hashed] == sorted(expected)
    for volume in hashed:
        assert volume.slices == tuple(f"{volume.case}_slice{k:03d}" for k in range(len(volume.pixels)))
        assert np.array_equal(volume.pixels, expected[volume.case].pixels)
    assert "oe" not in repr([(volume.case, volume.slices) for volume in hashed])


@pytest.mark.parametrize("pattern", [INDEX.case_pattern, r"^(?P<case>P\d+|)"])
def test_name_that_does_not_tell_the_case(tmp_path: Path, pattern: str) -> None:
    pair(tmp_path, "scan17")
    source = INDEX.model_copy(update={"case_pattern": pattern})
    assert (
        the_finding(source, tmp_path)
        == f"scan17.png: the name does not match source.case_pattern {pattern}; rename it, or change the pattern"
    )


def test_everything_wrong_comes_in_one_report(tmp_path: Path) -> None:
    pair(tmp_path, "p0_slice0")
    pair(tmp_path, "p1_slice0", np.zeros((6, 8), dtype=np.uint8), np.full((6, 8), 9, dtype=np.uint8))
    pair(tmp_path, "p1_slice1", np.zeros((6, 8), dtype=np.uint8), classes((6, 7)))
    pair(tmp_path, "p2_slice0").write_bytes(b"")
    pair(tmp_path, "scan17").write_bytes(b"")
    pair(tmp_path, "p3_slice0")
    pair(tmp_path, "p3_slice1", grey(shape=(8, 6)), classes((8, 6)))
    save(grey(), tmp_path / "images" / "p4_slice0.png")
    save(classes(), tmp_path / "labels" / "p5_slice0.png")
    with pytest.raises(DataError) as caught:
        read(INDEX, tmp_path)
    report = str(caught.value)
    assert caught.value.where == str(tmp_path)
    assert report.startswith(f"{tmp_path}: 9 problems\n  - ")
    for expected in (
        "p4_slice0.png: has no mask",
        "p5_slice0.png: has no image",
        "p1_slice0.png: mask value 9",
        "p1_slice1.png: image is 6x8, its mask 6x7",
        "p1_slice1.png: every pixel has the same intensity, 0",
        "p2_slice0.png: not an image",
        "scan17.png: the name does not match",
        "scan17.png: not an image",
        "case p3: its slices differ in size",
    ):
        assert expected in report
    assert "p0_slice0" not in report


# ---------------------------------------------------------------------------------------------------- root and phantom


def test_no_root_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(DataError, match=r"root=FOLDER \(--root FOLDER\) or set LGE_SWEEP_DATA"):
        read(INDEX)


def test_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder; give the folder that holds the images"):
        read(INDEX, tmp_path / "gone")


def test_root_comes_from_the_environment_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair(tmp_path / "environment", "e_slice0")
    pair(tmp_path / "given", "g_slice0")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "environment"))
    assert [v.case for v in read(INDEX)] == ["e"]
    assert [v.case for v in read(INDEX, tmp_path / "given")] == ["g"]


def test_the_phantom_needs_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    volumes = read(Phantom(kind="phantom", cases=2, slices=1, size=64))
    assert [v.case for v in volumes] == ["phantom000", "phantom001"]


# --------------------------------------------------------------------------------------------------------- real slices


@pytest.fixture(scope="module")
def emidec() -> DataFile:
    return read_data_file(str(EMIDEC))


@pytest.fixture(scope="module")
def exams(emidec: DataFile) -> list[Volume]:
    folder = os.environ.get("LGE_SWEEP_TEST_DATA")
    if not folder:
        pytest.skip("LGE_SWEEP_TEST_DATA is not set; it names a folder with emidec/ in it")
    return read(emidec.source, Path(folder) / "emidec")


def test_emidec_reads_whole_and_without_a_finding(exams: list[Volume]) -> None:
    assert len(exams) == 70
    assert sum(len(exam.slices) for exam in exams) == 486
    assert sum(bool((exam.labels == Label.SCAR).any()) for exam in exams) == 47
    assert all(exam.pixels.shape[1:] == (256, 256) for exam in exams)


def test_emidec_splits_by_case_without_a_leak(exams: list[Volume], emidec: DataFile) -> None:
    manifest = curate(exams, emidec.curate).manifest
    split = split_cases(manifest, emidec.split)
    parts = manifest["slice"].map(dict(split.subsets))
    assert parts.value_counts().to_dict() == {"train": 293, "val": 63, "test": 130}
    assert manifest.groupby("case")["slice"].apply(lambda names: parts[names.index].nunique()).max() == 1
    assert (split.leaky, split.leak_share, split.notes) == (False, 0.0, ())


def test_cases_of_the_same_pictures_are_named_together() -> None:
    def case(name: str, seed: int) -> Volume:
        pixels = np.random.default_rng(seed).random((3, 6, 8)).astype(np.float32)
        pixels[:, 0] = np.nan
        return Exam(name, slice_ids(name, 3), pixels).with_labels(np.zeros((3, 6, 8), np.uint8))

    half = case("D", 1)
    half = replace(half, pixels=np.concatenate([half.pixels[:1], case("D", 4).pixels[1:]]))
    copied = flag_duplicate_slices([case("A", 0), case("B", 1), case("C", 0), half, case("E", 5)])
    notes = {volume.case: list(volume.notes) for volume in copied}
    assert notes["A"] == notes["C"]
    assert notes["A"][0].startswith("3 slices of the same pixels in A, C (an exam that was copied?); keep one")
    assert notes["B"] == notes["D"]
    assert notes["B"][0].startswith("1 slice of the same pixels in B, D (")
    assert notes["E"] == []
