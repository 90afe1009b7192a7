"""Measuring in turn: A B, B A, A B, …, so that what the machine does meanwhile meets all sides alike."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Series(list[float]):
    """One figure of each round."""

    @property
    def best(self) -> float:
        """The lowest: what it costs when nothing else is in the way."""
        return min(self)

    @property
    def median(self) -> float:
        """The middle one: what it costs here and now."""
        return statistics.median(self)


def in_turn(rounds: int, sides: Mapping[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """What each side returned, round by round; a first round of each is thrown away."""
    for measure in sides.values():
        measure()
    results: dict[str, list[Any]] = {name: [] for name in sides}
    order = list(sides)
    for number in range(rounds):
        for name in order:
            progress(f"round {number + 1} of {rounds}: {name}")
            results[name].append(sides[name]())
        order.reverse()
    return results


def series(results: list[Mapping[str, float]], key: str) -> Series:
    """One of the figures that each round gave."""
    return Series(result[key] for result in results)


def ratio(series: Series, to: Series) -> tuple[float, float]:
    """How many times as much: best round to best round, and the median of the rounds' own ratios."""
    paired = [one / other for one, other in zip(series, to, strict=True)]
    return series.best / to.best, statistics.median(paired)


def progress(text: str) -> None:
    """Tell whoever waits."""
    print(f"\r\x1b[K  {text}" if sys.stderr.isatty() else f"  {text}", end="", file=sys.stderr, flush=True)
    if not sys.stderr.isatty():
        print(file=sys.stderr)
