"""A rival trained without this package: MONAI's DynUNet in two dimensions, on a data set in nnU-Net's layout.

    lge-sweep data convert Dataset501_Emidec --data emidec_png --root FOLDER --format nnunet
    python benchmarks/outsider.py Dataset501_Emidec LABELS --steps 2000
    lge-sweep evaluate LABELS --subset test --name DynUNet ...

A plain loop of MONAI's and torch's own parts, most of them chosen as nnU-Net does (Isensee et al., Nature Methods
2021): z-scores, patches of 128 pixels, half of them around scar where a slice has some, turns, mirroring, scale,
contrast and noise, Dice and cross-entropy, a polynomial learning rate, sliding windows, mirrored views averaged; AdamW
in place of SGD, as there are few steps.
It is trained on imagesTr, all of it, and writes the labels of imagesTs: one NIfTI file a case, numbers as in the data
set. It is no nnU-Net: no cross-validation, no plan of its own.
"""

import argparse
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.data.dataloader import DataLoader
from monai.data.dataset import CacheDataset
from monai.inferers.utils import sliding_window_inference
from monai.losses.dice import DiceCELoss
from monai.networks.nets.dynunet import DynUNet
from monai.transforms.compose import Compose
from monai.transforms.croppad.dictionary import RandCropByLabelClassesd
from monai.transforms.intensity.array import NormalizeIntensity
from monai.transforms.intensity.dictionary import (
    NormalizeIntensityd,
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
)
from monai.transforms.spatial.dictionary import RandAffined, RandFlipd
from monai.transforms.utility.dictionary import EnsureTyped
from numpy.typing import NDArray
from torch import Tensor

PATCH, BATCH, FILTERS = 128, 8, (16, 32, 64, 128, 256)
SCAR, CLASSES = 3, 4
"""No-reflow, 4 in the data set, is learned as scar."""


def read(path: Path) -> NDArray[np.float32]:
    """Return a case's slices, [N, rows, columns]."""
    return np.moveaxis(np.asarray(nib.Nifti1Image.from_filename(path).dataobj, dtype=np.float32), 2, 0)


def training_slices(dataset: Path) -> list[dict[str, NDArray[np.float32]]]:
    """Return image and label [1, rows, columns] of each training slice."""
    slices = []
    for image in sorted((dataset / "imagesTr").glob("*_0000.nii.gz")):
        pixels = read(image)
        labels = np.minimum(read(dataset / "labelsTr" / image.name.replace("_0000", "")), SCAR)
        slices += [{"image": p[None], "label": t[None]} for p, t in zip(pixels, labels, strict=True)]
    return slices


def transforms() -> Compose:
    """Return what is done to a training slice."""
    both, modes = ("image", "label"), ("bilinear", "nearest")
    return Compose([
        EnsureTyped(both),
        NormalizeIntensityd("image"),
        RandCropByLabelClassesd(both, "label", (PATCH, PATCH), ratios=[1, 1, 1, 3], num_classes=CLASSES, warn=False),
        RandAffined(both, prob=0.5, rotate_range=np.pi, scale_range=0.25, mode=modes, padding_mode="zeros"),
        RandFlipd(both, 0.5, 0), RandFlipd(both, 0.5, 1),
        RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5)),
        RandGaussianNoised("image", prob=0.15, std=0.1), RandGaussianSmoothd("image", prob=0.2),
    ])  # fmt: skip


def train(dataset: Path, steps: int) -> DynUNet:
    """Train the network."""
    torch.manual_seed(0)
    kernels, strides = [3] * len(FILTERS), [1, *[2] * (len(FILTERS) - 1)]
    network = DynUNet(2, 1, CLASSES, kernels, strides, strides[1:], filters=FILTERS, res_block=True)
    loss = DiceCELoss(to_onehot_y=True, softmax=True, batch=True, include_background=False)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps, 0.9)
    change = transforms()
    change.set_random_state(0)
    data = CacheDataset(training_slices(dataset), change, progress=False)
    began, step = time.monotonic(), 0
    while step < steps:
        for batch in DataLoader(data, batch_size=BATCH, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            value = loss(network(batch["image"].as_tensor()), batch["label"].as_tensor())
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 100 == 0:
                took = time.monotonic() - began
                print(f"step {step}/{steps}, loss {float(value.detach()):.4f}, {took:.0f} s", flush=True)
            if step == steps:
                break
    return network


@torch.no_grad()
def segment(network: DynUNet, pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the labels of a case's slices, [N, rows, columns]."""
    normalise = NormalizeIntensity()
    images = torch.stack([torch.as_tensor(np.asarray(normalise(p[None]))) for p in pixels])
    total: Tensor = torch.zeros(())
    for axes in ([], [2], [3], [2, 3]):
        flipped = images.flip(axes)
        scores = sliding_window_inference(flipped, (PATCH, PATCH), BATCH, network, overlap=0.5, mode="gaussian")
        assert isinstance(scores, Tensor)
        total = total + scores.softmax(1).flip(axes)
    return np.asarray(total.argmax(1), dtype=np.uint8)


def main() -> None:
    """Train, and write the labels of the test cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    print(json.loads((options.dataset / "dataset.json").read_text())["name"], flush=True)
    network = train(options.dataset, options.steps).eval()
    options.out.mkdir(parents=True, exist_ok=True)
    for image in sorted((options.dataset / "imagesTs").glob("*_0000.nii.gz")):
        source = nib.Nifti1Image.from_filename(image)
        labels = np.moveaxis(segment(network, read(image)), 0, 2)
        nib.save(nib.Nifti1Image(labels, source.affine), options.out / image.name.replace("_0000", ""))


if __name__ == "__main__":
    main()
