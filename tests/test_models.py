"""All five architectures, both stages: they learn, they save and load, they take pretrained weights or say why not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import huggingface_hub
import pytest
import torch
from segmentation_models_pytorch.encoders import get_encoder
from slow_tests import REASON, SLOW_TESTS
from torchvision.models import vgg16_bn

from lge_sweep.config import Cell
from lge_sweep.config.architectures import ARCHITECTURES
from lge_sweep.config.data import Source
from lge_sweep.config.losses import LOSSES, LossOptions
from lge_sweep.config.optimizers import OPTIMIZERS
from lge_sweep.config.registry import resolve
from lge_sweep.config.schema import Training
from lge_sweep.engine.checkpoints import save_atomically
from lge_sweep.engine.recorder import Recorder, Row
from lge_sweep.engine.train import load_best
from lge_sweep.errors import ConfigError, TrialError, WeightsError
from lge_sweep.gpu import gpu_obstacle
from lge_sweep.labels import STAGES
from lge_sweep.models import SegmentationModule, build_module
from lge_sweep.models.hardware import find_hardware
from lge_sweep.models.segnet import SegNet
from lge_sweep.models.weights import check_weights

MODELS = list(ARCHITECTURES)
SCRATCH = Training(encoder_weights="none")
NARROW = SCRATCH.model_copy(update={"width": 0.25})


def cell(model: str, stage: int = 1, optimizer: str = "adam", seed: int = 0) -> Cell:
    return Cell(stage, model, "cross_entropy", optimizer, seed)


def batch(stage: int, size: int, slices: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.randint(0, 256, (slices, 3, size, size), dtype=torch.uint8, generator=generator),
        "target": torch.randint(0, len(STAGES[stage]), (slices, size, size), generator=generator),
    }


# The two stages differ in their last layer alone: one of them at the paper's size, both at 64.
@pytest.mark.parametrize(("stage", "size"), [(1, 64), (2, 64), (2, 320)])
@pytest.mark.parametrize("model", MODELS)
def test_forward_backward_step_and_round_trip(model: str, stage: int, size: int, tmp_path: Path) -> None:
    if size == 320 and model.startswith("deeplabv3plus") and not SLOW_TESTS:
        pytest.skip(REASON)  # six seconds
    # U-Net and SegNet at 320 are narrow here to save a minute; at 64 they have the published width.
    training = SCRATCH.model_copy(update={"learning_rate": 1e-2, "width": 1.0 if size == 64 else 0.25})
    module = build_module(cell(model, stage), training).train()
    data = batch(stage, size)
    optimizer = module.build_optimizer()
    before = {name: value.clone() for name, value in module.network.named_parameters()}
    scores = module(data["image"])
    scores = scores[:, 0] if model == "residual_unet" else scores  # of three depths, the finest first
    assert scores.shape == (2, len(STAGES[stage]), size, size)
    loss = module.training_step(data, 0)
    loss.backward()
    assert all(value.grad is not None for value in module.network.parameters())
    optimizer.step()
    moved = [name for name, value in module.network.named_parameters() if not torch.equal(value, before[name])]
    assert len(moved) == len(before)
    save_atomically(module.network.state_dict(), tmp_path / "best.pt")
    again = load_best(tmp_path / "best.pt", cell(model, stage), training)
    module.eval()
    with torch.inference_mode():
        torch.testing.assert_close(again(data["image"][:1]), module(data["image"][:1]))
    assert again.predict_classes(data["image"][:1]).dtype == torch.uint8


@pytest.mark.parametrize("model", MODELS)
def test_a_few_steps_lower_the_loss(model: str) -> None:
    training = SCRATCH.model_copy(update={"learning_rate": 3e-3, "width": 0.25})
    module = build_module(cell(model), training).train()
    data = batch(1, 64)
    data["target"] = torch.zeros_like(data["target"])
    data["target"][:, 16:48, 16:48] = 1
    data["image"] = (data["image"] // 4) + (data["target"] * 180).to(torch.uint8).unsqueeze(1)  # a bright square
    optimizer = module.build_optimizer()
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = module.training_step(data, 0)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-2:]) < 0.7 * losses[0]


def test_initial_weights_depend_on_the_seed_alone() -> None:
    def first(seed: int) -> torch.Tensor:
        torch.manual_seed(123)
        return next(build_module(cell("unet", seed=seed), SCRATCH).network.parameters())

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))


def test_unet_is_the_published_one() -> None:
    network = build_module(cell("unet", 2), SCRATCH).network
    widths = {layer.out_channels for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)}
    assert widths == {64, 128, 256, 512, 1024, 3}


@pytest.mark.parametrize(("stage", "shares"), [(1, (0.96, 0.04)), (2, (0.9, 0.07, 0.03))])
def test_unet_begins_at_the_shares_of_the_classes(stage: int, shares: tuple[float, ...]) -> None:
    """Its last layer of 64 inputs takes hundreds of steps to get there, in which it learns nothing else."""
    weights = [0.25 / share for share in shares]
    bias = build_module(cell("unet", stage), SCRATCH, class_weights=weights).network.get_parameter("final_conv.bias")
    assert torch.softmax(bias, dim=0).tolist() == pytest.approx(shares)


def test_unet_begins_as_it_did_but_for_these_biases() -> None:
    plain, begun = (build_module(cell("unet"), NARROW, class_weights=given).network for given in (None, (0.5, 9.5)))
    changed = [name for name, value in plain.state_dict().items() if not torch.equal(value, begun.state_dict()[name])]
    assert changed == ["final_conv.bias"]


def test_a_class_without_a_pixel_begins_low_and_finite() -> None:
    network = build_module(cell("unet", 2), NARROW, class_weights=(0.5, 9.5, 0.0)).network
    assert torch.softmax(network.get_parameter("final_conv.bias"), dim=0).tolist() == pytest.approx(
        [0.95, 0.05, 1e-4], rel=1e-3
    )


@pytest.mark.parametrize(("model", "loss"), [("unet", "weighted_ce"), ("segnet", "cross_entropy")])
def test_balanced_losses_and_quick_heads_begin_at_random(model: str, loss: str) -> None:
    chosen = Cell(1, model, loss, "adam", 0)
    plain, given = (build_module(chosen, NARROW, class_weights=weights).network for weights in (None, (0.5, 9.5)))
    assert all(torch.equal(value, given.state_dict()[name]) for name, value in plain.state_dict().items())


def test_segnet_has_the_thirteen_convolutions_of_vgg16_twice() -> None:
    layers = [layer for layer in SegNet(2).modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == 13 + 13 + 1


def test_segnet_unpools_to_the_place_of_the_maximum() -> None:
    pool, unpool = torch.nn.MaxPool2d(2, return_indices=True), SegNet(2).unpool
    image = torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]])
    assert unpool(*pool(image)).tolist() == [[[[0.0, 0.0], [4.0, 0.0]]]]


def test_sgdm_has_the_momentum_and_both_have_the_coupled_decay() -> None:
    sgdm = build_module(cell("unet", optimizer="sgdm"), SCRATCH).build_optimizer()
    adam = build_module(cell("unet"), SCRATCH).build_optimizer()
    assert isinstance(sgdm, torch.optim.SGD)
    assert isinstance(adam, torch.optim.Adam)
    assert not isinstance(adam, torch.optim.AdamW)
    assert sgdm.defaults["momentum"] == 0.9
    assert sgdm.defaults["weight_decay"] == adam.defaults["weight_decay"] == 1e-4


def test_every_entry_names_something_that_can_be_built() -> None:
    """Settings hold names of builders, which are imported when they are used: this is the check that they are there."""
    references = [architecture.build for architecture in ARCHITECTURES.values()]
    references += [loss.build for loss in LOSSES.values()]
    references += [*OPTIMIZERS.values(), *(model.reader for model in get_args(Source))]
    assert all(callable(resolve(reference)) for reference in references)
    assert len(set(references)) == len(references)
    assert set().union(*(loss.options for loss in LOSSES.values())) == LossOptions.model_fields.keys()


def test_an_unknown_model_is_explained() -> None:
    with pytest.raises(ConfigError, match="did you mean 'unet'"):
        build_module(cell("unett"), SCRATCH)


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_loss_that_is_no_number_fails_the_trial_with_its_step(bad: str, tmp_path: Path) -> None:
    told: list[Row] = []
    recorder = Recorder(tmp_path / "history.csv", tmp_path / "best.pt", 4, lambda row, _: told.append(row))
    module: Any = None
    for step, loss in enumerate([0.5, 0.25], start=1):
        trainer: Any = SimpleNamespace(global_step=step)
        recorder.on_train_batch_end(trainer, module, {"loss": torch.tensor(loss)}, None, 0)
    assert [(row.step, row.train_loss) for row in recorder.rows] == [(1, 0.5), (2, 0.25)]
    trainer = SimpleNamespace(global_step=3)
    with pytest.raises(TrialError, match=f"training loss became {bad} at step 3; try a lower training.learning_rate"):
        recorder.on_train_batch_end(trainer, module, {"loss": torch.tensor(float(bad))}, None, 0)


def test_cross_entropy_of_a_batch_without_a_class_is_finite_and_punishes_false_positives() -> None:
    module = build_module(cell("unet", 2), SCRATCH.model_copy(update={"width": 0.25}))
    scores = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = module.loss(scores, torch.zeros(1, 2, 2, dtype=torch.long))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(torch.log(torch.tensor(3.0)).item())
    assert scores.grad is not None
    # d loss / d score = (softmax - one hot) / pixels, by hand: 1/3 / 4 for the absent classes
    assert scores.grad[0, 2] == pytest.approx(torch.full((2, 2), 1 / 12))


# ------------------------------------------------------------------------------------------------ pretrained weights


def encoder_file(folder: Path, encoder: str) -> Path:
    """Write a weight file with the keys that the encoder's publisher uses, all values 0.5."""
    if encoder == "vgg16_bn":
        state = vgg16_bn().state_dict()
    elif encoder == "xception41":
        import timm

        state = timm.create_model("xception41", pretrained=False).state_dict()
    else:
        state = get_encoder(encoder, weights=None).state_dict()
    path = folder / f"{encoder}.pth"
    torch.save({key: torch.full_like(value, 1) for key, value in state.items()}, path)
    return path


