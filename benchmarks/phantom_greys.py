"""Are the phantom's grey levels those of real LGE? A table and a figure of its exams beside EMIDEC's.

Command: python benchmarks/phantom_greys.py [--figure docs/images/phantom_greys.png] [--root FOLDER]

Without a root EMIDEC's side is what `emidec_greys.json` keeps of it: quantiles over its 70 exams and shares of all
pixels, never a patient's. With the root of EMIDEC as image pairs (sweeps/data/emidec_png.yaml) it is measured anew, and
written there. The phantom's side are 48 exams of the default settings, simulated in 10 s.

EMIDEC's images are phase-sensitive: its zero is the middle of the range, and greys below it are negative signal
(`ZERO`); in the one exam that we have as NIfTI, too, which runs from 0 to 4094, its PNGs are that by .0605, and air
lies about 2048. Greys are divided by the slice's blood pool, so that no scaling of an image counts.

Source: Lalande et al., Data 2020 (EMIDEC).
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from lge_sweep.config.data import Phantom
from lge_sweep.config.loader import read_data_file
from lge_sweep.ingest import Volume, read
from lge_sweep.ingest.phantom import simulate
from lge_sweep.labels import Label

ZERO = 128
"""Grey level of no signal in EMIDEC's PNGs."""
LEAST = 8
"""A slice whose blood pool is less far above zero is left out: greys are integers."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
BINS = np.linspace(-0.5, 2.5, 31)
KEPT = Path(__file__).with_name("emidec_greys.json")
STATISTICS = {
    "wall": "remote wall / blood",
    "scar": "scar / blood",
    "blood_spread": "spread of blood / blood",
    "wall_spread": "spread of wall / blood",
    "scar_spread": "spread of scar / blood",
    "contrast": "(scar - wall) / spread of wall",
    "scar_share": "share of the wall that is scar",
    "thickness": "wall / radius of the cavity",
}
"""What is measured of an exam, the median of its slices; spreads are 1.4826 times the median absolute deviation."""
POOLED = ("blood", "wall", "scar")

Greys = dict[str, float]
Pixels = dict[str, list[NDArray[np.float64]]]


def spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of normally distributed values, whatever outliers there are."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def slice_greys(signal: NDArray[np.float64], labels: NDArray[np.uint8]) -> tuple[Greys, dict[str, NDArray[np.float64]]]:
    """Measure a slice; nothing where it has too little cavity or wall. Signal and labels are [H, W].

    Borders are left out: two pixels around the cavity, one around the wall; not around scar, which is too thin.
    """
    blood = signal[ndimage.binary_erosion(labels == Label.CAVITY, np.ones((3, 3)), iterations=2)]
    remote, whole = labels == Label.MYOCARDIUM, labels >= Label.MYOCARDIUM
    inner = ndimage.binary_erosion(whole) & remote
    wall = signal[inner if inner.sum() > 15 else remote]
    if len(blood) < 20 or len(wall) < 15 or np.median(blood) < LEAST:
        return {}, {}
    scale = float(np.median(blood))
    cavity = int(np.count_nonzero(labels == Label.CAVITY))
    found = {
        "wall": float(np.median(wall)) / scale,
        "blood_spread": spread(blood) / scale,
        "wall_spread": spread(wall) / scale,
        "thickness": float(np.sqrt((whole.sum() + cavity) / cavity)) - 1,
    }
    pixels = {"blood": blood / scale, "wall": wall / scale}
    scar = signal[labels == Label.SCAR]
    if len(scar) > 15:
        found["scar"], found["scar_spread"] = float(np.median(scar)) / scale, spread(scar) / scale
        found["contrast"] = (found["scar"] - found["wall"]) / found["wall_spread"]
        found["scar_share"] = len(scar) / int(whole.sum())
        pixels["scar"] = scar / scale
    return found, pixels


def measure(exams: list[Volume], zero: float) -> dict[str, Any]:
    """Return quantiles over exams of each statistic, and the share of all pixels of a tissue in each of `BINS`."""
    of_exams: dict[str, list[float]] = defaultdict(list)
    pooled: Pixels = defaultdict(list)
    for exam in exams:
        of_slices: dict[str, list[float]] = defaultdict(list)
        for image, labels in zip(exam.pixels, exam.labels, strict=True):
            greys, pixels = slice_greys(np.asarray(image, dtype=np.float64) - zero, np.asarray(labels))
            for name, value in greys.items():
                of_slices[name].append(value)
            for tissue, values in pixels.items():
                pooled[tissue].append(values)
        for name, values_of in of_slices.items():
            of_exams[name].append(statistics.median(values_of))
    shares = {tissue: np.histogram(np.concatenate(pooled[tissue]), BINS)[0] for tissue in POOLED}
    return {
        "quantiles": {name: np.quantile(of_exams[name], QUANTILES).round(3).tolist() for name in STATISTICS},
        "shares": {tissue: (counts / counts.sum()).round(4).tolist() for tissue, counts in shares.items()},
    }


def phantom_greys(cases: int = 48) -> dict[str, Any]:
    return measure(simulate(Phantom(kind="phantom", cases=cases)), 0)


def draw(emidec: dict[str, Any], phantom: dict[str, Any]) -> Figure:
    """Draw what `measure` returned of both: an exam's statistics above, grey levels of all pixels below."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    figure.suptitle("Grey levels of the phantom beside those of EMIDEC (in units of the blood pool)")
    sides = (("EMIDEC", emidec, "tab:gray"), ("phantom", phantom, "tab:red"))
    rows = figure.add_gridspec(2, 1, height_ratios=(2, 3))
    above, below = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    for axes, (name, text) in zip(above.subplots(1, 6), list(STATISTICS.items())[:6], strict=True):
        for place, (_, side, colour) in enumerate(sides):
            low, lower, middle, upper, high = side["quantiles"][name]
            axes.plot([place, place], [low, high], color=colour, linewidth=1.5)
            axes.plot([place, place], [lower, upper], color=colour, linewidth=9, solid_capstyle="butt")
            axes.plot(place, middle, "o", color="white", markersize=4)
        title = text.replace("(scar - wall) / spread of wall", "contrast to noise")
        axes.set(xlim=(-0.7, 1.7), xticks=(0, 1), xticklabels=[side[0] for side in sides], title=title)
        axes.title.set_fontsize(8)
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
    middles = (BINS[1:] + BINS[:-1]) / 2
    for axes, tissue in zip(below.subplots(1, 3, sharey=True), POOLED, strict=True):
        for label, side, colour in sides:
            axes.fill_between(middles, side["shares"][tissue], color=colour, alpha=0.35, label=label, step="mid")
        axes.set(title=f"all pixels of {tissue}", xlabel="signal / blood pool")
    below.axes[0].set_ylabel("share of pixels")
    below.axes[0].legend()
    return figure


def show(emidec: dict[str, Any], phantom: dict[str, Any]) -> None:
    print(f"{'':34}{'EMIDEC: 10, 50, 90 %':>24}{'phantom: 10, 50, 90 %':>26}")
    for name, text in STATISTICS.items():
        sides = [[side["quantiles"][name][place] for place in (0, 2, 4)] for side in (emidec, phantom)]
        print(f"{text:34}" + "".join(f"{low:11.2f} {middle:6.2f} {high:6.2f}" for low, middle, high in sides))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="measure EMIDEC anew, and keep it")
    parser.add_argument("--figure", type=Path, help="where the figure is written")
    options = parser.parse_args()
    if options.root is not None:
        exams = read(read_data_file("emidec_png").source, options.root)
        KEPT.write_text(json.dumps(measure(exams, ZERO), indent=1) + "\n", encoding="utf-8")
    emidec, phantom = json.loads(KEPT.read_text(encoding="utf-8")), phantom_greys()
    show(emidec, phantom)
    if options.figure is not None:
        draw(emidec, phantom).savefig(options.figure, dpi=80)


if __name__ == "__main__":
    main()
