"""The queues that a worker listens to, in its order, and how it hears of others.

With a list of queues it keeps to them. Without one it begins with those that it was told of and, when those
are empty, asks the server for more; never once per job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.adapters.sidekiq.link import Command
    from pytest_jobqueue.adapters.sidekiq.store import Store
    from pytest_jobqueue.wire.dialects import Dialect, Keys


class Lane:
    """One queue, with the names and the command that its jobs need over and over."""

    __slots__ = ("in_progress", "key", "name", "pop")

    def __init__(self, name: str, keys: Keys, dialect: Dialect, process_id: str) -> None:
        self.name = name
        self.key = keys.queue(name)
        self.in_progress = keys.in_progress(name, process_id)
        self.pop: Command = ("RPOPLPUSH", self.key, self.in_progress) if dialect.acks else ("RPOP", self.key)


class Lanes:
    """The queues of one worker.

    Args:
        store: Where more are found.
        keys: Their names in Redis.
        dialect: How a job is taken.
        process_id: go-workers2's `ProcessID`.
        names: What is listened to from the start.
        grows: Whether others are taken in.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        dialect: Dialect,
        process_id: str,
        *,
        names: Sequence[str],
        grows: bool,
    ) -> None:
        self._store = store
        self._keys = keys
        self._dialect = dialect
        self._process_id = process_id
        self._grows = grows
        self._known: dict[str, Lane] = {}
        self.listening: list[Lane] = [self.named(name) for name in dict.fromkeys(names)]

    def named(self, name: str) -> Lane:
        """The queue called `name`, whether it is listened to or not."""
        lane = self._known.get(name)
        if lane is None:
            lane = self._known[name] = Lane(name, self._keys, self._dialect, self._process_id)
        return lane

    def heard_of(self, name: str) -> Lane:
        """The queue called `name`, which is listened to from now on if the list grows."""
        lane = self.named(name)
        if self._grows and lane not in self.listening:
            self.listening.append(lane)
        return lane

    def discover(self) -> bool:
        """Take in what the server's `queues` set has; True when there was something new."""
        return self.take_in(self._store.known_queues()) if self._grows else False

    def take_in(self, names: Sequence[str]) -> bool:
        """Listen to these too, if the list grows; True when there was something new."""
        before = len(self.listening)
        for name in names:
            self.heard_of(name)
        return len(self.listening) > before

    def discover_in_progress(self) -> None:
        """Take in the queues of which this process ID left jobs in progress."""
        if self._grows:
            for name in self._store.queues_in_progress(self._process_id):
                self.heard_of(name)
