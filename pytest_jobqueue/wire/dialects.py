"""What tells the dialects of the Sidekiq family apart, as frozen values, and the Redis keys that they use.

A dialect says how one version of one program behaves; nothing here decides, and nothing here is tuned for our
comfort. Facts come from the sources of go-workers2 69d6cdd and of Sidekiq 6.5.12, 7.3.10 and 8.1.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

DialectName = Literal["go-workers2", "sidekiq6", "sidekiq7", "sidekiq8"]
Jitter = Literal["thirty steps", "ten steps", "any second"]

_SIDEKIQ_OPTIONS = ("retry", "backtrace", "dead", "tags", "retry_queue", "jid", "bid", "wrapped", "cattr")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one member of the family writes, retries and acknowledges jobs.

    Attributes:
        name: The short name that settings use.
        source: The program and version that the facts were read in.
        version: What a heartbeat says it is.
        retry_set: The sorted set of failed jobs that will run again.
        acks: A job that is taken moves to a list of its own and is removed from there when it is done.
        dead_set: Jobs that failed for good are kept in the sorted set `dead`.
        namespaces: Keys can carry a prefix.
        milliseconds: Timestamps in payloads are integers in milliseconds, not floats in seconds.
        jitter: How chance stretches the wait before a retry.
        daily_ttl: Seconds that a day's counters are kept; None for ever.
        failure_counts_as_processed: A failure adds to both counters.
        strips_enqueued_at: A job put into `schedule` loses its `enqueued_at`.
        options: Fields of the payload that a producer may set.
    """

    name: DialectName
    source: str
    version: str
    retry_set: str = "retry"
    acks: bool = False
    dead_set: bool = True
    namespaces: bool = False
    milliseconds: bool = False
    jitter: Jitter = "ten steps"
    daily_ttl: int | None = 5 * 365 * 24 * 60 * 60
    failure_counts_as_processed: bool = True
    strips_enqueued_at: bool = False
    options: tuple[str, ...] = field(default=_SIDEKIQ_OPTIONS, repr=False)

    @property
    def is_go(self) -> bool:
        """Whether this is go-workers2, whose rules differ in nearly every step."""
        return self.name == "go-workers2"


GO_WORKERS2 = Dialect(
    "go-workers2",
    "go-workers2 69d6cdd",
    "69d6cdd",
    retry_set="goretry",
    acks=True,
    dead_set=False,
    namespaces=True,
    jitter="thirty steps",
    daily_ttl=None,
    failure_counts_as_processed=False,
    options=("retry", "retry_max", "retry_count", "jid"),
)
SIDEKIQ6 = Dialect("sidekiq6", "Sidekiq 6.5.12", "6.5.12", namespaces=True)
SIDEKIQ7 = Dialect(
    "sidekiq7",
    "Sidekiq 7.3.10",
    "7.3.10",
    strips_enqueued_at=True,
    options=(*_SIDEKIQ_OPTIONS, "retry_for"),
)
SIDEKIQ8 = Dialect(
    "sidekiq8",
    "Sidekiq 8.1.7",
    "8.1.7",
    milliseconds=True,
    jitter="any second",
    strips_enqueued_at=True,
    options=(*_SIDEKIQ_OPTIONS, "retry_for", "profile"),
)

DIALECTS: dict[str, Dialect] = {one.name: one for one in (GO_WORKERS2, SIDEKIQ6, SIDEKIQ7, SIDEKIQ8)}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest of `known`, or an empty string."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def dialect_named(name: str | Dialect) -> Dialect:
    """The dialect called `name`; one that is a `Dialect` already comes back as it is.

    Raises:
        UsageError: There is no such dialect; the message lists those that there are.
    """
    if isinstance(name, Dialect):
        return name
    if name not in DIALECTS:
        raise UsageError(
            f"there is no dialect {name!r}; there are {', '.join(DIALECTS)}{did_you_mean(name, DIALECTS)}"
        )
    return DIALECTS[name]


class Keys:
    """The names of the Redis keys that one dialect uses under one namespace.

    Attributes:
        prefix: What comes before every key: the namespace and a colon, or nothing.
        queues: The set of known queues.
        schedule: The sorted set of jobs that wait for their first run.
        retry: The sorted set of jobs that wait to run again.
        dead: The sorted set of jobs that failed for good; go-workers2 has none.
        processes: The set of identities that write heartbeats.

    Raises:
        UsageError: The dialect has no namespaces (Sidekiq from 7 on).
    """

    def __init__(self, dialect: Dialect, namespace: str = "") -> None:
        if namespace and not dialect.namespaces:
            raise UsageError(
                f"{dialect.source} has no namespaces, and {namespace!r} was asked for; leave it out and give "
                "each application a database of its own, or choose the dialect go-workers2 or sidekiq6"
            )
        self.prefix = f"{namespace}:" if namespace else ""
        self.queues = f"{self.prefix}queues"
        self.schedule = f"{self.prefix}schedule"
        self.retry = f"{self.prefix}{dialect.retry_set}"
        self.dead = f"{self.prefix}dead"
        self.processes = f"{self.prefix}processes"

    def queue(self, queue: str) -> str:
        """The list of one queue: pushed at the head, taken from the tail."""
        return f"{self.prefix}queue:{queue}"

    def in_progress(self, queue: str, process_id: str) -> str:
        """The list of the jobs of one queue that one process has in its hands (go-workers2)."""
        return f"{self.prefix}queue:{queue}:{process_id}:inprogress"

    def queue_in_progress(self, key: str) -> str:
        """The queue that a list of jobs in progress belongs to: the reverse of `in_progress`."""
        return key.removeprefix(f"{self.prefix}queue:").rsplit(":", 2)[0]

    def stat(self, metric: str, day: str = "") -> str:
        """A counter, `processed` or `failed`, of all time or of one day (`YYYY-MM-DD`, UTC)."""
        return f"{self.prefix}stat:{metric}:{day}" if day else f"{self.prefix}stat:{metric}"

    def heartbeat(self, identity: str) -> str:
        """The hash that one process refreshes."""
        return f"{self.prefix}{identity}"

    def bare_queue(self, queue: str) -> str:
        """The queue that a payload names, without the namespace that go-workers2 leaves there on failure."""
        return queue.removeprefix(self.prefix)
