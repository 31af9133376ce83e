"""What phase 2 selected for a stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lge_sweep.config import Cell, SweepConfig
from lge_sweep.errors import DamagedError, InheritError
from lge_sweep.hashing import file_digest
from lge_sweep.run_store import CellFolder
from lge_sweep.study import (
    DRAWN,
    REMEDY,
    Plan,
    basis_digest,
    load_plan,
    matching_sweeps,
    read_cell,
    read_selection,
    sweeps_of,
)


@dataclass(frozen=True)
class Champion:
    """The winner of a phase-2 sweep.

    Attributes:
        plan: the sweep.
        cell: the winner.
        notes: what was to doubt in the selection.
    """

    plan: Plan
    cell: Cell
    notes: tuple[str, ...]

    @property
    def files(self) -> CellFolder:
        """What is in its folder."""
        return self.plan.cell_files(self.cell)

    @property
    def digest(self) -> str:
        """SHA-256 of its weights."""
        return file_digest(self.files.best)


def find_champions(configs: Mapping[int, SweepConfig], data_digest: str, runs: Path) -> dict[int, Champion]:
    """Find what phase 2 selected for each stage.

    One stage may have been selected with another learning rate, weight decay or batch size than the settings say, as
    the winner of a search is; where both were, the settings are wrong.

    Args:
        configs: stage -> settings.
        data_digest: SHA-256 of the data's content.
        runs: the runs directory.

    Raises:
        InheritError: see `find_champion`.
    """
    champions: dict[int, Champion] = {}
    refused: dict[int, InheritError] = {}
    for stage, config in configs.items():
        try:
            champions[stage] = find_champion(config, basis_digest(config, data_digest), runs)
        except InheritError as error:
            refused[stage] = error
    for stage, refusal in refused.items():
        like = drawn_alike(configs[stage], data_digest, runs) if champions else None
        if like is None:
            raise refusal
        champions[stage] = find_champion(configs[stage], like, runs)
    return {stage: champions[stage] for stage in configs}


def drawn_alike(config: SweepConfig, data_digest: str, runs: Path) -> str | None:
    """Return the basis of the phase-2 sweeps that differ from a configuration only in what a search draws.

    Args:
        config: stage, data and profile.
        data_digest: SHA-256 of the data's content.
        runs: the runs directory.

    Returns:
        None where there are none, or of more than one kind.
    """
    wanted = basis_digest(config, data_digest, DRAWN)
    selected = [sweep for sweep in sweeps_of("phase2", config, runs) if sweep.selection.is_file()]
    plans = [load_plan(sweep.path) for sweep in selected]
    alike = {plan.basis for plan in plans if basis_digest(plan.config, plan.data_digest, DRAWN) == wanted}
    return alike.pop() if len(alike) == 1 else None


def find_champion(config: SweepConfig, basis: str, runs: Path) -> Champion:
    """Find what phase 2 selected for the stage, data and profile of a configuration.

    Args:
        config: stage, data and profile.
        basis: digest of data, split and training, which phase 2 must share.
        runs: the runs directory.

    Raises:
        InheritError: phase 2 was not run, is not complete, was run on other data or settings, or several times with
            different outcomes.
        DamagedError: what it selected is gone or damaged; running it again makes it anew.
    """
    found = matching_sweeps("phase2", config, basis, runs)
    champions = {}
    for sweep in found:
        plan, selection = load_plan(sweep.path), read_selection(sweep.selection)
        if plan.config.selection.subset != "val":
            raise InheritError(
                f"{sweep.name} selected on the {plan.config.selection.subset} subset, on which the pipeline is to be "
                "evaluated; run phase 2 with selection.subset=val, and move this folder out of the runs directory"
            )
        cell = next((cell for cell in plan.cells if cell.name == selection.champion), None)
        if cell is None:
            raise DamagedError(sweep.selection, f"champion: no such cell, {selection.champion[:80]}", REMEDY)
        champion = Champion(plan, cell, selection.notes)
        read_cell(champion.files, cell, plan.name)
        champions[sweep.name] = champion
    if len({champion.digest for champion in champions.values()}) > 1:
        listed = ", ".join(f"{name}: {champion.cell.name}" for name, champion in champions.items())
        raise InheritError(
            f"phase 2 of stage {config.stage} was run several times and selected different networks ({listed}); "
            "move the folders that are not meant out of the runs directory"
        )
    return next(iter(champions.values()))
