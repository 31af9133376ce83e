"""Cases are assigned by exact sizes, reproducibly, and nothing stands on two sides unless the user asked for it."""

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from lge_sweep.config.data import COUNTS, SplitConfig, Subset, SubsetCounts
from lge_sweep.config.subset_sizes import largest_remainder
from lge_sweep.config.validation import validate
from lge_sweep.errors import ConfigError, DataError
from lge_sweep.safe_yaml import parse_yaml
from lge_sweep.split import SUBSETS, Split, split_cases
from lge_sweep.split.leaks import audit_leaks

TABLE_1: Mapping[Subset, SubsetCounts] = {
    "train": SubsetCounts(normal=40, scar=100),
    "val": SubsetCounts(normal=20, scar=18),
    "test": SubsetCounts(normal=20, scar=38),
}


def manifest(slices: Mapping[str, int], scar: Mapping[str, int]) -> pd.DataFrame:
    """A manifest of cases with so many slices, the first so many of which have scar; all pictures are unalike."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "slice": f"{case}_slice{k}",
            "case": case,
            "has_scar": k < scar.get(case, 0),
            "image_hash": f"{case}/{k}",
            "perceptual_hash": rng.bytes(8).hex(),
        }
        for case, count in slices.items()
        for k in range(count)
    ]
    return pd.DataFrame(rows)


def cohort(normal: int = 20, scar: int = 30, slices: int = 3) -> pd.DataFrame:
    """Cases n00, n01, ... without scar and s00, s01, ... with scar on one slice."""
    names = [f"n{k:02d}" for k in range(normal)] + [f"s{k:02d}" for k in range(scar)]
    return manifest(dict.fromkeys(names, slices), {name: 1 for name in names if name.startswith("s")})


def table_1_cohort() -> pd.DataFrame:
    """41 patients, 236 slices, 156 of them with scar, as the paper's."""
    cases = {f"p{k:02d}": 6 if k < 31 else 5 for k in range(41)}
    frame = manifest(cases, {})
    return frame.assign(has_scar=np.random.default_rng(0).permutation(np.arange(236) < 156))


def with_same(frame: pd.DataFrame, column: str, first: str, second: str, flip: int = 0) -> pd.DataFrame:
    """Give one slice the hash of another, with some bits flipped."""
    frame = frame.set_index("slice")
    value = str(frame.loc[first, column])
    frame.loc[second, column] = f"{int(value, 16) ^ flip:016x}" if flip else value
    return frame.reset_index()


def cases_of(split: Split, subset: str) -> set[str]:
    return {name.split("_")[0] for name, p in split.subsets.items() if p == subset}


def pick(split: Split, subset: str, nth: int = 0) -> str:
    return sorted(name for name, p in split.subsets.items() if p == subset)[nth]


# --------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        (100, [60, 15, 25]),
        (20, [12, 3, 5]),
        (23, [14, 3, 6]),  # 13.8, 3.45, 5.75: the last goes to train, the one before to test
        (47, [28, 7, 12]),  # 28.2, 7.05, 11.75
        (10, [6, 2, 2]),  # 6, 1.5, 2.5: of equal remainders the earlier subset's
        (3, [2, 0, 1]),  # 1.8, 0.45, 0.75
        (1, [1, 0, 0]),
        (0, [0, 0, 0]),
    ],
)
def test_largest_remainder_by_hand(total: int, sizes: list[int]) -> None:
    assert largest_remainder(total, (0.60, 0.15, 0.25)) == sizes


def test_each_stratum_is_assigned_by_largest_remainder() -> None:
    split = split_cases(cohort(normal=23, scar=47), SplitConfig())
    assigned = Counter((subset, case[0]) for subset in SUBSETS for case in cases_of(split, subset))
    assert [assigned[subset, "n"] for subset in SUBSETS] == [14, 3, 6]
    assert [assigned[subset, "s"] for subset in SUBSETS] == [28, 7, 12]


def test_a_case_has_scar_if_one_of_its_slices_has() -> None:
    frame = manifest(dict.fromkeys("abcdefgh", 3), {"a": 1, "b": 1, "c": 1, "d": 1})
    split = split_cases(frame, SplitConfig(fractions=(0.5, 0.25, 0.25)))
    assert [len(cases_of(split, subset) & set("abcd")) for subset in SUBSETS] == [2, 1, 1]


def test_every_slice_is_assigned_and_no_case_stands_in_two_subsets() -> None:
    frame = cohort()
    split = split_cases(frame, SplitConfig())
    assert set(split.subsets) == set(frame["slice"])
    train, val, test = (cases_of(split, subset) for subset in SUBSETS)
    assert len(train) + len(val) + len(test) == len(train | val | test) == 50
    assert (split.leaky, split.leak_share, split.notes) == (False, 0.0, ())


