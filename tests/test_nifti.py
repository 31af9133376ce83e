"""NIfTI folders in EMIDEC's layout become volumes; whatever is wrong with a folder comes in one report."""

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nifti_files import load_nifti
from numpy.typing import NDArray
from refused import findings, the_finding

from lge_sweep.config.data import DataFile, NiftiFolders
from lge_sweep.config.loader import read_data_file
from lge_sweep.curate import curate
from lge_sweep.errors import DataError
from lge_sweep.ingest import read
from lge_sweep.ingest.mask_alignment import GRID_TRUSTED, TURNED_MASK
from lge_sweep.ingest.nifti_grid import NO_ORIENTATION, NO_SPACING_TOLD, UNIT_AFFINE, display_axes, read_nifti_grid
from lge_sweep.ingest.pseudonym import SALT_VARIABLE, pseudonym, read_salt
from lge_sweep.labels import Label

EMIDEC = Path(__file__).parent.parent / "sweeps" / "data" / "emidec_nifti.yaml"
VALUES = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar", 4: "scar"}
SOURCE = NiftiFolders.model_validate({"kind": "nifti", "case_ids": "keep", "mask": {"values": VALUES}})
SHAPE = (5, 4, 3)
"""Columns, rows, slices."""
LPS = np.diag([-1.5, -1.25, 8.0, 1.0])
"""Columns to the left, rows to the back, as a DICOM image is displayed."""

Array = NDArray[np.number]
Change = Callable[[nib.Nifti1Image], object]


def grey(shape: tuple[int, ...] = SHAPE) -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(0, 4000, shape).astype(np.int16)


def classes(shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    return (np.arange(np.prod(shape)) % 5).astype(np.uint8).reshape(shape)


def save(path: Path, array: Array, affine: Array = LPS, change: Change | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, affine)
    if change:
        change(image)
    nib.save(image, path)
    return path


def case(root: Path, name: str = "Case_P001", image: Array | None = None, mask: Array | None = None) -> Path:
    save(root / name / "Contours" / f"{name}.nii.gz", classes() if mask is None else mask)
    return save(root / name / "Images" / f"{name}.nii.gz", grey() if image is None else image)


# ------------------------------------------------------------------------------------------------------------- reading


def test_slices_are_rows_by_columns_as_displayed_with_spacing_from_the_zooms(tmp_path: Path) -> None:
    case(tmp_path)
    (volume,) = read(SOURCE, tmp_path)
    assert (volume.case, volume.slices[1]) == ("Case_P001", "Case_P001_slice001")
    assert volume.spacing_mm == (1.25, 1.5, 8.0)
    assert volume.notes == ()
    assert np.array_equal(volume.pixels, grey().transpose(2, 1, 0))
    assert np.array_equal(volume.labels, np.array([0, 1, 2, 3, 3])[classes().transpose(2, 1, 0)])


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "RPI", "PSR", "AIL", "LIP", "SRA", "IPR"])
def test_any_orientation_gives_the_same_picture_as_nibabels_own_reorientation(tmp_path: Path, codes: str) -> None:
    upright = {"LR": 0, "AP": 1, "IS": 2}
    axes = [next(value for key, value in upright.items() if code in key) for code in codes]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, (axis, code) in enumerate(zip(axes, codes, strict=True)):
        affine[axis, column] = (1.0, 2.0, 3.0)[column] * (1 if code in "RAS" else -1)
    grid = read_nifti_grid(save(tmp_path / "image.nii", grey(), affine))
    target = "".join({0: "L", 1: "P", 2: "I"}[axis] for axis in sorted(axes[:2])) + codes[2]
    moved = nib.as_closest_canonical(nib.Nifti1Image(grey(), affine))
    transform = nib.orientations.ornt_transform(nib.io_orientation(moved.affine), nib.orientations.axcodes2ornt(target))
    expected = nib.orientations.apply_orientation(np.asarray(moved.dataobj), transform).transpose(2, 1, 0)
    assert np.array_equal(grid.array, expected)
    assert grid.spacing_mm is not None
    assert grid.spacing_mm[:2] == ((2.0, 1.0) if axes[1] > axes[0] else (1.0, 2.0))


def test_an_oblique_slice_is_turned_by_its_nearest_axes() -> None:
    angle = np.deg2rad(40)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation @ LPS[:3, :3]
    assert display_axes(affine) == display_axes(LPS) == ((2, 1, 0), ())


