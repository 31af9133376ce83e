"""Text that others wrote, as the program shows and writes it: terminal, CSV, Markdown, HTML; nothing obeys it."""

import ast
import random
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from package_source import MODULES
from program import command
from rich.progress import Progress

from lge_sweep.cli.progress import SweepProgress
from lge_sweep.cli.progress_bar import TaskText, progress_bar
from lge_sweep.cli.terminal import Terminal, print_lines, styled
from lge_sweep.cli.terminal_table import Column, print_table
from lge_sweep.csv_files import (
    csv_text,
    escape_formula,
    frame_text,
    join_texts,
    read_frame,
    unescape_formula,
)
from lge_sweep.deliver.tables import write_csv
from lge_sweep.errors import ConfigError, DataError, IncompleteError, LgeSweepError, RunsError
from lge_sweep.ingest.pseudonym import printable_id, pseudonym
from lge_sweep.text import MAX_QUOTED, error_text, escape_markdown, markdown_table, shorten, visible

HOSTILE = (
    "P[red]1", "[/nope]", "[link=http://x]y[/link]", ":smile:", "a\x1b[31mb", "a\x1b]0;title\x07b", "a\x9b31mb", "a\rb",
    "a\nb", "a\0b", "a\tb", "\u202egnp.exe", "a\u2028b", "a\u200bb", "caf\udce9", "\ud800", "=1+1", "+1", "-1", "@x",
    "\t=1", "\r=1", "=cmd|' /C calc'!A0", "\uff1dx", "a;=1", "a,@x", "'=x", "''", '"', "a|b", "`c`", "<d>", "NA",
    "NULL", "007", "1e5", "TRUE", "nan", "", " ", "Pérez 🫀",
)  # fmt: skip
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def shown(*printed: object, width: int = 200, **options: Any) -> str:
    """What a terminal in colour is sent, without the program's own colours."""
    out = StringIO()
    console = Terminal(file=out, width=width, force_terminal=True, color_system="standard")
    for item in printed:
        console.print(item, **options)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def texts(seed: int, count: int) -> Iterator[str]:
    """Texts made of everything that matters somewhere, and of any letters."""
    draw = random.Random(seed)
    pieces = [*HOSTILE, *"=+-@'\"|,;\r\n\t \\", "\udcff", "x", "é", "医"]
    for _ in range(count):
        yield "".join(draw.choices(pieces, k=draw.randint(0, 6)))


def safe(text: str) -> bool:
    return not any(unicodedata.category(letter) in UNSAFE for letter in text)


# -------------------------------------------------------------------------------------------------------- the function


def test_visible_leaves_nothing_that_a_terminal_obeys() -> None:
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter) in UNSAFE:
            assert safe(visible(letter)), hex(code)
    for text in texts(0, 2000):
        line = visible(text)
        assert safe(line)
        assert visible(line) == line
        line.encode()
    assert visible("Pérez [1] 🫀") == "Pérez [1] 🫀"


def test_a_value_in_a_message_is_short_and_one_line() -> None:
    for text in (*texts(1, 500), "\x1b" * 10**6, "a" * 10**6):
        assert len(shorten(text)) <= MAX_QUOTED
        assert safe(shorten(text))
    assert len(error_text(OSError("x" * 10**6))) <= 2 * MAX_QUOTED
    assert error_text(FileNotFoundError(2, "No such file", "caf\udce9")) == "No such file"
    assert error_text(ValueError()) == "ValueError"


def test_lines_of_a_message_are_its_arguments() -> None:
    assert str(LgeSweepError("a\nb", "c\x1b")) == "a\\nb\nc\\x1b"
    assert str(DataError("caf\udce9", ["x\ny: bad"])) == "caf\\xe9: 1 problem\n  - x\\ny: bad"
    assert str(IncompleteError(1, ["\rdone"])) == "1 exam(s) done; not done:\n  - \\rdone"
    assert len(str(ConfigError("a" * 10**7))) < 10_000


