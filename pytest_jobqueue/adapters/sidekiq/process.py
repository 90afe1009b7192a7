"""The worker as other processes see it: an identity in `processes` and a hash that is refreshed.

Nothing beats by itself; a test that wants a heartbeat asks for one. On leaving, go-workers2 leaves both in
place and Sidekiq takes itself off the list.
"""

from __future__ import annotations

import os
import resource
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.wire.heartbeat import Process, heartbeat_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_jobqueue.adapters.sidekiq.link import Link
    from pytest_jobqueue.wire.dialects import Dialect, Keys

_TTL = 60


class Presence:
    """One worker process in Redis; it is not there until it beats."""

    def __init__(self, link: Link, keys: Keys, dialect: Dialect, process_id: str) -> None:
        self._link = link
        self._keys = keys
        self._dialect = dialect
        self._process_id = process_id
        self._nonce = secrets.token_hex(12 if dialect.is_go else 6)
        self._tid = secrets.token_hex(2)[:3]
        self._started_at = time.time()
        self._beaten = False

    @property
    def identity(self) -> str:
        """`host:pid:nonce`, the member of `processes`."""
        return self._process(()).identity

    def _process(self, queues: Sequence[str]) -> Process:
        return Process(
            hostname=socket.gethostname(),
            pid=os.getpid(),
            nonce=self._nonce,
            started_at=self._started_at,
            tag=self._keys.prefix.rstrip(":"),
            queues=queues,
            process_id=self._process_id,
            tid=self._tid,
        )

    def beat(self, queues: Sequence[str], running: Mapping[str, bytes]) -> str | None:
        """Write one heartbeat; returns a signal that was sent to a Sidekiq process, and acts on none.

        Args:
            queues: What the worker listens to.
            running: Sidekiq's entries of work, by thread.
        """
        process = self._process(queues)
        self._beaten = True
        if not self._dialect.is_go:
            return self._sidekiq_beat(process, running)
        self._go_beat(process, running)
        return None

    def _go_beat(self, process: Process, running: Mapping[str, bytes]) -> None:
        seconds = self._link.call("TIME")[0]
        fields = heartbeat_fields(
            process, self._dialect, beat=float(seconds), busy=len(running), rtt_us=self._round_trip(), rss=0
        )
        self._link.send(
            ("SADD", self._keys.processes, process.identity),
            ("HMSET", self._keys.heartbeat(process.identity), *_flat(fields)),
        )

    def _sidekiq_beat(self, process: Process, running: Mapping[str, bytes]) -> str | None:
        key = self._keys.heartbeat(process.identity)
        work = f"{key}:work"
        entries = [("HSET", work, thread, entry) for thread, entry in running.items()]
        self._link.send(("UNLINK", work), *entries, ("EXPIRE", work, _TTL))
        fields = heartbeat_fields(
            process,
            self._dialect,
            beat=time.time(),
            busy=len(running),
            rtt_us=self._round_trip(),
            rss=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        )
        *_, replies = self._link.send(
            ("MULTI",),
            ("SADD", self._keys.processes, process.identity),
            ("EXISTS", key),
            ("HSET", key, *_flat(fields)),
            ("EXPIRE", key, _TTL),
            ("RPOP", f"{key}-signals"),
            ("EXEC",),
        )
        signal = replies[-1]
        return None if signal is None else signal.decode("utf-8", "replace")

    def _round_trip(self) -> int:
        started = time.perf_counter()
        self._link.call("PING")
        return int((time.perf_counter() - started) * 1_000_000)

    def leave(self) -> None:
        """Take the worker off the list, where the dialect does that and where it was on it."""
        if self._beaten and not self._dialect.is_go:
            identity = self.identity
            self._link.send(
                ("SREM", self._keys.processes, identity),
                ("UNLINK", f"{self._keys.heartbeat(identity)}:work"),
            )
        self._beaten = False


def _flat(fields: Mapping[str, Any]) -> list[Any]:
    return [part for entry in fields.items() for part in entry]
