"""Asks the questions, prints one table; slow figures are no failure, lost jobs are.

python -m benchmarks [--quick] [--rounds N] [name …]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

QUESTIONS = (
    "loading",
    "one_test",
    "jobs",
    "go_drain",
    "round_trip",
    "crowd",
    "side_by_side",
    "libraries",
    "idle_workers",
    "standalone",
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what the project promises."
    )
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"which: {', '.join(QUESTIONS)} (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the work, to see whether it runs at all"
    )
    parser.add_argument("--rounds", type=int, help="how often each side is measured")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in QUESTIONS:
            parser.error(f"there is no question {name!r}; there are {', '.join(QUESTIONS)}")
    return arguments


def _answers(name: str, effort: Effort) -> tuple[list[Row], str]:
    """The rows of one question, as far as they came, and what is broken."""
    rows: list[Row] = []
    try:
        rows.extend(import_module(f"benchmarks.{name}").measure(effort))
    except NotMeasuredError as error:
        rows.append(Row(name, None, compared=str(error)))
    except BrokenError as error:
        rows.append(Row(name, None, compared="broken, see below"))
        return rows, str(error)
    return rows, ""


def _table(names: Iterable[str], effort: Effort) -> tuple[Table, dict[str, str]]:
    table, broken = Table(), {}
    for name in names:
        started = time.perf_counter()
        print(f"{name} …", file=sys.stderr, flush=True)
        rows, wrong = _answers(name, effort)
        table.rows += rows
        if wrong:
            broken[name] = wrong
        print(f"\n{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return table, broken


def _loop() -> float:
    """Milliseconds for a fixed piece of work: how fast this machine is at this moment."""
    found = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(1_000_000):
            pass
        found.append(time.perf_counter() - started)
    return min(found) * 1e3


def _say_where() -> None:
    last, five, _ = os.getloadavg()
    print(f"\n{os.cpu_count()} processors; load {last:.1f} in the last minute, {five:.1f} in the last five.")
    print(f"A million turns of an empty loop take {_loop():.0f} ms here; 10 is a fast machine, undisturbed.")
    print("Measured: the best round. A figure taken on a busy machine is an upper bound; ratios are better.")


def main() -> int:
    arguments = _arguments()
    effort = Effort(rounds=2, share=0.1) if arguments.quick else Effort()
    if arguments.rounds:
        effort = Effort(arguments.rounds, effort.share)
    with tempfile.TemporaryDirectory() as cache:
        # Whoever has the plugin installed has it compiled; so have all runs here but those thrown away.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        table, broken = _table(arguments.names or QUESTIONS, effort)
    print(table.text())
    _say_where()
    for name, wrong in broken.items():
        print(f"\nBROKEN: {name}: {wrong}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
