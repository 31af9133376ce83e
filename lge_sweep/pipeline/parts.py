"""The networks that follow each other in a pipeline past the paper, and what their cells are called.

Most pipelines have one network a fold and seed; a cascade (`finds: wall_then_scar`) has two.
"""

import hashlib
from collections.abc import Mapping

from lge_sweep.config.pipelines import Cleaning, Pipeline, TrainingChanges


def parts_of(pipeline: Pipeline) -> tuple[Pipeline, ...]:
    """Return the networks that follow each other in a pipeline, each as a pipeline of what decides it alone.

    The first of a cascade is that of the pipeline that finds everything and is else the same. The second is what still
    finds the wall, then scar: it sees no neighbours, and its training is its own.
    """
    if pipeline.finds != "wall_then_scar":
        return (pipeline,)
    training = TrainingChanges.model_validate({**pipeline.training.given, **pipeline.scar_training.given})
    alone = pipeline.model_copy(update={"scar_training": TrainingChanges()})
    return (
        alone.model_copy(update={"finds": "everything"}),
        alone.model_copy(update={"neighbours": False, "training": training}),
    )


def cell_name(name: str, network: Pipeline, fold: int, seed: int) -> str:
    """Return the name of a network's cell; it has a digest of what decides the network, and of nothing else.

    Args:
        name: of the pipeline.
        network: what it is, as of `parts_of`.
        fold: which cases it never saw, counted from 0.
        seed: counted from 0.
    """
    return f"{name}-{_digest(network)}-fold{fold + 1}-seed{seed}"


def composition_digest(pipeline: Pipeline, cleaning: Cleaning | None = None) -> str:
    """Return the SHA-256 of all that a pipeline is asked to be, hexadecimal.

    Words about it leave some of that out; this tells a pipeline from another of the same name.

    Args:
        pipeline: what it is asked to be.
        cleaning: what was chosen to clean up after it; None: what it may choose among counts alone.
    """
    parts = [pipeline] if cleaning is None else [pipeline, cleaning]
    told = "".join(part.model_dump_json(exclude_defaults=True) for part in parts)
    return hashlib.sha256(told.encode()).hexdigest()


def _digest(network: Pipeline) -> str:
    own = network.model_dump_json(exclude={"seeds", "symmetries", "cleaning"}, exclude_defaults=True)
    return hashlib.sha256(own.encode()).hexdigest()[:6]


def member_names(chosen: Mapping[str, Pipeline], name: str, fold: int, seed: int) -> tuple[str, ...]:
    """Return the names of the cells of a pipeline's networks for a fold and seed, in the order of `parts_of`.

    The first network of a cascade is trained once for all pipelines that have it.

    Args:
        chosen: all pipelines that are compared.
        name: of the pipeline.
        fold: counted from 0.
        seed: counted from 0.
    """
    first, *others = parts_of(chosen[name])
    if not others:
        return (cell_name(name, first, fold, seed),)
    having = [other for other, own in chosen.items() if _digest(parts_of(own)[0]) == _digest(first)]
    owner = next((other for other in having if chosen[other].finds == "everything"), having[0])
    return (cell_name(owner, first, fold, seed), *(cell_name(f"{name}-scar", own, fold, seed) for own in others))
