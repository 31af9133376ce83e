"""What the two-stage segmentation of an exam takes, and which part of it the networks.

Command: .venv/bin/python benchmarks/inference.py [--full] [--size 96] [--rounds 5]

A simulated exam of 11 slices of 256x256 pixels. Networks of random weights are exported and loaded as those that are
shipped (ONNX, on the CPU); then `segment` is timed, and within it each network. What an untrained network finds is no
heart, so that all after it would be timed on noise: it is computed, and replaced by the truth. U-Net is of the width of
the profile `laptop`, a quarter, at 96 px; with --full there are the paper's 320 px and full width, too.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from section import Figure, Options, Section, ratios, run_alone, say, seconds
from slices import simulate

from lge_sweep.arrays import LabelImage, Pixels8, Probabilities
from lge_sweep.config import Cell
from lge_sweep.config.data import Intensity
from lge_sweep.config.schema import Training
from lge_sweep.config.segmenter import SegmenterSettings
from lge_sweep.data import resize_labels
from lge_sweep.labels import STAGES, stage_target
from lge_sweep.models import Segmenter, build_module
from lge_sweep.segmenter import Network, TwoStageSegmenter, load_segmenter, write_segmenter

MODELS = ("unet", "deeplabv3plus_resnet50")
SLICES = 11


@dataclass
class Timed:
    """A network that is timed, and whose answer is replaced by the truth.

    Attributes:
        network: computes.
        truth: [N, S, S] channel indices of its stage; slices come in their order.
        classes: K.
        seconds: of computing since this was last set to 0.
        done: slices answered since.
    """

    network: Network
    truth: LabelImage
    classes: int
    seconds: float = 0.0
    done: int = 0

    def __call__(self, inputs: Pixels8) -> Probabilities:
        """Compute, and tell the truth."""
        began = time.perf_counter()
        self.network(inputs)
        self.seconds += time.perf_counter() - began
        shown = self.truth[self.done : self.done + len(inputs)]
        self.done += len(inputs)
        return np.moveaxis(np.eye(self.classes, dtype=np.float32)[shown], -1, 1)


def measure_model(model: str, size: int, width: float, times: int) -> Section:
    """Export, load and time the pipeline of one architecture."""
    exam = simulate(SLICES)
    assert exam.labels is not None
    frames = np.stack([resize_labels(labels, size, size) for labels in exam.labels])
    training = Training(encoder_weights="none", width=width, image_size=size)
    say(f"inference: exporting {model} at {size} px")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "segmenter"
        first, second = (
            Segmenter(build_module(Cell(stage, model, "cross_entropy", "adam", 0), training)) for stage in (1, 2)
        )
        write_segmenter(folder, (first, second), SegmenterSettings(size=size, intensity=Intensity()))
        say(f"inference: {model} at {size} px")
        loading = [seconds(lambda: load_segmenter(folder)) for _ in range(min(times, 3))]
        segmenter = load_segmenter(folder)
    assert isinstance(segmenter, TwoStageSegmenter)
    stages = [
        Timed(network, stage_target(frames, stage), len(STAGES[stage]))
        for stage, network in ((1, segmenter.stage1), (2, segmenter.stage2))
    ]
    segmenter = replace(segmenter, stage1=stages[0], stage2=stages[1])
    segmenter.segment(exam.pixels)  # the first is slower
    found: list[list[float]] = []
    for _ in range(times):
        for stage in stages:
            stage.seconds, stage.done = 0.0, 0
        whole = seconds(lambda: segmenter.segment(exam.pixels))
        parts = [stage.seconds for stage in stages]
        found.append([whole, *parts, whole - sum(parts)])
    names = ("segment", "stage 1's network", "stage 2's network", "the rest")
    figures = [Figure("load", "s", loading)]
    figures += [Figure(name, "s", took) for name, took in zip(names, map(list, zip(*found, strict=True)), strict=True)]
    figures.append(ratios("segment / networks", [one[0] for one in found], [one[1] + one[2] for one in found]))
    title = f"inference: {model}, {SLICES} slices at {size} px, width {width:g}"
    return Section(title, figures, settings={"model": model, "size": size, "width": width})


def measure(options: Options) -> Sequence[Section]:
    """Measure both architectures at the sizes asked for."""
    frames = [(options.size or 96, 0.25), *([(320, 1.0)] if options.full and not options.size else [])]
    times = options.rounds or (10 if options.full else 5)
    return [measure_model(model, size, width, times) for size, width in frames for model in MODELS]


if __name__ == "__main__":
    run_alone(__doc__, measure)