def test_units_of_the_header_become_mm(tmp_path: Path) -> None:
    path = save(tmp_path / "image.nii", grey(), LPS / 1000, lambda image: image.header.set_xyzt_units("meter"))
    grid = read_nifti_grid(path)
    assert grid.spacing_mm == pytest.approx((1.25, 1.5, 8.0), rel=1e-5)
    assert grid.notes == ()


def test_grey_levels_are_as_in_the_file_or_single_precision(tmp_path: Path) -> None:
    assert read_nifti_grid(save(tmp_path / "a.nii", grey())).array.dtype == np.int16
    assert read_nifti_grid(save(tmp_path / "b.nii", grey().astype(np.float64))).array.dtype == np.float32


def test_what_the_header_does_not_tell_is_noted_for_the_manifest(tmp_path: Path) -> None:
    path = case(tmp_path)
    for file in (path, tmp_path / "Case_P001" / "Contours" / path.name):
        array = np.asarray(load_nifti(file).dataobj)
        save(file, array, np.diag([-1, -1, 1, 1]), lambda image: image.header.set_zooms((1.4, 1.4, 10)))
    volumes = read(SOURCE, tmp_path)
    assert volumes[0].notes == (UNIT_AFFINE,)
    assert volumes[0].spacing_mm == pytest.approx((1.4, 1.4, 10))
    notes = curate(volumes, DataFile.model_validate({"source": SOURCE}).curate).notes
    assert f"1 case(s): {UNIT_AFFINE}: Case_P001" in notes
    header = nib.Nifti1Header()
    nib.save(nib.Nifti1Image(grey(), None, header), path)
    assert read_nifti_grid(path).notes[0] == NO_ORIENTATION


def test_a_case_folder_can_be_the_root(tmp_path: Path) -> None:
    case(tmp_path)
    (volume,) = read(SOURCE, tmp_path / "Case_P001")
    assert volume.case == "Case_P001"


# ------------------------------------------------------------------------------------------------------------ case ids


def test_case_ids_are_hashed_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = NiftiFolders.model_validate({"kind": "nifti", "mask": {"values": VALUES}})
    case(tmp_path, "Doe_Jane")
    monkeypatch.setenv(SALT_VARIABLE, "one")
    first, again = (read(source, tmp_path)[0] for _ in range(2))
    monkeypatch.setenv(SALT_VARIABLE, "two")
    other = read(source, tmp_path)[0]
    assert first.case == again.case == pseudonym("Doe_Jane", b"one") != other.case
    assert "Doe" not in repr((first.case, first.slices, first.notes))


def test_the_salt_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    first = read_salt()
    assert len(first) == 64
    assert read_salt() == first
    (file,) = (tmp_path / "lge_sweep").iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_a_salt_that_cannot_be_kept_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match=f"set {SALT_VARIABLE} to a secret"):
        read_salt()


# ----------------------------------------------------------------------------------------------------------- bad input


def test_mask_that_is_missing(tmp_path: Path) -> None:
    path = case(tmp_path)
    (tmp_path / "Case_P001" / "Contours" / path.name).unlink()
    assert the_finding(SOURCE, tmp_path) == (
        "Case_P001/Images/Case_P001.nii.gz: has no mask Case_P001/Contours/Case_P001.nii.gz"
    )


def test_mask_of_another_shape(tmp_path: Path) -> None:
    case(tmp_path, mask=classes((5, 4, 2)))
    assert the_finding(SOURCE, tmp_path) == (
        "Case_P001/Contours/Case_P001.nii.gz: mask is 2 slices of 4x5, its image 3 slices of 4x5; they must be equal"
    )


def test_mask_that_lies_elsewhere(tmp_path: Path) -> None:
    path = case(tmp_path)
    save(tmp_path / "Case_P001" / "Contours" / path.name, classes(), np.diag([1.5, -1.25, 8.0, 1.0]))
    assert "mask lies elsewhere than its image" in the_finding(SOURCE, tmp_path)


