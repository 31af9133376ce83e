"""Networks that run: a torch module, an exported graph (pt2), an ONNX file. Each loads its library when it is used."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lge_sweep.arrays import Pixels8, Probabilities
from lge_sweep.errors import ModelError
from lge_sweep.machine import memory_bytes
from lge_sweep.segmenter.views import Network

if TYPE_CHECKING:
    from torch import nn


def torch_network(module: "nn.Module", device: str = "cpu") -> Network:
    """Return a torch module such as `Segmenter`, in evaluation mode and on the device named, as a network."""
    import torch

    def run(inputs: Pixels8) -> Probabilities:
        with torch.inference_mode():
            probabilities: Probabilities = module(torch.from_numpy(inputs).to(device)).cpu().numpy()
        return probabilities

    return run


def load_pt2(path: Path, share: int = 1) -> Network:
    """Return an exported graph as a network; needs torch and no code of the network's.

    Load nothing with it that may not run any command: torch unpickles what an archive says is pickled, opens its
    compiled members, and evaluates its expressions of sizes as Python. There is no way to ask it not to.

    Args:
        path: the file.
        share: number of processes, each with a core of its own, among which the machine is shared; 1: it has all.

    Raises:
        ModelError: there is no torch.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(
            "the runtime 'torch' needs torch, which is not installed; install it or take 'onnx'"
        ) from error

    if share > 1:
        torch.set_num_threads(1)
    return torch_network(torch.export.load(path).module())


def load_onnx(path: Path, share: int = 1) -> Network:
    """Return an ONNX file as a network, on the CPU, with at most 8 GiB of memory, or half of the machine's.

    An ONNX file is data: onnxruntime loads no library of operators unless it is told to. Weights that a file keeps
    outside itself are looked for where there is nothing; ours keep none, and another's could name any file.

    Args:
        path: the file.
        share: as for `load_pt2`; memory is shared, too.
    """
    import onnxruntime  # `lge_sweep` has switched its telemetry off; its own function does so too late

    _bound_memory(share)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is fatal; errors are raised
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a core that waits is another's
    if share > 1:
        options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    (name,) = (argument.name for argument in session.get_inputs())

    def run(inputs: Pixels8) -> Probabilities:
        (probabilities,) = session.run(None, {name: inputs})
        assert isinstance(probabilities, np.ndarray)
        return probabilities

    return run


@cache
def _bound_memory(share: int) -> None:
    """Let no network of a few bytes that multiplies what it is given take the whole machine."""
    import onnxruntime

    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    most = min(memory_bytes() // 2 // share, 8 << 30)
    bounds = onnxruntime.OrtArenaCfg(most, -1, -1, -1)  # -1: the library's own choice
    onnxruntime.create_and_register_allocator(place, bounds)