@pytest.mark.parametrize(
    "report", [lambda findings: DataError("in", findings), lambda problems: IncompleteError(0, problems)]
)
def test_findings_that_differ_in_the_case_only_are_one_line(report: Callable[[list[str]], LgeSweepError]) -> None:
    findings = [f"P{k}/Images/P{k}.nii: no mask P{k}.nii of P1x" for k in range(7)]
    assert str(report(["a: b", *findings, "c: b"])).splitlines()[1:] == [
        "  - a: b",
        "  - P0/Images/P0.nii: no mask P0.nii of P1x (and 6 more alike: P1, P2, P3, P4 and others)",
        "  - c: b",
    ]
    assert len(str(report(findings[:3])).splitlines()) == 4
    assert DataError("in", findings).findings == tuple(findings)


# -------------------------------------------------------------------------------------------------------- the terminal


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_printed_as_it_is_wherever_it_stands(name: str) -> None:
    line = visible(name)
    for item in (f"<{name}>", styled(f"<{name}>", "red")):
        text = shown(item)
        assert safe(text.replace("\n", ""))
        assert text.count(line) >= 1
    assert shown(f"<{name}>", soft_wrap=True) == f"<{line}>\n"
    out = StringIO()
    columns = [Column("case", "text", key=True), Column("note", "text")]
    print_table(Terminal(file=out, width=200), columns, [(name, styled(name, "bold"))], name)
    assert safe(out.getvalue().replace("\n", ""))
    assert out.getvalue().count(line.strip()) >= (3 if line.strip() else 1)


@pytest.mark.parametrize("name", HOSTILE)
def test_progress_bars_show_a_name_as_it_is(name: str) -> None:
    for terminal in (True, False):
        out = StringIO()
        console = Terminal(file=out, width=400, force_terminal=terminal, color_system=None)
        with progress_bar(console, "segmenting") as tell:
            tell(name, 0, 1)
            tell(name, 1, 1)
        with SweepProgress(console, name, 1, 0) as bars:
            bars.begin("cell", name, False)
            bars.end("cell", f"FAILED: {name}", False)
        written = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", out.getvalue())  # what rich moves the cursor with
        assert safe(written.replace("\n", ""))
        assert visible(name) in written
    bar = Progress(TaskText())
    bar.add_task(name, total=1)
    assert TaskText().render(bar.tasks[0]).plain == visible(name)


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines(*HOSTILE)
    assert capsys.readouterr().out.split("\n")[:-1] == [visible(name) for name in HOSTILE]


def test_a_stdout_that_cannot_encode_a_name_gets_a_backslash_sequence(tmp_path: Path) -> None:
    table = tmp_path / "tabelle-é.csv"
    table.write_text("Model,Dice,IoU,F1,BF,Sensitivity,Specificity\nPérez,1,1,1,1,1,1\n", encoding="utf-8")
    done = subprocess.run(
        command("score", str(table)),
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"P\\xe9rez" in done.stdout


# ------------------------------------------------------------------------------------------------------------- tables


def test_no_cell_of_text_is_run_by_a_spreadsheet_and_every_id_comes_back(tmp_path: Path) -> None:
    names = [visible(text) for text in (*HOSTILE, *texts(2, 3000))]
    frame = pd.DataFrame(
        {"case": names, "=x": np.arange(len(names)) - 5, "value": np.linspace(-1, 1, len(names)), "ok": True}
    )
    frame.loc[3, "value"] = np.nan
    path = tmp_path / "table.csv"
    path.write_text(frame_text(frame), encoding="utf-8")
    pd.testing.assert_frame_equal(read_frame(path, ("case",)), frame)  # ids exactly, numbers to the last bit
    written = path.read_text(encoding="utf-8").splitlines()
    assert len(written) == len(names) + 1
    assert written[0].startswith("case,'=x,")
    for line, value in zip(written[1:], frame["=x"], strict=True):
        cells = re.split('[,;|]"?', line)  # as a spreadsheet of whichever country splits it
        numbers = [cell for cell in cells[-3:-1] if cell]
        assert not any(re.match(r"[=+@\uff1d\uff0b\uff0d\uff20-]", cell) for cell in cells[:-3]), line
        assert numbers[0] == str(value)  # a negative number stays one


def test_text_that_is_no_printable_name_is_written_as_one_line(tmp_path: Path) -> None:
    for text in texts(3, 1000):
        assert safe(str(escape_formula(text)))
        assert unescape_formula(str(escape_formula(text))) == visible(text)
    assert [escape_formula(value) for value in (-1.5, None, True, -3)] == [-1.5, None, True, -3]
    assert csv_text(["a\rb"], [["x\r\ny"], [None]]) == 'a\\rb\nx\\r\\ny\n""\n'


def test_tables_of_several_exams_are_joined_cell_by_cell(tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    write_csv([{"case": "=1", "ml": -0.5}], paths[0])
    write_csv([{"case": "NA", "ml": None, "more": "007"}], paths[1])
    assert join_texts(paths) == "case,ml,more\n'=1,-0.5,\nNA,,007\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("case,value\na,1\nb\n", "line 3 has 1 cells, the header 2"),
        ("case,value\na,x\n", "column value holds what is no number"),
        ("name,value\na,1\n", "no column case"),
        ("case,case\na,1\n", "there twice"),
        ('case,value\n"a,1\n', "no CSV"),
    ],
)
def test_a_table_of_ours_that_is_damaged_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RunsError, match=rf"t\.csv is damaged: cannot be read as a table \(.*{message}"):
        read_frame(path, ("case",))