def test_mask_value_that_is_not_listed(tmp_path: Path) -> None:
    mask = classes()
    mask[0, 0, 0] = 7
    case(tmp_path, mask=mask)
    assert the_finding(SOURCE, tmp_path) == (
        "Case_P001/Contours/Case_P001.nii.gz: mask value 7 on 1 pixels is not in source.mask.values (known: 0, 1, 2, 3,"
        " 4); the mask is NIfTI (uint8): list what it holds, or save it with the values known"
    )


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (5,)])
def test_image_that_is_no_single_volume(tmp_path: Path, shape: tuple[int, ...]) -> None:
    case(tmp_path, image=grey(shape))
    assert f"holds {len(shape)}-D data {list(shape)}; expected one volume" in the_finding(SOURCE, tmp_path)


def test_a_fourth_axis_of_length_1_is_dropped(tmp_path: Path) -> None:
    case(tmp_path, image=grey((*SHAPE, 1)))
    assert read(SOURCE, tmp_path)[0].pixels.shape == (3, 4, 5)


@pytest.mark.parametrize(("kind", "message"), [("nan", "numbers that are not finite"), ("zero", "is singular")])
def test_broken_affine(tmp_path: Path, kind: str, message: str) -> None:
    path = case(tmp_path)
    data = bytearray(gzip.decompress(path.read_bytes()))
    row = np.full(4, np.nan if kind == "nan" else 0, dtype="<f4")
    data[280:296] = row.tobytes()  # srow_x of the NIfTI-1 header
    path.write_bytes(gzip.compress(bytes(data)))
    assert message in the_finding(SOURCE, tmp_path)


def test_zooms_that_are_no_distances(tmp_path: Path) -> None:
    path = case(tmp_path)
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[80:92] = np.array([0, 1.25, -8], dtype="<f4").tobytes()  # pixdim[1:4]
    path.write_bytes(gzip.compress(bytes(data)))
    assert the_finding(SOURCE, tmp_path).endswith(
        "its header's zooms: distance of pixels is 0x1.25; expected 0.01 to 50 mm; write the file again with the right "
        "value, or leave the file out"
    )


