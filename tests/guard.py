"""The guard around a process tree: what it looks up, connects to, and writes outside of given folders (guard.c)."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("guard.c")
LIBRARY, LOG, ALLOW = "LD_PRELOAD", "LGE_GUARD_LOG", "LGE_GUARD_ALLOW"
"""Its environment variables; processes inherit them."""


class Offence(NamedTuple):
    """What a process did that it must not do."""

    test: str
    process: str
    program: str
    caller: str
    call: str
    what: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.test or self.program}: {self.call} {self.what} (from {Path(self.caller).name})"


def build(folder: Path) -> tuple[Path | None, str]:
    """Compile the guard; without one, say why there is none."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux"):
        return None, f"the guard is for Linux, this is {sys.platform}"
    if compiler is None:
        return None, "the guard needs a C compiler (cc)"
    library = folder / "guard.so"
    command = [compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lresolv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return (None, f"the guard does not compile: {done.stderr[:300]}") if done.returncode else (library, "")


def environment(library: Path, log: Path, allowed: Iterable[Path]) -> dict[str, str]:
    """Return the variables that put a process and all that it starts under the guard.

    Args:
        library: as `build` returned it.
        log: where offences go.
        allowed: folders that may be written to.
    """
    folders = ":".join(str(folder.resolve()) for folder in allowed)
    return {LIBRARY: str(library), LOG: str(log.resolve()), ALLOW: folders}


def read(log: Path) -> Sequence[Offence]:
    """Return what was caught, each once."""
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return list(dict.fromkeys(Offence(*line.split("\t", 5)) for line in lines))


KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "CUDA_VISIBLE_DEVICES", "GOMP_SPINCOUNT")
RUN = """
import json, os, sys
from pathlib import Path
from lge_sweep.cli import app

for name, arguments in json.loads(sys.argv[1]):
    os.environ["PYTEST_CURRENT_TEST"] = name  # the guard writes it down
    print(end=chr(12), flush=True)
    found = [str(next(Path("/").glob(word[1:]))) if "*" in word else word for word in arguments]
    try:
        app([*name.split(), *found])
    except SystemExit as end:
        if end.code:
            sys.exit(f"{name} ended with {end.code}")
"""
"""Runs commands one after the other in one process, which loads the libraries once."""


@dataclass(frozen=True)
class User:
    """Somebody with an empty home who has set nothing: where they are, and their environment, guarded if it can be."""

    place: Path
    environment: dict[str, str]

    @property
    def home(self) -> Path:
        """Their home."""
        return self.place / "home"

    @property
    def results(self) -> Path:
        """Where their commands may write."""
        return self.place / "results"

    def offences(self) -> list[str]:
        """What was caught."""
        return [str(offence) for offence in read(self.place / "guard.log")]

    def run(self, commands: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """Run commands in one process of their own; return what each printed.

        Args:
            commands: names with arguments; of a path with a "*" the first that there is when its turn comes.
        """
        done = subprocess.run(
            [sys.executable, "-c", RUN, json.dumps(commands)], cwd=self.home, env=self.environment, umask=0o022,
            capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout.split(chr(12))[1:]


def new_user(place: Path, also: Sequence[Path] = (), /, **more: str) -> User:
    """Make somebody.

    Args:
        place: a new folder.
        also: folders that they may write to besides their own.
        more: environment variables.
    """
    scratch, home, results = place / "tmp", place / "home", place / "results"
    for folder in (scratch, home, results):
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # in an open folder, what is made must be private by itself
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    bare = {**kept, "HOME": str(home), "TMPDIR": str(scratch), **more}
    own = [results, scratch, home / ".cache/lge_sweep", home / ".config/lge_sweep", *also]
    library, _ = build(place)
    return User(place, bare if library is None else {**bare, **environment(library, place / "guard.log", own)})


def modes(folder: Path) -> dict[Path, int]:
    """Return the mode of each entry below a folder; links have none, and a model's copy of our code is public."""
    entries = (path for path in folder.rglob("*") if not path.is_symlink())
    data = (path for path in entries if path.suffix not in (".py", ".pyc") and "code" not in path.parts)
    return {path: stat.S_IMODE(path.stat().st_mode) for path in data}


def open_to_others(folder: Path, allowed: int = 0o700) -> list[str]:
    """Return what below a folder gives somebody more than is allowed."""
    return [f"{path}: {mode:o}" for path, mode in modes(folder).items() if mode & ~allowed]
