"""Settings that others wrote: YAML, `--set`, regular expressions, arguments. One short message, soon, exit code 2."""

import random
import signal
import threading
import tracemalloc
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from lge_sweep.cli import app
from lge_sweep.config import load_sweep
from lge_sweep.config.data import DataFile, DicomFolders, ImagePairs
from lge_sweep.config.loader import read_yaml
from lge_sweep.config.validation import validate
from lge_sweep.errors import ConfigError
from lge_sweep.patterns import compile_pattern, search_pattern
from lge_sweep.safe_yaml import MAX_BYTES, parse_yaml
from lge_sweep.text import MAX_QUOTED

SWEEPS = Path(__file__).parents[1] / "sweeps"
BOMB = "a: &a [x, x]\n" + "".join(
    f"k{i}: &k{i} [{', '.join(['*a' if i == 0 else f'*k{i - 1}'] * 9)}]\n" for i in range(9)
)
REFUSED = {
    "0x_": "cannot be read as a number",
    "0b_": "cannot be read as a number",
    "9" * 900: "is too large",
    "-" + "9" * 30: "is too large",
    "9" * 5000: "5000 characters",
    "word" * 500: "2000 characters",
    "!!int ''": "tags are not used",
    "!!bool foo": "tags are not used",
    "!!float x": "tags are not used",
    "!!timestamp x": "tags are not used",
    "!!binary '='": "tags are not used",
    "!!set {a}": "tags are not used",
    "!!python/object/apply:os.system [true]": "tags are not used",
    "!x y": "tags are not used",
    "[" * 3000: "deep in each other",
    "{" * 3000: "deep in each other",
    "- " * 3000: "deep in each other",
    "".join(" " * k + "a:\n" for k in range(200)): "deep in each other",
    "- x\n" * 20_000: "more than 10000 values",
    BOMB: "anchors (&) and aliases (*)",
    "*" + "a" * 5000: "anchors (&) and aliases (*)",
    "<<: {a: 1}\n<<: {a: 2}": "'<<' is there twice",
    "a: 1\nb: 2\na: 3": "line 3, column 1: the key 'a' is there twice",
    "{a: {b: 1, b: 2}}": "'b' is there twice",
    "{1: a, 1.0: b}": "is there twice",
    "{[1]: 2}": "a key must be a single word or number",
    "? {a: 1}\n: 2": "a key must be a single word or number",
    "a: .inf": "not a finite number",
    "a: -.inf": "not a finite number",
    "a: .nan": "not a finite number",
    "a: 1.0e+999": "not a finite number",
    'a: "x\\0y"': "'x\\x00y' holds a character that cannot be seen",
    'a: "\\e[31m"': "cannot be seen",
    'a: "\\ud800"': "cannot be seen",
    'a: "\\u202e"': "cannot be seen",
    "a: \0": "special characters are not allowed",
    "a: \x1b[31m": "special characters are not allowed",
    "a: 1\n--- \nb: 2": "but found another document",
    "a: [": "expected",
    "\t": "cannot start any token",
    "#" * (MAX_BYTES + 1): "larger than 256 KiB",
}
"""YAML -> what is said of it."""


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_yaml_that_settings_cannot_be_is_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{1,160}$") as caught:
        parse_yaml(text)
    assert REFUSED[text] in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_bomb_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="anchors"):
            parse_yaml(BOMB)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_what_settings_are_made_of_is_read_as_ever() -> None:
    for path in sorted(SWEEPS.rglob("*.yaml")):
        assert parse_yaml(path.read_text(encoding="utf-8")) == yaml.safe_load(path.read_text(encoding="utf-8")), path
    text = "a: [1, -2, 0x1f, 0o7, 1_000, 1.5, 1.0e-4, yes, off, ~, 'no', \"é\"]\nb: {c: }\n"
    assert parse_yaml(text) == yaml.safe_load(text)
    assert parse_yaml("a: 2001-13-45\nb: 2001-12-14\nc: =") == {"a": "2001-13-45", "b": "2001-12-14", "c": "="}
    assert parse_yaml("") is None


