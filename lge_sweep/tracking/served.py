"""What MLflow calls when it serves a registered folder ("models from code")."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's, of its own type hints
    from mlflow.models import set_model
    from mlflow.pyfunc.model import PythonModel, PythonModelContext

Predict = Callable[[NDArray[Any]], NDArray[Any]]
Load = Callable[[Path, Mapping[str, Any]], Predict]
"""The folder and MLflow's `model_config` -> what predicts."""


def set_served(load: Load) -> None:
    """Tell MLflow how the model whose code calls this predicts; see `register_package`."""
    set_model(Served(load))


class Served(PythonModel):
    """A folder's model, in MLflow's words; loaded once, when MLflow loads it."""

    def __init__(self, load: Load) -> None:
        """Note how it is loaded."""
        self._load = load

    def load_context(self, context: PythonModelContext) -> None:
        """Load the one artifact."""
        (folder,) = context.artifacts.values()
        self._predict = self._load(Path(folder), context.model_config)

    def predict(self, context: PythonModelContext, model_input: np.ndarray, params: Any = None) -> NDArray[Any]:
        """Predict."""
        return self._predict(model_input)
