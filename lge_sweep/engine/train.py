"""Execute one cell in a worker: train, predict, measure, and leave everything in the cell's folder."""

import io
import logging
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Trainer

from lge_sweep.arrays import LabelImage
from lge_sweep.atomic import fsync_path, write_bytes
from lge_sweep.config import Cell
from lge_sweep.config.schema import Training
from lge_sweep.csv_files import write_frame
from lge_sweep.data import LgeDataModule, load_arrays
from lge_sweep.engine.callbacks import MovingAverage, Patience, SpedUp
from lge_sweep.engine.checkpoints import AtomicCheckpoints, Checkpoints
from lge_sweep.engine.events import Progress
from lge_sweep.engine.memory_peak import MemoryPeak
from lge_sweep.engine.recorder import Recorder, Row
from lge_sweep.engine.task import CellTask, TrialPrunedError
from lge_sweep.engine.usage import sampling
from lge_sweep.hashing import file_digest
from lge_sweep.labels import class_names, stage_target
from lge_sweep.machine import cluster_job
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.models import (
    Bench,
    Execution,
    Hardware,
    SegmentationModule,
    Segmenter,
    build_module,
    choose_execution,
    find_hardware,
)
from lge_sweep.paths import checkpoint_interval
from lge_sweep.report import CellImages, write_cell_figures
from lge_sweep.study import (
    CellRecord,
    HardwareFacts,
    Plan,
    Seconds,
    check_file,
    read_per_image,
    read_record,
    read_tables,
    write_record,
)

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # else it says at every cell what hardware there is
warnings.filterwarnings("ignore", message=".isinstance.treespec")  # Lightning 2.6 on torch 2.14, at every cell
warnings.filterwarnings("ignore", message="The `srun` command")  # a sweep is one process a cell
warnings.filterwarnings("ignore", message="Checkpoint directory")  # that it is not empty: the cell's log is there
LIBRARIES = ("torch", "pytorch-lightning", "segmentation-models-pytorch", "monai", "timm", "albumentations")


@dataclass(frozen=True)
class Place:
    """Where and how a cell is trained.

    Attributes:
        hardware: device, number format, threads.
        execution: how its steps are computed.
    """

    hardware: Hardware
    execution: Execution


def execute(task: CellTask, report: Callable[[Progress], bool | None], worker: int = 0) -> None:
    """Train a cell, measure it and write its folder; `outcome.json` is written last.

    Args:
        task: the cell and everything it needs.
        report: told how far training is, a few times a second and after each validation; returns True to give it up.
        worker: number of the worker, which decides its GPU.

    Raises:
        TrialError: the loss is no longer a number.
        WeightsError: pretrained weights do not fit.
        TrialPrunedError: `report` asked for it.
    """
    if task.files.outcome.is_file():
        return
    task.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    hardware = find_hardware(task.training, worker)
    data = LgeDataModule(
        task.arrays, task.subsets, task.cell.stage, task.training, task.cell.seed, offsets=task.offsets
    )
    bench = Bench(task.cell, task.training, hardware)
    preparing = Progress(step=0, total=data.schedule.total_steps, loss=math.nan)
    execution = choose_execution(bench, data.schedule.total_steps, task.speeds, lambda: report(preparing))
    with sampling(task.files.usage, hardware.torch_device()):
        recorder = _train(task, data, Place(hardware, execution), report)
        trained, memory = recorder.seconds, recorder.memory_mb
        prediction = predict(task, data, hardware, recorder.heartbeat)
    _measure(task, prediction)
    summary = aggregate(read_per_image(task.files.per_image))
    figures = _draw(task, prediction, summary.collapsed)
    results = task.files.results
    for path in results:
        fsync_path(path)
    outcome = CellRecord(
        format=2,
        sweep=task.sweep,
        cell=task.cell,
        subset=task.subset,
        summary=summary,
        training=recorder.facts(),
        class_weights=dict(zip(class_names(task.cell.stage), task.class_weights, strict=True)),
        seconds=Seconds(training=trained, all=recorder.earlier_seconds + time.monotonic() - started),
        memory_mb=memory,
        figures=tuple(figures),
        hardware=HardwareFacts(
            **asdict(hardware),
            memory_format=execution.memory_format,
            execution=execution.mode,
            job=cluster_job(),
        ),
        versions={name: version(name) for name in LIBRARIES},
        files={path.name: file_digest(path) for path in results},
    )
    write_record(task.files.outcome, outcome)
    task.files.checkpoint.unlink(missing_ok=True)


