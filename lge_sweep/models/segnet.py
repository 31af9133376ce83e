"""SegNet: an encoder-decoder that unpools with the indices of its pooling. No library ships it, so this one is ours."""

import itertools

import torch
from torch import Tensor, nn
from torchvision.models.vgg import make_layers

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of the five blocks of VGG-16."""


def _unit(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class SegNet(nn.Module):
    """SegNet on the VGG-16 encoder with batch normalisation.

    The encoder is the thirteen convolutions of VGG-16; each block ends in 2x2 max-pooling whose indices are kept. The
    decoder mirrors it: max-unpooling with those indices, then as many convolutions as the encoder's block has. A final
    convolution gives the class scores.

    Args:
        classes: number of output channels.
        width: share of the feature channels kept, 0 < width <= 1; 1 is the published network.

    Shape:
        Input [B, 3, H, W], H and W multiples of 32; output [B, classes, H, W].

    Source:
        Badrinarayanan, Kendall, Cipolla: SegNet, IEEE TPAMI 39 (2017); MATLAB's `segnetLayers(size, n, 'vgg16')`.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        """Build both halves with random weights."""
        super().__init__()
        blocks = [(max(1, round(channels * width)), convolutions) for channels, convolutions in BLOCKS]
        plan: list[str | int] = [entry for channels, count in blocks for entry in ([channels] * count + ["M"])]
        self.features = make_layers(plan, batch_norm=True)
        for index, layer in enumerate(self.features):
            if isinstance(layer, nn.MaxPool2d):
                self.features[index] = nn.MaxPool2d(2, stride=2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, stride=2)
        self.decoder = nn.ModuleList()
        for level in reversed(range(len(blocks))):
            channels, count = blocks[level]
            below = blocks[level - 1][0] if level else channels
            widths = [channels] * count + [below]
            units = [_unit(i, o) for i, o in itertools.pairwise(widths)]
            self.decoder.append(nn.Sequential(*(layer for unit in units for layer in unit)))
        self.head = nn.Conv2d(blocks[0][0], classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores [B, classes, H, W]."""
        pooled: list[tuple[Tensor, torch.Size]] = []
        for layer in self.features:
            if isinstance(layer, nn.MaxPool2d):
                size = x.shape
                x, indices = layer(x)
                pooled.append((indices, size))
            else:
                x = layer(x)
        for block, (indices, size) in zip(self.decoder, reversed(pooled), strict=True):
            x = self.unpool(x, indices, output_size=size[-2:])
            x = block(x)
        scores: Tensor = self.head(x)
        return scores
