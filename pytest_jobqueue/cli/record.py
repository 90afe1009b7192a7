"""The file for programs: addresses and process ids as JSON, there from when all is up until the end."""

from __future__ import annotations

import contextlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Record:
    """The file, or none.

    Args:
        path: Where it is, or None.

    Raises:
        UsageError: It cannot be there.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written = ""
        if path is not None:
            self._check(path)

    @staticmethod
    def _check(path: Path) -> None:
        """Refuse what cannot be written before anything is started."""
        if path.is_dir():
            raise UsageError(f"--json: {path} is a folder; give the name of a file")
        if not os.access(path.parent, os.W_OK):
            reason = "cannot be written to" if path.parent.is_dir() else "is not there"
            raise UsageError(f"--json: {path} cannot be written: the folder {path.parent} {reason}")

    def write(self, facts: Mapping[str, Any]) -> None:
        """Put it there in one piece, so that nobody reads half of it; only its owner may read it.

        Raises:
            UsageError: It cannot be written.
        """
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        text = json.dumps(facts, indent=2) + "\n"
        try:
            draft.touch(0o600)
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._path)
            self._written = text
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"--json: {self._path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Take it away, unless it is another's: of a run with the same file, for example."""
        if self._path is None or not self._written:
            return
        with contextlib.suppress(OSError):
            if self._path.read_text(encoding="utf-8") == self._written:
                self._path.unlink()


@contextmanager
def record(path: Path | None) -> Iterator[Record]:
    """The file, removed at the end."""
    kept = Record(path)
    try:
        yield kept
    finally:
        kept.remove()
