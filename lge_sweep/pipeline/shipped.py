"""Which of the pipelines that were compared is the one that is shipped."""

from collections.abc import Mapping
from contextlib import suppress

from lge_sweep.config.pipelines import PAPER
from lge_sweep.errors import DamagedError
from lge_sweep.pipeline.records import PIPELINE, ChoiceRecord, ComparisonRecord, EvaluationRecord, ShippedRecord
from lge_sweep.run_store import SweepFolder
from lge_sweep.study import read_record


def shipped_on_validation(fits: SweepFolder, record: ComparisonRecord) -> str:
    """Return the name of the pipeline that is shipped, as it is compared; else the paper's.

    Args:
        fits: the folder of the fits.
        record: what is kept of the comparison there.
    """
    with suppress(DamagedError):
        name = read_record(ShippedRecord, fits.shipped).pipeline
        if name in record.meanings:
            return name
    return _named_as_shipped(record.meanings)


def chosen_out_of_fold(composed: SweepFolder) -> str:
    """Return the name of the pipeline that serves best on cases that its networks never saw, as it is compared.

    Args:
        composed: the folder of the networks of pipelines past the paper.
    """
    chosen = read_record(ChoiceRecord, composed.choice).selected
    return PIPELINE if chosen == PAPER else chosen


def shipped_when_evaluated(fits: SweepFolder, record: EvaluationRecord) -> str:
    """Return the name of the pipeline that was shipped when the test subset was looked at, as it is compared.

    Args:
        fits: the folder of the fits.
        record: what is kept of the evaluation.
    """
    with suppress(DamagedError):
        last = read_record(ShippedRecord, fits.shipped)
        if last.shipped == record.shipped and last.pipeline:
            return last.pipeline
    return record.shipped.pipeline or _named_as_shipped(record.meanings)


def _named_as_shipped(meanings: Mapping[str, str]) -> str:
    """Return what an earlier version, which kept no name, has shipped."""
    return next((name for name, meaning in meanings.items() if meaning.startswith("what is shipped")), PIPELINE)
