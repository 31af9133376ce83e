"""Seconds of one optimizer step, for each architecture and number format.

Command: .venv/bin/python benchmarks/step.py [--size 96] [--batch 8] [--width 0.25] [--busy]

`--busy` keeps one core occupied by another process meanwhile; compare GOMP_SPINCOUNT=5000 (what workers use) with
OpenMP's default by setting the variable. Best and median of seven steps after two that are not counted; compare only
numbers of one run, machines are noisy.
"""

import argparse
import multiprocessing
import statistics
import time

import torch

from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.schema import Training
from lge_sweep.models import build_module


def spin() -> None:
    while True:
        pass


def measure(model: str, size: int, batch: int, width: float, bf16: bool) -> tuple[float, float]:
    module = build_module(Cell(1, model, "cross_entropy", "adam", 0), Training(encoder_weights="none", width=width))
    optimizer = module.configure_optimizers()
    data = {
        "image": torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8),
        "target": torch.randint(0, 2, (batch, size, size)),
    }
    seconds = []
    for _ in range(9):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = module.training_step(data, 0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
    return min(seconds[2:]), statistics.median(seconds[2:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    other = multiprocessing.Process(target=spin, daemon=True)
    if options.busy:
        other.start()
    print(f"{'model':28}{'fp32 best':>10}{'median':>8}{'bf16 best':>11}{'median':>8}   seconds a step")
    for model in ARCHITECTURES:
        fp32 = measure(model, options.size, options.batch, options.width, bf16=False)
        bf16 = measure(model, options.size, options.batch, options.width, bf16=True)
        print(f"{model:28}{fp32[0]:10.2f}{fp32[1]:8.2f}{bf16[0]:11.2f}{bf16[1]:8.2f}", flush=True)


if __name__ == "__main__":
    main()
