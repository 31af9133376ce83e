"""Networks that run: a torch module, an exported graph (pt2), an ONNX file. Each loads its library when it is used."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lge_sweep.errors import ModelError
from lge_sweep.pipeline.segment import Network, Pixels

if TYPE_CHECKING:
    from torch import nn

PLAIN = re.compile(r"(weight|tensor)_\d+")
"""Names of a pt2 archive's weights and constants that hold bare numbers."""


def torch_network(module: "nn.Module", device: str = "cpu") -> Network:
    """Return a torch module such as `Segmenter`, in evaluation mode and on the device named, as a network."""
    import torch

    def run(inputs: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            probabilities: NDArray[np.float32] = module(torch.from_numpy(inputs).to(device)).cpu().numpy()
        return probabilities

    return run


def load_pt2(path: Path) -> Network:
    """Return an exported graph as a network; needs torch and no code of the network's.

    Raises:
        ModelError: there is no torch, or the archive holds pickled objects, which torch would execute.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ModelError(
            "the runtime 'torch' needs torch, which is not installed; install it or take 'onnx'"
        ) from error

    _refuse_pickles(path)
    return torch_network(torch.export.load(path).module())


def load_onnx(path: Path) -> Network:
    """Return an ONNX file as a network, on the CPU."""
    import onnxruntime  # `lge_sweep` has switched its telemetry off; its own function does so too late

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (name,) = (argument.name for argument in session.get_inputs())

    def run(inputs: Pixels) -> NDArray[np.float32]:
        (probabilities,) = session.run(None, {name: inputs})
        assert isinstance(probabilities, np.ndarray)
        return probabilities

    return run


def _refuse_pickles(path: Path) -> None:
    """Raise if loading a pt2 archive would unpickle more than `weights_only` allows.

    `torch.export.load` unpickles what the archive itself declares to be pickled, and falls back to doing so.
    """
    import torch

    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            name = entry.partition("/")[2]
            plain = True
            if name.startswith(("data/weights/", "data/constants/")) and name.endswith("_config.json"):
                parts = json.loads(archive.read(entry))["config"].values()
                plain = all(PLAIN.fullmatch(part["path_name"]) and not part["use_pickle"] for part in parts)
            elif name.startswith(("data/weights/", "data/constants/")):
                plain = not name.endswith(".pt")  # how earlier versions of torch kept all weights at once
            elif name.startswith("data/sample_inputs/"):
                try:
                    torch.load(io.BytesIO(archive.read(entry)), weights_only=True)
                except pickle.UnpicklingError:
                    plain = False
            if not plain:
                raise ModelError(f"{path}: {name} holds a pickled object, which may run any code; it is not loaded")
