"""Pub/sub: who listens to what, and what is said to whom.

Channels and patterns share one count, shard channels have their own. A confirmation is a push as a message
is, so that a RESP3 client can tell both from replies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import ANY, Table
from pytest_jobqueue.wire.resp import Error, Push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
CHANNEL, PATTERN, SHARD = range(3)
_MORE = "ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP."

_Listeners = dict[bytes, dict["Session", None]]


class Subscriptions:
    """What one client listens to."""

    __slots__ = ("kinds",)

    def __init__(self) -> None:
        self.kinds: tuple[dict[bytes, None], ...] = ({}, {}, {})

    @property
    def counts(self) -> tuple[int, ...]:
        """How many channels, patterns and shard channels."""
        return tuple(map(len, self.kinds))

    def count_beside(self, kind: int) -> int:
        """The count that a confirmation of that kind tells."""
        channels, patterns, shards = self.counts
        return shards if kind == SHARD else channels + patterns


class Channels:
    """Who listens, by channel, pattern and shard channel."""

    def __init__(self) -> None:
        self.kinds: tuple[_Listeners, ...] = ({}, {}, {})
        self._matchers: dict[bytes, Callable[[bytes], Any]] = {}

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send a message to all who listen; how many they are."""
        found = 0
        for session in tuple(self.kinds[CHANNEL].get(channel, ())):
            session.push([b"message", channel, message])
            found += 1
        if self.kinds[PATTERN]:
            for pattern, sessions in tuple(self.kinds[PATTERN].items()):
                if self._matchers[pattern](channel):
                    for session in tuple(sessions):
                        session.push([b"pmessage", pattern, channel, message])
                        found += 1
        return found

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """The same for a shard channel."""
        sessions = tuple(self.kinds[SHARD].get(channel, ()))
        for session in sessions:
            session.push([b"smessage", channel, message])
        return len(sessions)

    def add(self, session: Session, kind: int, name: bytes) -> None:
        """From now on the client listens."""
        self.kinds[kind].setdefault(name, {})[session] = None
        session.subscribed.kinds[kind][name] = None
        if kind == PATTERN:
            self._matchers[name] = session.matcher(name)

    def remove(self, session: Session, kind: int, name: bytes) -> None:
        """It does not any more."""
        session.subscribed.kinds[kind].pop(name, None)
        listeners = self.kinds[kind].get(name, {})
        listeners.pop(session, None)
        if not listeners:
            self.kinds[kind].pop(name, None)

    def forget(self, session: Session) -> None:
        """It listens to nothing any more."""
        for kind, names in enumerate(session.subscribed.kinds):
            for name in tuple(names):
                self.remove(session, kind, name)


def _confirm(session: Session, word: bytes, kind: int, names: Sequence[bytes | None]) -> Any:
    """Change what the client listens to, one name after the other; the last confirmation is the reply."""
    reply: Push = Push()
    for position, name in enumerate(names):
        if name is not None and word.endswith(b"unsubscribe"):
            session.memory.channels.remove(session, kind, name)
        elif name is not None:
            session.memory.channels.add(session, kind, name)
        reply = Push([word, name, session.subscribed.count_beside(kind)])
        if position < len(names) - 1:
            session.push(reply)
    session.listens(sum(session.subscribed.counts))
    return reply


def _subscribe(word: bytes, kind: int) -> None:
    @COMMANDS.add(word.decode(), 1, ANY, no_script=True)
    def subscribe(session: Session, args: Sequence[bytes]) -> Any:
        return _confirm(session, word, kind, args)


def _unsubscribe(word: bytes, kind: int) -> None:
    @COMMANDS.add(word.decode(), 0, ANY, no_script=True)
    def unsubscribe(session: Session, args: Sequence[bytes]) -> Any:
        return _confirm(session, word, kind, args or [*session.subscribed.kinds[kind]] or [None])


for _word, _kind in ((b"subscribe", CHANNEL), (b"psubscribe", PATTERN), (b"ssubscribe", SHARD)):
    _subscribe(_word, _kind)
for _word, _kind in ((b"unsubscribe", CHANNEL), (b"punsubscribe", PATTERN), (b"sunsubscribe", SHARD)):
    _unsubscribe(_word, _kind)


@COMMANDS.add("publish", 2)
def publish(session: Session, args: Sequence[bytes]) -> Any:
    """PUBLISH channel message."""
    return session.memory.channels.publish(args[0], args[1])


@COMMANDS.add("spublish", 2)
def spublish(session: Session, args: Sequence[bytes]) -> Any:
    """SPUBLISH shardchannel message."""
    return session.memory.channels.publish_shard(args[0], args[1])


def _listened_to(session: Session, kind: int, args: Sequence[bytes], word: str) -> list[bytes]:
    if len(args) > 1:
        raise Error(_MORE.format(word))
    matches: Callable[[bytes], Any] = session.matcher(args[0]) if args else bool
    return [name for name in session.memory.channels.kinds[kind] if not args or matches(name)]


def _counts(session: Session, kind: int, names: Sequence[bytes]) -> list[bytes | int]:
    listeners = session.memory.channels.kinds[kind]
    return [item for name in names for item in (name, len(listeners.get(name, ())))]


@COMMANDS.add("pubsub channels", 0, ANY)
def pubsub_channels(session: Session, args: Sequence[bytes]) -> Any:
    """PUBSUB CHANNELS [pattern]."""
    return _listened_to(session, CHANNEL, args, "CHANNELS")


@COMMANDS.add("pubsub shardchannels", 0, ANY)
def pubsub_shardchannels(session: Session, args: Sequence[bytes]) -> Any:
    """PUBSUB SHARDCHANNELS [pattern]."""
    return _listened_to(session, SHARD, args, "SHARDCHANNELS")


@COMMANDS.add("pubsub numsub", 0, ANY)
def pubsub_numsub(session: Session, args: Sequence[bytes]) -> Any:
    """PUBSUB NUMSUB [channel …]."""
    return _counts(session, CHANNEL, args)


@COMMANDS.add("pubsub shardnumsub", 0, ANY)
def pubsub_shardnumsub(session: Session, args: Sequence[bytes]) -> Any:
    """PUBSUB SHARDNUMSUB [channel …]."""
    return _counts(session, SHARD, args)


@COMMANDS.add("pubsub numpat")
def pubsub_numpat(session: Session, _args: Sequence[bytes]) -> Any:
    """PUBSUB NUMPAT."""
    return len(session.memory.channels.kinds[PATTERN])
