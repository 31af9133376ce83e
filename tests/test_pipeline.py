"""Phases 3 and 4: folds, fits, what the pipeline is compared with, the one look at the test part."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lge_sweep.errors import DataError, RunsError
from lge_sweep.pipeline.folds import deal_folds
from lge_sweep.pipeline.looks import LOOKS, describe_looks, read_looks, record_look


def cases(scar: int, normal: int) -> pd.DataFrame:
    """A manifest of three slices a case, the middle one with scar; and a validation case that no fold may get."""
    rows = [
        {"case": f"{kind}{number}", "part": "train", "has_scar": kind == "scar" and place == 1}
        for kind, count in (("scar", scar), ("normal", normal))
        for number in range(count)
        for place in range(3)
    ]
    return pd.DataFrame([*rows, {"case": "other", "part": "val", "has_scar": True}])


@pytest.mark.parametrize(("scar", "normal", "folds"), [(7, 4, 5), (2, 3, 5), (0, 6, 3), (6, 0, 4), (20, 10, 2)])
def test_every_training_case_is_in_one_fold_and_the_folds_are_alike(scar: int, normal: int, folds: int) -> None:
    manifest = cases(scar, normal)
    dealt = deal_folds(manifest, folds, seed=3)
    assert set(dealt) == set(manifest["case"]) - {"other"}
    for of_kind in (dealt, {case: fold for case, fold in dealt.items() if case.startswith("scar")}):
        sizes = np.bincount(list(of_kind.values()), minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_folds_follow_from_the_seed_and_not_from_the_order_of_rows() -> None:
    manifest = cases(9, 6)
    assert deal_folds(manifest, 5, 1) == deal_folds(manifest.sample(frac=1, random_state=0), 5, 1)
    assert deal_folds(manifest, 5, 1) != deal_folds(manifest, 5, 2)


def test_more_folds_than_training_cases_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"has 3 cases, which cannot be dealt to 5 folds; set fit\.folds to at most that"
    ):
        deal_folds(cases(2, 1), 5, 0)


def test_each_look_at_the_test_part_is_counted_whoever_looks(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"part": ["train", "test", "test"], "content_hash": ["a" * 64, "b" * 64, "c" * 64]})
    assert record_look(tmp_path, "phase4-one", manifest) == []
    (first,) = record_look(tmp_path, "phase4-two", manifest.assign(content_hash=["x" * 64, "y" * 64, "c" * 64]))
    assert (first.pipeline, first.slices) == ("phase4-one", ("b" * 16, "c" * 16))
    earlier = record_look(tmp_path, "phase4-one", manifest)
    assert [look.pipeline for look in earlier] == ["phase4-one", "phase4-two"]
    assert "look 3 at this test part, which is no longer untouched; before: the same pipeline on" in describe_looks(
        "phase4-one", earlier
    )
    untouched = manifest.assign(content_hash=["b" * 64, "d" * 64, "e" * 64])  # a training slice of others is not a look
    assert record_look(tmp_path, "phase4-three", untouched) == []
    assert len(read_looks(tmp_path)) == 4


def test_a_damaged_record_of_looks_is_not_forgotten_silently(tmp_path: Path) -> None:
    (tmp_path / LOOKS).write_text("[{]", encoding="utf-8")
    with pytest.raises(RunsError, match="the record of who looked at the test part cannot be read"):
        read_looks(tmp_path)
