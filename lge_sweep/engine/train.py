"""Execute one cell in a worker: train, predict, measure, and leave everything in the cell's folder."""

import io
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from numpy.typing import NDArray
from pytorch_lightning import Trainer

from lge_sweep.atomic import fsync_path, write_bytes, write_text
from lge_sweep.config import Cell
from lge_sweep.config.schema import Training
from lge_sweep.csv_files import frame_text
from lge_sweep.data import load_arrays
from lge_sweep.data.module import LgeDataModule
from lge_sweep.engine.callbacks import AtomicCheckpoints, MovingAverage, Patience, Recorder, Row, make_checkpoints
from lge_sweep.engine.events import Progress
from lge_sweep.engine.task import CellTask, TrialPrunedError
from lge_sweep.hashing import file_digest
from lge_sweep.labels import class_names, stage_target
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.models import SegmentationModule, build_module
from lge_sweep.models.hardware import Hardware, find_hardware
from lge_sweep.models.probabilities import Segmenter
from lge_sweep.report import CellImages, write_cell_figures
from lge_sweep.run_store import CellFolder
from lge_sweep.study.cell_files import check_file, read_per_image
from lge_sweep.study.files import BEST, CHECKPOINT, HISTORY, OUTCOME, PER_IMAGE, PREDICTIONS
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord, HardwareFacts, Seconds, read_record, write_record
from lge_sweep.study.tables import read_tables

LIBRARIES = ("torch", "pytorch-lightning", "segmentation-models-pytorch", "monai", "timm", "albumentations")


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
    if (task.folder / OUTCOME).is_file():
        return
    started = time.monotonic()
    hardware = find_hardware(task.training, worker)
    data = LgeDataModule(task.arrays, task.subsets, task.cell.stage, task.training, task.cell.seed)
    recorder = _train(task, data, hardware, report)
    prediction = predict(task, data, hardware, recorder.heartbeat)
    _measure(task, prediction)
    summary = aggregate(read_per_image(task.folder / PER_IMAGE))
    figures = _draw(task, prediction, summary.collapsed)
    results = CellFolder(task.folder).results
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
        seconds=Seconds(training=recorder.seconds, all=recorder.earlier_seconds + time.monotonic() - started),
        figures=tuple(figures),
        hardware=HardwareFacts(**asdict(hardware)),
        versions={name: version(name) for name in LIBRARIES},
        files={path.name: file_digest(path) for path in results},
    )
    write_record(task.folder / OUTCOME, outcome)
    (task.folder / CHECKPOINT).unlink(missing_ok=True)


def _train(
    task: CellTask, data: LgeDataModule, hardware: Hardware, report: Callable[[Progress], bool | None]
) -> Recorder:
    """Fit the cell's network, from its checkpoint if there is one."""
    checkpoint = task.folder / CHECKPOINT
    module = build_module(task.cell, task.training, not checkpoint.is_file(), task.class_weights)
    schedule = data.schedule

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

    recorder = Recorder(task.folder / HISTORY, task.folder / BEST, schedule.steps_per_epoch, step_done)
    average = [] if task.training.ema is None else [MovingAverage(task.training.ema, hardware.torch_device())]
    trainer = Trainer(
        accelerator=hardware.accelerator,
        devices=[hardware.device] if hardware.accelerator == "gpu" else 1,
        precision=hardware.precision,
        # "warn": some layers have no deterministic algorithm on a GPU; on a CPU all that we use are
        deterministic="warn" if hardware.accelerator == "gpu" else None,
        max_epochs=schedule.intervals,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[recorder, *average, Patience(task.training.patience), make_checkpoints(task.folder)],
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
    return recorder


def predict(
    task: CellTask, data: LgeDataModule, hardware: Hardware, heartbeat: Callable[[], None] = lambda: None
) -> NDArray[np.uint8]:
    """Predict the measured subset with the best weights, in single precision.

    Args:
        task: the cell.
        data: its data.
        hardware: where to compute.
        heartbeat: called after each batch.

    Returns:
        [N, S, S] uint8 channel indices, in the order of the subset's rows.
    """
    module = load_best(task.folder / BEST, task.cell, task.training).to(hardware.torch_device())
    batches = []
    for batch in data.in_order(task.subset):
        batches.append(module.predict_classes(batch["image"]).cpu().numpy())
        heartbeat()
    return np.concatenate(batches)


def load_best(path: Path, cell: Cell, training: Training) -> SegmentationModule:
    """Load a cell's network with its best weights, ready to predict."""
    module = build_module(cell, training, pretrained=False)
    module.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module.eval()


def best_network(plan: Plan, cell: Cell) -> Segmenter:
    """Return a finished cell's network with its best weights, as others use it.

    Raises:
        DamagedError: the weights are not what was written.
    """
    path = plan.cell_folder(cell) / BEST
    check_file(path, read_record(CellRecord, path.with_name(OUTCOME)))
    return Segmenter(load_best(path, cell, plan.config.training))


def _measure(task: CellTask, prediction: NDArray[np.uint8]) -> None:
    truth = stage_target(load_arrays(task.arrays).labels[task.subsets[task.subset]], task.cell.stage)
    spacing = [pair or (np.nan, np.nan) for pair in task.spacing]
    table = evaluate(
        prediction, truth, class_names(task.cell.stage), images=list(task.names), cases=list(task.cases),
        spacing=spacing, bf_tolerance=task.metrics.bf_tolerance, nsd_tolerance=task.metrics.nsd_tolerance_mm,
        empty=task.metrics.empty,
    )  # fmt: skip
    write_text(task.folder / PER_IMAGE, frame_text(table))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, prediction=prediction)
    write_bytes(task.folder / PREDICTIONS, buffer.getvalue())


def _draw(task: CellTask, prediction: NDArray[np.uint8], collapsed: tuple[str, ...]) -> list[str]:
    arrays, rows = load_arrays(task.arrays), list(task.subsets[task.subset])
    truth = stage_target(arrays.labels[rows], task.cell.stage)
    tables = read_tables(task.folder, task.cell, task.cell.name, collapsed)
    shown = CellImages(tables, arrays.images[rows], truth, prediction, class_names(task.cell.stage))
    paths = write_cell_figures(task.folder, shown)
    return [path.name for path in paths]