def test_fractions_are_settings() -> None:
    split = split_cases(cohort(20, 20), SplitConfig(fractions=(0.5, 0.3, 0.2)))
    assert [len(cases_of(split, subset)) for subset in SUBSETS] == [20, 12, 8]


# --------------------------------------------------------------------------------------------------------- reproducible


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    first, again, other = (split_cases(cohort(), SplitConfig(seed=seed)) for seed in (3, 3, 4))
    assert first.subsets == again.subsets
    assert first.subsets != other.subsets
    assert [len(cases_of(first, subset)) for subset in SUBSETS] == [len(cases_of(other, subset)) for subset in SUBSETS]


@pytest.mark.parametrize("unit", ["case", "slice"])
def test_the_order_of_rows_does_not_matter(unit: str) -> None:
    settings = SplitConfig.model_validate({"unit": unit})
    frame = cohort()
    assert split_cases(frame, settings).subsets == split_cases(frame.sample(frac=1, random_state=0), settings).subsets


# ---------------------------------------------------------------------------------------------------- slices as units


def test_unit_slice_is_marked_leaky_with_the_share_of_test_slices() -> None:
    frame = cohort(normal=4, scar=6, slices=4)
    split = split_cases(frame, SplitConfig(unit="slice"))
    train_cases = cases_of(split, "train")
    test = [name for name, subset in split.subsets.items() if subset == "test"]
    share = sum(name.split("_")[0] in train_cases for name in test) / len(test)
    assert split.leaky
    assert split.leak_share == share > 0
    assert split.notes[0] == (
        f"leaky split: {share:.1%} of test slices have a training slice of the same case (unit slice)"
    )


def test_table_1_of_the_paper() -> None:
    frame = table_1_cohort()
    split = split_cases(frame, SplitConfig(unit="slice", counts=dict(TABLE_1)))
    subset = frame["slice"].map(dict(split.subsets))
    assert subset.value_counts().to_dict() == {"train": 140, "test": 58, "val": 38}
    assert frame["has_scar"].groupby(subset).sum().to_dict() == {"train": 100, "val": 18, "test": 38}
    assert split.leaky
    assert split.leak_share > 0.9  # 98.7 % on average over seeds


def test_leak_share_by_hand() -> None:
    frame = manifest({"a": 3, "b": 2, "c": 1}, {}).assign(subset=["train", "test", "test", "val", "test", "test"])
    assert audit_leaks(frame, SplitConfig(unit="slice")).share == 0.5  # a's two of four; b and c have no training slice


def test_counts_leave_the_rest_out() -> None:
    counts: dict[Subset, SubsetCounts] = {subset: SubsetCounts(normal=1, scar=2) for subset in SUBSETS}
    split = split_cases(cohort(), SplitConfig(counts=counts))
    assert len(split.subsets) == 3 * 3 * 3
    assert [len(cases_of(split, subset)) for subset in SUBSETS] == [3, 3, 3]


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("unit", "scar", "message"),
    [
        ("case", 31, "ask for 31 scar cases, but the data has 30; lower them"),
        ("slice", 31, "ask for 31 scar slices, but the data has 30; lower them"),
    ],
)
def test_counts_beyond_the_data_are_refused(unit: str, scar: int, message: str) -> None:
    counts = {"train": {"normal": 1, "scar": scar - 2}} | {
        subset: {"normal": 1, "scar": 1} for subset in ("val", "test")
    }
    with pytest.raises(DataError, match=message):
        split_cases(cohort(), SplitConfig.model_validate({"unit": unit, "counts": counts}))


@pytest.mark.parametrize("unit", ["case", "slice"])
@pytest.mark.parametrize("empty", [["train"], ["val"], ["test"], ["train", "val"], ["train", "val", "test"]])
def test_counts_of_0_for_a_whole_part_are_refused_by_the_name_of_the_setting(unit: str, empty: list[str]) -> None:
    counts = {subset: {"normal": 0, "scar": 0} if subset in empty else {"normal": 1, "scar": 1} for subset in SUBSETS}
    with pytest.raises(ConfigError) as caught:
        split_cases(cohort(), SplitConfig.model_validate({"unit": unit, "counts": counts}))
    assert str(caught.value) == (
        f"{' and '.join(f'split.counts.{subset}' for subset in empty)}: normal and scar are both 0, which leaves no "
        f"{unit} for {' and '.join(empty)}; each subset needs at least 1 of either"
    )