@pytest.mark.parametrize("cut", [0, 20, 200])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    path = case(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    finding = the_finding(SOURCE, tmp_path)
    assert "Case_P001/Images/Case_P001.nii.gz: broken NIfTI file" in finding
    assert cut == 0 or "its gzip compression is cut off or damaged; get it again" in finding


def test_pixels_that_show_nothing(tmp_path: Path) -> None:
    image = grey().astype(np.float32)
    image[0, 0, 0] = np.nan
    image[..., 2] = 5
    case(tmp_path, image=image)
    assert findings(SOURCE, tmp_path) == [
        "Case_P001/Images/Case_P001.nii.gz: slice 0: 1 pixel is not a finite number (but NaN or infinite); write the "
        "file again with finite intensities, or leave it out",
        "Case_P001/Images/Case_P001.nii.gz: slice 2: every pixel has the same intensity, 5; nothing can be seen",
    ]


def test_folders_that_hold_no_case(tmp_path: Path) -> None:
    assert findings(SOURCE, tmp_path) == ["holds no folder; expected one a case, with Images/ in it"]
    (tmp_path / "A").mkdir()
    (tmp_path / "B" / "Images").mkdir(parents=True)
    case(tmp_path, "C")
    save(tmp_path / "C" / "Images" / "second.nii", grey())
    expected = "expected one of .nii or .nii.gz, and a folder a case"
    assert findings(SOURCE, tmp_path) == [
        "A/Images: is missing; put the case's image there, or say in source.images where it is",
        f"B/Images: holds no NIfTI file; {expected}",
        f"C/Images: holds several NIfTI files (C.nii.gz, second.nii); {expected}",
    ]


def test_everything_wrong_comes_in_one_report(tmp_path: Path) -> None:
    case(tmp_path, "a", image=grey((5, 4, 3, 2)), mask=classes((5, 4, 3, 2)))
    case(tmp_path, "b", mask=classes((4, 4, 3)))
    case(tmp_path, "good")
    case(tmp_path, "c").write_bytes(b"not NIfTI")
    report = findings(SOURCE, tmp_path)
    assert [finding.split("/")[0] for finding in report] == ["a", "a", "b", "c"]


# ----------------------------------------------------------------------------------------------------------- real exam


def test_the_real_exam_has_its_known_volume(real_data: Path) -> None:
    settings = read_data_file(str(EMIDEC))
    (volume,) = read(settings.source, real_data / "emidec_nifti")
    assert (volume.case, volume.pixels.shape) == ("Case_P100", (7, 258, 248))
    assert volume.spacing_mm == (1.40625, 1.40625, 13.0)
    wall = np.isin(volume.labels, (Label.MYOCARDIUM, Label.SCAR)).sum()
    assert wall == 5217
    assert volume.voxel_ml is not None
    assert wall * volume.voxel_ml == pytest.approx(134.12, abs=0.005)


# -------------------------------------------------------------------------- statements that disagree, masks that moved


def notes(root: Path, source: NiftiFolders = SOURCE) -> tuple[str, ...]:
    (volume,) = read(source, root)
    return volume.notes


def test_an_affine_that_disagrees_with_the_zooms_is_taken_and_noted(tmp_path: Path) -> None:
    path = save(tmp_path / "image.nii", grey(), LPS, lambda image: image.header.set_zooms((1.5, 1.25, 10)))
    grid = read_nifti_grid(path)
    assert grid.spacing_mm == (1.25, 1.5, 8.0)
    assert grid.notes == (
        "its affine tells voxels of 1.5x1.25x8 mm, its header's zooms 1.5x1.25x10 mm; the affine is taken",
    )


def test_two_forms_that_place_a_stack_apart_are_noted(tmp_path: Path) -> None:
    elsewhere = LPS.copy()
    elsewhere[0, 3] = 20
    path = save(tmp_path / "image.nii", grey(), LPS, lambda image: image.set_qform(elsewhere, code=1))
    grid = read_nifti_grid(path)
    assert grid.notes == ("its sform and its qform place it up to 20 mm apart; the sform is taken",)
    assert grid.placed is not None
    assert np.array_equal(grid.placed @ (0, 0, 0, 1), LPS @ (0, 0, 0, 1))


def test_shear_is_told(tmp_path: Path) -> None:
    sheared = LPS.copy()
    sheared[0, 2] = 4
    grid = read_nifti_grid(save(tmp_path / "image.nii", grey(), sheared))
    assert grid.spacing_mm == pytest.approx((1.25, 1.5, 8.0))
    assert "each slice lies 4 mm aside of the one before (a sheared stack)" in grid.notes[0]


def test_a_mask_stored_in_another_order_is_laid_on_by_its_affine_and_told(tmp_path: Path) -> None:
    path = case(tmp_path)
    expected = read(SOURCE, tmp_path)[0].labels
    mask_path = tmp_path / "Case_P001" / "Contours" / path.name
    nib.save(load_nifti(mask_path).as_reoriented(np.array([[2, -1], [0, 1], [1, -1]])), mask_path)
    (volume,) = read(SOURCE, tmp_path)
    assert np.array_equal(volume.labels, expected)
    assert volume.notes == (TURNED_MASK,)


@pytest.mark.parametrize(("name", "matrix"), [("an identity", np.eye(4)), ("a bare diagonal", np.diag([-1, -1, 1, 1]))])
def test_a_mask_that_lost_its_position_needs_to_be_trusted(tmp_path: Path, name: str, matrix: Array) -> None:
    placed = LPS + np.outer([30, 20, 10, 0], [0, 0, 0, 1])
    path = save(tmp_path / "case" / "Images" / "case.nii.gz", grey(), placed)
    save(tmp_path / "case" / "Contours" / path.name, classes(), matrix)
    finding = the_finding(SOURCE, tmp_path)
    assert f"the mask's affine is {name}, so that its position may be lost" in finding
    assert "set source.trust_grid: true" in finding
    trusting = SOURCE.model_copy(update={"trust_grid": True})  # what the message says
    assert notes(tmp_path, trusting) == (GRID_TRUSTED,)
    assert np.array_equal(read(trusting, tmp_path)[0].labels, np.array([0, 1, 2, 3, 3])[classes().transpose(2, 1, 0)])


def test_a_mask_without_orientation_is_never_turned(tmp_path: Path) -> None:
    """Both are bare, so that a difference between them says nothing of where they lie."""
    path = case(tmp_path)
    for folder, matrix in (("Images", np.diag([-1, -1, 1, 1])), ("Contours", np.diag([1, -1, 1, 1]))):
        file = tmp_path / "Case_P001" / folder / path.name
        save(
            file,
            np.asarray(load_nifti(file).dataobj),
            matrix,
            lambda image: image.header.set_zooms((1.4, 1.4, 10)),
        )
    assert "set source.trust_grid: true" in the_finding(SOURCE, tmp_path)


def test_a_grid_that_grows_apart_from_its_image_is_another(tmp_path: Path) -> None:
    """Its first voxel is at the right place, its steps are 1.8 % longer: the last ones are a voxel off."""
    shape, placed = (60, 50, 4), LPS + np.outer([30, 20, 10, 0], [0, 0, 0, 1])
    path = save(tmp_path / "case" / "Images" / "case.nii.gz", grey(shape), placed)
    save(tmp_path / "case" / "Contours" / path.name, classes(shape), placed @ np.diag([1.018, 1.018, 1.018, 1]))
    assert "mask lies elsewhere than its image (a corner of it is 1.06 voxels off)" in the_finding(SOURCE, tmp_path)


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([-1.0, -1, 1, 1]), None])
def test_voxels_of_1_mm_at_no_place_have_no_distances(tmp_path: Path, affine: Array | None) -> None:
    nib.save(nib.Nifti1Image(grey(), affine), tmp_path / "image.nii")
    grid = read_nifti_grid(tmp_path / "image.nii")
    assert (grid.spacing_mm, grid.placed) == (None, None)
    assert NO_SPACING_TOLD in grid.notes
    placed = np.eye(4)
    placed[:3, 3] = 5
    nib.save(nib.Nifti1Image(grey(), placed), tmp_path / "image.nii")
    assert read_nifti_grid(tmp_path / "image.nii").spacing_mm == (1, 1, 1)


