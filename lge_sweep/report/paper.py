"""What the paper reports of its final framework, to stand beside one's own numbers.

Source: Nor Kamal et al., Two-Stage Deep Learning Framework for Myocardial Infarction Segmentation in LGE-MRI Images,
2026: Tables VI and VII, 58 test images, split by slice. By what the numbers add up to, Accuracy is the pooled recall of
the class and the others are means over images.
"""

PAPER_COLUMNS: dict[str, str] = {
    "Accuracy": "sensitivity",
    "Dice": "dice",
    "IoU": "iou",
    "F1-Score": "f1",
    "BF-Score": "bf",
    "Sensitivity": "sensitivity",
    "Specificity": "specificity",
}
"""The paper's heading -> our metric, in its order. Accuracy is the sensitivity of the pooled counts."""


def _row(*values: float) -> dict[str, float]:
    return dict(zip(PAPER_COLUMNS, values, strict=True))


def _overall(global_accuracy: float, mean_accuracy: float, *values: float) -> dict[str, float]:
    headings = ("Global Accuracy", "Mean Accuracy", *list(PAPER_COLUMNS)[1:])
    return dict(zip(headings, (global_accuracy, mean_accuracy, *values), strict=True))


PAPER_TABLES: dict[int, dict[str, dict[str, float]]] = {
    1: {
        "cavity": _row(0.9764, 0.9470, 0.9013, 0.9470, 0.9107, 0.9697, 0.9974),
        "background": _row(0.9974, 0.9983, 0.9967, 0.9983, 0.9879, 0.9974, 0.9697),
        "global": _overall(0.99677, 0.9869, 0.9727, 0.9490, 0.9727, 0.9493, 0.9836, 0.9836),
    },
    2: {
        "myocardium": _row(0.7404, 0.7351, 0.5949, 0.7351, 0.9157, 0.7230, 0.9973),
        "scar": _row(0.6585, 0.0556, 0.0306, 0.0556, 0.4804, 0.2517, 0.9654),
        "background": _row(0.9637, 0.9799, 0.9608, 0.9799, 0.9277, 0.9636, 0.8101),
        "global": _overall(0.95988, 0.7875, 0.5902, 0.5288, 0.5902, 0.7746, 0.6461, 0.9242),
    },
}
"""Stage -> row -> heading -> value: Table VI (stage 1) and Table VII (stage 2)."""
