"""Who stands where: pipelines out of fold, the words about what was shipped, and everything on the test subset."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from lge_sweep.config.pipelines import Cleaning
from lge_sweep.csv_files import write_frame
from lge_sweep.metrics import ExamGrid, measure_exam
from lge_sweep.pipeline.beside import find_externals
from lge_sweep.pipeline.compose import describe_cleaning
from lge_sweep.pipeline.records import PIPELINE, ChoiceRecord, ExternalRecord, PipelineChoice
from lge_sweep.pipeline.standing import choice_frame, choice_words, methods_frame
from lge_sweep.report import CAPTIONS, list_files, print_frame, print_tables
from lge_sweep.run_store import RunStore
from lge_sweep.study import write_record

CASES = 12
CLEANING = Cleaning(largest_heart=True, least_scar_share=0.02)


def patients(name: str, wrong: float, seed: int, cases: int = CASES) -> pd.DataFrame:
    """Whole exams measured, whose labels are wrong in some share of the pixels; every third case has no scar."""
    rng, tables = np.random.default_rng(seed), []
    for number in range(cases):
        truth = np.random.default_rng(100 + number).integers(0, 4, (2, 9, 9)).astype(np.uint8)
        truth[truth == 3] = 3 if number % 3 else 2
        found = np.where(rng.random(truth.shape) < wrong, np.uint8(2), truth)
        grid = ExamGrid((1.5, 1.5, 10.0), (0, 1))
        tables.append(measure_exam(found, truth, grid, 2.0).assign(case=f"p{number}", pipeline=name))
    return pd.concat(tables, ignore_index=True)


def means(table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Mean Dice of the three structures of each case, in the order of the cases' names."""
    return table.pivot(index="case", columns="structure", values="emidec_dice").mean(axis=1).to_numpy()


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    names = {
        PIPELINE: 0.5, "inner cavity": 0.45, "heart": 0.2, "single network": 0.35,
        "2sd in predicted wall": 0.4, "3sd in predicted wall": 0.42, "3sd in true wall": 0.1,
    }  # fmt: skip
    return {name: patients(name, wrong, seed) for seed, (name, wrong) in enumerate(names.items())}


# ------------------------------------------------------------------------------------- everything on the test subset


def test_all_that_was_measured_stands_in_one_table(tables: dict[str, pd.DataFrame]) -> None:
    theirs = patients("nnunet", 0.15, 50)
    few = patients("second reader", 0.05, 51, cases=5)
    frame = methods_frame(pd.concat(tables.values()), "heart", {"nnunet": theirs, "second reader": few})
    assert frame["method"].tolist() == [
        PIPELINE, "heart", "single network", "2sd in predicted wall", "3sd in predicted wall", "3sd in true wall",
        "nnunet", "second reader",
    ]  # fmt: skip
    kinds = ["the paper's", "shipped", "single network", *["threshold"] * 2, "threshold in the true wall"]
    assert frame["kind"].tolist() == [*kinds, *["labels of others"] * 2]
    rows = frame.set_index("method")
    assert rows["patients"].tolist() == [CASES] * 7 + [5]
    every = {**tables, "nnunet": theirs, "second reader": few}
    for name in rows.index:
        own = every[str(name)]
        count = own["case"].nunique()
        row = {str(column): value for column, value in rows.loc[name].items()}
        assert row["mean_emidec_dice"] == pytest.approx(means(own).mean())
        scar = own[own["structure"] == "scar"]
        assert row["scar_emidec_dice"] == pytest.approx(scar["emidec_dice"].mean())
        assert row["scar_dice"] == pytest.approx(scar.loc[scar["true_voxels"] > 0, "dice"].mean())
        for column, reference in (("difference_to_paper", PIPELINE), ("difference_to_shipped", "heart")):
            if name == reference:
                assert np.isnan(row[column])
                continue
            against = every[reference]
            differences = means(own) - means(against[against["case"].isin(own["case"])])
            assert row[column] == pytest.approx(differences.mean())
            half = 1.96 * differences.std(ddof=1) / np.sqrt(count)  # of a bootstrap about as wide
            assert row[f"{column}_high"] - row[f"{column}_low"] == pytest.approx(2 * half, rel=0.35)
        if name == "heart":
            assert row["needed"] == ""
            continue
        differences = means(own) - means(every["heart"][every["heart"]["case"].isin(own["case"])])
        effect = abs(differences.mean()) / differences.std(ddof=1)
        exact = TTestPower().solve_power(effect, power=0.8, alpha=0.05) if effect < 5 else 2
        assert abs(int(row["needed"]) - int(np.ceil(np.squeeze(exact)))) <= 1