@pytest.mark.parametrize("stratum", ["normal", "scar"])
def test_counts_of_0_in_one_stratum_are_legitimate(stratum: str) -> None:
    counts = {subset: {"normal": 0, "scar": 0} | {stratum: 2} for subset in SUBSETS}
    data = cohort(normal=0) if stratum == "scar" else cohort(scar=0)
    split = split_cases(data, SplitConfig.model_validate({"counts": counts}))
    assert [len(cases_of(split, subset)) for subset in SUBSETS] == [2, 2, 2]


def test_too_few_cases_are_refused_with_the_parts_that_stay_empty() -> None:
    few = r"2 case\(s\) are too few: no case is left for val and test; add data, at least 3 cases in all"
    with pytest.raises(DataError, match=few):
        split_cases(cohort(normal=1, scar=1), SplitConfig())
    with pytest.raises(DataError, match=r"3 cases are too few .*: no case is left for val; add data, or write"):
        split_cases(cohort(normal=0, scar=3), SplitConfig())


@pytest.mark.parametrize(("normal", "scar"), [(0, 3), (3, 0), (2, 1), (1, 2), (2, 2), (1, 4)])
def test_the_counts_that_are_advised_for_too_few_cases_work(normal: int, scar: int) -> None:
    frame, unfit = cohort(normal=normal, scar=scar), SplitConfig(fractions=(0.98, 0.01, 0.01))
    with pytest.raises(DataError) as caught:
        split_cases(frame, unfit)
    advised = parse_yaml(str(caught.value).partition("a copy of the data file: ")[2])
    split = split_cases(frame, SplitConfig.model_validate(advised))
    assert all(cases_of(split, subset) for subset in SUBSETS)
    assert sum(len(cases_of(split, subset)) for subset in SUBSETS) == normal + scar  # none is left out


@pytest.mark.parametrize("counts", [{"train": 4, "val": 1, "test": 1}, {"train": {"normal": 1, "scar": 1}}])
def test_counts_of_another_form_are_refused_with_one_that_works(counts: object) -> None:
    form = re.escape(f"as in counts: {COUNTS}")
    with pytest.raises(ConfigError, match=form):
        validate(SplitConfig, {"counts": counts}, "mine.yaml")
    split = validate(SplitConfig, {"counts": parse_yaml(COUNTS)}, "mine.yaml")
    assert [len(cases_of(split_cases(cohort(), split), subset)) for subset in SUBSETS] == [6, 2, 2]


@pytest.mark.parametrize("unit", ["case", "slice"])
def test_an_identical_picture_in_two_parts_is_an_error_whatever_the_ids_say(unit: str) -> None:
    settings = SplitConfig.model_validate({"unit": unit})
    clean = split_cases(cohort(), settings)
    one, two = pick(clean, "train"), pick(clean, "test")
    with pytest.raises(DataError) as caught:
        split_cases(with_same(cohort(), "image_hash", one, two), settings)
    (finding,) = caught.value.findings
    assert finding.startswith("identical pictures in two subsets: ")
    assert f"{one} (train)" in finding
    assert f"{two} (test)" in finding


def test_an_identical_picture_within_a_part_is_allowed() -> None:
    clean = split_cases(cohort(), SplitConfig())
    frame = with_same(cohort(), "image_hash", pick(clean, "train"), pick(clean, "train", 50))
    assert split_cases(frame, SplitConfig()).subsets == clean.subsets


def test_near_duplicates_of_two_cases_are_an_error_with_unit_case() -> None:
    clean = split_cases(cohort(), SplitConfig())
    one, two = sorted((pick(clean, "val"), pick(clean, "test")))
    with pytest.raises(DataError) as caught:
        split_cases(with_same(cohort(), "perceptual_hash", one, two, flip=0b101), SplitConfig())
    (finding,) = caught.value.findings
    assert finding.startswith(
        f"nearly the same picture in two subsets: {one} ({clean.subsets[one]}) and {two} ({clean.subsets[two]}), "
        "2 of 64 bits apart; give both the same case, remove one, or lower split.near_duplicate_bits (now 2)"
    )


def test_near_duplicates_of_two_cases_are_a_note_with_unit_slice() -> None:
    settings = SplitConfig(unit="slice")
    clean = split_cases(cohort(), settings)
    one = pick(clean, "train")
    two = next(
        name for name, subset in sorted(clean.subsets.items()) if subset == "test" and name.split("_")[0] not in one
    )
    split = split_cases(with_same(cohort(), "perceptual_hash", one, two, flip=1), settings)
    assert split.notes[1] == "leaky split: 1 near-duplicate pairs of different cases across subsets"


