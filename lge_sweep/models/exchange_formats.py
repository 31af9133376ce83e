"""A trained network as files that need neither this package nor pickle: PyTorch's exported graph (pt2) and ONNX."""

import copy
import logging
from pathlib import Path

import torch

from lge_sweep.models.probabilities import Segmenter

logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of empty lists of attributes; there is nothing to do


def export(segmenter: Segmenter, size: int, pt2: Path, onnx: Path) -> None:
    """Write both files; they have one input `image`, one output `probabilities`, and take any number of slices.

    Both come from one graph. Max-unpooling becomes a scatter there, in torch's own words. The places in the source code
    that torch notes in a graph are left out: they name folders, and with them people.

    Args:
        segmenter: in evaluation mode, on the CPU; it is not changed.
        size: rows and columns S of its input.
        pt2: file to write; PyTorch's, read by `torch.export.load`.
        onnx: file to write; one file, weights included (less than 2 GB).
    """
    # Weights in channels-last order cannot be told from slices of others by the writer of pt2.
    network = copy.deepcopy(segmenter).to(memory_format=torch.contiguous_format)
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8)
    graph = torch.export.export(network, (example,), dynamic_shapes={"image": {0: torch.export.Dim("slices")}})
    for node in graph.graph.nodes:
        node.meta.pop("stack_trace", None)
    torch.export.save(graph, pt2)
    program = torch.onnx.export(
        graph,
        dynamo=True,
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_shapes=({0: "slices"},),
        verbose=False,
    )
    assert program is not None
    program.save(onnx, external_data=False)
