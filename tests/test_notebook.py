"""The notebook of the docs runs, and what it shows is what it showed when it was written down."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import notebook_page
import pytest
from notebook_page import NOTEBOOK, Json, code_cells, digest_of, read_notebook, source_of
from slow_tests import SLOW_TESTS

AGAIN = "run: python tests/notebook_page.py"
NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.\d*|\.\d+|\d+)")
LARGEST_DIFFERENCE = 0.1
"""Between numbers of 0 to 1 here and on the machine that wrote the notebook: trainings differ in the last digits of
sums, which 80 steps make visible."""


@pytest.fixture(scope="module")
def stored() -> Json:
    return read_notebook(NOTEBOOK)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Return the notebook as it comes out of a process of its own, in an empty folder; trained quickly, if not slow."""
    output = tmp_path_factory.mktemp("notebook") / "tutorial.ipynb"
    before = set(NOTEBOOK.parent.iterdir())
    words = [sys.executable, notebook_page.__file__, str(output), *["--quick"] * (not SLOW_TESTS)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LGE_SWEEP_")}
    done = subprocess.run(words, capture_output=True, text=True, timeout=1800, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert set(NOTEBOOK.parent.iterdir()) == before
    return read_notebook(output)


def shown(content: Json) -> Iterator[tuple[str, str, str]]:
    """Yield each thing that a notebook shows: the code, its kind, and it."""
    for cell in code_cells(content):
        for output in cell["outputs"]:
            for kind, text in (output.get("data") or {"stream": output.get("text")}).items():
                yield source_of(cell), kind, "".join(text)


def test_it_is_a_notebook(stored: Json) -> None:
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    names = [cell["id"] for cell in stored["cells"]]
    assert len(set(names)) == len(names)
    for cell in stored["cells"]:
        expected = {"cell_type", "id", "metadata", "source"}
        assert set(cell) == expected | ({"execution_count", "outputs"} if cell["cell_type"] == "code" else set())
    assert NOTEBOOK.read_text(encoding="utf-8") == json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    assert NOTEBOOK.stat().st_size < 500_000


def test_it_has_words_between_its_cells(stored: Json) -> None:
    kinds = [cell["cell_type"] for cell in stored["cells"]]
    assert kinds[0] == "markdown"
    assert all(kind == "markdown" or before == "markdown" for before, kind in pairwise(kinds))
    assert max(len(source_of(cell).splitlines()) for cell in code_cells(stored)) <= 25


def test_what_it_shows_is_of_its_code(stored: Json) -> None:
    assert stored["metadata"]["lge_sweep"]["code"] == digest_of(stored), AGAIN
    assert [cell["execution_count"] for cell in code_cells(stored)] == [*range(1, len(code_cells(stored)) + 1)]


def test_it_shows_no_path_of_a_machine(stored: Json) -> None:
    for _, kind, text in shown(stored):
        if kind != "image/png":
            assert re.findall(r"(?<![<\w.])/(?:\w|\.)[^\s'\"<>]*/", text) == [], text
            assert str(Path.home()) not in text
            assert "warn" not in text.lower()


def test_it_runs_and_shows_the_same_kinds_of_things(stored: Json, run: Json) -> None:
    quick = {line.strip(): new for line, new in notebook_page.QUICK.items()}
    assert all(sum(line in source_of(cell) for cell in code_cells(stored)) == 1 for line in quick)
    pairs = list(zip(shown(stored), shown(run), strict=True))
    assert [before[1] for before, _ in pairs] == [after[1] for _, after in pairs], AGAIN
    for (code, kind, before), (_, _, after) in pairs:
        if "read_data" in code and "segment" not in code and kind != "image/png":
            assert before == after, AGAIN  # what depends on no training


@pytest.mark.slow
def test_its_numbers_are_those_of_a_run(stored: Json, run: Json) -> None:
    """Of the tables that say what the study came to."""
    seen = 0
    for (code, kind, before), (_, _, after) in zip(shown(stored), shown(run), strict=True):
        if kind != "text/plain" or "fourth.table" not in code:
            continue
        numbers, others = (list(map(float, NUMBER.findall(text))) for text in (before, after))
        assert len(numbers) > 10
        assert numbers == pytest.approx(others, abs=LARGEST_DIFFERENCE), AGAIN
        seen += 1
    assert seen == 1