@pytest.mark.parametrize("model", [name for name in MODELS if ARCHITECTURES[name].encoder])
def test_every_tensor_of_the_encoder_comes_from_the_file(model: str, tmp_path: Path) -> None:
    encoder = ARCHITECTURES[model].encoder
    assert encoder is not None
    path = encoder_file(tmp_path, encoder.name)
    for given in (path, tmp_path):
        module = build_module(cell(model), Training(encoder_weights=str(given)))
        part = module.network.get_submodule("features" if model == "segnet" else "encoder").state_dict()
        assert part
        assert all(bool((value == 1).all()) for value in part.values())


def test_a_file_of_another_encoder_is_refused(tmp_path: Path) -> None:
    path = encoder_file(tmp_path, "mobilenet_v2")
    with pytest.raises(WeightsError, match="does not fit the encoder resnet50"):
        build_module(cell("deeplabv3plus_resnet50"), Training(encoder_weights=str(path)))


def test_a_broken_weight_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet50.pth"
    path.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="cannot be read as a weight file"):
        build_module(cell("deeplabv3plus_resnet50"), Training(encoder_weights=str(path)))


def test_a_narrow_segnet_cannot_take_pretrained_weights(tmp_path: Path) -> None:
    encoder_file(tmp_path, "vgg16_bn")
    with pytest.raises(WeightsError, match=r"set training\.width=1"):
        build_module(cell("segnet"), Training(encoder_weights=str(tmp_path), width=0.5))