def test_where_the_paper_s_is_shipped_it_stands_once(tables: dict[str, pd.DataFrame]) -> None:
    frame = methods_frame(pd.concat(tables.values()), PIPELINE, {})
    assert frame.loc[0, "kind"] == "the paper's, shipped"
    assert frame["method"].is_unique
    assert methods_frame(tables[PIPELINE], None, {})["method"].tolist() == [PIPELINE]


def external(store: RunStore, name: str, digest: str, slices: list[str], cases: int = 3) -> None:
    folder = store.external(name)
    folder.path.mkdir(parents=True)
    write_frame(folder.patient_table("patients", "test"), patients(name, 0.3, 1, cases))
    shown = {"pipeline": name, "case": "p0", "slice": slices, "true_pixels": 1, "predicted_pixels": 1, "voxel_ml": 0.1}
    write_frame(folder.patient_table("scar_slices", "test"), pd.DataFrame(shown))
    record = ExternalRecord(
        name=name, subset="test", data="d", data_digest=digest, digest="x", cases=cases, missing=(), test_access="",
    )  # fmt: skip
    write_record(folder.record("test"), record)


def test_labels_of_others_are_found_on_the_same_slices_of_the_same_data(tmp_path: Path) -> None:
    class Sweep:
        data_digest = "same"
        manifest = pd.DataFrame({"slice": ["a", "b", "c"], "subset": ["test", "test", "val"]})

    store = RunStore(tmp_path)
    external(store, "all of them", "same", ["a", "b"])
    external(store, "some", "same", ["b"])
    external(store, "other data", "another", ["a", "b"])
    external(store, "other split", "same", ["a", "c"])
    external(store, "damaged", "same", ["a"])
    store.external("damaged").record("test").write_text("{")
    found = find_externals(store, Sweep(), "test")  # type: ignore[arg-type]
    assert list(found) == ["all of them", "some"]
    assert found["some"]["case"].nunique() == 3
    assert find_externals(store, Sweep(), "val") == {}  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------- out of fold


def choice(tables: dict[str, pd.DataFrame], selected: str = "heart") -> ChoiceRecord:
    paper, found = means(tables[PIPELINE]), {}
    for name in ("paper", "heart", "plain"):
        own = tables[PIPELINE if name == "paper" else name]
        differences = means(own) - paper
        found[name] = PipelineChoice(
            cleaning=CLEANING if name == "heart" else Cleaning(), cleaning_by_fold=(CLEANING,) * 3,
            value=means(own).mean(), low=0.1, high=0.9, difference=differences.mean(), difference_low=-0.2,
            difference_high=0.3, cases_needed=None if name == "paper" else 7,
            dice=own.groupby("structure")["emidec_dice"].mean().to_dict(),
        )  # fmt: skip
    return ChoiceRecord(
        selected=selected, cases=CASES, value=0.71, low=0.6, high=0.8, by_fold=("heart", "plain", "heart"),
        pipelines=found,
    )  # fmt: skip


