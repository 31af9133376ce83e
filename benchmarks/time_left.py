"""How wrong the time left is that a sweep shows, once a third of its time has passed.

Command: .venv/bin/python benchmarks/time_left.py phase1 --stage 1 --profile laptop --workers 2

Runs `lge-sweep` with these arguments in a runs directory of its own, notes when it says how much is left, and compares
that with what was left when the sweep ended. A figure is (said - true) / true of one line; lines of the last twentieth
of the time are left out, where seconds that are rounded away count for much. One sweep at a time: give one stage.
"""

import re
import subprocess
import sys
import tempfile
import time

from section import program

SAID = re.compile(r"about (?:(?P<h>\d+) h )?(?:(?P<min>\d+) min|(?P<s>\d+) s) left")
FIRST, LAST = 1 / 3, 0.95
"""Shares of the time between which lines count."""


def seconds_said(line: str) -> float | None:
    """Return the seconds that a line says are left; None if it says nothing of it."""
    found = SAID.search(line)
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def main() -> None:
    """Run the sweep, and print each line that counts with how wrong it was."""
    lines: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as runs:
        command = program("--explain", *sys.argv[1:], "--runs", runs)
        began = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as sweep:
            ended = began
            assert sweep.stdout is not None
            for line in sweep.stdout:
                now = time.monotonic()
                if (said := seconds_said(line)) is not None:
                    lines.append((now, said))
                if "score" in line and "after" in line:
                    ended = now
        if sweep.returncode:
            sys.exit(f"{' '.join(sys.argv[1:])} ended with exit code {sweep.returncode}")
    whole = ended - began
    counted = [(at - began, said) for at, said in lines if FIRST <= (at - began) / whole <= LAST]
    wrong = [(said - (whole - at)) / (whole - at) for at, said in counted]
    for (at, said), off in zip(counted, wrong, strict=True):
        print(f"after {at:5.0f} of {whole:.0f} s: said {said:4.0f} s, true {whole - at:4.0f} s, {off:+.0%}")
    if wrong:
        print(f"worst {max(wrong, key=abs):+.0%} of {len(wrong)} lines")


if __name__ == "__main__":
    main()
