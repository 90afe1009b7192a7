"""What a question answers with: rows of one table, and whether each is within its bound.

A figure that is too high is a result, not a failure. `BrokenError` is for what was lost or wrong, whatever
the speed; `NotMeasuredError` for what cannot be measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADINGS = ("what", "measured", "median", "bound", "within", "compared with")


class NotMeasuredError(Exception):
    """Something that is needed is not here; the message says what."""


class BrokenError(Exception):
    """A job was lost, or something else is wrong that no noise explains."""


@dataclass(frozen=True)
class Effort:
    """How thorough a run is.

    Attributes:
        rounds: How often each side of a comparison is measured.
        share: The part of the full number of jobs, tests and connections.
    """

    rounds: int = 7
    share: float = 1.0

    def of(self, full: int, least: int = 1) -> int:
        """That share of a number."""
        return max(least, round(full * self.share))


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: What was measured.
        measured: The best round's figure; None when it could not be had.
        unit: What it counts: `ms`, `us`, `times`.
        median: The median of the rounds, where there were several.
        bound: What it must not be above; None for a figure that is only for comparison.
        least: The bound is what it must not be below.
        compared: Peers in the same run, and what else helps to read it; or why it could not be measured.
    """

    what: str
    measured: float | None
    unit: str = ""
    median: float | None = None
    bound: float | None = None
    least: bool = False
    compared: str = ""

    @property
    def within(self) -> bool | None:
        """Whether the best round is within the bound; None without one."""
        if self.measured is None or self.bound is None:
            return None
        return self.measured >= self.bound if self.least else self.measured <= self.bound

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        if self.measured is None:
            return self.what, "not measured", "", "", "", self.compared
        sign = ">=" if self.least else "<="
        bound = "" if self.bound is None else f"{sign} {figure(self.bound)} {self.unit}".rstrip()
        verdict = {True: "yes", False: "NO", None: ""}[self.within]
        measured = f"{figure(self.measured)} {self.unit}".rstrip()
        median = "" if self.median is None else figure(self.median)
        return self.what, measured, median, bound, verdict, self.compared


def figure(value: float) -> str:
    """Three digits, and all that stand before the point."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


@dataclass
class Table:
    """Rows, aligned."""

    rows: list[Row] = field(default_factory=list)

    def text(self) -> str:
        """The table as plain text."""
        cells = [_HEADINGS, *(row.cells for row in self.rows)]
        widths = [max(map(len, column)) for column in _columns(cells)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(line.rstrip() for line in lines)


def _columns(cells: Iterable[tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    return zip(*cells, strict=True)
