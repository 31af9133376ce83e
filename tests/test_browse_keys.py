"""The page of a run's cases in a real browser: keys, wheel, mouse, and what is drawn, pixel by pixel."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from browser import Browser, browsing, needs_chromium

from lge_sweep.browse import ShownCases, write_page
from lge_sweep.labels import COLOURS, SINGLE_STAGE, Label

pytestmark = needs_chromium
SIZE, SLICES, CASES = 32, 3, 2
MISSED, EXTRA, MIXED = (86, 180, 233), (204, 121, 167), (240, 228, 66)
VIEWS = {"i": "image", "t": "truth", "p": "prediction", "b": "both", "d": "difference"}


class Opened(NamedTuple):
    browser: Browser
    cases: ShownCases

    def chosen(self) -> list[str]:
        """Return case, slice and view as they are told to whoever cannot see them."""
        words = str(self.browser.ask("document.getElementById('said').textContent")).split(". Dice:")[0]
        return words.replace("case ", "").replace("slice ", "").split(", ")

    def value(self, name: str) -> float:
        return float(self.browser.ask(f"document.getElementById('{name}').value"))

    def middle(self) -> tuple[float, float]:
        """Return the middle of the first slice, in the window."""
        x, y = self.browser.ask(
            "(() => { const box = document.querySelector('#slices canvas').getBoundingClientRect();"
            " return [box.left + box.width / 2, box.top + box.height / 2]; })()"
        )
        return x, y

    def width(self) -> float:
        return float(self.browser.ask("document.querySelector('#slices canvas').getBoundingClientRect().width"))

    def drawn(self, k: int = 0) -> np.ndarray:
        """Return what is drawn in the middle of each pixel of a slice that is shown whole: [SIZE, SIZE, 3]."""
        values = self.browser.ask(
            f"(() => {{ const canvas = document.querySelectorAll('#slices canvas')[{k}], n = {SIZE};"
            " const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, found = [];"
            " for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) {"
            " const x = Math.floor((column + .5) * canvas.width / n), y = Math.floor((row + .5) * canvas.height / n);"
            " found.push(...data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3)); }"
            " return found; })()"
        )
        return np.array(values, dtype=int).reshape(SIZE, SIZE, 3)

    def sample(self, right: float, down: float) -> int:
        """Return the grey at a point of the first slice, pixels of the window from its middle."""
        return int(
            self.browser.ask(
                "(() => { const canvas = document.querySelector('#slices canvas');"
                f" const x = Math.floor(canvas.width / 2 + {right}), y = Math.floor(canvas.height / 2 + {down});"
                " return canvas.getContext('2d').getImageData(x, y, 1, 1).data[0]; })()"
            )
        )


@pytest.fixture(scope="module")
def cases() -> ShownCases:
    """Two cases of three slices: the second is labelled worse, so it comes first."""
    count = SLICES * CASES
    images = np.random.default_rng(0).permutation(count * SIZE * SIZE).astype(np.uint8).reshape(count, SIZE, SIZE)
    truth = np.zeros_like(images)
    truth[:, 8:24, 8:24] = Label.MYOCARDIUM
    truth[:, 12:20, 12:20] = Label.CAVITY
    found = np.roll(truth, 1, axis=2)
    found[SLICES:, 8:12, 8:24] = Label.SCAR
    names = [f"P{k // SLICES}_slice{k % SLICES}" for k in range(count)]
    of = [f"P{k // SLICES}" for k in range(count)]
    slices = pd.DataFrame({
        "slice": names, "case": of, "position": [k % SLICES for k in range(count)], "height": SIZE, "width": SIZE,
        "spacing_row_mm": np.nan, "spacing_column_mm": np.nan,
    })  # fmt: skip
    rows = []
    for k, name in enumerate(names):
        for label in Label:
            true, own = truth[k] == label, found[k] == label
            tp, fp, fn = ((true & own).sum(), (~true & own).sum(), (true & ~own).sum())
            dice = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan
            rows.append(
                {"image": name, "case": of[k], "class": label.title, "tp": tp, "fp": fp, "fn": fn, "dice": dice}
            )
    return ShownCases(
        run="runs", title="a study", what="a pipeline", meaning="", subset="val", stage=SINGLE_STAGE, slices=slices,
        images=images, truth=truth, prediction=found, per_image=pd.DataFrame(rows), table=Path("runs/val/x.csv"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def running(cases: ShownCases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    page = tmp_path_factory.mktemp("page") / "page.html"
    cases.check()
    write_page(cases, page)
    with browsing(page, tmp_path_factory.mktemp("home")) as browser:
        yield Opened(browser, cases)


@pytest.fixture
def opened(running: Opened) -> Opened:
    """The page, as it is when it is opened."""
    running.browser.reload("document.querySelectorAll('#slices canvas').length === 3")
    return running


def test_it_opens_on_the_worst_case_and_says_nothing_of_failures(opened: Opened) -> None:
    assert opened.chosen() == ["P1", "1 of 3", "both"]
    assert opened.browser.ask("document.getElementById('failure').hidden")
    assert opened.browser.ask("document.querySelectorAll('[data-case=\"1\"][aria-current]').length") == 0
    assert opened.browser.ask("document.querySelector('[aria-current] button').textContent") == "P1"


def test_keys_switch_what_is_drawn(opened: Opened) -> None:
    for key, view in VIEWS.items():
        opened.browser.press(key)
        assert opened.chosen()[2] == view
        pressed = "[...document.querySelectorAll('#views [aria-pressed=true]')].map((one) => one.dataset.view)"
        assert opened.browser.ask(pressed) == [view]
        assert view in opened.browser.ask("document.querySelector('#slices canvas').getAttribute('aria-label')")


def test_arrows_go_to_slices_and_cases_and_stop_at_the_ends(opened: Opened) -> None:
    for key, wanted in (
        ("ArrowRight", ["P1", "2 of 3"]), ("ArrowRight", ["P1", "3 of 3"]), ("ArrowRight", ["P1", "3 of 3"]),
        ("ArrowLeft", ["P1", "2 of 3"]), ("ArrowUp", ["P1", "2 of 3"]), ("ArrowDown", ["P0", "1 of 3"]),
        ("ArrowDown", ["P0", "1 of 3"]), ("ArrowLeft", ["P0", "1 of 3"]), ("ArrowUp", ["P1", "1 of 3"]),
    ):  # fmt: skip
        opened.browser.press(key)
        assert opened.chosen()[:2] == wanted


def test_keys_are_not_heard_where_that_is_asked_for_nor_by_a_slider(opened: Opened) -> None:
    opened.browser.ask("document.getElementById('level').focus()")
    opened.browser.press("ArrowRight")
    assert (opened.chosen()[1], opened.value("level")) == ("1 of 3", 128.0)
    opened.browser.ask("document.activeElement.blur(); document.getElementById('keys').click()")
    opened.browser.press("d")
    assert opened.chosen()[2] == "both"


def test_grey_is_the_study_s_and_windowed_as_it_says(opened: Opened) -> None:
    for key in ("i", "0"):
        opened.browser.press(key)
    image = opened.cases.images[SLICES].astype(float)  # of P1, the worst
    assert np.array_equal(opened.drawn()[..., 0], image)
    opened.browser.drag(opened.middle(), (-160, 60), "right")
    level, width = opened.value("level"), opened.value("width")
    assert (level, width) == (127.5 - 30, 255 - 80)
    wanted = np.clip((image - (level - width / 2)) / width * 255, 0, 255)
    assert np.abs(opened.drawn()[..., 0] - wanted).max() <= 0.5
    opened.browser.press("w")
    assert np.array_equal(opened.drawn()[..., 2], image)


def test_the_difference_is_drawn_where_labels_differ(opened: Opened) -> None:
    for key in ("0", "d"):
        opened.browser.press(key)
    truth, found, image = (
        of[SLICES].astype(int) for of in (opened.cases.truth, opened.cases.prediction, opened.cases.images)
    )
    colours = np.repeat(image[..., None], 3, axis=2).astype(float)
    kinds = {MISSED: (truth != 0) & (found == 0), EXTRA: (truth == 0) & (found != 0)}
    kinds[MIXED] = (truth != found) & (truth != 0) & (found != 0)
    for colour, where in kinds.items():
        assert where.any()
        colours[where] = colours[where] * (1 - 215 / 255) + np.array(colour) * 215 / 255
    assert np.abs(opened.drawn() - colours).max() <= 3  # of rounding, twice


@pytest.mark.parametrize(("key", "name"), [("t", "truth"), ("p", "prediction")])
def test_outlines_run_along_the_edges_of_pixels(opened: Opened, key: str, name: str) -> None:
    for press in ("0", key):
        opened.browser.press(press)
    labels = getattr(opened.cases, name)[SLICES]
    step = opened.width() / SIZE
    cavity = np.array(COLOURS[Label.CAVITY])
    row = 16
    columns = np.flatnonzero(labels[row] == Label.CAVITY)
    for edge in (columns[0], columns[-1] + 1):
        x, y = round(edge * step), int((row + 0.5) * step)
        colours = opened.browser.ask(
            "(() => { const canvas = document.querySelector('#slices canvas');"
            f" return [...canvas.getContext('2d').getImageData({x - 1}, {y}, 3, 1).data]; }})()"
        )
        off = np.abs(np.array(colours).reshape(3, 4)[:, :3] - cavity).max(axis=1)
        assert off.min() < 60, (edge, colours)  # the line is narrower than two pixels, and its edges are smoothed


def test_the_wheel_zooms_where_the_pointer_is_and_a_drag_moves(opened: Opened) -> None:
    for key in ("i", "0"):
        opened.browser.press(key)
    x, y = opened.middle()
    step = opened.width() / SIZE
    right, down = 3.5 * step, -2.5 * step  # the middle of a pixel
    before, beside = opened.sample(right, down), opened.sample(right + step, down)
    opened.browser.wheel((x + right, y + down), -100)
    assert opened.sample(right, down) == before
    assert opened.sample(right + 1.25 * step, down) == beside
    opened.browser.drag((x + right, y + down), (2 * 1.25 * step, 0))
    assert opened.sample(right + 2 * 1.25 * step, down) == before
    opened.browser.press("0")
    assert opened.sample(right, down) == before


def test_it_can_be_used_without_a_mouse(opened: Opened) -> None:
    reached = []
    for _ in range(60):
        opened.browser.press("Tab")
        about = opened.browser.ask(
            "(() => { const at = document.activeElement; return at === document.body ? null :"
            " [at.id || at.dataset.view || at.textContent.trim(), getComputedStyle(at).outlineStyle]; })()"
        )
        if about is None:
            break
        reached.append(about)
    names = [name for name, _ in reached]
    assert {"sort", "P0", "P1", *VIEWS.values(), "in", "out", "heart", "whole", "one", "level", "width", "reset",
            "case-before", "case-after", "slice-before", "slice-after"} <= set(names)  # fmt: skip
    assert all(style != "none" for _, style in reached)
    opened.browser.ask("[...document.querySelectorAll('button.case')].at(-1).focus()")
    opened.browser.press("Enter")
    opened.browser.wait("document.getElementById('case').textContent.startsWith('P0')")


def test_cases_are_sorted_otherwise_where_that_is_asked_for(opened: Opened) -> None:
    opened.browser.ask(
        "(() => { const list = document.getElementById('sort'); list.value = 'name';"
        " list.dispatchEvent(new Event('change')); })()"
    )
    assert opened.browser.ask("[...document.querySelectorAll('button.case')].map((one) => one.textContent)") == [
        "P0",
        "P1",
    ]
    opened.browser.press("ArrowUp")
    opened.browser.wait("document.getElementById('case').textContent.startsWith('P0')")


def test_nothing_is_asked_of_anybody(opened: Opened) -> None:
    assert opened.browser.ask("performance.getEntriesByType('resource').length") == 0
    blocked = opened.browser.ask("fetch('http://127.0.0.1:1/').then(() => 'sent', (error) => String(error))")
    assert "TypeError" in blocked
