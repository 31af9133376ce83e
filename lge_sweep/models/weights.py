"""Pretrained encoder weights: from the model hub, or from a file brought by hand."""

import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import huggingface_hub
import torch
from safetensors.torch import load_file
from segmentation_models_pytorch.encoders import encoders
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from lge_sweep.config.architectures import ARCHITECTURES, PUBLISHED, SCRATCH
from lge_sweep.errors import WeightsError
from lge_sweep.paths import WEIGHT_SUFFIXES

State = dict[str, Tensor]
CLASSIFIER = ("classifier.", "fc.", "head.", "last_linear.")
NARROW = (
    "training.width {width:g} makes {model} narrower than its pretrained encoder; "
    "set training.width=1 or training.encoder_weights=none"
)


def load_encoder(network: nn.Module, model: str, weights: str, width: float) -> None:
    """Load pretrained weights into a network's encoder; every tensor of the encoder must be in the file.

    Args:
        network: as `build_network` built it.
        model: its name.
        weights: "imagenet", "none", a weight file, or a folder with a file `<encoder>.pth` (or .pt, .safetensors).
        width: share of the feature channels; only the published width 1 fits pretrained weights.

    Raises:
        WeightsError: the weights cannot be had, or do not fit.
    """
    encoder = ARCHITECTURES[model].encoder
    if weights == SCRATCH or encoder is None:
        return
    if problems := _too_narrow([model], width):
        raise WeightsError(*problems)
    source = find_weights(encoder.name, weights)
    stored = {key: value for key, value in _read_weights(source).items() if not key.startswith(CLASSIFIER)}
    if encoder.rename is not None:
        pattern, replacement = encoder.rename
        stored = {pattern.sub(replacement, key): value for key, value in stored.items()}
    try:
        network.get_submodule(encoder.submodule).load_state_dict(stored)
    except RuntimeError as error:
        raise WeightsError(
            f"{source}: does not fit the encoder {encoder.name} of {model}: {' '.join(str(error).split())[:300]}"
        ) from error


def check_weights(models: Iterable[str], weights: str, width: float = 1.0) -> None:
    """Make sure that the weights of every model can be had and fit its width, before a sweep starts.

    Args:
        models: names of the architectures.
        weights: as for `load_encoder`.
        width: share of the feature channels.

    Raises:
        WeightsError: naming every encoder whose weights cannot be had, and how to bring them.
    """
    models = list(models)
    encoders = [encoder.name for model in models if (encoder := ARCHITECTURES[model].encoder)]
    needed = list(dict.fromkeys(encoders))
    if weights == SCRATCH:
        return
    problems = _too_narrow(models, width)
    if Path(weights).is_file():
        _read_weights(Path(weights))
        if len(needed) > 1:
            problems.append(f"{weights} is one file, for {len(needed)} encoders ({', '.join(needed)}); give a folder")
        needed = []
    for name in needed:
        try:
            find_weights(name, weights)
        except WeightsError as error:
            problems.append(str(error))
    if problems:
        raise WeightsError("training.encoder_weights:", *(f"  - {problem}" for problem in problems))


def _too_narrow(models: Iterable[str], width: float) -> list[str]:
    """Say which models are narrower than the weights that are published for their encoder."""
    entries = {model: ARCHITECTURES[model] for model in models}
    narrow = [model for model, entry in entries.items() if entry.encoder and entry.takes_width and width != 1]
    return [NARROW.format(width=width, model=model) for model in narrow]


def find_weights(encoder: str, weights: str) -> Path:
    """Return the weight file of an encoder, fetching it from the model hub when asked for `imagenet`.

    Raises:
        WeightsError: there is none, or it cannot be fetched.
    """
    if weights != PUBLISHED:
        path = Path(weights)
        candidates = [path] if path.is_file() else [path / f"{encoder}{suffix}" for suffix in WEIGHT_SUFFIXES]
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        looked = f"no file {encoder}.pth (.pt, .safetensors) in it" if path.is_dir() else "no such file or folder"
        raise WeightsError(f"{weights}: {looked}; allowed: {PUBLISHED}, {SCRATCH}, a weight file, a folder of them")
    repository, revision = _hub_address(encoder)
    try:
        path_or_flag = huggingface_hub.try_to_load_from_cache(repository, "model.safetensors", revision=revision)
        if isinstance(path_or_flag, str):
            return Path(path_or_flag)
        _check_reachable(huggingface_hub.constants.ENDPOINT)
        return Path(huggingface_hub.hf_hub_download(repository, "model.safetensors", revision=revision))
    except (OSError, huggingface_hub.errors.HfHubHTTPError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise WeightsError(
            f"{encoder}: ImageNet weights are not on this machine and cannot be fetched ({reason}). Where there is a "
            f"network, download model.safetensors of {repository} from the Hugging Face hub, save it as "
            f"FOLDER/{encoder}.safetensors here, and set training.encoder_weights=FOLDER; or train from scratch "
            "with training.encoder_weights=none"
        ) from error


def _hub_address(encoder: str) -> tuple[str, str | None]:
    if encoder in encoders:
        settings = encoders[encoder]["pretrained_settings"][PUBLISHED]
        return str(settings["repo_id"]), settings["revision"]
    config = get_pretrained_cfg(encoder)
    assert config is not None, encoder
    return f"{config.hf_hub_id}{config.architecture}.{config.tag}" if config.hf_hub_id == "timm/" else str(
        config.hf_hub_id
    ), None


def _check_reachable(endpoint: str) -> None:
    """Ask once, with a short timeout: the hub's client would try for 20 s a file before it gives up."""
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=10).close()
    except urllib.error.HTTPError:
        return  # it answered


def _read_weights(path: Path) -> State:
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # torch and safetensors raise many kinds for a broken file
        raise WeightsError(f"{path}: cannot be read as a weight file ({type(error).__name__}: {error})") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path}: holds no weights (expected a mapping of names to tensors)")
    return dict(state)
