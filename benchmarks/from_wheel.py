"""Is the wheel complete? Built, installed into an empty environment, and run outside of the checkout.

    python benchmarks/from_wheel.py

Needs a network, as pip installs the pinned dependencies, and some minutes. Prints what it does; ends with exit code 1
where a command fails.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
COMMANDS = (
    ("--version",),
    ("phantom", "exams", "--cases", "4"),
    ("data", "describe", "--data", "exams/exams.yaml", "--root", "exams"),
    ("phase1", "--profile", "smoke", "--runs", "runs"),
    ("status", "--runs", "runs"),
)


def main() -> None:
    """Build, install, run."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        python = place / "venv" / "bin" / "python"
        venv.create(place / "venv", with_pip=True)
        _do([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(CHECKOUT)], place)
        (wheel,) = place.glob("*.whl")
        print(f"{wheel.name}: {wheel.stat().st_size >> 10} KiB", flush=True)
        pinned = str(CHECKOUT / "constraints.txt")
        _do([str(python), "-m", "pip", "install", "--quiet", "-c", pinned, str(wheel)], place)
        for command in COMMANDS:
            _do([str(python.with_name("lge-sweep")), *command], place)


def _do(command: list[str], folder: Path) -> None:
    """Run a command in a folder that is no checkout, with nothing of this process's Python."""
    print(f"$ {' '.join(command)}", flush=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LGE_SWEEP"))}
    done = subprocess.run(command, cwd=folder, env=clean, check=False)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}: {' '.join(command)}")


if __name__ == "__main__":
    main()
