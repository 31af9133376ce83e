"""Labels that no heart has: each made fault is found, by its name and with its value; a sound heart has none."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from deliveries import rows_of
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.cli.tables.predictions import print_predicted
from lge_sweep.cli.terminal import Terminal
from lge_sweep.config.data import NiftiFolders, Phantom
from lge_sweep.config.masks import IndexMask
from lge_sweep.deliver import Delivery, ModelFacts, deliver, read_delivery
from lge_sweep.ingest import Exam, read
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import Label
from lge_sweep.quantify import Finding, case_sentences, find_implausible, finding_sentences, unchecked_titles
from lge_sweep.quantify.body import body_mask, otsu_threshold
from lge_sweep.quantify.findings import CHECKS
from lge_sweep.quantify.plausibility import count_components, enclosed_share, wall_thickness_mm
from lge_sweep.report.clinical_tables import findings_frame, findings_markdown
from lge_sweep.segmenter.request import PredictResult

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Fault = Callable[[Exam, Labels], None]

SLICES, SIZE, MM = 7, 96, (1.5, 1.5, 10.0)
CENTRE = (48, 50)
INNER, OUTER = 20.0, 30.0
"""Radii of the wall, in mm."""


def radius(centre: tuple[float, float] = CENTRE, mm: tuple[float, ...] = MM, size: int = SIZE) -> Floats:
    rows, columns = np.indices((size, size))
    return np.asarray(np.hypot((rows - centre[0]) * mm[0], (columns - centre[1]) * mm[1]), dtype=np.float64)


def ring(inner: float = INNER, outer: float = OUTER, centre: tuple[float, float] = CENTRE) -> Labels:
    distance = radius(centre)
    labels = np.where(distance < outer, np.uint8(Label.MYOCARDIUM), np.uint8(0))
    labels[distance < inner] = Label.CAVITY
    return labels


def heart() -> tuple[Exam, Labels]:
    """Seven equal rings with some scar in a body of grey 100 to 120, air of 0 to 5 around it."""
    rng = np.random.default_rng(0)
    body = radius((47.5, 47.5)) < 66
    pixels = np.where(body, rng.integers(100, 120, (SLICES, SIZE, SIZE)), rng.integers(0, 5, (SLICES, SIZE, SIZE)))
    labels = np.repeat(ring()[None], SLICES, axis=0)
    labels[2:5, 36:45, 36:60][labels[2:5, 36:45, 36:60] == Label.MYOCARDIUM] = Label.SCAR
    names = tuple(f"a_slice{k:03d}" for k in range(SLICES))
    return Exam("a", names, pixels.astype(np.int16), spacing_mm=MM), labels


def found(exam: Exam, labels: Labels) -> list[tuple[str, int | None]]:
    return [(finding.check, finding.slice) for finding in find_implausible(exam, labels)]


def the_finding(exam: Exam, labels: Labels) -> Finding:
    (finding,) = find_implausible(exam, labels)
    return finding


# --------------------------------------------------------------------------------------------------------- sound hearts


def test_a_made_heart_has_no_finding() -> None:
    exam, labels = heart()
    assert {int(value) for value in np.unique(labels)} == {0, 1, 2, 3}
    assert found(exam, labels) == []
    assert unchecked_titles(exam) == []


@pytest.mark.parametrize(
    "shape",
    [{}, {"size": 96, "pixel_mm": 3.0}, {"size": 128, "pixel_mm": 1.6, "slices": 9, "slice_mm": 8}, {"slices": 1}],
)
def test_the_phantom_has_no_finding(shape: dict[str, float]) -> None:
    for seed in (1, 2, 3):
        for volume in simulate(Phantom.model_validate({"kind": "phantom", "cases": 2, "seed": seed, **shape})):
            assert found(volume, volume.labels) == [], (seed, volume.case)


def test_a_true_exam_has_no_finding(real_data: Path) -> None:
    classes = {0: "background", 1: "cavity", 2: "myocardium", 3: "scar", 4: "scar"}
    mask = IndexMask.model_validate({"values": classes})
    (volume,) = read(NiftiFolders(kind="nifti", mask=mask, case_ids="keep"), real_data / "emidec_nifti")
    assert found(volume, volume.labels) == []


def test_a_part_of_a_heart_is_held_to_no_lower_bound_of_amounts() -> None:
    small = np.zeros((6, SIZE, SIZE), np.uint8)
    small[:] = ring(2.0, 7.0)
    exam = Exam("a", tuple("abcdef"), np.ones((6, SIZE, SIZE)), spacing_mm=(1.5, 1.5, 5.0))
    few = Exam("a", tuple("abcd"), np.ones((4, SIZE, SIZE)), spacing_mm=(1.5, 1.5, 5.0))
    assert found(exam, small) == [("wall_mass", None), ("cavity_volume", None)]
    assert found(few, small[:4]) == []


# ---------------------------------------------------------------------------------------------------------- made faults


def thick(exam: Exam, labels: Labels) -> None:
    labels[3] = ring(6.0, 54.0)


def outline(exam: Exam, labels: Labels) -> None:
    cavity = radius() < INNER
    labels[1] = cavity
    labels[1][ndimage.binary_dilation(cavity) & ~cavity] = Label.MYOCARDIUM


def moved(exam: Exam, labels: Labels) -> None:
    labels[6] = ring(centre=(48, 50 - 20))


def two_cavities(exam: Exam, labels: Labels) -> None:
    labels[3, 48, :][labels[3, 48, :] == Label.CAVITY] = Label.MYOCARDIUM


def two_walls(exam: Exam, labels: Labels) -> None:
    labels[0, 40:46, 71:78] = Label.MYOCARDIUM


def open_wall(exam: Exam, labels: Labels) -> None:
    labels[0][(labels[0] > 1) & (np.arange(SIZE)[:, None] > 40)] = 0


def no_cavity(exam: Exam, labels: Labels) -> None:
    labels[labels == Label.CAVITY] = Label.MYOCARDIUM


def no_wall(exam: Exam, labels: Labels) -> None:
    labels[:] = 0
    labels[:, 48, 50] = Label.CAVITY


def hole(exam: Exam, labels: Labels) -> None:
    labels[3] = 0


def filled(exam: Exam, labels: Labels) -> None:
    labels[3][labels[3] == Label.CAVITY] = Label.MYOCARDIUM


def all_scar(exam: Exam, labels: Labels) -> None:
    labels[:6][labels[:6] == Label.MYOCARDIUM] = Label.SCAR


def stray(exam: Exam, labels: Labels) -> None:
    labels[3, 70:82, 70:82] = Label.SCAR


def in_air(exam: Exam, labels: Labels) -> None:
    exam.pixels[4][radius((47.5, 47.5)) > 20] = 2


def padded(exam: Exam, labels: Labels) -> None:
    exam.pixels[4, :, 50:] = np.nan


FAULTS: list[tuple[Fault, list[tuple[str, int | None]]]] = [
    (thick, [("wall_thickness", 3)]),
    (outline, [("wall_thickness", 1)]),
    (moved, [("centre_jump", 6)]),
    (two_cavities, [("cavity_pieces", 3)]),
    (two_walls, [("wall_pieces", 0)]),
    (open_wall, [("wall_around", 0)]),
    (no_cavity, [("no_cavity", None)]),
    (hole, [("empty_slice", 3)]),
    (filled, [("cavity_gap", 3)]),
    (all_scar, [("scar_share", None)]),
    (stray, [("stray_scar", 3)]),
    (in_air, [("outside_body", 4)]),
    (padded, [("outside_body", 4)]),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_each_fault_gives_its_finding_and_no_other(fault: Fault, expected: list[tuple[str, int | None]]) -> None:
    exam, labels = heart()
    exam = replace(exam, pixels=exam.pixels.astype(np.float32))
    fault(exam, labels)
    assert found(exam, labels) == expected
    for finding in find_implausible(exam, labels):
        known = CHECKS[finding.check]
        assert finding.low == known.low
        assert (finding.low or -np.inf) > finding.value or finding.value > (
            np.inf if finding.high is None else finding.high
        )


def test_labels_at_the_edge_and_every_check_has_its_fault() -> None:
    exam, labels = heart()
    cut = Exam("a", exam.slices, exam.pixels[:, 31:], spacing_mm=MM)
    findings = find_implausible(cut, labels[:, 31:])
    assert {(finding.check, finding.value) for finding in findings} == {("image_edge", (labels[0, 31] > 0).sum())}
    tested = {name for _, expected in FAULTS for name, _ in expected}
    assert set(CHECKS) - tested == {"image_edge", "wall_mass", "cavity_volume", "no_wall"}


def test_a_cavity_alone_has_no_wall() -> None:
    exam, labels = heart()
    labels[labels > 1] = 0
    checks = [check for check, _ in found(exam, labels)]
    assert checks == ["wall_around"] * SLICES + ["no_wall"]


def test_nothing_at_all_is_neither_cavity_nor_wall() -> None:
    exam, labels = heart()
    assert found(exam, np.zeros_like(labels)) == [("no_cavity", None), ("no_wall", None)]


def test_amounts_are_pixels_times_their_volume() -> None:
    exam, labels = heart()
    large = replace(exam, spacing_mm=(3.5, 3.5, 15.0))
    by_check = {finding.check: finding for finding in find_implausible(large, labels)}
    ml = 3.5 * 3.5 * 15 / 1000
    assert by_check["wall_mass"].value == pytest.approx((labels > 1).sum() * ml * 1.05)
    area_mm2 = np.pi * (OUTER**2 - INNER**2) * (3.5 / 1.5) ** 2
    assert by_check["wall_mass"].value == pytest.approx(1.05 * SLICES * 15 * area_mm2 / 1000, rel=0.02)
    assert by_check["cavity_volume"].value == pytest.approx((labels == 1).sum() * ml)


def test_where_distances_are_unknown_the_rest_is_looked_at() -> None:
    exam, labels = heart()
    labels[:6][labels[:6] == Label.MYOCARDIUM] = Label.SCAR
    for spacing, missing in ((None, 4), ((1.5, 1.5, float("nan")), 3)):
        partly = replace(exam, spacing_mm=spacing)
        assert found(partly, labels) == [("scar_share", None)]
        assert len(unchecked_titles(partly)) == missing


# ------------------------------------------------------------------------------------------- each number by another way


def test_a_band_has_its_thickness_and_a_ring_to_within_a_pixel() -> None:
    for mm in ((1.5, 1.5), (1.0, 2.5), (3.0, 1.2)):
        for count in range(1, 8):
            band = np.zeros((40, 60), bool)
            band[10 : 10 + count, 3:57] = True
            assert wall_thickness_mm(band, mm) == pytest.approx(count * mm[0], abs=min(mm) / 2)
            assert wall_thickness_mm(band.T, mm) == pytest.approx(count * mm[1], abs=min(mm) / 2)
        for inner, outer in ((20, 24), (15, 25), (5, 30)):
            distance = radius(mm=mm)
            wall = (distance >= inner) & (distance < outer)
            assert wall_thickness_mm(wall, mm) == pytest.approx(outer - inner, abs=1.2 * max(mm))


@pytest.mark.parametrize("seed", range(8))
def test_pieces_are_skimages_regions(seed: int) -> None:
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((60, 60)), 2 + seed / 3) > 0.05
    areas = [region.area for region in regionprops(label(mask, connectivity=2))]
    assert count_components(mask) == sum(area >= 0.05 * max(areas) for area in areas)
    assert count_components(np.zeros_like(mask)) == 0


@pytest.mark.parametrize("seed", range(8))
def test_the_wall_around_is_scipys_border(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cavity = ndimage.gaussian_filter(rng.standard_normal((60, 60)), 3) > 0.02
    wall = rng.random((60, 60)) < 0.6
    full = ndimage.binary_fill_holes(cavity)
    border = ndimage.binary_dilation(full, np.ones((3, 3))) & ~full
    assert enclosed_share(cavity, wall & ~cavity) == pytest.approx((wall & ~cavity)[border].mean())


def rotation(rng: np.random.Generator) -> Floats:
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.asarray(turn)


@pytest.mark.parametrize("seed", range(6))
def test_a_centre_is_a_point_in_the_patient(seed: int) -> None:
    """A stack that drifts moves pixels and not the heart, however it lies; of a jump the part in the plane counts."""
    rng = np.random.default_rng(seed)
    mm, slots = (1.2, 2.0, 8.0), (0, 1, 2, 4, 5)
    drift = rng.uniform(-4, 4, 2)
    steps = np.diag([*mm, 1.0])
    steps[:2, 2] = drift * mm[:2]
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = rotation(rng), rng.uniform(-100, 100, 3)
    affine = place @ steps
    exam = Exam("a", tuple("abcde"), np.ones((5, SIZE, SIZE)), spacing_mm=mm, affine=affine, slots=slots)
    still = np.stack([disc(CENTRE, slot, drift, mm) for slot in slots])
    assert found(exam, still) == []
    jump = rng.uniform((5, 16), (8, 20)) * rng.choice([-1, 1], 2)
    still[3:] = np.stack([disc(CENTRE + jump, slot, drift, mm) for slot in slots[3:]])
    centres = [np.argwhere(image == 1).mean(axis=0) for image in still]
    points = np.array([affine @ (*centre, slot, 1) for centre, slot in zip(centres, slots, strict=True)])[:, :3]
    between = points[3] - points[2]
    along = between @ place[:3, 2]
    finding = the_finding(exam, still)
    assert (finding.check, finding.slice) == ("centre_jump", 3)
    assert finding.high == pytest.approx(15 + 2 * 8)
    assert finding.value == pytest.approx(np.sqrt(between @ between - along**2))
    assert finding.value == pytest.approx(np.hypot(*(jump * mm[:2])), abs=1.5)


def disc(centre: Floats | tuple[int, int], slot: int, drift: Floats, mm: tuple[float, ...]) -> Labels:
    """A ring around a point of the patient, in a slice that lies `slot` drifts further on."""
    distance = radius(tuple(np.asarray(centre) - slot * drift), mm)
    labels = np.where(distance < 18, np.uint8(2), np.uint8(0))
    labels[distance < 10] = 1
    return labels


def test_without_an_affine_the_size_of_pixels_counts() -> None:
    exam, labels = heart()
    labels[5:] = ring(centre=(48 - 12, 50 + 16))
    finding = the_finding(exam, labels)
    assert finding == Finding("centre_jump", finding.value, None, 25, 5)
    assert finding.value == pytest.approx(1.5 * 20, abs=0.1)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e12])
def test_the_body_does_not_depend_on_the_scale_of_grey_levels(scale: float) -> None:
    image = np.full((40, 40), 7.0)
    image[10:30, 5:25] += np.random.default_rng(0).uniform(50, 60, (20, 20))
    expected = np.zeros((40, 40), dtype=bool)
    expected[10:30, 5:25] = True
    assert np.array_equal(body_mask(image * scale), expected)
    assert body_mask(np.float32(5) + np.zeros((4, 4), np.float32)).all()


def test_the_body_is_the_hull_of_what_is_bright() -> None:
    image = np.random.default_rng(0).normal(10, 3, (80, 100))
    image[10:70, 20:90] += 200
    image[20:60, 30:60] = 5  # a lung
    image[2:4, 2:4] = 250  # a speck in the air
    expected = np.zeros(image.shape, bool)
    expected[10:70, 20:90] = True
    assert (body_mask(image) != expected).sum() == 0
    image[:, 85:] = np.nan
    expected[:, 85:] = False
    assert (body_mask(image) != expected).sum() == 0
    assert body_mask(np.ones((5, 5))).all()
    assert not body_mask(np.full((5, 5), np.nan)).any()


# -------------------------------------------------------------------------------------------------------------- wording


def test_a_sentence_has_value_place_and_range() -> None:
    names = ["s0", "s1", "s2", "s3", "s4", "s5"]
    assert finding_sentences([Finding("scar_share", 80.04, None, 75)], names) == [
        "scar, share of the wall: 80 % (expected at most 75 %)"
    ]
    jumps = [Finding("centre_jump", 41.26, None, 25, 3), Finding("centre_jump", 30, None, 25, 4)]
    assert finding_sentences(jumps, names) == [
        "jump of the cavity's centre from the slice before: 30 to 41.3 mm in s3, s4 (expected at most 25 mm)"
    ]
    many = [Finding("wall_pieces", 2, None, 1, k) for k in range(6)]
    assert finding_sentences(many, names) == [
        "pieces of the wall: 2 in 6 slices, such as s0, s1, s2, s3 (expected at most 1)"
    ]
    assert case_sentences({"p": many, "q": many[:1]}) == ["pieces of the wall: 2 in p, q (expected at most 1)"]


@pytest.mark.parametrize(
    ("check", "values", "low", "high", "said"),
    [
        ("scar_share", [75.04], None, 75, "scar, share of the wall: 75.04 % (expected at most 75 %)"),
        ("wall_mass", [600.4], 10, 600, "mass of the wall: 600.4 g (expected 10 to 600 g)"),
        ("wall_mass", [9.9996], 10, 600, "mass of the wall: 9.9996 g (expected 10 to 600 g)"),
        ("wall_mass", [600.4, 9.2], 10, 600, "mass of the wall: 9.2 to 600.4 g (expected 10 to 600 g)"),
        ("centre_jump", [24.98], None, 24.96,
         "jump of the cavity's centre from the slice before: 24.98 mm (expected at most 24.96 mm)"),
        ("wall_around", [49.96], 50, None,
         "share of the cavity's border that has wall: 49.96 % (expected at least 50 %)"),
    ],
)  # fmt: skip
def test_a_sentence_does_not_contradict_itself(
    check: str, values: list[float], low: float | None, high: float | None, said: str
) -> None:
    """Rounded to three digits, each would be the bound."""
    assert finding_sentences([Finding(check, value, low, high) for value in values], []) == [said]


def test_a_sentence_of_any_finding_has_a_value_outside_of_the_range_it_names() -> None:
    rng = np.random.default_rng(8)
    for _ in range(2000):
        low, width = np.round(rng.uniform(1, 700, 2), rng.integers(0, 4))
        high = low + width
        value = float(rng.choice([low * (1 - 10 ** -rng.uniform(1, 9)), high * (1 + 10 ** -rng.uniform(1, 9))]))
        (said,) = finding_sentences([Finding("wall_mass", value, low, high)], [])
        shown, least, most = map(float, re.findall(r"\d[\d.]*", said))
        assert not least <= shown <= most, said
        assert shown == pytest.approx(value, rel=6e-3)


def test_every_range_says_where_it_comes_from() -> None:
    for check in CHECKS.values():
        assert check.low is not None or check.high is not None
        assert check.source


def test_the_final_report_counts_cases() -> None:
    heavy = (Finding("wall_mass", 1484, 10, 600), Finding("wall_pieces", 2, None, 1, 0))
    findings: dict[str, dict[str, Sequence[Finding]]]
    findings = {"predicted": {"a": heavy, "b|c": ()}, "true": {"a": (), "b|c": ()}}
    assert findings_markdown(findings).splitlines() == [
        "- predicted labels: 1 of 2 cases have findings",
        "  - mass of the wall: 1484 g in a (expected 10 to 600 g)",
        "  - pieces of the wall: 2 in a (expected at most 1)",
        "- true labels: 0 of 2 cases have findings",
    ]
    frame = findings_frame(findings)
    assert list(frame["plausible"]) == [False, True, True, True]
    assert frame.loc[0, "findings"] == (
        "mass of the wall: 1484 g (expected 10 to 600 g); pieces of the wall: 2 (expected at most 1)"
    )


# ---------------------------------------------------------------------------------------------------- where it is shown

MODEL = ModelFacts("two-stage", "1", "00", "a study")
HEAVY = "mass of the wall"


def faulty(tmp_path: Path) -> tuple[Exam, Delivery]:
    exam, labels = heart()
    two_cavities(exam, labels)
    exam = replace(exam, spacing_mm=(1.5, 1.5, 60.0))
    return exam, deliver(exam, labels, tmp_path, ["csv", "html"], MODEL)


def test_page_tables_and_record_say_what_was_found(tmp_path: Path) -> None:
    exam, delivery = faulty(tmp_path)
    assert [text.split(":")[0] for text in delivery.findings] == [HEAVY, "pieces of the cavity"]
    assert delivery.findings[1] == "pieces of the cavity: 2 in slice003 (expected at most 1)"
    (row,) = rows_of(delivery.folder / "burden.csv")
    assert (row["plausible"], row["findings"], row["not_checked"]) == ("False", "; ".join(delivery.findings), "")
    slices = rows_of(delivery.folder / "slices.csv")
    assert [line["findings"] for line in slices if line["findings"]] == ["pieces of the cavity: 2 (expected at most 1)"]
    page = (delivery.folder / "report.html").read_text()
    assert page.index("This may be no left ventricle") < page.index("pieces of the cavity: 2 in slice003")
    assert page.index("pieces of the cavity: 2 in slice003") < page.index("<h2>Amounts</h2>")
    assert page.count("see the findings") == 1
    assert json.loads((delivery.folder / "about.json").read_text())["findings"] == list(delivery.findings)
    assert read_delivery(tmp_path, exam, ["csv", "html"], MODEL) == delivery


def test_a_sound_exam_is_plausible_and_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    exam, labels = heart()
    delivery = deliver(replace(exam, spacing_mm=None), labels, tmp_path, ["csv", "html"], MODEL)
    (row,) = rows_of(delivery.folder / "burden.csv")
    assert (row["plausible"], row["findings"]) == ("True", "")
    assert row["not_checked"].startswith("mass of the wall; volume of the cavity; thickest place of the wall; jump")
    assert delivery.notes[0].startswith("distances are unknown, so that it was not checked")
    assert "This may be no left ventricle" not in (delivery.folder / "report.html").read_text()


def test_the_terminal_lists_findings_and_counts_exams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, delivery = faulty(tmp_path)
    sound = replace(delivery, findings=())
    print_predicted(Terminal(width=80), PredictResult((delivery, sound), (), model="ours 12, trained on mine"))
    said = capsys.readouterr().out
    assert "  finding: pieces of the cavity: 2 in slice003 (expected at most 1)\n" in said
    assert "1 of 2 exam(s) have findings: labels that no heart has; look at them before any number is used.\n" in said
    assert "model: ours 12, trained on mine\n" in said
    print_predicted(Terminal(width=80), PredictResult((sound,), ()))
    assert "finding" not in capsys.readouterr().out


def test_describe_says_which_true_labels_no_heart_has(tmp_path: Path) -> None:
    exam, labels = heart()
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for case, values in (("p1", labels), ("p2", np.where(labels == 1, 2, labels))):
        for k in range(SLICES):
            Image.fromarray(exam.pixels[k].astype(np.uint8)).save(tmp_path / "images" / f"{case}_slice{k}.png")
            Image.fromarray(values[k].astype(np.uint8)).save(tmp_path / "labels" / f"{case}_slice{k}.png")
    mask = "{kind: index, values: {0: background, 1: cavity, 2: myocardium, 3: scar}}"
    (tmp_path / "d.yaml").write_text(f"source:\n  kind: image_pairs\n  case_ids: keep\n  mask: {mask}\n")
    done = CliRunner().invoke(app, ["data", "describe", "--data", str(tmp_path / "d.yaml"), "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "finding: slices with cavity: 0 in p2 (expected at least 1)" in done.output
    assert "1 of 2 case(s) have findings: labels that no heart has; are these the right masks" in done.output
    assert "no problem found" not in done.output
    assert re.search(r"note: distances are unknown.*: p1, p2", done.output)


@pytest.mark.parametrize("seed", range(20))
def test_otsus_threshold_is_that_of_skimage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 5000))
    for values in (rng.random(count), rng.integers(0, 9, count) / 8, np.r_[0, 1, rng.normal(0.3, 0.1, count)]):
        if np.ptp(values):
            assert otsu_threshold(values) == threshold_otsu(values)
