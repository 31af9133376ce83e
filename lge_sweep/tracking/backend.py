"""MLflow's backend store, where it keeps runs and models: a file in the runs directory, or what an address names."""

from collections.abc import Callable, Hashable
from typing import Protocol

from lge_sweep.errors import RunsError
from lge_sweep.run_store import RunStore
from lge_sweep.tracking.database import DatabaseFile
from lge_sweep.tracking.server import Server


class Backend(Protocol):
    """A backend store."""

    @property
    def address(self) -> str:
        """What messages call it, without credentials; empty for a file in the runs directory."""

    @property
    def artifacts(self) -> str | None:
        """URI of the folder for files of a new experiment; None: the server says."""

    def identify(self) -> Hashable | None:
        """Return what tells it from another that takes its place; None if there is none."""

    def check(self) -> None:
        """Make sure that it can be written now, soon rather than after MLflow's patience; what it raises says why."""

    def open(self, set_up: Callable[[str], object]) -> str:
        """Make it ready; `set_up` fills a new one, by its URI. Returns the URI that MLflow is to use."""

    def may_return(self, reason: str) -> bool:
        """Whether what it failed for, in its own words, passes by itself, such as another's lock."""

    def mend(self) -> None:
        """Set it aside if it is damaged for good and ours to make anew."""

    def failure(self, reason: str) -> RunsError:
        """Return the error for a use of it that cannot be put off."""


def backend_of(store: RunStore, experiment: str) -> Backend:
    """Return the backend store of a runs directory.

    Args:
        store: the runs directory.
        experiment: name of our experiment.
    """
    if store.database is None:
        return Server(store)
    return DatabaseFile(store, store.database, experiment)