def test_markdown_shows_text_as_it_is() -> None:
    names = ["a|b", "`c`", "<script>", "**d**", "[e](f)", "g\nh", "\\|"]
    table = markdown_table(["name", "n"], [[escape_markdown(name), "1"] for name in names])
    assert len(table.splitlines()) == len(names) + 2
    for line in table.splitlines()[2:]:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3
    assert re.search(r"(?<!\\)[`<\[*]", table) is None


# ----------------------------------------------------------------------------------------------------------------- ids


def test_ids_are_of_bytes_and_the_same_as_ever() -> None:
    assert pseudonym("MRN4711", b"test") == pseudonym(" MRN4711 ", b"test")
    latin, utf = "caf\udce9", "café"
    assert len({pseudonym(name, b"x") for name in (latin, utf, "caf\udcea", "caf")}) == 4
    assert pseudonym(utf, b"x") == "case_9908bac4543e"
    assert printable_id(latin) == "caf\\xe9"
    assert printable_id("P[red] 1-é") == "P[red] 1-é"


# ------------------------------------------------------------------------------------------------------ the one places

ONLY_IN = {
    "print": (),
    "typer.echo": (),
    "typer.secho": (),
    "sys.stdout.write": (),
    "traceback.print_exc": (),
    "Console": ("terminal.py",),
    "Text": ("terminal.py",),
    "TextColumn": (),
    "yaml.safe_load": (),
    "yaml.load": (),
    "csv.reader": ("csv_files.py",),
    "csv.DictReader": (),
    "csv.writer": ("csv_files.py",),
    "csv.DictWriter": (),
    "pd.read_csv": (),
    ".to_csv": ("csv_files.py",),
}
"""What may be called, and where; everything else goes through the module that it is in."""
EXPRESSIONS = {
    f"re.{call}" for call in ("search", "match", "fullmatch", "sub", "compile", "split", "findall", "finditer")
}


def test_text_leaves_and_enters_by_one_door() -> None:
    wrong = []
    for module in MODULES:
        file = module.path.name
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            name, place = ast.unparse(node.func), f"{module.name}:{node.lineno}"
            doors = [
                files for call, files in ONLY_IN.items() if name == call or (call[0] == "." and name.endswith(call))
            ]
            wrong += [f"{place}: {name}" for files in doors if file not in files]
            if file != "terminal.py" and any(option.arg == "markup" for option in node.keywords):
                wrong.append(f"{place}: markup")
            if (
                name in EXPRESSIONS
                and file != "patterns.py"
                and not isinstance(node.args[0], ast.Constant | ast.JoinedStr)
            ):
                wrong.append(f"{place}: an expression of others")
    assert wrong == []
