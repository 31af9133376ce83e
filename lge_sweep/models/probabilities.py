"""A trained network as others use it: image in, probabilities out."""

import torch
from torch import Tensor, nn

from lge_sweep.models.module import SegmentationModule


class Segmenter(nn.Module):
    """A network with its normalisation, without loss and optimizer.

    Shape:
        Input uint8 [B, 3, S, S] in 0-255, what the stage's network sees; output probabilities float32 [B, K, S, S],
        K the classes of the stage, in their order.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, module: SegmentationModule) -> None:
        """Take the network and the normalisation of a module, on the CPU, ready to predict."""
        super().__init__()
        module = module.cpu().eval()
        self.network = module.network
        for name in ("mean", "deviation"):
            buffer = getattr(module, name)
            assert isinstance(buffer, Tensor)
            self.register_buffer(name, buffer.clone(), persistent=True)

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability of each class."""
        scores: Tensor = self.network((image - self.mean) / self.deviation)
        return torch.softmax(scores.float(), dim=1)
