r"""Text that others wrote (names of files and cases, settings, what libraries say) as part of ours.

Every sink has its own danger and its own place: here what makes a text printable, Markdown and short; the terminal is
`lge_sweep.cli.terminal`, tables are `lge_sweep.csv_files`, pages are templates of `lge_sweep.pages`.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence

RESEARCH_USE = "For research use only. Not for clinical use."
"""Said on pages of a study."""
MAX_QUOTED = 80
"""Most characters of a user's value that a message quotes."""
_MAX_FILE_NAME_BYTES = 180
"""Bytes of a name that becomes that of a file; 255 is what disks take, and endings and unfinished files need some."""
_DIGEST_STEM_BYTES = 60
"""Bytes of a name that are left where a digest stands for it."""
_USER = re.compile(r"(\w://)[^\s/]\S*@")
_SECRET = re.compile(r"([?&](?:user|username|password|passwd|token|sslpassword)=)[^&\s]*", re.IGNORECASE)
_FILE_NAME = re.compile(r"[^-./][^/]*(?<![. ])")
_MARKDOWN = re.compile(r"[\\`*\[\]<|~]")


def visible(text: str) -> str:
    r"""Show what cannot be seen, as Python's `repr` does: one line, no terminal sequences, valid Unicode.

    Control and formatting characters (escapes, line ends, overrides of the direction of writing) are written as
    backslash sequences; so is a byte of a file's name that is no UTF-8, which Python keeps as a lone surrogate.

    >>> visible("P\x1b[31m1\r\n"), visible("\u202eexe.png"), visible("P\udce9rez"), visible("Pérez [1]")
    ('P\\x1b[31m1\\r\\n', '\\u202eexe.png', 'P\\xe9rez', 'Pérez [1]')
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    byte = ord(character) - 0xDC00  # of a name that is no UTF-8, see os.fsdecode
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else character.encode("unicode_escape").decode()


def shorten(value: object, most: int = MAX_QUOTED) -> str:
    """Return a value as a message quotes it: printable, and never more than `most` characters.

    >>> shorten("a" * 500, 8)
    'aaaaaaa…'
    """
    line = visible(str(value)[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


def natural_key(text: str) -> tuple[tuple[int | str, ...], str]:
    """Return the key that sorts names as people do: numbers in them by value, letters in either case.

    >>> sorted(["im10", "im2", "Im02b", "im2b"], key=natural_key)
    ['im2', 'Im02b', 'im2b', 'im10']
    """
    parts = re.split(r"(\d+)", text)  # texts and numbers in turn
    return tuple(int(part) if index % 2 else part.casefold() for index, part in enumerate(parts)), text


def safe_file_name(name: str) -> str:
    """Return a printable name as that of a file or a folder: as it is, or, where a disk may not take it, as a digest.

    It is kept unless it is empty or longer than 180 bytes, begins with a dot or a dash, ends with a dot or a space,
    holds a slash, or is not in Unicode's composed form. Else a digest keeps what is left of it unique.

    >>> safe_file_name("P[red]1"), safe_file_name("../P 1 "), safe_file_name("..")
    ('P[red]1', 'P_1-c6344022', '5ec1f7e7')
    """
    if (
        _FILE_NAME.fullmatch(name)
        and len(name.encode()) <= _MAX_FILE_NAME_BYTES
        and unicodedata.is_normalized("NFC", name)
    ):
        return name
    letters = (
        re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name))
        .encode()[:_DIGEST_STEM_BYTES]
        .decode(errors="ignore")
    )
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return "-".join(part for part in (letters.strip("._-"), digest) if part)


def list_names(names: Sequence[str], most: int = 4) -> str:
    """Return the first of several names, and how many more there are.

    >>> list_names(["a", "b"]), list_names(["a", "b", "c", "d", "e", "f"])
    ('a, b', 'a, b, c, d and 2 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + f" and {more} more" * (more > 0)


def cases_by_note(notes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return each note once, in order, with the cases that it is about.

    Args:
        notes: a case and a note on it, each.

    >>> cases_by_note([("P1", "single slice"), ("P2", "sheared"), ("P2", "single slice")])
    {'single slice': ['P1', 'P2'], 'sheared': ['P2']}
    """
    cases: dict[str, dict[str, None]] = {}
    for case, note in notes:
        cases.setdefault(note, {})[case] = None
    return {note: list(of) for note, of in cases.items()}


def whole_number(text: str, most: int) -> int | None:
    """Return the number that a text in digits is, or None where it is something else, or larger than the most.

    However many digits there are: `int` refuses more than 4300.

    >>> whole_number("007", 10), whole_number("11", 10), whole_number("-1", 10), whole_number("9" * 5000, 10)
    (7, None, None, None)
    """
    digits = text.lstrip("0") or text[:1]
    if not (text.isascii() and text.isdecimal()) or len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)


def error_text(error: BaseException) -> str:
    """Return what a library says of a failure, in one short line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return shorten(" ".join(said.split()) or type(error).__name__, 2 * MAX_QUOTED)


def escape_markdown(text: str) -> str:
    r"""Write text so that Markdown, tables too, shows it as it is.

    >>> escape_markdown("a|b `c` <d>")
    'a\\|b \\`c\\` \\<d>'
    """
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))


