"""Ray workers for benchmarks; a module of its own, as nodes import it."""

import trivial_cell

from lge_sweep.engine.executors.ray_worker import RayPlace, RayWorker


class TrivialWorker(RayWorker):
    """Its cells are done at once."""

    def __init__(self) -> None:
        """Replace the training."""
        super().__init__()
        trivial_cell.replace_training()


class BlindWorker(RayWorker):
    """Does not see the runs directory."""

    def place(self, setup: str) -> str:
        """Say so."""
        place = RayPlace.model_validate_json(super().place(setup))
        return place.model_copy(update={"shares": False}).model_dump_json()
