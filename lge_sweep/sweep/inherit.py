"""What phase 2 takes over from phase 1: the models that it selected."""

from pathlib import Path

from lge_sweep.config import SweepConfig
from lge_sweep.errors import InheritError
from lge_sweep.sweep.files import SELECTION, read_json

SELECTED = ("selected",)


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
    if config.grid.model != SELECTED:
        return config, []
    before = f"phase1-stage{config.stage}-{config.data}-{config.profile}"
    what = f"phase 1 of stage {config.stage} on {config.data} with profile {config.profile}"
    folders = sorted(folder for folder in runs.glob(f"{before}-*") if (folder / "plan.json").is_file())
    if not folders:
        raise InheritError(f"{what} has not been run in {runs}, so that no models are selected yet")
    alike = [folder for folder in folders if read_json(folder / "plan.json")["basis"] == basis]
    if not alike:
        known = ", ".join(f"{read_json(folder / 'plan.json')['basis'][:10]} ({folder.name})" for folder in folders)
        raise InheritError(
            f"{what} was run on other data, another split or other training settings: digest {known}; this is "
            f"{basis[:10]}. Give the same settings as then, or run it with these"
        )
    finished = [folder for folder in alike if (folder / SELECTION).is_file()]
    if not finished:
        raise InheritError(f"{what} is not complete: {alike[-1]} has no selection yet")
    newest = max(finished, key=lambda folder: (folder / SELECTION).stat().st_mtime)
    selection = read_json(newest / SELECTION)
    models = tuple(selection["models"])
    grid = config.grid.model_copy(update={"model": models})
    return config.model_copy(update={"grid": grid}), [f"models selected by {newest.name}: {', '.join(models)}"]
