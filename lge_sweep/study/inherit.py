"""What phase 2 takes over from phase 1: the models that it selected."""

import logging
from collections.abc import Iterator
from pathlib import Path

from lge_sweep.config import SweepConfig
from lge_sweep.config.schema import SELECTED
from lge_sweep.errors import DamagedError, EarlierVersionError, InheritError
from lge_sweep.run_store import RunStore, SweepFolder
from lge_sweep.study.plan_files import read_settings
from lge_sweep.study.records import PlanRecord, read_record, read_selection

_log = logging.getLogger(__name__)


def inherit_models(config: SweepConfig, basis: str, runs: Path) -> tuple[SweepConfig, list[str]]:
    """Put the models that phase 1 selected into a sweep whose grid leaves them open.

    Args:
        config: every setting; returned as it is if it names its models.
        basis: digest of data, split and training (`basis_digest`), which phase 1 must share.
        runs: the runs directory.

    Returns:
        The settings with the models named, and a sentence on where they are from.

    Raises:
        InheritError: phase 1 was not run, is not complete, or was run on other data or settings.
    """
    if SELECTED not in config.grid.model:
        return config, []
    what = f"phase 1 of stage {config.stage}"
    found = matching_sweeps("phase1", config, basis, runs)
    selections = {sweep.name: read_selection(sweep.selection) for sweep in found}
    if len({frozenset(selection.models) for selection in selections.values()}) > 1:
        listed = "; ".join(f"{name}: {', '.join(selection.models)}" for name, selection in selections.items())
        raise InheritError(
            f"{what} was run several times and selected different models ({listed}); name some with --models"
        )
    models = next(iter(selections.values())).models
    grid = config.grid.model_copy(update={"model": models})
    notes = [f"models selected by {' and '.join(selections)}: {', '.join(models)}"]
    notes += [f"of that selection: {note}" for selection in selections.values() for note in selection.notes]
    return config.model_copy(update={"grid": grid}), list(dict.fromkeys(notes))


def matching_sweeps(phase: str, config: SweepConfig, basis: str, runs: Path) -> list[SweepFolder]:
    """Find the finished sweeps of an earlier phase that a configuration can build on.

    Args:
        phase: "phase1" or "phase2".
        config: stage, data and profile.
        basis: digest of data, split and training (`basis_digest`), which the earlier phase must share.
        runs: the runs directory.

    Returns:
        Their folders, at least one.

    Raises:
        InheritError: the phase was not run, is not complete, or was run on other data or settings.
    """
    title = f"phase {phase.removeprefix('phase')}"
    what = f"{title} of stage {config.stage} on {config.data} with profile {config.profile}"
    by_profile: dict[str, list[SweepFolder]] = {}
    for sweep, profile in _alike(phase, config, runs):
        by_profile.setdefault(profile, []).append(sweep)
    sweeps = by_profile.pop(config.profile, [])
    if not sweeps:
        others = sorted(by_profile)
        hint = f"; with profile {' and '.join(others)} it has: go on with --profile {others[0]}" if others else ""
        raise InheritError(
            f"{what} has not been run in {runs}, so that nothing is selected yet{hint}", phase, config.stage
        )
    bases = {sweep: read_record(PlanRecord, sweep.plan).basis for sweep in sweeps}
    alike = [sweep for sweep in sweeps if bases[sweep] == basis]
    if not alike:
        known = ", ".join(f"{bases[sweep][:10]} ({sweep.name})" for sweep in sweeps)
        raise InheritError(
            f"{what} was run on other data, another split or other training settings: digest {known}; this is "
            f"{basis[:10]}. Give the same settings as then, or run it with these",
            phase,
            config.stage,
        )
    finished = [sweep for sweep in alike if sweep.selection.is_file()]
    if not finished:
        raise InheritError(f"{what} is not complete: {alike[-1].path} has no selection yet", phase, config.stage)
    return finished


def sweeps_of(phase: str, config: SweepConfig, runs: Path) -> list[SweepFolder]:
    """Return the folders of a phase's sweeps of the same stage, data and profile.

    Args:
        phase: the phase.
        config: the settings of the sweep that asks.
        runs: the runs directory.
    """
    return [sweep for sweep, profile in _alike(phase, config, runs) if profile == config.profile]


def _alike(phase: str, config: SweepConfig, runs: Path) -> Iterator[tuple[SweepFolder, str]]:
    """Yield the folders of a phase's sweeps of the same stage and data, each with its profile."""
    for sweep in RunStore(runs).sweeps(phase):
        if not sweep.plan.is_file():
            continue
        try:
            settings = read_settings(sweep.settings)
        except EarlierVersionError as error:
            _log.info("%s", error)
            continue
        except DamagedError as error:  # of a sweep that may have nothing to do with what is looked for
            _log.warning("%s is left out of the search for an earlier phase: %s", sweep.name, error.reason)
            continue
        if (settings.stage, settings.data) == (config.stage, config.data):
            yield sweep, settings.profile
