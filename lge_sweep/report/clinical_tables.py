"""Volumes, mass and scar burden case by case against the truth, and how well they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from lge_sweep.quantify import Agreement, Finding, agreement, case_sentences, finding_sentences, without_slices
from lge_sweep.text import escape_markdown, markdown_table


@dataclass(frozen=True)
class Quantity:
    """A number that a clinician reads of an exam.

    Attributes:
        title: its name in print.
        unit: its unit in print.
    """

    title: str
    unit: str


QUANTITIES: dict[str, Quantity] = {
    "cavity_ml": Quantity("LV cavity volume", "mL"),
    "wall_ml": Quantity("LV wall volume", "mL"),
    "wall_g": Quantity("LV wall mass", "g"),
    "scar_ml": Quantity("scar volume", "mL"),
    "scar_percent": Quantity("scar burden", "% of wall"),
}
"""Column -> quantity. The wall is myocardium and scar together."""


def clinical_frame(
    predicted: pd.DataFrame, truth: pd.DataFrame, quantities: Mapping[str, Quantity] = QUANTITIES
) -> pd.DataFrame:
    """Put prediction and truth of every case side by side.

    Args:
        predicted: a row a case, indexed by the case's id; a column for each of `quantities`, in its unit; NaN or None
            where there is no value (volumes without a known spacing).
        truth: the same cases, in any order.
        quantities: column -> what it is.

    Returns:
        A row a case, in the order of `truth`; columns case, then for each quantity <column>_truth, <column>_predicted
        and <column>_error (predicted minus true), NaN where a value is missing.

    Raises:
        ValueError: a column is missing, a case is there twice, or the two are not of the same cases.
    """
    for name, frame in (("predicted", predicted), ("truth", truth)):
        if missing := [column for column in quantities if column not in frame]:
            raise ValueError(f"{name} must have a column for each quantity, got none called {', '.join(missing)}")
        if not frame.index.is_unique:
            raise ValueError(f"{name} must have each case once, got {frame.index[frame.index.duplicated()][0]} twice")
    if odd := sorted(map(str, predicted.index.symmetric_difference(truth.index))):
        raise ValueError(f"predicted and truth must be of the same cases, got {', '.join(odd[:5])} in one of them only")
    both = {"truth": truth, "predicted": predicted.loc[truth.index]}
    columns: dict[str, object] = {"case": list(truth.index)}
    for name in quantities:
        values = {side: frame[name].to_numpy(dtype=float, na_value=float("nan")) for side, frame in both.items()}
        columns |= {f"{name}_{side}": numbers for side, numbers in values.items()}
        columns[f"{name}_error"] = values["predicted"] - values["truth"]
    return pd.DataFrame(columns)


def clinical_markdown(frame: pd.DataFrame, quantities: Mapping[str, Quantity] = QUANTITIES) -> str:
    """Write `clinical_frame` as Markdown, one digit after the point, a dash where a value is missing."""
    sides = ("truth", "predicted", "error")
    titles = (f"{quantity.title}, {quantity.unit}" for quantity in quantities.values())
    header = ["case", *(text for title in titles for text in (f"{title}: true", "predicted", "error"))]
    rows = []
    for line in frame.to_dict("records"):
        cells = [
            format_one_digit(line[f"{name}_{side}"], sign=side == "error") for name in quantities for side in sides
        ]
        rows.append([escape_markdown(str(line["case"])), *cells])
    return markdown_table(header, rows)


def agreements(frame: pd.DataFrame, quantities: Mapping[str, Quantity] = QUANTITIES) -> dict[str, Agreement]:
    """Compare prediction and truth over the cases of a `clinical_frame`, quantity by quantity."""
    return {
        name: agreement(frame[f"{name}_predicted"].tolist(), frame[f"{name}_truth"].tolist()) for name in quantities
    }


def agreement_frame(frame: pd.DataFrame, quantities: Mapping[str, Quantity] = QUANTITIES) -> pd.DataFrame:
    """Tabulate `agreements`: a row a quantity; columns quantity, unit, and the fields of `Agreement`."""
    found = agreements(frame, quantities)
    return pd.DataFrame([{"quantity": name, "unit": quantities[name].unit, **asdict(found[name])} for name in found])


def agreement_markdown(frame: pd.DataFrame, quantities: Mapping[str, Quantity] = QUANTITIES) -> str:
    """Write a line a quantity: bias and limits of agreement, each with its 95 % interval, and the concordance.

    Args:
        frame: see `clinical_frame`.
        quantities: column -> what it is.
    """
    rows = []
    for name, found in agreements(frame, quantities).items():
        rows.append(
            [
                f"{quantities[name].title}, {quantities[name].unit}",
                f"{found.cases}" + (f" ({found.missing} missing)" if found.missing else ""),
                format_interval(found.bias, found.bias_low, found.bias_high),
                format_one_digit(found.sd),
                format_interval(found.lower, found.lower_low, found.lower_high),
                format_interval(found.upper, found.upper_low, found.upper_high),
                "-" if found.concordance is None else f"{found.concordance:.3f}",
            ]
        )
    header = ["predicted minus true", "cases", "bias", "SD", "lower limit", "upper limit", "concordance"]
    return (
        f"{markdown_table(header, rows)}\n\n95 % limits of agreement (bias -+ 1.96 SD) with 95 % confidence intervals "
        "(Bland and Altman 1999); concordance correlation (Lin 1989).\n"
    )


def findings_frame(found: Mapping[str, Mapping[str, Sequence[Finding]]]) -> pd.DataFrame:
    """Tabulate what no left ventricle has: columns case, labels, plausible, findings; a row a case and kind of labels.

    Args:
        found: kind of labels ("predicted", "true") -> case -> its findings.
    """
    rows = [
        {
            "case": case,
            "labels": kind,
            "plausible": not own,
            "findings": "; ".join(finding_sentences(without_slices(own), ())),
        }
        for kind, cases in found.items()
        for case, own in cases.items()
    ]
    return pd.DataFrame(rows, columns=["case", "labels", "plausible", "findings"])


def findings_markdown(found: Mapping[str, Mapping[str, Sequence[Finding]]]) -> str:
    """Write how many cases have findings, and which, a line each; see `findings_frame`."""
    lines = []
    for kind, cases in found.items():
        lines.append(f"- {kind} labels: {sum(map(bool, cases.values()))} of {len(cases)} cases have findings")
        lines += [f"  - {escape_markdown(text)}" for text in case_sentences(cases)]
    return "\n".join(lines)


def format_one_digit(value: float | None, sign: bool = False) -> str:
    """Write a number with one digit after the point, with its sign if asked; a dash where it is missing."""
    if value is None or pd.isna(value):
        return "-"
    return f"{value:+z.1f}" if sign else f"{value:z.1f}"


def format_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a difference and its interval; a dash where there is none.

    Args:
        value: the difference.
        low: the interval's lower end.
        high: its upper end.

    >>> format_interval(-0.42, -1.04, 0.2), format_interval(None, None, None)
    ('-0.4 (-1.0 to +0.2)', '-')
    """
    if value is None:
        return "-"
    middle, lower, upper = (format_one_digit(number, sign=True) for number in (value, low, high))
    return f"{middle} ({lower} to {upper})"
