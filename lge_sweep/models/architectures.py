"""The five architectures by name."""

from collections.abc import Callable
from dataclasses import dataclass

import segmentation_models_pytorch as smp
from monai.networks.nets.basic_unet import BasicUNet
from torch import nn

from lge_sweep.models.segnet import SegNet

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
INCEPTION = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
UNET_FEATURES = (64, 128, 256, 512, 1024, 64)


@dataclass(frozen=True)
class Architecture:
    """How to build a network.

    Attributes:
        build: (number of classes, width) -> network with random weights, [B, 3, H, W] -> [B, classes, H, W].
        encoder: name of the encoder in smp's table of pretrained weights, or None if it has none.
        normalisation: mean and standard deviation, per channel of an input in [0, 1], that the encoder was trained on.
    """

    build: Callable[[int, float], nn.Module]
    encoder: str | None
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET


def _unet(classes: int, width: float) -> nn.Module:
    """Plain U-Net of depth 4 with batch norm and ReLU, as MATLAB's `unetLayers` (Ronneberger et al. 2015)."""
    features = [max(1, round(channels * width)) for channels in UNET_FEATURES]
    return BasicUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=classes,
        features=features,
        act=("relu", {"inplace": True}),
        norm="batch",
    )


def _deeplabv3plus(encoder: str) -> Callable[[int, float], nn.Module]:
    """DeepLabV3+ (Chen et al. 2018) on an encoder of smp; `width` does not apply to a published encoder."""

    def build(classes: int, width: float) -> nn.Module:
        network: nn.Module = smp.DeepLabV3Plus(encoder, encoder_weights=None, in_channels=3, classes=classes)
        return network

    return build


ARCHITECTURES: dict[str, Architecture] = {
    "unet": Architecture(_unet, None),
    "segnet": Architecture(SegNet, "vgg16_bn"),
    "deeplabv3plus_mobilenetv2": Architecture(_deeplabv3plus("mobilenet_v2"), "mobilenet_v2"),
    "deeplabv3plus_resnet50": Architecture(_deeplabv3plus("resnet50"), "resnet50"),
    "deeplabv3plus_xception": Architecture(_deeplabv3plus("tu-xception41"), "xception41", INCEPTION),
}
