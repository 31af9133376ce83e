"""What a network of others must not hold, although it is data: what can run for ever."""

from pathlib import Path

import onnx

from lge_sweep.errors import ModelError
from lge_sweep.text import shorten

ENDLESS = {"If", "Loop", "Scan", "SequenceMap"}
"""Operators that hold a network of their own, and may repeat it without end."""
OWN = ("", "ai.onnx")
"""Domains of the operators that every runtime has."""


def check_network(path: Path) -> None:
    """Make sure that a network does each of its operators once, so that its size bounds what it takes.

    Args:
        path: an ONNX file.

    Raises:
        ModelError: it has operators that repeat others, or functions of its own.
    """
    try:
        network = onnx.load_model(path, load_external_data=False)
    except Exception as error:  # of protobuf, of many kinds
        raise ModelError(f"{path}: cannot be loaded ({type(error).__name__}): broken, or no network") from error
    if network.functions:
        raise ModelError(f"{path}: it has {len(network.functions)} functions of its own, which a segmenter has not")
    for node in network.graph.node:
        if node.op_type in ENDLESS or node.domain not in OWN:
            name = shorten(f"{node.domain}.{node.op_type}".lstrip("."))
            raise ModelError(f"{path}: its operator {name} can run without end, or is of others; a segmenter has none")
