"""Fit the two selected networks into one pipeline, beside what it has to beat.

Stage 2 was selected with the true cavity as guidance, and will have to work with stage 1's. So it is fitted again, on
guidance as it will be: for each training case from a stage-1 network that never saw the case (out-of-fold), for the
validation subset from stage 1's champion. Beside it stand controls of the same architecture and budget: true guidance,
no guidance, one network for all classes at once; and two options past the paper: crops around the heart, and richer
augmentation.

Source: paper section III.J; folds and controls are ours.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lge_sweep.arrays import LabelImage, Mask, Pixels
from lge_sweep.config import Cell, SweepConfig
from lge_sweep.config.fits import AUGMENTED, CROPPED, PREDICTED, SINGLE_FIT, TRUE, UNGUIDED, modifiers
from lge_sweep.config.pipelines import BEST, Pipeline
from lge_sweep.config.schema import Fit, Shipped
from lge_sweep.curate import check_classes
from lge_sweep.data import (
    Arrays,
    class_weights,
    crop_labels,
    load_arrays,
    store_arrays,
    to_8_bit,
)
from lge_sweep.engine import Driver
from lge_sweep.errors import DataError, InheritError, SelectionError
from lge_sweep.labels import SINGLE_STAGE
from lge_sweep.pipeline.champions import Champion, find_champions
from lge_sweep.pipeline.compose import plan_pipelines
from lge_sweep.pipeline.folds import gather_cavity, plan_folds
from lge_sweep.pipeline.parts import composition_digest
from lge_sweep.pipeline.records import ChoiceRecord, ShippedRecord
from lge_sweep.run_store import RunStore
from lge_sweep.segmenter import refine, stage2_view
from lge_sweep.study import (
    CellInputs,
    CellSet,
    Plan,
    PreparedData,
    cases_without_spacing,
    pixel_sizes,
    plan_sweep,
    prepare_data,
    read_record,
    write_plan,
)
from lge_sweep.tracking import finishing

SHIP_AGAIN = "Run phase 3 again (make phase3, lge-sweep phase3): it ships the pipeline anew, and trains nothing anew"

CHOOSE_AGAIN = "Run phase 3 again (make phase3, lge-sweep phase3): it chooses anew, and trains nothing anew"


@dataclass(frozen=True)
class TwoStage:
    """The fitted pipeline.

    Attributes:
        config: settings of phase 3, stage 2.
        stage1: the champion of stage 1, which finds the cavity.
        fits: the sweep of the fits; its cell `predicted` is the stage 2 of the paper's pipeline.
        failed: fit -> why it has no result.
        images: the slices as they were read, [H, W] each.
        labels: theirs, values of `Label`.
        cavity: [N, S, S], what stage 1 finds in training and validation slices that it never saw, not refined.
        composed: the sweep of the pipelines past the paper; None where none is asked for.
        choice: which of them serves best out of fold; None before that is known.
    """

    config: SweepConfig
    stage1: Champion
    fits: Plan
    failed: Mapping[str, str]
    images: tuple[Pixels, ...]
    labels: tuple[LabelImage, ...]
    cavity: Mask
    composed: Plan | None = None
    choice: ChoiceRecord | None = None

    def chosen(self, choice: ChoiceRecord | None) -> "TwoStage":
        """Return the pipelines with the one chosen; where the best is to be shipped, it is named in the settings."""
        fit = self.fit.model_copy(update={"shipped": _named(self.fit.shipped, choice)})
        return replace(self, config=self.config.model_copy(update={"fit": fit}), choice=choice)

    def ships(self, asked: Shipped) -> bool:
        """Whether what is asked to be shipped, be it the best, is what this ships."""
        return _named(asked, self.choice) == self.fit.shipped

    @property
    def fit(self) -> Fit:
        """How it was fitted, and what is shipped."""
        return self.config.fitting

    @property
    def compositions(self) -> dict[str, str]:
        """Pipeline past the paper -> its `composition_digest`, with what was chosen to clean up."""
        chosen = {} if self.choice is None else self.choice.pipelines
        return {
            name: composition_digest(pipeline, chosen[name].cleaning)
            for name, pipeline in self.fit.pipelines.items()
            if name in chosen
        }

    @property
    def composition(self) -> str:
        """The one of `compositions` that is shipped; "" where that is a fit of stage 2."""
        return self.compositions.get(self.fit.shipped.pipeline or "", "")

    def fitted(self, variant: str) -> Cell | None:
        """Return the cell of a fit, or None where it was not asked for or failed."""
        return next((cell for cell in self.fits.cells if cell.name == variant and variant not in self.failed), None)


def _named(asked: Shipped, choice: ChoiceRecord | None) -> Shipped:
    return Shipped(pipeline=choice.selected) if choice is not None and asked.pipeline == BEST else asked


def fit_two_stage(
    driver: Driver, configs: Mapping[int, SweepConfig], root: Path | None, allow_incomplete: bool = False
) -> TwoStage:
    """Make out-of-fold guidance, then fit stage 2 and its controls.

    Args:
        driver: holds the runs directory and the workers.
        configs: settings of phase 3 for stage 1 and stage 2.
        root: folder of the images.
        allow_incomplete: go on although a control failed.

    Raises:
        InheritError: phase 2 has not selected for both stages on this data and with these settings.
        SelectionError: a training failed; the same command tries it again.
        LgeSweepError: the data or the runs directory cannot be used.
    """
    data, champions, settled = _prepare(driver.store.root, configs, root)
    folds = plan_folds(settled[1], data, driver.store.root, champions[1].cell)
    _complete(driver, folds, {cell.name for cell in folds.cells})
    cavity = gather_cavity(folds, champions[1])
    guidance = refine(cavity)
    fits = plan_fits(settled[2], data, driver.store.root, champions, guidance)
    failed = _complete(driver, fits, {PREDICTED, settled[2].fitting.shipped.stage2}, allow_incomplete)
    composed = plan_pipelines(settled[2], data, driver.store.root, champions, guidance)
    if composed is not None:
        _complete(driver, composed, {cell.name for cell in composed.cells})
    return TwoStage(settled[2], champions[1], fits, failed, data.images, data.labels, cavity, composed)


def find_two_stage(
    runs: Path, configs: Mapping[int, SweepConfig], root: Path | None, allow_incomplete: bool = False
) -> TwoStage:
    """Find the pipeline that `fit_two_stage` has fitted, with the options that it was shipped with.

    Args:
        runs: the runs directory.
        configs: settings of phase 3 for stage 1 and stage 2.
        root: folder of the images.
        allow_incomplete: take it although controls have no result.

    Raises:
        InheritError: phase 2 or phase 3 was not run on this data and with these settings, or is not complete.
        LgeSweepError: the data or the runs directory cannot be used.
    """
    data, champions, settled = _prepare(runs, configs, root)
    folds = plan_folds(settled[1], data, runs, champions[1].cell)
    config = settled[1]
    told = f"phase 3 on {config.data} with profile {config.profile}"
    unfinished = InheritError(f"{told} is not complete", "phase3", 0)
    if folds.unfinished():
        raise unfinished
    cavity = gather_cavity(folds, champions[1])
    guidance = refine(cavity)
    fits = plan_fits(settled[2], data, runs, champions, guidance)
    if not fits.files.shipped.is_file():
        raise unfinished
    record, fit = read_record(ShippedRecord, fits.files.shipped, SHIP_AGAIN), settled[2].fitting
    shipped = record.shipped
    if shipped.pipeline is not None and shipped.pipeline not in fit.pipelines:
        raise InheritError(
            f"phase 3 has shipped the pipeline {shipped.pipeline}, which these settings have not; give those that it "
            "was run with"
        )
    known = shipped.stage2 in (PREDICTED, *fit.controls)  # else phase 3 was given more controls than this command
    controls = fit.controls if known else (*fit.controls, shipped.stage2)
    own = fit.model_copy(update={"shipped": shipped, "controls": controls})
    config = settled[2].model_copy(update={"fit": own})
    if not known:
        fits = plan_fits(config, data, runs, champions, guidance)
    left = [cell.name for cell in fits.unfinished()]
    if {PREDICTED, shipped.stage2} & set(left):
        raise unfinished
    if left and not allow_incomplete:
        raise _lacking(told, fit, left)
    failed = dict.fromkeys(left, "it was not fitted")
    composed = plan_pipelines(config, data, runs, champions, guidance)
    choice = None if composed is None else read_choice(composed, fit.pipelines)
    if composed is not None and choice is None:
        raise InheritError(f"{told} has not compared all pipelines that these settings describe", "phase3", 0)
    two_stage = TwoStage(config, champions[1], fits, failed, data.images, data.labels, cavity, composed, choice)
    if record.composition and two_stage.composition != record.composition:
        raise InheritError(
            f"phase 3 has shipped the pipeline {shipped.pipeline} as other settings describe it than these", "phase3", 0
        )
    return two_stage


def _lacking(told: str, fit: Fit, left: Sequence[str]) -> InheritError:
    done = [name for name in fit.controls if name not in left]
    return InheritError(
        f"{told} has not fitted {', '.join(left)}; to go on with what it has fitted, give it the same "
        f"--set 'fit.controls=[{', '.join(done)}]' or --allow-incomplete", "phase3", 0,
    )  # fmt: skip


def read_choice(composed: Plan, pipelines: Mapping[str, Pipeline]) -> ChoiceRecord | None:
    """Return what was chosen out of fold; None where networks are missing, or one of the pipelines was not compared.

    Args:
        composed: the sweep of the pipelines' networks.
        pipelines: name -> pipeline; one that was something else when it was compared was not compared.

    Raises:
        DamagedError: the record is damaged.
    """
    if composed.unfinished() or not composed.files.choice.is_file():
        return None
    choice = read_record(ChoiceRecord, composed.files.choice, CHOOSE_AGAIN)
    known = {name: chosen.composition for name, chosen in choice.pipelines.items()}
    compared = (known.get(name) in ("", composition_digest(pipeline)) for name, pipeline in pipelines.items())
    return choice if all(compared) else None


def _prepare(
    runs: Path, configs: Mapping[int, SweepConfig], root: Path | None
) -> tuple[PreparedData, dict[int, Champion], dict[int, SweepConfig]]:
    """Prepare the data, find both champions, and put their architecture, loss, optimizer and seed into the settings."""
    data = prepare_data(configs[1], root, runs)
    check_classes(data.manifest, list(configs), "val", configs[1].data)
    check_spacing(configs[2], data)
    champions, settled = find_champions(configs, data.digest, runs), {}
    for stage, config in configs.items():
        champion = champions[stage]
        axes = {axis: (value,) for axis, value in champion.cell.parameters.items()}
        grid = config.grid.model_copy(update=axes)
        own = champion.plan.config.training  # with the numbers in loss and optimizer that it was selected with
        asked = dict(config.training)
        if kept := [f"training.{name}" for name, value in own if value != asked[name]]:
            champions[stage] = replace(champion, notes=(*champion.notes, f"its own {', '.join(kept)}"))
        settled[stage] = config.model_copy(update={"grid": grid, "training": own})
    return data, champions, settled


def plan_fits(
    config: SweepConfig, data: PreparedData, runs: Path, champions: Mapping[int, Champion], guidance: Mask
) -> Plan:
    """Plan the fit of stage 2 and of its controls.

    Args:
        config: settings of phase 3, stage 2.
        data: the data.
        runs: the runs directory.
        champions: what phase 2 selected for each stage.
        guidance: [N, S, S], the cavity as `gather_cavity` gives it, refined.
    """
    whole, training = load_arrays(data.arrays), config.fitting.stage2_training(config.training)
    rows = {subset: data.rows(subset) for subset in ("train", "val")}
    inputs, chosen = {}, []
    for variant in (PREDICTED, *config.fitting.controls):
        arrays, shares = _arrays(variant, whole, config, data, guidance)
        folder = data.arrays if arrays is whole else store_arrays(arrays, RunStore(runs).cache)
        cell = replace(champions[2].cell, variant=variant, stage=SINGLE_STAGE if variant == SINGLE_FIT else 2)
        weights = class_weights(arrays.labels[rows["train"]], cell.stage)
        trained = training.model_copy(update={"augment": "rich"}) if AUGMENTED in modifiers(variant) else training
        inputs[cell.name] = CellInputs(folder, rows, "val", weights, trained, shares)
        chosen.append(cell)
    lost = int((~guidance[[*rows["train"], *rows["val"]]].any(axis=(1, 2))).sum())
    notes = [f"stage 1 is {champions[1].cell.name} of {champions[1].plan.name}; stage 2 {champions[2].cell.name}"]
    notes += [f"of the selection for stage {stage}: {note}" for stage in (1, 2) for note in champions[stage].notes]
    notes += [f"stage 1 finds no cavity on {lost} training and validation slice(s): no guidance there"] * (lost > 0)
    builds_on = (champions[1].digest, inputs[PREDICTED].arrays.name)
    return plan_sweep(config, data, runs, CellSet(tuple(chosen), inputs, tuple(notes), builds_on))


def _arrays(
    variant: str, whole: Arrays, config: SweepConfig, data: PreparedData, guidance: Mask
) -> tuple[Arrays, list[tuple[float, float]] | None]:
    """What a fit sees; of crops, too, which share of a slice's side each is."""
    if variant in (TRUE, SINGLE_FIT):
        return whole, None
    if CROPPED not in modifiers(variant):
        return replace(whole, refined=np.zeros_like(guidance) if UNGUIDED in modifiers(variant) else guidance), None
    size = config.training.image_size
    images = [to_8_bit(image, config.intensity) for image in data.images]
    view = stage2_view(
        images, guidance, pixel_sizes(data.manifest), config.frame, config.fitting.segmenter_options(variant, size)
    )
    labels = [crop_labels(labels, box, size, size) for labels, box in zip(data.labels, view.boxes, strict=True)]
    return Arrays(view.images, np.stack(labels), view.guidance, whole.cases), [
        (box.side / size,) * 2 for box in view.boxes
    ]


