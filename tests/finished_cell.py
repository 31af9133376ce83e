"""A finished cell's folder, as a worker leaves it, without a training: a prediction that is the truth with errors."""

import io

import numpy as np
import torch

from lge_sweep.config import Cell
from lge_sweep.data import load_arrays
from lge_sweep.hashing import file_digest
from lge_sweep.labels import class_names, stage_target
from lge_sweep.metrics import aggregate, evaluate
from lge_sweep.study.plan import Plan
from lge_sweep.study.records import CellRecord, HardwareFacts, Seconds, TrainingFacts, write_record

HISTORY_CSV = "step,epoch,train_loss,val_loss,val_dice,seconds\n1,1,0.9,,,0.1\n2,1,0.8,0.7,0.5,0.2\n"


def write_result(plan: Plan, cell: Cell, seed: int = 0) -> None:
    """Write the folder of a finished cell."""
    inputs, folder, names = plan.inputs_of(cell), plan.cell_files(cell), class_names(cell.stage)
    folder.path.mkdir(parents=True, exist_ok=True)
    rows = list(inputs.rows[inputs.subset])
    truth = stage_target(load_arrays(inputs.arrays).labels[rows], cell.stage)
    wrong = np.random.default_rng(seed).random(truth.shape) < 0.1
    prediction = np.where(wrong, 0, truth).astype(np.uint8)
    measured = plan.manifest.iloc[rows]
    table = evaluate(prediction, truth, names, images=measured["slice"].tolist(), cases=measured["case"].tolist())
    table.to_csv(folder.per_image, index=False)
    stored = io.BytesIO()
    np.savez_compressed(stored, prediction=prediction)
    folder.predictions.write_bytes(stored.getvalue())
    folder.history.write_text(HISTORY_CSV, encoding="utf-8")
    torch.save({"weight": torch.full((8, 8), float(seed))}, folder.best)
    record = CellRecord(
        format=2,
        sweep=plan.name,
        cell=cell,
        subset=inputs.subset,
        summary=aggregate(table),
        training=TrainingFacts(steps=2, epochs=1, best_step=2, best_val_loss=0.7),
        class_weights=dict(zip(names, inputs.class_weights, strict=True)),
        seconds=Seconds(training=0.2, all=0.3),
        figures=(),
        hardware=HardwareFacts(accelerator="cpu", device=0, precision="32-true"),
        versions={},
        files={path.name: file_digest(path) for path in folder.results},
    )
    write_record(folder.outcome, record)


def write_interrupted(plan: Plan, cell: Cell) -> None:
    """Write the folder of a cell whose training was stopped after a validation."""
    folder = plan.cell_files(cell)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.history.write_text(HISTORY_CSV, encoding="utf-8")
    for path in (folder.best, folder.checkpoint):
        torch.save({"weight": torch.zeros(8, 8)}, path)