def _train(task: CellTask, data: LgeDataModule, place: Place, report: Callable[[Progress], bool | None]) -> Recorder:
    """Fit the cell's network, from its checkpoint if there is one."""
    checkpoint, hardware = task.files.checkpoint, place.hardware
    module = build_module(task.cell, task.training, not checkpoint.is_file(), task.class_weights)
    module.lay_out(place.execution.memory_format)
    schedule = data.schedule
    module.total_steps = schedule.total_steps

    def step_done(row: Row, val_loss: float | None) -> None:
        progress = Progress(
            step=row.step,
            total=schedule.total_steps,
            loss=row.train_loss,
            val_loss=val_loss,
            val_dice=row.val_dice,
        )
        if report(progress):
            raise TrialPrunedError

    recorder = Recorder(task.files.history, task.files.best, schedule.steps_per_epoch, step_done)
    recorder.memory = MemoryPeak(hardware.torch_device())
    recorder.keeps_last = task.training.keep == "last"
    patience = [] if recorder.keeps_last else [Patience(task.training.patience)]
    average = [] if task.training.ema is None else [MovingAverage(task.training.ema, hardware.torch_device())]
    trainer = Trainer(
        accelerator=hardware.accelerator,
        devices=[hardware.device] if hardware.accelerator == "gpu" else 1,
        precision=hardware.precision,
        # "warn": some layers have no deterministic algorithm on a GPU; on a CPU all that we use are
        deterministic="warn" if hardware.accelerator == "gpu" else None,
        max_epochs=schedule.intervals,
        gradient_clip_val=task.training.clip_norm,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[
            SpedUp(place.execution, hardware),
            recorder,
            *average,
            *patience,
            Checkpoints(checkpoint, checkpoint_interval(), recorder.write_best),
        ],
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=task.folder,
        # A sweep is one process a cell, also inside a SLURM job with several tasks.
        plugins=[AtomicCheckpoints(), LightningEnvironment()],
    )
    resumed = str(checkpoint) if checkpoint.is_file() else None
    trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
    recorder.write_best()
    return recorder


def predict(
    task: CellTask, data: LgeDataModule, hardware: Hardware, heartbeat: Callable[[], None] = lambda: None
) -> LabelImage:
    """Predict the measured subset with the best weights, in single precision.

    Args:
        task: the cell.
        data: its data.
        hardware: where to compute.
        heartbeat: called after each batch.

    Returns:
        [N, S, S] uint8 channel indices, in the order of the subset's rows.
    """
    module = load_best(task.files.best, task.cell, task.training).to(hardware.torch_device())
    batches = []
    for batch in data.in_order(task.subset):
        batches.append(module.predict_classes(batch["image"]).cpu().numpy())
        heartbeat()
    return np.concatenate(batches)


def load_best(path: Path, cell: Cell, training: Training) -> SegmentationModule:
    """Load a cell's network with its best weights, ready to predict.

    Args:
        path: the checkpoint.
        cell: the cell.
        training: its training options.
    """
    module = build_module(cell, training, pretrained=False)
    module.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.eval()


def best_network(plan: Plan, cell: Cell) -> Segmenter:
    """Return a finished cell's network with its best weights, as others use it.

    Raises:
        DamagedError: the weights are not what was written.
    """
    path, outcome = plan.cell_files(cell).best, plan.cell_files(cell).outcome
    check_file(path, read_record(CellRecord, outcome))
    return Segmenter(load_best(path, cell, plan.inputs_of(cell).training))


def _measure(task: CellTask, prediction: LabelImage) -> None:
    truth = stage_target(load_arrays(task.arrays).labels[list(task.subsets[task.subset])], task.cell.stage)
    spacing = [pair or (np.nan, np.nan) for pair in task.spacing]
    table = evaluate(
        prediction, truth, class_names(task.cell.stage), images=list(task.names), cases=list(task.cases),
        spacing=spacing, bf_tolerance=task.metrics.bf_tolerance, nsd_tolerance=task.metrics.nsd_tolerance_mm,
        empty=task.metrics.empty,
    )  # fmt: skip
    write_frame(task.files.per_image, table)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, prediction=prediction)
    write_bytes(task.files.predictions, buffer.getvalue())


def _draw(task: CellTask, prediction: LabelImage, collapsed: tuple[str, ...]) -> list[str]:
    arrays, rows = load_arrays(task.arrays), list(task.subsets[task.subset])
    truth = stage_target(arrays.labels[rows], task.cell.stage)
    tables = read_tables(task.files, task.cell, task.cell.name, collapsed)
    shown = CellImages(tables, arrays.images[rows], truth, prediction, class_names(task.cell.stage))
    paths = write_cell_figures(task.folder, shown)
    return [path.name for path in paths]
