"""Stands in for SLURM where there is none: `sbatch`, `srun`, `squeue`, `scancel`, `scontrol` on this machine.

`install` puts them into a folder, to be first on the PATH. Jobs are real: each element of an array runs its script, in
a process of its own, as many at once as the array says. What is queued is in files beside the commands.
"""

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")


def install(folder: Path) -> None:
    """Put the commands into a folder."""
    folder.mkdir(parents=True)
    for name in COMMANDS:
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {folder} {name} "$@"\n', encoding="utf-8")
        path.chmod(0o755)


def sbatch(folder: Path, arguments: list[str]) -> str:
    """Queue a script, whose elements a process in the background runs; prints the job's id as SLURM does."""
    job = len(list(folder.glob("job*.sh"))) + 1
    script = folder / f"job{job}.sh"
    script.write_text(Path(arguments[-1]).read_text(encoding="utf-8"), encoding="utf-8")
    elements = _elements(script)
    for element in elements:
        _record(folder, _name(job, element), state="PENDING", pid=0)
    command = [sys.executable, __file__, str(folder), "run", str(job)]
    subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    return f"Submitted batch job {job}"


def run(folder: Path, arguments: list[str]) -> str:
    """Run the elements of a job."""
    job = int(arguments[0])
    script = folder / f"job{job}.sh"
    elements = _elements(script)
    with ThreadPoolExecutor(_at_once(script)) as pool:
        list(pool.map(lambda element: _run_element(folder, job, element), elements))
    return ""


def _run_element(folder: Path, job: int, element: int | None) -> None:
    name = _name(job, element)
    if _read(folder, name)["state"] != "PENDING":
        return
    variables = {**os.environ, "SLURM_JOB_ID": str(job if element is None else 1000 * job + element)}
    variables["SLURM_CPUS_PER_TASK"] = "1"
    if element is not None:
        variables |= {"SLURM_ARRAY_JOB_ID": str(job), "SLURM_ARRAY_TASK_ID": str(element)}
    process = subprocess.Popen(["bash", str(folder / f"job{job}.sh")], env=variables, start_new_session=True)
    _record(folder, name, state="RUNNING", pid=process.pid)
    code = process.wait()
    _record(folder, name, state="COMPLETED" if code == 0 else "FAILED", pid=0, code=code)


def srun(folder: Path, arguments: list[str]) -> str:
    """Run what comes after the options, in place of this process."""
    words = iter(arguments)
    for word in words:
        if word in {"--output", "--error"}:
            next(words)
        elif not word.startswith("--"):
            os.execvp(word, [word, *words])
    return ""


def squeue(folder: Path, arguments: list[str]) -> str:
    """Tell of those jobs of a list that have not ended."""
    asked = next(word for word in arguments if word.startswith("--jobs=")).removeprefix("--jobs=").split(",")
    lines = []
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if path.stem.partition("_")[0] in asked and record["state"] in {"PENDING", "RUNNING"}:
            lines.append(f"{path.stem}|{record['state']}|None|node1")
    return "\n".join(lines)


def scancel(folder: Path, arguments: list[str]) -> str:
    """End jobs."""
    for name in (word for word in arguments if not word.startswith("--")):
        record = _read(folder, name)
        if record["pid"]:
            os.killpg(record["pid"], signal.SIGKILL)
        _record(folder, name, state="CANCELLED", pid=0)
    return ""


def scontrol(folder: Path, arguments: list[str]) -> str:
    """Tell how a job ended."""
    record = _read(folder, arguments[-1])
    code = record.get("code", 0)
    return f"JobId={arguments[-1]} JobState={record['state']} Reason=None NodeList=node1 ExitCode={code}:0"


def _elements(script: Path) -> list[int] | list[None]:
    found = re.search(r"--array=0-(\d+)", script.read_text(encoding="utf-8"))
    return list(range(int(found[1]) + 1)) if found else [None]


def _at_once(script: Path) -> int:
    found = re.search(r"--array=0-\d+%(\d+)", script.read_text(encoding="utf-8"))
    return int(found[1]) if found else 1


def _name(job: int, element: int | None) -> str:
    return str(job) if element is None else f"{job}_{element}"


def _record(folder: Path, name: str, **facts: object) -> None:
    unfinished = folder / f"{name}.tmp"
    unfinished.write_text(json.dumps(facts), encoding="utf-8")
    unfinished.replace(folder / f"{name}.json")


def _read(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    said = globals()[sys.argv[2]](Path(sys.argv[1]), sys.argv[3:])
    if said:
        print(said)
