"""`lge-sweep doctor`: the verdict, what is slow and why, what is broken, and that it survives what it looks for."""

import json
import os
import shutil
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from doc_pages import ROOT
from program import invoke

from lge_sweep import machine
from lge_sweep.cli.doctor import examination, hardware, place, program, torch_probe
from lge_sweep.cli.doctor.finding import GIB, Section
from lge_sweep.cli.doctor.torch_probe import Gpu, TorchReport
from lge_sweep.cli.doctor.variables import FOR_TESTS, PLAIN, SECRET, look_at_variables
from lge_sweep.engine import WORKER_MEMORY
from lge_sweep.run_store import RunStore

NO_DRIVER = "Found no NVIDIA driver on your system"
OLD_CPU = TorchReport(version="2.14.1", cuda="13.0", obstacle=NO_DRIVER, capability="AVX2", seconds=2)
H100 = Gpu("NVIDIA H100", 80 * GIB, 79 * GIB, bf16=True)
GPU = TorchReport(version="2.14.1", cuda="13.0", gpus=(H100, H100), capability="AVX512", cpu_bf16=True, seconds=2)


@pytest.fixture(autouse=True)
def _usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A quiet machine of 8 cores with room, whatever this one is; torch is not asked, and no variable is set."""
    for name in PLAIN | SECRET:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LGE_SWEEP_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for module in (hardware, machine):
        monkeypatch.setattr(module, "count_cores", lambda: 8)
    monkeypatch.setattr(hardware, "free_memory_bytes", lambda: 8 * WORKER_MEMORY)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 0, 100 * GIB))
    monkeypatch.setattr(examination, "ask_torch", lambda: GPU)


def texts(section: Section | None, kind: str) -> list[str]:
    assert section is not None
    return [f"{finding.what} -> {finding.remedy}" for finding in section.findings if finding.kind == kind]


def test_a_good_machine_gets_one_sentence_and_a_table() -> None:
    result = invoke("doctor")
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "Sweeps can run here, and nothing makes them slow."
    titles = [line.split()[0] for line in lines[1:] if line.strip() and not line.startswith((" ", "note"))]
    assert titles == ["program", "GPU", "processor", "memory", "executors", "variables", "disk", "runs"]
    assert "2 x NVIDIA H100, 80 GB each, 79 GB free, bf16, CUDA 13.0" in result.output
    for package in ("torch", "mlflow", "optuna"):
        assert f"{version(package)}" in next(line for line in lines if line.startswith("program"))
    assert len(lines) <= 24


def test_a_slow_machine_is_told_why_in_the_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "ask_torch", lambda: OLD_CPU)
    monkeypatch.setattr(hardware, "has_nvidia_device", lambda: False)
    monkeypatch.setattr(hardware, "_is_x86", lambda: True)
    monkeypatch.setattr(hardware, "count_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (9.1, 0, 0))
    monkeypatch.setenv("COLUMNS", "100")
    result = invoke("doctor")
    assert result.exit_code == 0
    told = "Sweeps can run here, slowly: no GPU, 2 cores, an older processor, a busy machine."
    assert result.output.splitlines()[0] == told
    output = " ".join(result.output.split())
    assert "there is no NVIDIA GPU: profile laptop is taken" in output
    assert "2 of 8 cores (a container, a job or an affinity gives no more)" in output
    assert "-> give the container or job more cores" in output
    takes = "phase 1 takes about 8 minutes on simulated exams (4 on a newer processor) once nothing else runs, on a"
    assert takes in output  # not a time for a machine that it is not, beside "more than twice as long"
    assert "load 9.1 on 8 cores" in output
    assert NO_DRIVER in output
    assert "AVX512 no, bf16 no" in output
    assert len(result.output.splitlines()) <= 26  # one screen; a long path of the runs directory takes a second line


@pytest.mark.parametrize(
    ("report", "variable", "device", "what", "remedy"),
    [
        (OLD_CPU, "", True, "CUDA_VISIBLE_DEVICES is '', which hides every GPU", "unset CUDA_VISIBLE_DEVICES"),
        (OLD_CPU, None, False, "there is no NVIDIA GPU", "take a machine with one"),
        (OLD_CPU, None, True, "there is an NVIDIA GPU, and no driver of it here", "--gpus all"),
        (TorchReport(cuda="", obstacle="Torch not compiled with CUDA enabled"), None, True, "processors alone", "make"),
        (
            TorchReport(cuda="13.0", obstacle="The driver is too old (found version 11040)"),
            None,
            True,
            "CUDA 13.0",
            "u",
        ),
        (TorchReport(cuda="13.0", obstacle="K80 has compute capability 3.7; this torch"), None, True, "3.7", "newer"),
    ],
)
def test_why_there_is_no_gpu_is_said_in_words(
    report: TorchReport, variable: str | None, device: bool, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "has_nvidia_device", lambda: device)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    (told,) = texts(hardware.look_at_gpu(report), "slow")
    said, _, do = told.partition(" -> ")
    assert what in said
    assert remedy in do


def test_a_gpu_without_a_driver_is_found_on_the_bus(tmp_path: Path) -> None:
    assert hardware.has_nvidia_device(str(tmp_path)) == any(Path("/dev").glob("nvidia[0-9]*"))
    for name, vendor, kind in (("a", "0x8086", "0x030000"), ("b", "0x10de", "0x040300")):  # Intel's; NVIDIA's sound
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    (tmp_path / "c").mkdir()
    assert hardware.has_nvidia_device(str(tmp_path)) == any(Path("/dev").glob("nvidia[0-9]*"))
    (tmp_path / "b" / "class").write_text("0x030200\n")
    assert hardware.has_nvidia_device(str(tmp_path))


def test_a_gpu_that_others_use_is_slow() -> None:
    busy = Gpu("NVIDIA A100", 40 * GIB, 10 * GIB, bf16=True)
    (told,) = texts(hardware.look_at_gpu(TorchReport(cuda="13.0", gpus=(H100, busy))), "slow")
    assert "other programs use 30 GB of NVIDIA A100" in told


def test_the_time_of_phase_1_is_that_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "count_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0, 0))
    new = TorchReport(obstacle=NO_DRIVER, capability="AVX512", cpu_bf16=True)
    (told,) = texts(hardware.look_at_processor(new), "slow")
    assert "phase 1 takes about 4 minutes on simulated exams, on a hundred" in told


@pytest.mark.parametrize(
    ("free", "kind", "said"),
    [
        (GIB // 2, "broken", "0.5 GB of memory are free"),
        (2 * GIB, "slow", "2.0 GB of memory are free"),
        (4 * GIB, "note", "1 worker(s)"),
    ],
)
def test_too_little_memory_is_told(free: int, kind: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "free_memory_bytes", lambda: free)
    section = hardware.look_at_memory()
    assert [finding.kind for finding in section.findings] == [kind]
    assert said in section.findings[0].what


@pytest.mark.parametrize(("free", "kind"), [(GIB // 2, "broken"), (5 * GIB, "note")])
def test_too_little_disk_is_told(free: int, kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 0, free))
    section = place.look_at_disk(RunStore(tmp_path / "not" / "there"))
    assert [finding.kind for finding in section.findings if "are free" in finding.what] == [kind]
    assert str(tmp_path) in section.findings[0].what


def test_what_is_broken_ends_with_1_and_everything_else_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "ask_torch", lambda: TorchReport(failure="libcudart.so.13: cannot open"))
    monkeypatch.setenv("LGE_SWEEP_STALL", "5")
    monkeypatch.setenv("LGE_SWEEP_EXECUTOR", "lokal")
    monkeypatch.setenv("LGE_SWEEP_DATA", "/not/there")
    result = invoke("doctor")
    assert result.exit_code == 1
    wrong = "an unknown executor, LGE_SWEEP_DATA is wrong, LGE_SWEEP_STALL is wrong"
    first = f"No sweep can run here: torch cannot be imported, {wrong}."
    assert result.output.splitlines()[0] == first
    for said in ("libcudart.so.13: cannot open", "did you mean 'local'?", "/not/there", "disk"):
        assert said in result.output


def test_a_runs_directory_that_cannot_be_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGE_SWEEP_STORAGE", "oracle://me:secret@host/name")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "LGE_SWEEP_STORAGE: expected an address" in result.output
    assert "secret@" not in result.output


def test_runs_that_cannot_be_written_are_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # for root everything can be written
    (told,) = texts(place.look_at_runs(RunStore(tmp_path)), "broken")
    assert told.startswith(f"{tmp_path} cannot be written")
    file = tmp_path / "file"
    file.touch()
    (told,) = texts(place.look_at_runs(RunStore(file)), "broken")
    assert told.startswith(f"{file} cannot be written")


def test_what_is_in_the_runs_directory_is_told(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    assert "not there yet; begin with" in place.look_at_runs(store).text
    store.root.mkdir(mode=0o700)
    assert "no sweep yet; begin with" in place.look_at_runs(store).text
    for name in ("phase1-stage1-a", "phase1-stage2-a"):
        store.sweep(name).path.mkdir(mode=0o700)
        store.sweep(name).settings.touch()
    (store.damaged / "x").mkdir(parents=True)
    section = place.look_at_runs(store)
    assert section.text == f"{store.root}: 2 sweeps; no command is running there"
    assert "1 damaged file(s)" in texts(section, "note")[-1]


def test_a_command_that_works_there_is_named(tmp_path: Path) -> None:
    from lge_sweep.engine import hold_runs

    with hold_runs(RunStore(tmp_path)):
        assert "a command is running there: lge-sweep" in place.look_at_runs(RunStore(tmp_path)).text


def test_secrets_are_hidden_and_names_that_nothing_reads_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGE_SWEEP_SALT", "grain")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:grain@host:5000")
    monkeypatch.setenv("LGE_SWEEP_RUN", "grain")
    monkeypatch.setenv("LGE_SWEEP_SLOW_TESTS", "1")
    section = look_at_variables()
    assert "LGE_SWEEP_SALT (secret)" in section.text
    assert "MLFLOW_TRACKING_URI=http://***@host:5000" in section.text
    (told,) = texts(section, "note")
    assert "LGE_SWEEP_RUN is set, which nothing reads: did you mean LGE_SWEEP_RUNS?" in told
    assert "grain" not in section.text + told


def test_the_doctor_knows_every_variable_that_is_explained() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    table = page.partition("## Environment variables")[2].partition("<!-- begin: tables -->")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    explained = {name.strip("`, ") for cell in cells for name in cell.split(",")}
    assert explained <= PLAIN | SECRET
    assert {name for name in PLAIN | SECRET if name.startswith("LGE_SWEEP_")} <= explained
    assert not FOR_TESTS & explained


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        there = f"http://me:grain@127.0.0.1:{port}"
        assert place.unreachable(there) == ""
        section = place.look_at_servers(RunStore(tmp_path, tracking=there))
        assert section is not None
        assert (section.text, section.findings) == (f"MLflow http://***@127.0.0.1:{port}", ())
    away = RunStore(tmp_path, f"postgresql+psycopg://me:grain@127.0.0.1:{port}/lge", there)
    section = place.look_at_servers(away)
    assert section is not None
    assert [finding.kind for finding in section.findings] == ["broken", "note"]
    assert all("grain" not in finding.what for finding in section.findings)
    monkeypatch.setattr(place, "_version", lambda package: "")
    (told,) = texts(place.look_at_servers(away), "broken")
    assert "pip install 'lge_sweep[postgresql]'" in told
    assert place.look_at_servers(RunStore(tmp_path)) is None
    assert place.unreachable("sqlite:////srv/ledger.db") == ""


@pytest.mark.parametrize(("name", "said"), [("ray", "ray is missing"), ("slurm", "no SLURM")])
def test_an_executor_that_cannot_be_had_is_broken(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGE_SWEEP_EXECUTOR", name)
    monkeypatch.setattr(place, "_version", lambda package: "" if package == "ray" else "1")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    section = place.look_at_executors()
    assert [finding.short for finding in section.findings] == [said]
    assert "ray: not installed (pip install 'lge_sweep[ray]')" in section.text
    assert "slurm: submitit 1, no sbatch here" in section.text


def test_packages_are_compared_with_what_is_needed_and_pinned(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["NumPy>=2", "lazy_loader", "no.such_thing"]\n')
    (tmp_path / "constraints.txt").write_text(f"numpy==0.1\nPyYAML=={version('pyyaml')}\nabsent==1\n")
    section = program.look_at_program(GPU, tmp_path)
    assert texts(section, "broken") == ["not installed: no-such-thing -> make install"]
    assert texts(section, "note") == [
        f"not the versions of constraints.txt: numpy {version('numpy')} (0.1); last digits of results may differ -> "
        "make clean install"
    ]
    assert "as pinned" not in section.text


def test_a_wheel_has_no_checkout_to_compare_with(tmp_path: Path) -> None:
    assert program.pinned_versions(tmp_path) == {}
    assert texts(program.look_at_program(GPU, tmp_path), "broken") == []


def test_a_torch_that_loads_slowly_is_told() -> None:
    slow = TorchReport(version="2", gpus=(H100,), seconds=45)
    assert "torch took 45 s to load" in texts(program.look_at_program(slow), "slow")[0]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('ImportError: no libtorch')", "ImportError: no libtorch"),
        ("import os; os.kill(os.getpid(), 4)", "ends Python by signal 4"),
        ("import time; time.sleep(60)", "says nothing for 1 s"),
        ("pass", "it says nothing"),
    ],
)
def test_a_torch_that_fails_crashes_or_hangs_is_told(code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_probe, "_CODE", code)
    assert said in torch_probe.ask_torch(1 if "sleep" in code else 60).failure


def test_torch_is_asked_in_a_process_of_its_own() -> None:
    """What it says is what torch says here; the command itself never loads it."""
    code = (
        "import sys, json, dataclasses\nfrom lge_sweep.cli.doctor.torch_probe import ask_torch\n"
        "told = dataclasses.asdict(ask_torch())\nassert 'torch' not in sys.modules\nprint(json.dumps(told))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    import torch

    told = json.loads(done.stdout)
    assert (told["failure"], told["version"]) == ("", torch.__version__)
    assert told["capability"] == torch.backends.cpu.get_cpu_capability()
    assert told["obstacle"]  # tests see no GPU
    assert told["seconds"] > 0