def test_a_time_is_text() -> None:
    assert parse_yaml("[4:00:00, 1:30, 190:20:30.15, 12]") == ["4:00:00", "1:30", "190:20:30.15", 12]


def test_any_mixture_is_read_or_refused_in_a_short_line() -> None:
    draw = random.Random(0)
    pieces = [
        *"[]{}:,-?&*!|>'\"%@`#\n ",
        "\n  ",
        "- ",
        ": ",
        "a",
        "1",
        "0x",
        "_",
        "!!int ",
        "&a ",
        "*a",
        "~",
        ".inf",
        "\\x00",
        "é",
    ]
    refused = []
    for _ in range(800):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 30)))
        try:
            parse_yaml(text)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 300
    assert all(len(line) <= 2 * MAX_QUOTED and line.isprintable() for line in refused)


# ------------------------------------------------------------------------------------------------- files and overrides


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"source: {kind: phantom, kind: nifti}", "the key 'kind' is there twice"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"a: 2\n" * 60_000, "larger than 256 KiB"),
        (b"- a", "expected settings as 'key: value' lines, got list"),
        (b"1: 2", "expected settings as 'key: value' lines"),
        (b"", "got nothing"),
    ],
)
def test_a_file_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(path))
    assert "\n" not in message
    path.write_bytes(b"\xef\xbb\xbfsource: {kind: phantom}")
    assert read_yaml(path) == {"source": {"kind": "phantom"}}


@pytest.mark.parametrize(
    "override",
    [
        "training.max_epochs=2001-13-45",
        "training.max_epochs=0x_",
        "training.max_epochs=" + "9" * 5000,
        "training.max_epochs=!!int ''",
        "training.max_epochs=[" + "[" * 3000,
        "training.max_epochs=" + "word" * 200,
        "training.learning_rate=inf",
        "training.learning_rate=1e999",
        "training.weight_decay=nan",
        "metrics.bf_tolerance=Infinity",
        "selection.emphasis={scar: inf}",
        "selection.emphasis={" + "x" * 900 + ": 1}",
        "fit.shipped.stage2=" + "x" * 900,
        "training=" + "x" * 900,
        "grid.model=[" + "x" * 900 + "]",
        "grid.seed=[" + "9" * 40 + "]",
        "x" * 100_000 + "=1",
        ".".join("x" * 50_000) + "=1",
        "a..b=1",
        "a b=1",
        "[a]=1",
        "a\x1b[31m=1",
        "caf\udce9=1",
        "training.encoder_weights=caf\udce9",
        "=1",
        "",
        "=",
    ],
)
def test_an_override_is_refused_without_quoting_all_of_it(override: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_sweep("phase1", 1, "phantom", "smoke", [override])
    message = str(caught.value)
    assert len(message) < 700
    assert message.replace("\n", "").isprintable()
    longest = max((part for part in override.replace("=", " ").split()), key=len, default="")
    if len(longest) > MAX_QUOTED:
        assert longest[: MAX_QUOTED + 1] not in message


@pytest.mark.parametrize("name", ["x" * 300, "x" * 81 + ".yaml", "a b", "caf\udce9", "\x1b[31m", "a\nb", "", "."])
def test_a_name_that_cannot_name_a_folder_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_sweep("phase1", 1, name, "smoke")
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


# ------------------------------------------------------------------------------------------------- regular expressions


@pytest.mark.parametrize(
    "pattern", ["(", "(?P<case>a{99999999999})", "(" * 499, "[", "(?P<case>x)" * 2, "x" * 501, "(?P<case>x)(?(2)a)"]
)
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    for model, key in ((ImagePairs, "case_pattern"), (DicomFolders, "series_pattern")):
        mask = {"kind": "index", "values": {0: "background"}}
        kind = {ImagePairs: "image_pairs", DicomFolders: "dicom"}[model]
        with pytest.raises(ConfigError, match="regular expression"):
            validate(model, {"kind": kind, "mask": mask, key: pattern}, "file")


def test_a_search_that_would_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lge_sweep.patterns.MAX_SECONDS", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    for pattern in ("(a+)+$", "(a|aa)+$", "a*a*a*a*a*a*a*a*a*a*b"):
        compile_pattern(pattern)
        with pytest.raises(
            ConfigError, match=r"source\.case_pattern: the regular expression .* makes? it simpler|simpler"
        ):
            search_pattern("source.case_pattern", pattern, "a" * 250 + "!")
    found = search_pattern("source.case_pattern", "^(?P<case>.+?)_slice", "p1_slice0")
    assert found is not None
    assert found["case"] == "p1"
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(search_pattern("x", "a", "ab")))
    thread.start()
    thread.join()
    assert answers[0] is not None