def format_seconds(seconds: float) -> str:
    """Write a duration as a person would: `45 s`, `12 min`, `3 h 20 min`.

    >>> format_seconds(44.6), format_seconds(740), format_seconds(12_000)
    ('45 s', '12 min', '3 h 20 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def slug(name: str) -> str:
    """Return a name as part of a file's.

    >>> slug("fitted on truth")
    'fitted_on_truth'
    """
    return re.sub(r"[^\w.-]+", "_", name)


def hide_credentials(text: str) -> str:
    """Return text with the user, the password and the token of every address in it replaced by stars.

    >>> hide_credentials("no answer from http://me:se/cr@t@mlflow.clinic:5000/api; is it on?")
    'no answer from http://***@mlflow.clinic:5000/api; is it on?'
    >>> hide_credentials("postgresql://db/lge?user=me&password=secret&sslmode=require")
    'postgresql://db/lge?user=***&password=***&sslmode=require'
    """
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text))


def format_number(value: float | None, sign: str = "") -> str:
    """Write a score or a metric in four digits; a missing one (None or NaN) is a dash.

    Args:
        value: the number.
        sign: ``+`` writes the sign of a positive number, too.

    >>> format_number(0.94701), format_number(0.02, "+"), format_number(None)
    ('0.9470', '+0.0200', '-')
    """
    return "-" if value is None or math.isnan(value) else f"{value:{sign}.4f}"


def write_digits(value: float, digits: int = 3) -> str:
    """Write a number with so many digits, and all of those before the point.

    >>> write_digits(1484.24), write_digits(25.0), write_digits(2.125), write_digits(600.4, 4)
    ('1484', '25', '2.12', '600.4')
    """
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def write_significant(value: float, digits: int) -> str:
    """Write a number with so many significant digits.

    >>> write_significant(1484.24, 3), write_significant(0.66666, 4)
    ('1.48e+03', '0.6667')
    """
    return f"{value:.{digits}g}"


def digits_apart(
    values: Iterable[float],
    low: float | None,
    high: float | None,
    *,
    least: int = 3,
    write: Callable[[float, int], str] = write_digits,
) -> int:
    """Return how many digits show that numbers are outside a range: fewer may show its bound, or one within.

    Args:
        values: the numbers; those in the range do not count.
        low: the least that is in the range; None: there is no such bound.
        high: the most that is in the range; None: there is no such bound.
        least: fewest digits.
        write: writes a number in so many digits, which is exact from 17 on.

    >>> digits_apart([80], None, 75), digits_apart([75.04], None, 75), digits_apart([9.9996, 600.4], 10, 600)
    (3, 4, 5)
    """
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    outside = [value for value in values if not bounds[0] <= value <= bounds[1]]

    def told(digits: int) -> bool:
        lowest, highest = (float(write(bound, digits)) for bound in bounds)
        return not any(lowest <= float(write(value, digits)) <= highest for value in outside)

    return next(digits for digits in range(least, 18) if told(digits))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()) -> str:
    """Lay out a Markdown table: the first column to the left, and those named; the others, numbers, to the right.

    Args:
        header: a title a column.
        rows: the cells, in Markdown; text of others is `escape_markdown`.
        left: titles of columns of text.
    """
    rules = ["---" if place == 0 or title in left else "---:" for place, title in enumerate(header)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rules, *rows))