def test_zooms_that_differ_by_less_than_a_per_cent_are_noted_too(tmp_path: Path) -> None:
    path = save(tmp_path / "image.nii", grey(), LPS, lambda image: image.header.set_zooms((1.51, 1.26, 8.05)))
    assert "the affine is taken" in read_nifti_grid(path).notes[0]


@pytest.mark.parametrize("apart", ["moved", "mirrored"])
def test_a_qform_elsewhere_is_noted_in_a_sheared_stack_too(tmp_path: Path, apart: str) -> None:
    sheared = LPS + np.outer([0.25, 0, 0, 0], [0, 0, 1, 0])
    other = sheared + np.outer([130, 0, 0, 0], [0, 0, 0, 1]) if apart == "moved" else sheared @ np.diag([-1, 1, 1, 1])

    def change(image: nib.Nifti1Image) -> None:
        image.set_qform(other, code=1)

    assert (
        "its sform and its qform place it up to"
        in read_nifti_grid(save(tmp_path / "a.nii", grey(), sheared, change)).notes[0]
    )
    same = save(tmp_path / "b.nii", grey(), sheared, lambda image: image.set_qform(sheared, code=1, strip_shears=True))
    assert not any("qform" in note for note in read_nifti_grid(same).notes)


def test_a_short_axis_stack_is_shown_as_scanners_store_it(tmp_path: Path) -> None:
    """Of 200 planes as short axes are planned, each stored in any order of axes, all are shown as DICOM has them."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        apex = np.array([-1.0, 1.0, -1.0]) / np.sqrt(3) + rng.normal(scale=0.2, size=3)  # right, front, head
        apex /= np.linalg.norm(apex)
        down = np.array([0.0, 0.0, -1.0]) - apex * -apex[2]
        down /= np.linalg.norm(down)
        across = np.cross(down, -apex)
        turn = np.radians(rng.uniform(-35, 35))
        row, column = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
        matrix = nib.affines.from_matvec(np.stack([row * 1.5, column * 1.25, apex * 8], axis=1), (9, 8, 7))
        stored = nib.Nifti1Image(grey(), matrix)
        stored = stored.as_reoriented(np.stack([rng.permutation(3), rng.choice([-1, 1], 3)], axis=1))
        (slices, rows, columns), flips = display_axes(
            stored.affine, int(np.argmax(np.linalg.norm(stored.affine[:3, :3], axis=0)))
        )
        shown = np.flip(np.asarray(stored.dataobj), flips).transpose(slices, rows, columns)
        upright = grey().transpose(2, 1, 0)
        assert np.array_equal(shown, upright) or np.array_equal(shown, upright[::-1])