def test_a_folder_without_the_file_names_all_that_are_missing(tmp_path: Path) -> None:
    encoder_file(tmp_path, "mobilenet_v2")
    with pytest.raises(WeightsError) as error:
        check_weights(MODELS, str(tmp_path))
    assert "resnet50.pth" in str(error.value)
    assert "xception41.pth" in str(error.value)
    assert "vgg16_bn.pth" in str(error.value)
    assert "mobilenet_v2.pth" not in str(error.value)


def test_one_weight_file_is_not_for_several_encoders(tmp_path: Path) -> None:
    encoder_file(tmp_path, "mobilenet_v2")
    file = next(tmp_path.iterdir())
    check_weights(["deeplabv3plus_mobilenetv2"], str(file))
    with pytest.raises(WeightsError, match=r"is one file, for 2 encoders \(mobilenet_v2, resnet50\); give a folder"):
        check_weights(["deeplabv3plus_mobilenetv2", "deeplabv3plus_resnet50"], str(file))
    file.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read as a weight file"):
        check_weights(["deeplabv3plus_mobilenetv2"], str(file))


def test_fp16_is_not_quietly_bf16_on_a_cpu() -> None:
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        find_hardware(Training(precision="fp16"))


def test_a_gpu_that_torch_cannot_use_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "driver" in str(gpu_obstacle.__wrapped__()) or "CUDA" in str(gpu_obstacle.__wrapped__())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Quadro P4000")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_120", "compute_120"])
    assert gpu_obstacle.__wrapped__() == "Quadro P4000 has compute capability 6.1; this torch needs 7.5"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    assert gpu_obstacle.__wrapped__() is None


def test_imagenet_without_a_network_says_how_to_bring_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(WeightsError) as error:
        check_weights(["deeplabv3plus_resnet50", "deeplabv3plus_xception"], "imagenet")
    message = str(error.value)
    assert "save it as FOLDER/resnet50.safetensors" in message
    assert "save it as FOLDER/xception41.safetensors" in message
    assert "encoder_weights=none" in message


def test_real_imagenet_weights_load(real_data: Path) -> None:
    path = real_data.parent / "weights" / "mobilenet_v2_imagenet_features_torchvision_keys.pth"
    if not path.is_file():
        pytest.skip("no weight file beside the real data")
    state = torch.load(path, weights_only=True)
    module = build_module(cell("deeplabv3plus_mobilenetv2"), Training(encoder_weights=str(path)))
    loaded = module.network.get_submodule("encoder").state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_precision_follows_the_setting() -> None:
    assert find_hardware(Training(precision="fp32")).precision == "32-true"
    assert find_hardware(Training(precision="bf16")).precision == "bf16-mixed"


def test_the_module_normalises_as_its_encoder_was_trained() -> None:
    module: SegmentationModule = build_module(cell("deeplabv3plus_xception"), SCRATCH)
    assert torch.allclose(module.get_buffer("mean").flatten(), torch.full((3,), 127.5))
