"""The file for programs: addresses and process ids as JSON, there from when all is up until the end."""

from __future__ import annotations

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
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def write(self, facts: Mapping[str, Any]) -> None:
        """Put it there in one piece, so that nobody reads half of it; only its owner may read it.

        Raises:
            UsageError: It cannot be written.
        """
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            draft.touch(0o600)
            draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(f"--json: {self._path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Take it away."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


@contextmanager
def record(path: Path | None) -> Iterator[Record]:
    """The file, removed at the end."""
    kept = Record(path)
    try:
        yield kept
    finally:
        kept.remove()