def test_near_duplicates_within_a_case_are_not_noted() -> None:
    settings = SplitConfig(unit="slice")
    clean = split_cases(cohort(), settings)
    one, two = next(
        (f"{case}_slice0", f"{case}_slice1")
        for case in sorted(cases_of(clean, "train"))
        if clean.subsets[f"{case}_slice0"] != clean.subsets[f"{case}_slice1"]
    )
    split = split_cases(with_same(cohort(), "perceptual_hash", one, two), settings)
    assert split.notes == clean.notes


@pytest.mark.parametrize(
    ("flip", "bits", "refused"), [(0b111, 2, False), (0b111, 3, True), (0, 0, True), (1, 0, False), (0, -1, False)]
)
def test_near_duplicate_bits_is_the_threshold_and_minus_one_looks_for_none(flip: int, bits: int, refused: bool) -> None:
    clean = split_cases(cohort(), SplitConfig())
    frame = with_same(cohort(), "perceptual_hash", pick(clean, "train"), pick(clean, "test"), flip)
    settings = SplitConfig(near_duplicate_bits=bits)
    if refused:
        with pytest.raises(DataError, match=r"1 problem\n.*nearly the same picture"):
            split_cases(frame, settings)
    else:
        assert split_cases(frame, settings).subsets == clean.subsets


def test_near_duplicates_within_a_case_or_a_part_are_allowed() -> None:
    clean = split_cases(cohort(), SplitConfig())
    frame = with_same(cohort(), "perceptual_hash", pick(clean, "train"), pick(clean, "train", 1))
    frame = with_same(frame, "perceptual_hash", pick(clean, "train"), pick(clean, "train", 50))
    assert split_cases(frame, SplitConfig()).subsets == clean.subsets


def test_all_leaks_come_in_one_report() -> None:
    clean = split_cases(cohort(), SplitConfig())
    train, val, test = (pick(clean, subset) for subset in SUBSETS)
    frame = with_same(cohort(), "image_hash", train, val)
    frame = with_same(frame, "perceptual_hash", val, test)
    with pytest.raises(DataError) as caught:
        split_cases(frame, SplitConfig())
    assert [finding.split(":")[0] for finding in caught.value.findings] == [
        "identical pictures in two subsets",
        "nearly the same picture in two subsets",
    ]


def test_the_audit_finds_a_case_that_stands_in_two_parts() -> None:
    frame = cohort(normal=1, scar=2).assign(subset=["train"] * 3 + ["train", "train", "test"] + ["val"] * 3)
    with pytest.raises(DataError, match="1 problem\n  - case s00: stands in more than one subset"):
        audit_leaks(frame, SplitConfig())
    assert audit_leaks(frame, SplitConfig(unit="slice")).share == 1.0


# --------------------------------------------------------------------------------------------------------------- noted


def test_a_part_without_scar_is_noted() -> None:
    split = split_cases(cohort(normal=20, scar=1), SplitConfig())
    assert split.notes == (
        "no slice of the val subset has scar: stage 2 cannot be scored on it",
        "no slice of the test subset has scar: stage 2 cannot be scored on it",
    )


def test_training_without_scar_is_noted() -> None:
    counts: dict[Subset, SubsetCounts] = {
        subset: SubsetCounts(normal=2, scar=int(subset != "train")) for subset in SUBSETS
    }
    split = split_cases(cohort(), SplitConfig(counts=counts))
    assert split.notes == ("no slice of the train subset has scar: stage 2 cannot learn it",)


# --------------------------------------------------------------------------------------------------------- named cases

NAMED = {"train": ["n00", "s00", "s01"], "val": ["n01"], "test": ["s02"]}


def test_named_cases_are_the_split_and_others_are_not_used() -> None:
    split = split_cases(cohort(), SplitConfig.model_validate({"cases": NAMED}))
    assert {subset: cases_of(split, subset) for subset in SUBSETS} == {
        subset: set(names) for subset, names in NAMED.items()
    }
    assert len(split.subsets) == 5 * 3
    assert not split.leaky


def test_a_named_case_that_is_not_there() -> None:
    settings = SplitConfig.model_validate({"cases": {**NAMED, "val": ["n01", "x1"]}})
    with pytest.raises(DataError, match=r"split\.cases: 1 problem\n  - the data has no case x1; `lge-sweep data desc"):
        split_cases(cohort(), settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cases": {"train": ["a"], "val": ["b"]}}, "needs train, val and test"),
        ({"cases": {"train": ["a"], "val": [], "test": ["b"]}}, "at least one case each"),
        ({"cases": {"train": ["a"], "val": ["b"], "test": ["a"]}}, "cases has a twice"),
        ({"cases": NAMED, "unit": "slice"}, "leave counts and unit: slice out"),
        ({"cases": NAMED, "counts": TABLE_1}, "leave counts and unit: slice out"),
    ],
)
def test_named_cases_that_cannot_be_a_split(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SplitConfig.model_validate(settings)