@pytest.mark.parametrize("with_patients", [True, False])
def test_the_table_out_of_fold_has_each_structure_with_its_interval(
    tables: dict[str, pd.DataFrame], tmp_path: Path, with_patients: bool
) -> None:
    tables = {**tables, "plain": patients("plain", 0.4, 9)}
    files = RunStore(tmp_path).sweep("phase3-stage2-x")
    files.path.mkdir()
    if with_patients:
        write_frame(files.patient_table("patients", "out_of_fold"), pd.concat(tables.values()))
        slices = {"pipeline": "heart", "case": "p0", "slice": ["a"], "true_pixels": 1, "predicted_pixels": 1}
        write_frame(files.patient_table("scar_slices", "out_of_fold"), pd.DataFrame({**slices, "voxel_ml": 0.1}))
    frame = choice_frame(choice(tables), files)
    assert frame["pipeline"].tolist() == [PIPELINE, "heart", "plain"]
    for row in frame.to_dict("records"):
        own = tables[row["pipeline"]]
        for structure in ("cavity", "wall", "scar"):
            values = own.loc[own["structure"] == structure, "emidec_dice"].to_numpy()
            assert row[structure] == pytest.approx(values.mean())
            drawn = stats.bootstrap(
                (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
            )
            ends = (row[f"{structure}_low"], row[f"{structure}_high"])
            wanted = tuple(drawn.confidence_interval) if with_patients else (np.nan, np.nan)
            assert ends == pytest.approx(wanted, abs=0.02, nan_ok=True)
        assert row["mean"] == pytest.approx(means(own).mean())
    assert np.isnan(frame["difference"].iloc[0])
    assert frame["needed"].tolist() == ["", "7", "7"]
    assert frame["folds"].tolist() == ["", "2 of 3", "1 of 3"]
    assert frame.loc[1, "cleaning"] == "the largest piece of the heart, scar of at least 2 % of the wall"
    printed = print_frame(frame, CAPTIONS["choice"].columns)
    assert str(printed.loc[1, "mean Dice, minus the paper's"]).startswith("+0.")
    assert printed.loc[0, "patients needed"] == "-"


def test_it_is_said_what_was_shipped_and_why(tables: dict[str, pd.DataFrame]) -> None:
    made = choice({**tables, "plain": patients("plain", 0.4, 9)})
    best = means(tables["heart"]).mean()
    first, shipped, nested = choice_words(made, "heart")
    assert (
        f"'heart', of 2 pipelines past the paper, has the highest mean Dice of cavity, wall and scar over the {CASES}"
        in (first)
    )
    assert f"{best:.3f} (95 % interval 0.100 to 0.900)" in first
    assert "because it serves best" in shipped
    assert "the other folds choose, pipeline and cleaning both ('heart' 2 of 3 times, 'plain' 1 of 3 times)" in nested
    assert "is worth 0.710 (0.600 to 0.800) on a case that had no say" in nested
    assert "because the settings name it" in choice_words(made, "plain")[1]
    assert "'inner cavity', which is none of them" in choice_words(made, "inner cavity")[1]
    assert "Nothing has been shipped yet" in choice_words(made, None)[1]


@pytest.mark.parametrize(
    ("cleaning", "words"),
    [
        (Cleaning(), "nothing"),
        (
            Cleaning(confine_scar=True, least_scar_pixels=4),
            "scar that touches the heart, pieces of scar of at least 4 pixels",
        ),
        (Cleaning(least_scar_share=0.005), "scar of at least 0.5 % of the wall"),
    ],
)
def test_cleaning_in_words(cleaning: Cleaning, words: str) -> None:
    assert describe_cleaning(cleaning) == words


# ------------------------------------------------------------------------------------------------------------ captions


@pytest.mark.parametrize("name", CAPTIONS)
def test_a_caption_says_the_unit_and_what_an_empty_place_means(name: str) -> None:
    caption = CAPTIONS[name]
    units = ("0 to 1", "mL", "mm", "per cent", "number", "unit of each row", "Labels that no left ventricle has")
    assert any(unit in caption.text for unit in units)
    assert any(word in caption.empty.lower() for word in ("dash", "empty", "no dice", "missing"))
    where = "Test subset, n = 8 slices of 3 patients."
    assert caption.tell(where) == f"{where} {caption.text} {caption.empty}"
    assert all(text.endswith((".", "?")) for text in (caption.text, caption.empty))


def test_a_table_in_markdown_stands_below_its_caption(tables: dict[str, pd.DataFrame]) -> None:
    frame = methods_frame(pd.concat(tables.values()), "heart", {})
    text = print_tables({"methods": frame}, "Test subset, n = 24 slices of 12 patients.")
    assert text.startswith("Test subset, n = 24 slices of 12 patients. What stands on these patients")
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 2 + len(frame)
    assert "- `methods.csv`: What stands" in list_files({"methods.csv": "methods"})
