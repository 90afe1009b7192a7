"""One stream of lines, each of which says which part it is from; coloured on a terminal, plain in a pipe."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_COLOURS = {"redis": "31", "worker": "33", "service": "36", "jobqueue": "35"}
_WIDTH = max(map(len, _COLOURS))


class Output:
    """Where everything is printed.

    Args:
        stream: Standard output.
        quiet: Whether only the service's own lines are printed, and what must not be missed.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._coloured = _wants_colour(self._stream)

    def line(self, part: str, text: str) -> None:
        """Print a line of a part: `redis`, `worker`, `service`, or `jobqueue` for all of it."""
        if not self._quiet or part == "service":
            self.notice(part, text)

    def notice(self, part: str, text: str) -> None:
        """Print a line that must not be missed, whatever was asked for."""
        self._print(f"{self._tag(part)} {text}")

    def block(self, text: str) -> None:
        """Print lines that are from none of the parts."""
        if not self._quiet:
            self._print(text)

    def error(self, text: str) -> None:
        """Say what went wrong, whatever was asked for."""
        print(f"jobqueue: {text}", file=sys.stderr, flush=True)

    def _tag(self, part: str) -> str:
        tag = f"{part:<{_WIDTH}} |"
        return f"\033[{_COLOURS.get(part, '0')}m{tag}\033[0m" if self._coloured else tag

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except BrokenPipeError:  # whoever read this has gone; the parts still have to be stopped in order
            self._stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _wants_colour(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()
