"""What a sweep that ranks came to, read from its folder."""

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pandas as pd

from lge_sweep.api.find import result_file
from lge_sweep.run_store import SweepFolder
from lge_sweep.scoring import outcome_notes, ranking_frame, ranking_texts
from lge_sweep.study import load_plan, read_selection

if TYPE_CHECKING:
    from lge_sweep.browse import ShownCases


@dataclass(frozen=True, eq=False)
class Ranking:
    """What a sweep of phase 1 or 2, or a search, came to. A notebook shows its verdict and `printed`.

    Attributes:
        folder: of the sweep; `ranking.csv`, `selection.json` and figures are in it, and `cells/` with all trainings.
        phase: "phase1", "phase2" or "search".
        stage: 1: cavity. 2: myocardium and scar, given the true cavity.
        title: phase, stage, data and profile.
        verdict: in a sentence, which configuration is best and how surely.
        table: a row a configuration, best first, as in `ranking.csv`: rank, configuration, selected ("yes" or ""),
            score (0 to 1) with its 95 % interval (score_low, score_high), probability_best, expected_rank, alike
            ("yes": one of those that the verdict says cannot be told apart from the winner), spread, score_<rule> and
            score_<rule>_foreground, global_<metric>, missing and collapsed (names). A missing number is NaN.
        selected: the configurations that were selected, best first.
        rule: of the score: "mean" or "weighted" (paper Table III).
        notes: what to keep in mind, a sentence each: first what may change a decision, at the end what is known of the
            data.
    """

    folder: Path
    phase: str
    stage: int
    title: str
    verdict: str
    table: pd.DataFrame = field(repr=False)
    selected: tuple[str, ...]
    rule: str = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)

    @classmethod
    def read(cls, files: SweepFolder) -> Self:
        """Read it from the folder of a sweep.

        Raises:
            RunsError: nothing was selected there yet, or a file is damaged.
        """
        plan = load_plan(files.path)
        kept = read_selection(result_file(plan))
        return cls(
            folder=plan.folder,
            phase=plan.config.phase,
            stage=plan.config.stage,
            title=plan.title,
            verdict=f"{kept.uncertainty.sentence}.",
            table=ranking_frame(kept.ranking, kept.uncertainty),
            selected=kept.selected,
            rule=kept.rule,
            notes=(*outcome_notes(kept.notes, kept.uncertainty), *plan.notes),
        )

    @property
    def printed(self) -> pd.DataFrame:
        """What people read of `table`, as texts: see `lge_sweep.scoring.ranking_texts`."""
        return ranking_texts(self.table, self.rule)

    def cases(self, show: str | None = None) -> "ShownCases":
        """Read the slices of the subset that was measured, with truth and prediction.

        Args:
            show: the cell (`<model>-<loss>-<optimizer>`, as in `cells/`); None: the winner's.

        Raises:
            ConfigError: there is no such cell.
            RunsError: a file is damaged.
        """
        from lge_sweep.api.cases import read_cases

        return read_cases(SweepFolder(self.folder), show)

    def write_page(self, show: str | None = None, output: str | Path | None = None) -> Path:
        """Write one HTML file to look at the cases, worst first; it holds pictures of them all.

        Args:
            show: as for `cases`.
            output: the file; None: `cases_<cell>.html` in `folder`.

        Returns:
            The file.

        Raises:
            ConfigError: there is no such cell.
            RunsError: the page cannot be written, or a file is damaged.
        """
        from lge_sweep.api.cases import page_of

        return page_of(SweepFolder(self.folder), show, output)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return f"<p>{escape(self.title)}: <b>{escape(self.verdict)}</b></p>{self.printed.to_html(index=False)}"
