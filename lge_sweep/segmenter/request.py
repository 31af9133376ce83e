"""What is asked of a shipped model, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lge_sweep.config.data import CaseIds
    from lge_sweep.deliver import Delivery
    from lge_sweep.ingest import FolderLayout


@dataclass(frozen=True)
class ModelChoice:
    """Which model segments, and what runs it; see `load_segmenter`.

    Attributes:
        model: `models:/lge-two-stage@champion`, another of the registry, or a segmenter's folder.
        runtime: "onnx" or "torch".
        runs: the runs directory, for a model of the registry.
        trust: whether a folder may run any command, which "torch" lets it.
    """

    model: str
    runtime: str = "onnx"
    runs: Path | None = None
    trust: bool = False


@dataclass(frozen=True)
class ReadOptions:
    """How exams are read; see `read_exams`.

    Attributes:
        case_ids: "hash" or "keep".
        series: SeriesInstanceUIDs of the LGE series.
        series_pattern: regular expression that finds it by its description; None: the names of LGE.
        folders: what the folders in a folder of exams are: "auto", "cases" or "series".
    """

    case_ids: "CaseIds" = "hash"
    series: tuple[str, ...] = ()
    series_pattern: str | None = None
    folders: "FolderLayout" = "auto"


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """How exams are segmented, wherever they come from.

    Attributes:
        output: folder that gets a folder an exam.
        model: the model.
        formats: names in `lge_sweep.deliver.FORMATS`; none: all that an exam allows.
        reading: how exams are read.
        processes: exams on this disk that are done at the same time, each by a process of its own if there are several;
            0: as many as cores and memory allow and exams are worth. A script that asks for several needs the guard
            `if __name__ == "__main__":`.
    """

    output: Path
    model: ModelChoice
    formats: tuple[str, ...] = ()
    reading: ReadOptions = ReadOptions()
    processes: int = 1


@dataclass(frozen=True)
class ArchiveRequest:
    """What is asked of an archive, as the user wrote it.

    Attributes:
        url: the root of its DICOMweb service.
        studies: StudyInstanceUIDs.
        store: whether SEG and SR are given back.
        plain_http: whether another machine may be asked unencrypted.
    """

    url: str
    studies: tuple[str, ...]
    store: bool = False
    plain_http: bool = False


@dataclass(frozen=True)
class PredictResult:
    """What became of the exams.

    Attributes:
        deliveries: of each exam that was segmented, now or by the same command before.
        problems: a sentence for everything that was wrong with the others.
        stored: folder of a delivery -> what an archive was given of it.
        notes: what was left out and is no problem, a sentence each.
        seconds: part of the work -> how long it took, in all processes together.
        model: which one it was, and what it was trained on, in words.
    """

    deliveries: "tuple[Delivery, ...]"
    problems: tuple[str, ...]
    stored: Mapping[Path, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    model: str = ""
