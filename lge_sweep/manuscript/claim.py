"""The CLAIM checklist: what an article on artificial intelligence in imaging has to say, and where the report says it.

Source: Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, Radiology:
Artificial Intelligence 6(4), 2024, e240300. The items are in our words.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from lge_sweep.manuscript.blocks import Paragraph, Section, Table
from lge_sweep.manuscript.data_section import SUBSET_TITLES
from lge_sweep.manuscript.find import Study

OPEN = "open: for the author"
"""State of an item that the program cannot fill."""
Answer = Callable[[Study], str]


@dataclass(frozen=True)
class Item:
    """An item of the checklist.

    Attributes:
        group: of the article's parts.
        asks: what is to be said.
        answer: what the program says, and where; "" if it cannot.
    """

    group: str
    asks: str
    answer: Answer


def _say(text: str) -> Answer:
    return lambda study: text


def _author(study: Study) -> str:
    return ""


def _counts(study: Study) -> str:
    manifest = study.first.manifest
    counts = ", ".join(
        f"{title} {manifest.loc[manifest['subset'] == subset, 'case'].nunique()}"
        for subset, title in SUBSET_TITLES.items()
    )
    return f"Flow of cases in Data: {manifest['case'].nunique()} found; {counts}."


def _level(study: Study) -> str:
    if study.first.leaky:
        return "Slice: patients are in several subsets (Data, leak audit)."
    return "Patient: no patient, and no identical or nearly identical picture, is in two subsets (Data, leak audit)."


def _ensembles(study: Study) -> str:
    if not study.fits:
        return "No ensemble: phase 3 was not run."
    return "What is averaged is in Methods (The pipeline) and in the list of pipelines in Results."


def _internal(study: Study) -> str:
    return "Results, phase 4, with every look in Looks at the test subset." if study.evaluated() else (
        "Not done: phase 4 was not run; Results, phase 3, is of the validation subset."
    )  # fmt: skip


def _performance(study: Study) -> str:
    return "Results: validation and test, with 95 % intervals over patients; training performance is not reported."


ITEMS: tuple[Item, ...] = (
    Item(
        "Title", "Say that it is a study of artificial intelligence, and of which kind", _say("Title: deep learning.")
    ),
    Item("Abstract", "Summarise design, methods, results and conclusions", _author),
    Item(
        "Introduction",
        "Give the background, and what the method is meant for",
        _say("Question; clinical background is for the author."),
    ),
    Item("Introduction", "State aims and hypotheses", _say("Question.")),
    Item("Design", "Say whether the study is prospective or retrospective", _author),
    Item(
        "Design",
        "Say what the study is for: to make, explore, compare, validate",
        _say("Question: to compare and select models."),
    ),
    Item(
        "Data",
        "Name the sources of the data",
        _say("Data names the files and their digest; the institution is for the author."),
    ),
    Item(
        "Data",
        "Give the criteria of inclusion and exclusion",
        _say("Data: what the program left out; criteria of before are for the author."),
    ),
    Item("Data", "Describe how data was processed before it was used", _say("Data, From exam to network.")),
    Item(
        "Data",
        "Say which parts of the data were selected, and how",
        _say("Data: slices of a case; Methods: crops, where there are any."),
    ),
    Item(
        "Data",
        "Describe how data was de-identified",
        _say("Pseudonyms in all results; what was done before is for the author."),
    ),
    Item("Data", "Say how missing data was treated", _say("Data, From exam to network.")),
    Item("Data", "Describe how images were acquired", _author),
    Item("Reference standard", "Define how the reference was obtained", _author),
    Item("Reference standard", "Say why this reference was chosen", _author),
    Item("Reference standard", "Name who annotated, with what training", _author),
    Item("Reference standard", "Describe how the test set was annotated", _author),
    Item("Reference standard", "Measure how annotators vary, between and within", _author),
    Item("Partitions", "Say how data was assigned to the partitions", _say("Data, Split and leak audit.")),
    Item("Partitions", "Say at which level partitions are apart (patient, image)", _level),
    Item(
        "Testing data",
        "Say how large the test set was meant to be, and why",
        _say("Doubt: how few there are, and what it takes; what was planned is for the author."),
    ),
    Item(
        "Model",
        "Describe the model in detail: inputs, outputs, layers",
        _say("Methods: networks, training, pipeline; the code is public, see Software."),
    ),
    Item("Model", "Name software, libraries and their versions", _say("Software and hardware.")),
    Item("Model", "Say how parameters were initialised", _say("Methods, Training: encoder_weights, seeds.")),
    Item("Training", "Describe the training: augmentation, settings, when it stopped", _say("Methods, Training.")),
    Item("Training", "Say how the final model was chosen", _say("Methods, Selection; Results.")),
    Item("Training", "Describe how models were combined, if they were", _ensembles),
    Item("Evaluation", "Define the measures of performance", _say("Methods, Metrics.")),
    Item("Evaluation", "Define significance and uncertainty", _say("Methods, Statistics.")),
    Item(
        "Evaluation",
        "Analyse robustness or sensitivity",
        _say("Results, phases 2 and 3: other losses, optimizers, seeds, controls; other scanners were not tried."),
    ),
    Item(
        "Evaluation",
        "Describe how the model is explained or interpreted",
        _say("No such method was used; outlines can be looked at beside the image."),
    ),
    Item("Evaluation", "Test on internal data that was kept apart", _internal),
    Item(
        "Evaluation",
        "Test on external data",
        _say("Not done by this program's study; lge-sweep predict takes other data."),
    ),
    Item("Evaluation", "Give the registration of a clinical trial", _author),
    Item("Results", "Count patients and exams, included and excluded, in a flow", _counts),
    Item(
        "Results",
        "Give demographic and clinical facts of each partition",
        _say("Data: scar, sizes; age, sex and disease are for the author."),
    ),
    Item("Results", "Report performance with uncertainty on all partitions", _performance),
    Item(
        "Results",
        "Give diagnostic performance with its precision",
        _say("Where it fails: false alarms and misses, with intervals."),
    ),
    Item("Results", "Analyse what went wrong", _say("Where it fails: groups, calls, the worst patients.")),
    Item("Discussion", "State the limits of the study", _say("Doubt; Model card, limits.")),
    Item(
        "Discussion",
        "Say what follows for practice, and for what it is meant",
        _say("Model card: research use only; more is for the author."),
    ),
    Item(
        "Other",
        "Refer to the full protocol or to technical details",
        _say("Commands to repeat it; sweep.yaml in each folder."),
    ),
    Item(
        "Other",
        "Say how software, model and data can be had",
        _say("The program is public under the MIT license; model and data are for the author."),
    ),
    Item("Other", "Name funding and the role of funders", _author),
)
"""The 44 items, in order."""


def claim_section(study: Study) -> Section:
    """Fill the checklist: what the program knows, and what only the author can say."""
    rows = []
    for number, item in enumerate(ITEMS, start=1):
        said = item.answer(study)
        state = OPEN if not said else ("partly: the rest is for the author" if "for the author" in said else "filled")
        rows.append(
            {"no.": number, "part": item.group, "what is asked": item.asks, "state": state, "where": said or "-"}
        )
    frame = pd.DataFrame(rows)
    done = int((frame["state"] == "filled").sum())
    partly = int(frame["state"].str.startswith("partly").sum())
    caption = (
        f"The 44 items of CLAIM 2024, in our words: {done} filled by the program, {partly} in part, "
        f"{len(ITEMS) - done - partly} open, which only the author can fill."
    )
    told = (
        "Checklist for Artificial Intelligence in Medical Imaging, 2024 update: Tejani et al., Radiology: Artificial "
        "Intelligence 6(4), 2024, e240300. The wording that counts is the original's."
    )
    return Section("claim", "CLAIM checklist", [Paragraph(told), Table("claim", caption, frame, frame.astype(str))])
