"""What a caption of a table has to say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd


@dataclass(frozen=True)
class Caption:
    """What a table is.

    Attributes:
        text: what it shows, units and intervals; sentences.
        empty: what it means where there is no number; a sentence.
        columns: column of the file -> its title in print; one that is not named here has its own name. A column of the
            ends of an interval needs none.
        arrange: the table of the file -> what is printed, where that is not the same.
        about: the section of the report that it belongs to; "data": none, it is there to be worked with.
        by_subset: whether its file is `NAME_<subset>.csv`, as those of patients are.
    """

    text: str
    empty: str
    columns: Mapping[str, str] = field(default_factory=dict)
    arrange: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame
    about: Literal["results", "failures", "data"] = "results"
    by_subset: bool = False

    def tell(self, where: str = "") -> str:
        """Return the whole caption.

        Args:
            where: on what it was measured (subset, how many slices and patients), a sentence.
        """
        return f"{where} {self.text} {self.empty}".strip()
