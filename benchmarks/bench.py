"""What the program costs, beside a bare loop and beside other libraries that do the same: all sections in one table.

    make bench                              # a few minutes
    make bench full=1                       # longer: more repetitions, also 320 px, 50 trials
    make bench only=sweep,memory            # some sections
    make bench root=FOLDER                  # the sweep on image pairs as EMIDEC's, instead of simulated exams

or .venv/bin/python benchmarks/bench.py with the same as options. Sections: sweep, cell, step, evaluation, refinement,
inference, startup, memory; each is a module here that says what it measures, can be run alone, and gets a process of
its own. What is being measured is told on stderr. Besides the table, all repetitions and the machine are written to a
JSON file in benchmarks/results, or where --json says. Compare numbers of one run with each other: machines differ, and
are busy.
"""

import argparse
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from section import (
    CHECKOUT,
    Section,
    add_options,
    checkout,
    describe_machine,
    print_sections,
    read_sections,
    say,
    write_json,
)

SECTIONS = ("sweep", "cell", "step", "evaluation", "refinement", "inference", "startup", "memory")


def run_section(name: str, options: list[str]) -> list[Section]:
    """Run one section in a process of its own; one that fails has said itself why."""
    say(f"{name}: begins")
    script = Path(__file__).with_name(f"{name}.py")
    with checkout({}) as variables, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "section.json"
        command = [sys.executable, str(script), "--json", str(file), *options]
        done = subprocess.run(command, env=variables, check=False)
        if done.returncode:
            return [Section(f"{name}: failed", [], [f"exit code {done.returncode}, see above"])]
        return read_sections(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--only", help=f"sections, separated by commas: {', '.join(SECTIONS)}")
    found = parser.parse_args()
    names = found.only.split(",") if found.only else SECTIONS
    if unknown := [name for name in names if name not in SECTIONS]:
        parser.error(f"--only: no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    machine = describe_machine()
    passed = ["--full"] * found.full
    for name in ("root", "workers", "steps", "size", "rounds"):
        value = getattr(found, name)
        passed += [f"--{name}", str(value)] if value is not None else []
    sections = [section for name in names for section in run_section(name, passed)]
    print_sections(sections)
    print(
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']} before; {machine['gpu'] or 'no GPU'}; "
        f"torch {machine['versions']['torch']}; commit {machine['commit']}"
    )
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{machine['commit']}.json"
    file = found.json or CHECKOUT / "benchmarks" / "results" / name
    write_json(file, sections, machine)
    print(f"written: {file}")
    sys.exit(any(not section.figures for section in sections if section.title.endswith("failed")))


if __name__ == "__main__":
    main()
