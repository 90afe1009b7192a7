"""The record of one test: what was enqueued and what became of what ran, in order.

Producer and worker append; assertions and reports only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.job import Job, Outcome


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The test's producer put a job on the server."""

    job: Job
    kind: Literal["enqueued"] = "enqueued"


@dataclass(frozen=True, slots=True)
class Ran:
    """The worker took a job, and this became of it."""

    outcome: Outcome
    kind: Literal["ran"] = "ran"


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened around the jobs: a recovery, a connection that was left open."""

    text: str
    kind: Literal["note"] = "note"


Entry: TypeAlias = "Enqueued | Ran | Note"


class Journal:
    """Entries in the order in which they happened."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def append(self, entry: Entry) -> None:
        """Record one."""
        self._entries.append(entry)

    @property
    def entries(self) -> Sequence[Entry]:
        """All of them, oldest first."""
        return tuple(self._entries)

    @property
    def enqueued(self) -> Sequence[Job]:
        """The jobs that the test's producer enqueued."""
        return tuple(entry.job for entry in self._entries if isinstance(entry, Enqueued))

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of the jobs that the worker took."""
        return tuple(entry.outcome for entry in self._entries if isinstance(entry, Ran))
