"""Run a notebook's code cells and keep what they show; `python tests/notebook_page.py` writes docs/tutorial.ipynb anew.

nbclient would do the same through a Jupyter kernel: twenty packages and sockets, for cells that are plain Python. What
they show here is what a browser shows there: printed text, the last line's value (as text, and as HTML where it can),
and figures. Plain Python has no magics, and no notebook of ours needs any.
"""

import argparse
import ast
import base64
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/tutorial.ipynb"
ENVIRONMENT = {
    "MPLBACKEND": "agg",
    "CUDA_VISIBLE_DEVICES": "",
    "LGE_SWEEP_EXECUTOR": "inline",  # libraries are loaded once, not by each worker
    "LGE_SWEEP_SALT": "notebook",  # case ids are the same everywhere
    "OMP_NUM_THREADS": "1",  # and so are sums, whatever the number of cores
}
"""What the process has that runs it."""
DPI = 72
QUICK = {
    '"training.max_steps": 80,': '        "training.max_steps": 4,\n        "source.cases": 12,\n',
    '"training.validation_every": 10,': '        "training.validation_every": 2,\n',
}
"""Lines of the notebook -> what stands there in a quick run."""
Json = dict[str, Any]


def read_notebook(path: Path) -> Json:
    """Return what is in a notebook's file."""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_notebook(path: Path, notebook: Json) -> None:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def code_cells(notebook: Json) -> list[Json]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source_of(cell: Json) -> str:
    return "".join(cell["source"])


def digest_of(notebook: Json) -> str:
    """Return the SHA-256 of all its code: kept when it is run, it tells whether what it shows is of that code."""
    return hashlib.sha256("\0".join(source_of(cell) for cell in code_cells(notebook)).encode()).hexdigest()


def run_notebook(notebook: Json) -> None:
    """Run all code cells in their order, here and now, and put what they show in place of what they showed.

    Raises:
        AssertionError: a cell wrote to stderr: a warning, which nobody wants to read in a tutorial.
    """
    names: Json = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook), start=1):
        print(f"cell {number}: {source_of(cell).splitlines()[0]}", flush=True)
        cell["execution_count"] = number
        cell["outputs"] = list(_run(source_of(cell), names, number))
    notebook["metadata"]["lge_sweep"] = {"code": digest_of(notebook)}


def _run(source: str, names: Json, number: int) -> Iterator[Json]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    shown, warned, value = io.StringIO(), io.StringIO(), None
    with redirect_stdout(shown), redirect_stderr(warned):
        exec(compile(tree, f"<cell {number}>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {number}>", "eval"), names)
    assert not warned.getvalue(), f"cell {number}: {warned.getvalue()}"
    if shown.getvalue():
        yield {"name": "stdout", "output_type": "stream", "text": _lines(shown.getvalue())}
    yield from _figures()
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        yield {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


def _figures() -> Iterator[Json]:
    """Show the figures that a cell has drawn, as Jupyter does at its end."""
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        figure, picture = pyplot.figure(number), io.BytesIO()
        figure.savefig(picture, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
        data = {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": ["<Figure>"]}
        yield {"data": data, "metadata": {}, "output_type": "display_data"}
    pyplot.close("all")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


@contextmanager
def empty_folder() -> Iterator[None]:
    """Work in a folder of its own, which is gone afterwards."""
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the notebook and write it anew, with what its cells show.")
    parser.add_argument("output", nargs="?", type=Path, default=NOTEBOOK, help="file to write (default: itself)")
    parser.add_argument("--quick", action="store_true", help="train for a few steps alone: do the cells run at all?")
    options = parser.parse_args()
    output = options.output.absolute()
    os.environ.update(ENVIRONMENT)
    sys.path.insert(0, str(ROOT))
    notebook = read_notebook(NOTEBOOK)
    if options.quick:
        for cell in code_cells(notebook):
            cell["source"] = [QUICK.get(line.strip(), line) for line in cell["source"]]
    with empty_folder():
        run_notebook(notebook)
    write_notebook(output, notebook)


if __name__ == "__main__":
    main()
