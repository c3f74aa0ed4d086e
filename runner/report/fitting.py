"""A table on a terminal of any width: cells are wrapped between words, then columns left out, then rows stacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.report import cells

BORDER = 3  # characters that a column takes besides its text: a line, and a space on either side
NARROW = 18  # characters that a column of text is read well in
HIGHEST = 4  # lines of a heading
INDENT = "  "


@dataclass(frozen=True)
class Field:
    """A column for a terminal: its heading, its texts, how they are set, and how soon it is left out.

    right: to the right. text: whether it is read well on several lines. rank: those above 0 may be left out, the
    highest first.
    """

    heading: str
    texts: tuple[str, ...]
    right: bool = False
    text: bool = False
    rank: int = 0

    @property
    def natural(self) -> int:
        """The width in which nothing is wrapped but the heading, and that to a few lines."""
        width = max([*map(len, self.texts), self.least])
        return next(w for w in count(width) if len(terminal.wrapped(self.heading, w)) <= HIGHEST)

    @property
    def least(self) -> int:
        """The width below which a word would be cut."""
        pieces = [piece for text in (self.heading, *self.texts) for piece in terminal.pieces(text)]
        return max((len(piece.rstrip()) for piece in pieces), default=1)

    @property
    def good(self) -> int:
        """The width in which it is read well."""
        return max(self.least, min(self.natural, NARROW)) if self.text else self.natural


def shown(fields: Sequence[Field], width: int) -> tuple[Any, list[str]]:
    """The table for rich in so many columns, and the headings of what was left out of it.

    Where what may not be left out is too wide, each row is a block of lines, whole.
    """
    kept = list(fields)
    while _wide([each.good for each in kept]) > width and any(each.rank for each in kept):
        kept.remove(max(kept, key=lambda each: each.rank))
    if _wide([each.good for each in kept]) > width:
        return _stacked(fields, width), []
    return _grid(kept, _widths(kept, width)), [each.heading for each in fields if each not in kept]


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + BORDER * len(widths) + 1


def _widths(fields: Sequence[Field], width: int) -> list[int]:
    """What each reads well in, and of the rest each a share of what it lacks."""
    found = [each.good for each in fields]
    lacks = [each.natural - given for each, given in zip(fields, found, strict=True)]
    rest, lack = max(0, width - _wide(found)), sum(lacks)
    return [given + (each * min(rest, lack) // lack if lack else 0) for given, each in zip(found, lacks, strict=True)]


def _grid(fields: Sequence[Field], widths: Sequence[int]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        show_lines=any(max(map(len, each.texts), default=0) > width for each, width in zip(fields, widths, strict=True))
    )
    for each, width in zip(fields, widths, strict=True):
        heading = Text("\n".join(terminal.wrapped(each.heading, width)))
        table.add_column(heading, justify="right" if each.right else "left", width=width, no_wrap=True)
    for row in zip(*(each.texts for each in fields), strict=True):
        table.add_row(
            *(Text("\n".join(terminal.wrapped(text, width))) for text, width in zip(row, widths, strict=True))
        )
    return table


def _stacked(fields: Sequence[Field], width: int) -> Any:
    """Each row: its first text, and under it the others behind their headings."""
    from rich.text import Text

    first, *others = fields
    names = max((len(each.heading) for each in others), default=0)
    beside = width - len(INDENT) - names - 2
    lines = []
    for i, label in enumerate(first.texts):
        lines += ["", *terminal.wrapped(label, width)]
        for each in others:
            if each.texts[i] in (cells.NOTHING, cells.NO_FIGURE):
                continue
            if beside >= NARROW:
                value = terminal.wrapped(each.texts[i], beside)
                lines.append(f"{INDENT}{each.heading:<{names}}  {value[0]}")
                lines += [f"{INDENT}{'':<{names}}  {more}" for more in value[1:]]
            else:
                lines += [f"{INDENT}{line}" for line in terminal.wrapped(f"{each.heading}: {each.texts[i]}", width - 2)]
    return Text("\n".join([*lines, ""]))
