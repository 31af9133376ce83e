"""The flow of cases and slices from what was found to the three subsets, as a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LINE, _PADDING, _GAP = 720, 18, 10, 34


@dataclass(frozen=True)
class Box:
    """A box of the drawing.

    Attributes:
        lines: what stands in it, the first line bold.
        left: where it begins.
        top: where it begins.
        width: how wide it is.
    """

    lines: Sequence[str]
    left: float
    top: float
    width: float

    @property
    def height(self) -> float:
        """How high it is."""
        return _LINE * len(self.lines) + 2 * _PADDING

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    @property
    def middle(self) -> float:
        """The place half-way between its sides."""
        return self.left + self.width / 2

    def svg(self) -> str:
        """Return it as elements of a drawing."""
        bold = ' font-weight="bold"'
        rows = [
            f'<text x="{self.middle:g}" y="{self.top + _PADDING + _LINE * (k + 0.75):g}" text-anchor="middle"'
            f"{bold if k == 0 else ''}>{escape(line)}</text>"
            for k, line in enumerate(self.lines)
        ]
        frame = (
            f'<rect x="{self.left:g}" y="{self.top:g}" width="{self.width:g}" height="{self.height:g}" rx="4" '
            'fill="#F4F7FA" stroke="#0072B2"/>'
        )
        return frame + "".join(rows)


def flow_svg(
    found: Sequence[str], left_out: Sequence[Sequence[str]], used: Sequence[str], subsets: Sequence[Sequence[str]]
) -> str:
    """Draw the flow of cases.

    Args:
        found: lines of the box of all that was found.
        left_out: lines of the box of each reason why cases or slices were left out.
        used: lines of the box of what is used.
        subsets: lines of the box of each subset.
    """
    middle = 250.0
    boxes, arrows = [Box(found, middle - 165, 2, 330)], []
    top = boxes[0].bottom + _GAP
    for lines in left_out:
        box = Box(lines, 440, top, 278)
        boxes.append(box)
        arrows.append((middle, box.top + box.height / 2, box.left, box.top + box.height / 2))
        top = box.bottom + _GAP / 2
    whole = Box(used, middle - 165, max(top, boxes[0].bottom + _GAP), 330)
    boxes.append(whole)
    arrows.append((middle, boxes[0].bottom, middle, whole.top))
    width = (_WIDTH - 2 * 20) / 3
    turn = whole.bottom + _GAP / 2
    for number, lines in enumerate(subsets):
        box = Box(lines, number * (width + 20), whole.bottom + _GAP, width)
        boxes.append(box)
        arrows.append((box.middle, turn, box.middle, box.top))
    first, last = boxes[-len(subsets)], boxes[-1]
    lines = [f"M{middle:g} {whole.bottom:g}V{turn:g}", f"M{first.middle:g} {turn:g}H{last.middle:g}"]
    heads = "".join(_arrow(*arrow) for arrow in arrows)
    bottom = max(box.bottom for box in boxes) + 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom:g}" role="img" '
        f'aria-label="flow of cases and slices" style="width:100%;max-width:{_WIDTH}px;height:auto" font-size="13">'
        f'<path d="{"".join(lines)}" fill="none" stroke="#333"/>{heads}{"".join(box.svg() for box in boxes)}</svg>'
    )


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """Return a line with a head at its end, to the right or down."""
    head = f"M{to_x:g} {to_y:g}l-7 -4v8z" if to_x > x else f"M{to_x:g} {to_y:g}l-4 -7h8z"
    return f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" fill="none" stroke="#333"/><path d="{head}" fill="#333"/>'
