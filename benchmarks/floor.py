"""The floor of a sweep: each of the program's networks in a bare loop, with nothing else that a training needs.

Command: .venv/bin/python benchmarks/floor.py FILE [--steps 32] [--size 96] [--width 0.25] [--validation 63]

Forward pass, loss, backward pass and optimizer on one batch of random tensors in memory; every 16 steps, and at the
end, a forward pass over as many validation slices as the program has. Network, memory format, number format and device
are the program's, the process has all threads, and imports are not counted. Writes seconds a network to FILE (JSON).
"""

import argparse
import json
import time
from pathlib import Path

import torch

from lge_sweep.config import Cell
from lge_sweep.config.architectures import BASELINE
from lge_sweep.config.schema import Training
from lge_sweep.models import Bench, build_module, find_hardware

EVERY = 16


def train(model: str, training: Training, steps: int, validation: int) -> float:
    """Return the seconds of so many steps.

    Args:
        model: name of the architecture.
        training: the options.
        steps: optimizer steps.
        validation: slices of a validation.
    """
    hardware = find_hardware(training)
    device = hardware.torch_device()
    cell = Cell(1, model, "cross_entropy", "adam", 0)
    execution = Bench(cell, training, hardware).ways[0]
    module = build_module(cell, training).lay_out(execution.memory_format).to(device).train()
    execution.speed_up(module, hardware)
    optimizer = module.build_optimizer()
    batch, size = training.batch_size, training.image_size
    image = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, device=device)
    target = torch.randint(0, 2, (batch, size, size), device=device)
    mixed = hardware.autocast()
    began = time.perf_counter()
    for step in range(1, steps + 1):
        with mixed:
            loss = module.loss(module(image), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % EVERY == 0 or step == steps:
            module.eval()
            with torch.no_grad(), mixed:
                for _ in range(-(-validation // batch)):
                    module(image)
            module.train()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    for name, value in (("steps", 32), ("size", 96), ("batch", 8), ("validation", 63)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--width", type=float, default=0.25)
    options = parser.parse_args()
    training = Training(encoder_weights="none", width=options.width, image_size=options.size, batch_size=options.batch)
    found = {model: train(model, training, options.steps, options.validation) for model in BASELINE}
    options.file.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
