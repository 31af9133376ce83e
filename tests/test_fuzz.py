"""Bad inputs by the hundred: each ends in one message and exit code 2 or 3, soon, in little memory, with few words.

An input is named by its group and its number: `Random(f"{SEED}/{group}/{number}")` makes it. The folder of one that
fails is kept and named. LGE_SWEEP_SLOW_TESTS=1 tries 25 times as many.
"""

import importlib
import os
import re
import shutil
import tempfile
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import fuzz_inputs
import pytest
from bounded import HangError, at_most
from program import inline
from slow_tests import SLOW_TESTS
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.ingest.dicom_header import read_header

SEED = 12
TIMES = 25 if SLOW_TESTS else 1
COUNTS = {
    "settings": 30, "images": 22, "dicoms": 16, "niftis": 24, "masks": 24, "models": 20, "scores": 16, "names": 12,
    "runs": 12
}  # fmt: skip
"""Inputs of each group."""
SECONDS = 10
"""Most that a command may take on a machine that is not busy with others."""
MEGABYTES = 2048
CHARACTERS = 20_000


@dataclass
class Judgement:
    """What a command did with an input."""

    fault: str = ""
    code: int = -1
    seconds: float = 0.0
    megabytes: float = 0.0


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LGE_SWEEP_RUNS", "LGE_SWEEP_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)  # where a command writes that is told nowhere


@pytest.fixture(scope="module", autouse=True)
def _libraries(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load what commands load when they are first run, so that an input is not judged by it."""
    for name in (
        "deliver.exam_files",
        "cli.phases",
        "pipeline.fit",
        "engine.conclusion",
        "tracking.mlflow",
        "engine.train",
    ):
        importlib.import_module(f"lge_sweep.{name}")
    folder = tmp_path_factory.mktemp("coded")
    (folder / "file.dcm").write_bytes(fuzz_inputs.coded("RLELossless", folder))
    read_header(folder / "file.dcm")  # in the decoding process


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs directory with a finished sweep of two small cells."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    options = [
        "grid.model=[unet,segnet]",
        "training.max_steps=1",
        "training.width=0.1",
        "source.cases=6",
        "source.slices=2",
    ]
    settings = [word for option in options for word in ("--set", option)]
    with inline():
        done = CliRunner().invoke(app, ["phase1", "--stage", "1", "--profile", "smoke", "--runs", str(runs), *settings])
    assert done.exit_code == 0, done.output
    return runs


def memory(kind: str) -> float:
    """Return this process's memory in MB: VmRSS now, or VmHWM, the most since `forget_peak`; 0 where none can tell."""
    with suppress(OSError):
        found = re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def judge(arguments: list[str]) -> Judgement:
    """Run a command in this process and judge how it ends."""
    seconds = SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    forget_peak()
    before, began = memory("VmRSS"), time.monotonic()
    try:
        with at_most(seconds):
            done = CliRunner().invoke(app, arguments)
    except HangError:
        return Judgement(f"takes more than {seconds:.0f} s", seconds=seconds)
    judgement = Judgement("", done.exit_code, time.monotonic() - began, memory("VmHWM") - before)
    error = done.exception
    allowed = {0, 2, 3} | ({1} if "no selection" in done.output else set())
    if error is not None and not isinstance(error, SystemExit):
        judgement.fault = f"raises {type(error).__name__}: {str(error)[:200]!r}{_place(error)}"
    elif done.exit_code not in allowed:
        judgement.fault = f"ends with exit code {done.exit_code}: {done.output[-200:]!r}"
    elif "Traceback (most recent call last)" in done.output:
        judgement.fault = f"prints a traceback: {done.output[-200:]!r}"
    elif "please report this" in done.output:
        judgement.fault = f"did not think of it: {done.output[-300:]!r}"
    elif len(done.output) > CHARACTERS:
        judgement.fault = f"prints {len(done.output)} characters, {done.output[:80]!r}"
    elif judgement.megabytes > MEGABYTES:
        judgement.fault = f"takes {judgement.megabytes:.0f} MB"
    return judgement


def _place(error: BaseException) -> str:
    """Return the last line of ours that an exception went through."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places += [f" at {Path(code.co_filename).name}:{trace.tb_lineno}"] * ("lge_sweep/" in code.co_filename)
        trace = trace.tb_next
    return places[-1] if places else ""


def generator(group: str, request: pytest.FixtureRequest) -> fuzz_inputs.Generator:
    if group == "runs":
        return fuzz_inputs.runs(request.getfixturevalue("finished"))
    return {
        "settings": fuzz_inputs.settings, "images": fuzz_inputs.images, "dicoms": fuzz_inputs.dicoms,
        "niftis": fuzz_inputs.niftis, "masks": fuzz_inputs.masks, "models": fuzz_inputs.models,
        "scores": fuzz_inputs.scores, "names": fuzz_inputs.names,
    }[group]  # fmt: skip


@pytest.mark.parametrize("group", COUNTS)
def test_a_bad_input_ends_in_one_message(group: str, request: pytest.FixtureRequest) -> None:
    generate = generator(group, request)
    judgements: dict[int, Judgement] = {}
    faults = []
    for number in range(COUNTS[group] * TIMES):
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{group}-{number}-"))
        with warnings.catch_warnings(action="ignore"):  # of libraries that write what is meant to be wrong
            arguments = generate(Random(f"{SEED}/{group}/{number}"), folder)
        judgement = judgements[number] = judge(arguments)
        if judgement.fault:
            faults.append(f"{group} {number} (seed {SEED}) {judgement.fault}\n  {arguments}"[:600])
        else:
            shutil.rmtree(folder)
    print(figures(group, judgements, len(faults)))
    assert not faults, f"{len(faults)} of {len(judgements)} inputs:\n" + "\n".join(faults)


def figures(group: str, judgements: dict[int, Judgement], faults: int) -> str:
    codes = ", ".join(
        f"{count} x {code}" for code, count in sorted(Counter(j.code for j in judgements.values()).items())
    )
    slow = max(judgements, key=lambda number: judgements[number].seconds)
    large = max(judgements, key=lambda number: judgements[number].megabytes)
    return (
        f"{group}: {len(judgements)} inputs in {sum(j.seconds for j in judgements.values()):.1f} s, {faults} faults; "
        f"exit codes {codes}; slowest {slow}: {judgements[slow].seconds:.2f} s; "
        f"largest {large}: {judgements[large].megabytes:.0f} MB"
    )


def test_what_is_not_broken_is_read(tmp_path: Path) -> None:
    """The inputs that are broken above are sound as they are, or nothing would be tested."""
    for name, write, command in fuzz_inputs.SOUND:
        folder = tmp_path / name
        folder.mkdir()
        write(folder)
        done = CliRunner().invoke(app, command(folder))
        assert done.exit_code == 0, f"{name}: {done.output}"