def check_spacing(config: SweepConfig, data: PreparedData) -> None:
    """Refuse a margin in mm where there is a slice whose spacing is not known.

    Args:
        config: settings of phase 3.
        data: the data.

    Raises:
        DataError: there is one.
    """
    unknown = cases_without_spacing(data.manifest)
    crops = any(CROPPED in modifiers(fit) for fit in config.fitting.controls)
    if unknown and crops and config.fitting.crop_margin_mm is not None:
        raise DataError(
            config.data,
            [
                f"fit.crop_margin_mm needs the size of the pixels, which is not known of {len(unknown)} case(s), such "
                f"as {min(unknown)}; give fit.crop_margin, in pixels, instead"
            ],
        )


def _complete(driver: Driver, plan: Plan, needed: Collection[str], allow_incomplete: bool = False) -> Mapping[str, str]:
    """Train what is left of a sweep, and return why cells failed.

    Raises:
        SelectionError: some failed that are needed.
    """
    write_plan(plan)
    driver.observer.introduce(plan)
    run = driver.open_run(plan)
    with finishing(run):
        failed = driver.run(plan, run).failed
        lost = set(failed) & set(needed)
        if lost or (failed and not allow_incomplete):
            listed = [f"  - {name}: {reason}" for name, reason in failed.items()]
            run.fail("\n".join(listed))
            way = "" if lost else " To go on without them: --allow-incomplete."
            retry = f"Run the same command again to retry them.{way}"
            raise SelectionError(f"{len(failed)} trainings failed:", *listed, retry)
        run.untag("failed")
        run.finish()
    return failed
