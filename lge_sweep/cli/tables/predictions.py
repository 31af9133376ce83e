"""What was found in exams."""

from typing import TYPE_CHECKING

from lge_sweep.cli.terminal import Terminal

if TYPE_CHECKING:
    from lge_sweep.segmenter import PredictResult

_SAVED_OVER = (
    "there already and left as it is: somebody has saved over it since it was written, and the numbers and pages "
    "beside it are of the labels that the model found; `lge-sweep data adopt` takes corrected labels"
)


def print_predicted(console: Terminal, predicted: "PredictResult") -> None:
    """Print what was found in each exam, and where it is.

    Args:
        console: where to print.
        predicted: what became of the exams.
    """
    for delivery in predicted.deliveries:
        files = dict.fromkeys(file.relative_to(delivery.folder).parts[0] for file in delivery.files)
        console.print_line(f"{delivery.folder}: {', '.join(files)}")
        if over := [file.name for file in delivery.saved_over]:
            console.print_line(f"  {' and '.join(over)}: {_SAVED_OVER}", style="yellow")
        for note in delivery.notes:
            console.note(note, indent="  ")
        for finding in delivery.findings:
            console.print_line(f"  finding: {finding}", style="red")
        for warning in delivery.warnings:
            console.print_line(f"  warning: {warning}", style="yellow")
        if stored := predicted.stored.get(delivery.folder):
            console.print_line(f"  {stored}")
    if predicted.model:
        console.print_line(f"model: {predicted.model}")
    for note in predicted.notes:
        console.note(note)
    found = sum(bool(delivery.findings) for delivery in predicted.deliveries)
    if found:
        count = f"{found} of {len(predicted.deliveries)} exam(s) have findings"
        console.print_line(f"{count}: labels that no heart has; look at them before any number is used.")
    doubted = sum(bool(delivery.warnings) for delivery in predicted.deliveries)
    if doubted:
        count = f"{doubted} of {len(predicted.deliveries)} exam(s) have warnings"
        console.print_line(f"{count}: labels to be doubted; look at them before any number is used.")
    done = f"{len(predicted.deliveries)} exam(s) segmented. Research use only; not for diagnosis."
    console.print_line(done)
