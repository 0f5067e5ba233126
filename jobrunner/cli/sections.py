"""Lists under their titles, which share the lines that a terminal has: each is cut, and says where all of it is."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jobrunner.cli.columns import cut, width_of
from jobrunner.cli.output import Line, styled
from jobrunner.domain.package import printable

#: Rows of a list where no terminal says how many fit.
_MOST_ROWS = 20
#: Columns that a text gets however little is left beside a long name.
_LEAST = 20
_INDENT = 2
#: Rows that each list should have before empty lines stand between them.
_ROOMY = 2


class Room(NamedTuple):
    """The columns and lines of a terminal; None where there is no end of them."""

    columns: int | None = None
    lines: int | None = None


class Row(NamedTuple):
    """A line of a list: what stands before a text, the text, which is cut where need be, and what follows it."""

    before: Line
    text: str = ""
    behind: str = ""

    def fitted(self, columns: int | None) -> Line:
        """Return it as it fits so many columns."""
        text, before, behind = printable(self.text), list(self.before), printable(self.behind)
        if columns is not None:
            text = cut(text, max(columns - _INDENT - taken(before) - width_of(behind), _LEAST))
        return [" " * _INDENT, *before, text, styled(behind, dim=True)]


class Section(NamedTuple):
    """A list of so many packages, in `total` rows (one each, unless said), of which the first are given.

    `where` names the command that shows all of them. `hints` are told as far as there is room for them.
    """

    title: str
    number: int
    rows: Sequence[Row]
    where: str
    hints: Sequence[str] = ()
    tint: str = ""
    total: int | None = None

    def lines(self, rows: int, columns: int | None) -> list[Line]:
        """Return the title and so many rows."""
        more = (self.number if self.total is None else self.total) - rows
        title = f"{self.title} ({self.number:,})"
        says = ""
        cut_off = [f"{more:,} more: {self.where}" if rows else self.where] * (more > 0)
        for hint in (*cut_off, *self.hints):
            longer = f"{says}; {hint}" if says else f"  {hint}"
            if columns is None or width_of(title + longer) <= columns:
                says = longer
        heading: Line = [styled(title, fg=self.tint, bold=True), styled(says, dim=True)]
        return [heading, *[row.fitted(columns) for row in self.rows[:rows]]]


def laid_out(head: Sequence[Line], sections: Iterable[Section], room: Room) -> list[Line]:
    """Return the lines of a page: its head, then all sections, each with as many rows as there is room for."""
    sections = [section for section in sections if section.number]
    heights = [[height(row.fitted(room.columns), room) for row in section.rows] for section in sections]
    if room.lines is None:
        shares, is_roomy = [min(len(rows), _MOST_ROWS) for rows in heights], True
    else:
        left = room.lines - sum(height(line, room) for line in head) - len(sections)
        roomy = shared(heights, left - len(sections))
        is_roomy = all(share >= min(_ROOMY, len(rows)) for share, rows in zip(roomy, heights, strict=True))
        shares = roomy if is_roomy else shared(heights, left)
    lines = list(head)
    for section, rows in zip(sections, shares, strict=True):
        lines += [[""]] * is_roomy + section.lines(rows, room.columns)
    return lines


def on_a_screen(lines: Iterable[Line], room: Room) -> list[Line]:
    """Return as many of the first lines as there is room for."""
    kept, left = [], room.lines or 0
    for line in lines:
        left -= height(line, room)
        if left < 0:
            break
        kept.append(line)
    return kept


def shared(heights: Sequence[Sequence[int]], lines: int) -> list[int]:
    """Return how many rows of each list fit so many lines, if they take turns, given the height of each row."""
    shares = [0] * len(heights)
    while True:
        before = list(shares)
        for number, rows in enumerate(heights):
            if shares[number] < len(rows) and rows[shares[number]] <= lines:
                lines -= rows[shares[number]]
                shares[number] += 1
        if shares == before:
            return shares


def height(line: Line, room: Room) -> int:
    """Return how many lines of the terminal a line takes."""
    return max(-(-taken(line) // room.columns), 1) if room.columns else 1


def taken(line: Line) -> int:
    """Return how many columns a line takes."""
    return sum(width_of(part if isinstance(part, str) else part.text) for part in line)
