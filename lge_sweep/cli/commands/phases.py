"""The commands that run the study: phases 1 to 4, and the search."""

from collections.abc import Sequence

from lge_sweep.api import Study
from lge_sweep.cli.options import (
    ClusterOption,
    DataOption,
    ExecutorOption,
    GpusOption,
    IncompleteOption,
    ModelsOption,
    PipelinesOption,
    ProfileOption,
    RootOption,
    RunsOption,
    SeedsOption,
    SetOption,
    ShipOption,
    Stage,
    StageOption,
    TrialsOption,
    WorkersOption,
)
from lge_sweep.cli.reporting import reporting


def phase1(
    stage: StageOption = "both",
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    settings: SetOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    cluster: ClusterOption = None,
    gpus_per_trial: GpusOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Baseline of all architectures (paper phase 1): train, measure, rank, keep the best two of each stage."""
    study = Study(
        data=data,
        root=root,
        profile=profile,
        settings=settings or (),
        workers=workers,
        executor=executor,
        cluster=cluster,
        gpus_per_trial=gpus_per_trial,
        runs=runs,
        allow_incomplete=allow_incomplete,
    )
    _run("phase1", stage, study)


def phase2(
    stage: StageOption = "both",
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    models: ModelsOption = None,
    seeds: SeedsOption = None,
    settings: SetOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    cluster: ClusterOption = None,
    gpus_per_trial: GpusOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Losses by optimizers (paper phase 2) for the models of phase 1: select one configuration, say how surely."""
    study = Study(
        data=data,
        root=root,
        profile=profile,
        settings=[*(settings or ()), *_models(models), *([f"grid.seed={list(range(seeds))}"] if seeds else [])],
        workers=workers,
        executor=executor,
        cluster=cluster,
        gpus_per_trial=gpus_per_trial,
        runs=runs,
        allow_incomplete=allow_incomplete,
    )
    _run("phase2", stage, study)


def search(
    stage: StageOption = "both",
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    models: ModelsOption = None,
    trials: TrialsOption = None,
    settings: SetOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    cluster: ClusterOption = None,
    gpus_per_trial: GpusOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Beyond the grid: let Optuna draw loss, optimizer and training options, and stop hopeless trials early."""
    study = Study(
        data=data,
        root=root,
        profile=profile,
        settings=[*(settings or ()), *_models(models), *([f"search.trials={trials}"] if trials else [])],
        workers=workers,
        executor=executor,
        cluster=cluster,
        gpus_per_trial=gpus_per_trial,
        runs=runs,
        allow_incomplete=allow_incomplete,
    )
    _run("search", stage, study)


def _models(models: str | None) -> list[str]:
    return [] if models is None else [f"grid.model=[{models}]"]


def _run(phase: str, stage: Stage, study: Study) -> None:
    stages: Sequence[int] = (1, 2) if stage == "both" else (int(stage),)
    with reporting() as console:
        from lge_sweep.api import read_settings

        read = read_settings(phase, stages, study)
        from lge_sweep.cli.phases import run_phase  # loads what sweeps are run with

        run_phase(console, read, study)


def phase3(
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    pipelines: PipelinesOption = None,
    settings: SetOption = None,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    cluster: ClusterOption = None,
    gpus_per_trial: GpusOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
    ship: ShipOption = False,
) -> None:
    """Fit the two selected networks into one pipeline (paper phase 3), beside what it has to beat."""
    study = Study(
        data=data,
        root=root,
        profile=profile,
        settings=settings or (),
        workers=workers,
        executor=executor,
        cluster=cluster,
        gpus_per_trial=gpus_per_trial,
        runs=runs,
        allow_incomplete=allow_incomplete,
        pipelines=pipelines,
    )
    with reporting() as console:
        from lge_sweep.api import read_settings

        read = read_settings("phase3", (1, 2), study)
        from lge_sweep.cli.phases import run_phase3

        run_phase3(console, read, study, ship)


def phase4(
    data: DataOption = "phantom",
    root: RootOption = None,
    profile: ProfileOption = "auto",
    pipelines: PipelinesOption = None,
    settings: SetOption = None,
    runs: RunsOption = None,
    allow_incomplete: IncompleteOption = False,
) -> None:
    """Evaluate the pipeline of phase 3 on the test subset, once (paper phase 4, Tables VI to VIII)."""
    study = Study(
        data=data,
        root=root,
        profile=profile,
        settings=settings or (),
        runs=runs,
        allow_incomplete=allow_incomplete,
        pipelines=pipelines,
    )
    with reporting() as console:
        from lge_sweep.api import read_settings

        read = read_settings("phase4", (1, 2), study)
        from lge_sweep.cli.phases import run_phase4

        run_phase4(console, read, study)
