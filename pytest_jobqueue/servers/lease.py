"""A share of a Redis that runs already: one database, leased, empty when it was leased.

A lease is the *name of a connection*: `pytest-jobqueue:lease:<database>:<owner>`. The name is set and all
names are read in one transaction, so of two runs that want the same database the server sees one first, and
the other sees that one. Nothing is written anywhere: a key would have to live in somebody's database, where
`KEYS *` finds it and `FLUSHDB` ends it, or else one database could never be leased. Nothing expires either:
the lease lasts exactly as long as its connection, which the kernel closes even after SIGKILL.

Every flush goes through that same connection, which is never reconnected. A lease that was lost can therefore
not flush: whoever has the database now, the command does not reach it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
import warnings
from dataclasses import dataclass, field

import redis

from pytest_jobqueue.errors import ForeignDataError, JobQueueWarning, ServerUnavailableError, UsageError
from pytest_jobqueue.servers.peers import Peer, lease_name, read_peers
from pytest_jobqueue.servers.provider import (
    GONE,
    Command,
    Facts,
    Line,
    facts,
    place,
    split_database,
    text,
    with_database,
)

_KEYS_SHOWN = 10
_USUAL_DATABASES = 16  # where CONFIG GET is not allowed
_CAREFUL_PING = 60.0  # seconds; where CONFIG GET is not allowed, the server may hang up on the idle


@dataclass(slots=True)
class _Survey:
    """Why databases were passed over, by number."""

    keys: dict[int, int] = field(default_factory=dict)
    leased: dict[int, str] = field(default_factory=dict)
    workers: dict[int, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"database {number} is leased by {owner}" for number, owner in self.leased.items()]
        parts += [f"in database {number} {peer} waits for jobs" for number, peer in self.workers.items()]
        parts += [f"database {number} holds {_count(keys, 'key')}" for number, keys in self.keys.items()]
        shown = parts[:_KEYS_SHOWN]
        more = len(parts) - len(shown)
        return "; ".join(shown) + (f"; and {more} more" if more else "")


class LeasedProvider:
    """A leased database. Made by `lease_url`.

    Attributes:
        mode: `url`.
        url: The direct URL, the leased database in it.
        database: The number of the leased database.
    """

    mode = "url"

    def __init__(self, url: str, run_id: str | None) -> None:
        bare, wanted = split_database(url)
        self._place = place(url)
        self._bare = bare
        self._run_id = run_id or ""
        self._token = uuid.uuid4().hex[:12]
        self._no_lease = f"pytest-jobqueue:{self._token}"
        self._owner = os.getpid()
        self._stop = threading.Event()
        self._pinger: threading.Thread | None = None
        self._line = _dial(bare, self._place)
        try:
            self._line.ask(("CLIENT", "SETNAME", self._no_lease))
            self._facts: Facts = facts(self._line)
            self.database = self._take_any() if wanted is None else self._take(wanted)
            self._stay_awake()
        except redis.RedisError as error:
            self._line.close()
            raise _unavailable(self._place, error) from error
        except BaseException:
            self._line.close()
            raise
        self.url = with_database(bare, self.database)

    @property
    def nearest(self) -> str:
        """The same as `url`."""
        return self.url

    @property
    def version(self) -> str:
        """The Redis version that the server is compatible with."""
        return self._facts.version

    def describe(self) -> str:
        """Product, address and database."""
        return f"{self._facts.product} at {self._place}, leased database {self.database}"

    def log_tail(self, lines: int = 50) -> str:  # noqa: ARG002 (the protocol's)
        """Empty: the log of a server that runs elsewhere is not ours to read."""
        return ""

    def reset(self) -> None:
        """Empty the leased database, in one command on the connection that is the lease.

        Raises:
            ServerUnavailableError: The lease is lost, so nothing was flushed; or the server refuses.
        """
        if os.getpid() != self._owner:
            raise UsageError(
                f"{self.describe()}: the lease belongs to process {self._owner}, which forked this one"
            )
        try:
            self._line.ask(("FLUSHDB",))
        except GONE as error:
            raise ServerUnavailableError(
                f"The lease of database {self.database} at {self._place} is lost, because its connection was "
                f"closed: {error}. Another run may have the database now, so it was not flushed; start again."
            ) from error
        except redis.RedisError as error:
            raise ServerUnavailableError(f"{self.describe()} cannot be flushed: {error}") from error

    def close(self) -> None:
        """Flush what the tests put into the database and give it back."""
        if os.getpid() != self._owner or self._stop.is_set():
            return
        self._stop.set()
        if self._pinger is not None:
            self._pinger.join()
        try:
            self._line.ask(("FLUSHDB",), ("CLIENT", "SETNAME", self._no_lease))
        except (redis.RedisError, OSError) as error:
            warnings.warn(
                f"{self.describe()}: what the last test put there was not removed: {error}",
                JobQueueWarning,
                stacklevel=2,
            )
        finally:
            self._line.close()

    def _take(self, wanted: int) -> int:
        """Lease the database that the URL names."""
        survey = _Survey()
        self._size(wanted)
        worker = next((peer for peer in self._peers() if peer.database == wanted and peer.blocked), None)
        if worker is not None:
            raise ServerUnavailableError(
                f"{self._place} database {wanted}: a client there waits for jobs and would take those of the "
                f"tests: {worker}. Stop it, or give another database, or a URL without one."
            )
        if self._claim(wanted, survey):
            return wanted
        if wanted in survey.leased:
            raise ServerUnavailableError(
                f"{self._place} database {wanted} is leased by another process: {survey.leased[wanted]}. "
                "Give a URL without a database number: each run and each xdist worker gets its own then."
            )
        raise ForeignDataError(self._foreign(wanted, survey.keys[wanted]))

    def _take_any(self) -> int:
        """Lease a database that is free, empty and, where that can be had, visited by nobody else."""
        total = self._databases()
        order: list[int] = [*range(1, total), 0]
        survey = _Survey()
        visitors: dict[int, Peer] = {}
        for peer in self._peers():
            if peer.leased is None and (peer.blocked or peer.database not in visitors):
                visitors[peer.database] = peer
        for number in [number for number in order if number not in visitors]:
            if self._claim(number, survey):
                return number
        for number in [number for number in order if number in visitors]:
            if visitors[number].blocked:
                survey.workers[number] = str(visitors[number])
            elif self._claim(number, survey):
                return number
        kind = ForeignDataError if survey.keys else ServerUnavailableError
        raise kind(
            f"{self._place} has no database to spare among its {total}: {survey}. Nothing was changed. Empty "
            "one that nobody needs, end the other runs, or use --redis=server."
        )

    def _claim(self, number: int, survey: _Survey) -> bool:
        """Try to lease one database; whatever stands in the way goes into the survey."""
        name = lease_name(number, self._run_id, self._token)
        for peer in self._peers(("CLIENT", "SETNAME", name)):
            if peer.leased == number:
                survey.leased[number] = peer.owner
        if number not in survey.leased:
            keys = self._size(number)
            if keys == 0:
                return True
            survey.keys[number] = keys
        self._line.ask(("CLIENT", "SETNAME", self._no_lease))
        return False

    def _peers(self, *first: Command) -> list[Peer]:
        """Everyone else who is connected, seen in one transaction with the commands in `first`."""
        commands: tuple[Command, ...] = (("MULTI",), *first, ("CLIENT", "LIST"), ("EXEC",))
        rows = read_peers(text(self._line.ask(*commands)[-1][-1]))
        return [peer for peer in rows if not peer.name.endswith(f":{self._token}")]

    def _size(self, number: int) -> int:
        """Go to a database and count its keys."""
        try:
            return int(self._line.ask(("SELECT", number), ("DBSIZE",))[1])
        except redis.ResponseError as error:
            raise UsageError(f"{self._place} has no database {number}: {error}") from error

    def _foreign(self, number: int, keys: int) -> str:
        seen: dict[bytes, None] = {}
        cursor = b"0"
        while len(seen) < _KEYS_SHOWN:
            ((cursor, found),) = self._line.ask(("SCAN", cursor, "COUNT", 100))
            seen.update(dict.fromkeys(found))
            if cursor == b"0":
                break
        names = ", ".join(text(key) for key in list(seen)[:_KEYS_SHOWN])
        return (
            f"{self._place} database {number} holds {_count(keys, 'key')} already: {names}"
            f"{', …' if keys > _KEYS_SHOWN else ''}. Nothing was changed. Give another database, or a URL "
            "without a database number, so that an empty one is looked for. If a killed run left these keys "
            f"behind, empty the database yourself: redis-cli -n {number} FLUSHDB"
        )

    def _databases(self) -> int:
        number = self._setting("databases")
        return _USUAL_DATABASES if number is None else number

    def _stay_awake(self) -> None:
        """Ping now and then, if the server hangs up on connections that say nothing."""
        idle = self._setting("timeout")
        if idle == 0:
            return
        pause = _CAREFUL_PING if idle is None else idle / 3
        self._pinger = threading.Thread(
            target=self._ping, args=(pause,), name="pytest-jobqueue-lease", daemon=True
        )
        self._pinger.start()

    def _ping(self, pause: float) -> None:
        with contextlib.suppress(redis.RedisError, OSError):  # the next reset says so
            while not self._stop.wait(pause):
                self._line.ask(("PING",))

    def _setting(self, name: str) -> int | None:
        """A number out of the server's configuration; None where we may not look."""
        (reply,) = self._line.collect(("CONFIG", "GET", name))
        return int(reply[1]) if isinstance(reply, list) and reply else None


def lease_url(url: str, *, run_id: str | None = None) -> LeasedProvider:
    """Lease a database of a Redis that runs already.

    A URL with a database number leases that one. A URL without one gets the first that is empty, leased by
    nobody and visited by no other client: 1, 2, … and 0 last. Only this process may use the lease.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with redis-py's options.
        run_id: Shown to others who want the same database.

    Raises:
        ForeignDataError: The database, or every one that is free, holds keys.
        ServerUnavailableError: Nobody answers, the credentials are refused, the database is leased, or a
            worker waits in it for jobs.
        UsageError: The URL or its database number cannot be.
    """
    return LeasedProvider(url, run_id)


def _dial(url: str, where: str) -> Line:
    try:
        return Line(url)
    except (redis.RedisError, OSError) as error:
        raise _unavailable(where, error) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where} has an option that redis-py does not take: {error}") from error


def _unavailable(where: str, error: BaseException) -> ServerUnavailableError:
    return ServerUnavailableError(
        f"{where} cannot be used: {error}. Is it running, and are the scheme, the password and, for "
        "rediss://, the certificate (?ssl_ca_certs=FILE) right?"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