# ----------------------------------------------------------------------------------------------------------- arguments

VALUES = (
    "", " ", "a" * 300, "a" * 5000, "/" + "a/" * 3000, "caf\udce9", "\x1b[31mx", "a\nb", "[red]x", "[/nope]",
    "~nobody99", "/dev/null", "/dev/null/x", ".", "loop", "a\0b", "=1+1", "-5", "1e9", "9" * 30, "nan", "{", "models:/",
    "models:/x'y@champion", "models:/caf\udce9@z", "\u202ex", "\x85",
)  # fmt: skip
COMMANDS = """\
score V
score t.csv --rule V
status --runs V
ui --runs V --no-browser
ui --port V --runs none
dashboard --port V --runs none
table V --runs none
select V --runs none
select x --override V --runs none
compare V V --runs none
schema V
phantom V/x --cases V
phantom x --format V
data describe --data V
data describe --data pairs.yaml --root V
data convert V/x --data pairs.yaml --root V
data convert x --masks V
phase1 --stage V
phase1 --data V
phase1 --profile V
phase1 --set V
phase1 --workers V --set x=1
phase1 --data pairs.yaml --profile smoke --root V --runs r
phase1 --runs V --data pairs.yaml --root none
phase2 --models V --set x=1
phase2 --seeds V --set x=1
search --trials V --set x=1
phase3 --data V
phase4 --profile V
V
--V
"""


@pytest.mark.parametrize("command", COMMANDS.splitlines())
def test_any_value_of_any_option_ends_in_one_short_message(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "t.csv").write_text("name,dice,iou,f1,bf,sensitivity,specificity\na,1,1,1,1,1,1\n")
    pairs = DataFile.model_validate(
        {"source": {"kind": "image_pairs", "mask": {"kind": "index", "values": {0: "background"}}}}
    )
    (tmp_path / "pairs.yaml").write_text(yaml.safe_dump(pairs.model_dump(mode="json")))
    for value in VALUES:
        arguments = [word.replace("V", value) if "V" in word else word for word in command.split()]
        if command == "schema V" and value in ("a" * 300, "caf\udce9", "\x1b[31mx"):
            continue  # a file may be called so
        done = CliRunner().invoke(app, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exc_info)
        assert done.exit_code in (0, 1, 2), arguments
        assert len(done.output) < 4000, arguments
        assert all(line.isprintable() for line in done.output.split("\n")), (arguments, done.output)


@pytest.mark.parametrize("variable", ["LGE_SWEEP_RUNS", "LGE_SWEEP_DATA"])
@pytest.mark.parametrize("value", ["~nobody99/x", "a" * 5000, "caf\udce9", "\x1b[31mx", "/dev/null"])
def test_any_value_of_a_variable_ends_in_one_short_message(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    for arguments in (["status"], ["data", "describe", "--data", "emidec_png"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exc_info)
        assert done.output.replace("\n", "").isprintable()


def test_a_file_that_the_system_does_not_give_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "/x/caf\udce9")

    monkeypatch.setattr("lge_sweep.cli.status.read_ledger", refuse)
    done = CliRunner().invoke(app, ["status", "--runs", str(tmp_path)])
    assert (done.exit_code, done.output) == (2, "error: /x/caf\\xe9: Permission denied\n")
