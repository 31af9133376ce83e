"""The architectures by name: how each is built, and what is special about it. Loads no torch.

To add one, write a function that builds it in `lge_sweep/models/`, and an entry here.
"""

import re
from dataclasses import dataclass
from typing import Literal

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation, per channel of an input in [0, 1]."""

IMAGENET: Normalisation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
INCEPTION: Normalisation = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

MemoryFormat = Literal["channels_last", "contiguous"]
"""Order of an image's numbers in memory, as torch calls it: by pixel, or by channel."""

ExecutionMode = Literal["eager", "graphs", "compile"]
"""How a training step is computed: layer by layer, as CUDA graphs, or by `torch.compile`."""

PUBLISHED, SCRATCH = "imagenet", "none"
"""Values of `training.encoder_weights` that are no path: weights trained on ImageNet, and random ones."""


@dataclass(frozen=True)
class Encoder:
    """The part of a network for which weights are published.

    Attributes:
        name: of its weight file, and in smp's table of pretrained weights, or timm's.
        submodule: where it is in the network.
        rename: regular expression and replacement that make the network's keys of those in the file.
    """

    name: str
    submodule: str = "encoder"
    rename: tuple[re.Pattern[str], str] | None = None


@dataclass(frozen=True)
class Architecture:
    """How to build a network.

    Attributes:
        build: ``module:function`` of (number of classes, width) -> network with random weights,
            [B, 3, H, W] -> [B, classes, H, W].
        encoder: its encoder, or None if no weights are published for it.
        normalisation: what its encoder was trained on.
        takes_width: whether `training.width` makes it narrower; a narrow encoder fits no published weights.
        memory_format: in which order its numbers usually lie best on a CPU; a long training measures it.
        cost: how long a step takes, beside those of others (seconds at 96x96 on one core; `benchmarks/step.py`). Where
            cells are trained side by side, those that take longest go first.
        only_contiguous: whether it is computed in that memory format alone, as torch 2.14 on a CPU writes past what it
            holds in the other, in single precision at some widths (`residual_unet`: found by a test that crashed).
        slow_head: its last layer, a submodule with biases, if that has so few inputs that its scores are slow to reach
            the classes' shares of the pixels; training then begins there (`lge_sweep.models.head`).
    """

    build: str
    encoder: Encoder | None = None
    normalisation: Normalisation = IMAGENET
    takes_width: bool = False
    memory_format: MemoryFormat = "contiguous"
    cost: float = 0.5
    slow_head: str | None = None
    only_contiguous: bool = False

    @property
    def memory_formats(self) -> tuple[MemoryFormat, ...]:
        """The orders of numbers in memory that it can be computed in."""
        return ("contiguous",) if self.only_contiguous else ("channels_last", "contiguous")


ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture(
        "lge_sweep.models.architectures:unet",
        takes_width=True,
        memory_format="channels_last",
        cost=0.2,
        slow_head="final_conv",
    ),
    "segnet": Architecture(
        "lge_sweep.models.segnet:SegNet",
        Encoder("vgg16_bn", submodule="features", rename=(re.compile(r"^features\."), "")),
        takes_width=True,
        memory_format="channels_last",
        cost=0.15,
    ),
    "deeplabv3plus_mobilenetv2": Architecture(
        "lge_sweep.models.architectures:deeplabv3plus_mobilenetv2", Encoder("mobilenet_v2"), cost=0.35
    ),
    "deeplabv3plus_resnet50": Architecture(
        "lge_sweep.models.architectures:deeplabv3plus_resnet50", Encoder("resnet50"), cost=0.6
    ),
    "deeplabv3plus_xception": Architecture(
        "lge_sweep.models.architectures:deeplabv3plus_xception",
        # the file is of timm's classifier, the network has smp's feature extractor of it: `stem.0.` -> `model.stem_0.`
        Encoder("xception41", rename=(re.compile(r"^(?:model\.)?(stem|blocks)[._](\d+)\."), r"model.\1_\2.")),
        INCEPTION,
        cost=0.9,
    ),
    "residual_unet": Architecture(
        "lge_sweep.models.architectures:residual_unet", takes_width=True, cost=0.6, only_contiguous=True
    ),
}

BASELINE = tuple(name for name in ARCHITECTURES if name != "residual_unet")
"""The paper's five, which phase 1 compares."""
