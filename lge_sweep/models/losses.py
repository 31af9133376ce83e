"""The losses by name: class scores [B, K, H, W] and targets [B, H, W] to a number."""

from collections.abc import Callable

from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]

LOSSES: dict[str, Callable[[], Loss]] = {
    # Mean over pixels. A class absent from the batch has no target pixel; pixels given to it still cost, as
    # misclassified pixels of the classes that are there.
    "cross_entropy": nn.CrossEntropyLoss,
}
