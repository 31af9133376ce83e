"""Builders of the architectures that libraries ship; `lge_sweep.config.architectures` names them."""

from collections.abc import Callable
from functools import partial

import segmentation_models_pytorch as smp
import torch
from monai.networks.nets.basic_unet import BasicUNet
from monai.networks.nets.dynunet import DynUNet
from torch import nn

from lge_sweep.choices import look_up
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.registry import resolve

NetworkBuilder = Callable[[int, float], nn.Module]
UNET_FEATURES = (64, 128, 256, 512, 1024, 64)
RESIDUAL_UNET_FEATURES = (32, 64, 128, 256, 320)


def build_network(model: str, classes: int, width: float) -> nn.Module:
    """Build a network with random weights, [B, 3, H, W] -> [B, classes, H, W].

    Args:
        model: name of the architecture.
        classes: number of output channels K.
        width: share of the feature channels kept, 0 < width <= 1, by those that take it.

    Raises:
        ConfigError: there is no such architecture.
    """
    build: NetworkBuilder = resolve(look_up("model", model, ARCHITECTURES).build)
    return build(classes, width)


def unet(classes: int, width: float) -> nn.Module:
    """Plain U-Net of depth 4 with batch norm and ReLU (Ronneberger et al. 2015).

    MATLAB's `unetLayers` has the same depth and channels, but no batch norm: He's weights and grey levels that are
    centred and not scaled, so that its scores move by units where these move by hundredths (`slow_head` makes up for
    that). It also has ReLU after each up-convolution, and dropout of half before and after the deepest stage.
    """
    features = [max(1, round(channels * width)) for channels in UNET_FEATURES]
    return BasicUNet(
        spatial_dims=2,
        in_channels=3,
        out_channels=classes,
        features=features,
        act=("relu", {"inplace": True}),
        norm="batch",
    )


class _Supervised(DynUNet):
    """MONAI's network, which in use computes what it gives alone.

    MONAI's own computes the scores of all depths in use, too, and keeps them as attributes, which no export allows.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores [B, K, H, W]; in training of three depths, [B, 3, K, H, W]."""
        if self.training:
            scores: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # MONAI gives no types
            return scores
        x, skips = self.input_block(x), []
        for down in (*self.downsamples, self.bottleneck):
            skips.append(x)
            x = down(x)
        for up in self.upsamples:
            x = up(x, skips.pop())
        found: torch.Tensor = self.output_block(x)
        return found


def residual_unet(classes: int, width: float) -> nn.Module:
    """Residual U-Net of depth 4 with instance norm, leaky ReLU and deep supervision: nnU-Net's, as MONAI has it.

    Past the paper. In training it returns scores of three depths, [B, 3, K, H, W], the finest first.

    Source: Isensee et al., Nature Methods 2021; residual blocks as in nnU-Net's "residual encoder" of 2024.
    """
    features = [max(1, round(channels * width)) for channels in RESIDUAL_UNET_FEATURES]
    return _Supervised(
        spatial_dims=2,
        in_channels=3,
        out_channels=classes,
        kernel_size=[3] * len(features),
        strides=[1] + [2] * (len(features) - 1),
        upsample_kernel_size=[2] * (len(features) - 1),
        filters=features,
        norm_name=("instance", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
        deep_supervision=True,
        deep_supr_num=2,
        res_block=True,
    )


def _deeplabv3plus(encoder: str, classes: int, width: float) -> nn.Module:
    """DeepLabV3+ (Chen et al. 2018) on an encoder of smp; `width` does not apply to a published encoder."""
    network: nn.Module = smp.DeepLabV3Plus(encoder, encoder_weights=None, in_channels=3, classes=classes)
    return network


deeplabv3plus_mobilenetv2 = partial(_deeplabv3plus, "mobilenet_v2")
deeplabv3plus_resnet50 = partial(_deeplabv3plus, "resnet50")
deeplabv3plus_xception = partial(_deeplabv3plus, "tu-xception41")
