"""Scenarios in plain text: what several clients say, one line after the other, to two servers at once.

```
## popping from both ends          a scenario; `(resp2)` or `(resp3)` after its name: in that protocol only
RPUSH l a b c                      client A says this and waits for its reply
B: LPOP l                          client B does
B> BLPOP l 0                       B says it, and is to wait; no reply is read
B<                                 B's reply comes without anybody saying anything: a time-out
B| CLIENT REPLY OFF                B says it and is to get no reply
B!                                 B hangs up
[unordered] SMEMBERS s             the replies may differ in what the mark names, see TOLERANCES
# a remark
```

Words are quoted as in an inline command. After each line, whatever any other client has received is compared
too, so a message that went to the wrong client, or to nobody, is noticed at the line that caused it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.wire import PATIENCE, Reply, TreeWire

from pytest_jobqueue.wire.resp import split_inline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LINE = re.compile(r"(?:\[(?P<mark>[a-z ]+)\] )?(?:(?P<client>[A-Z])(?P<how>[:>|]) )?(?P<command>.*)")
_EVENT = re.compile(r"(?:\[(?P<mark>[a-z ]+)\] )?(?P<client>[A-Z])(?P<how>[<!])")


@dataclass(frozen=True)
class Step:
    line: int
    text: str
    client: str
    how: str
    words: tuple[bytes, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Scenario:
    name: str
    protocols: tuple[int, ...]
    steps: list[Step] = field(default_factory=list)


def read_scenarios(path: Path) -> Iterator[Scenario]:
    scenario = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            if scenario is not None:
                yield scenario
            name, _, only = line[3:].partition(" (resp")
            scenario = Scenario(name, (int(only[0]),) if only else (2, 3))
        elif line and not line.startswith("#"):
            assert scenario is not None, line
            scenario.steps.append(_step(number, line))
    if scenario is not None:
        yield scenario


def _step(number: int, line: str) -> Step:
    match = _EVENT.fullmatch(line) or _LINE.fullmatch(line)
    assert match is not None, line
    found = match.groupdict()
    words = split_inline(found.get("command", "").encode())
    assert words is not None, line
    marks = tuple(found["mark"].split()) if found["mark"] else ()
    assert set(marks) <= TOLERANCES.keys(), line
    return Step(number, line, found["client"] or "A", found["how"] or ":", tuple(words), marks)


def _sorted(reply: Reply) -> Reply:
    if not isinstance(reply.content, tuple):
        return reply
    return Reply(reply.mark, tuple(sorted(reply.content, key=repr)))


def _pairs_sorted(reply: Reply) -> Reply:
    if not isinstance(reply.content, tuple):
        return reply
    pairs = sorted(zip(reply.content[::2], reply.content[1::2], strict=True), key=repr)
    return Reply(reply.mark, tuple(item for pair in pairs for item in pair))


def _each(change: Callable[[str, bytes], bytes]) -> Callable[[Reply], Reply]:
    def tolerant(reply: Reply) -> Reply:
        if isinstance(reply.content, tuple):
            return Reply(reply.mark, tuple(map(tolerant, reply.content)))
        if reply.content is None:
            return reply
        return Reply(reply.mark, change(reply.mark, reply.content))

    return tolerant


def _inner(change: Callable[[Reply], Reply]) -> Callable[[Reply], Reply]:
    def tolerant(reply: Reply) -> Reply:
        if isinstance(reply.content, tuple):
            return change(Reply(reply.mark, tuple(map(tolerant, reply.content))))
        return reply

    return tolerant


def _fields(reply: Reply) -> Reply:
    """Of `name=value` words, the names."""
    assert isinstance(reply.content, bytes)
    return Reply(reply.mark, re.sub(rb"=[^ \n]*", b"", reply.content))


# What may differ at a line, and why it cannot be equal.
TOLERANCES: dict[str, Callable[[Reply], Reply]] = {
    # A set's order is its hash table's.
    "unordered": _sorted,
    "deep": _inner(_sorted),
    "pairs": _pairs_sorted,
    # The order in which one client gets several messages of one command.
    "shuffled": lambda reply: reply,
    # Clocks of two processes: compared to the next 5 seconds, or to the next 5000 milliseconds.
    "seconds": _each(
        lambda mark, text: b"%d" % (round(int(text) / 5)) if mark == ":" and int(text) > 0 else text
    ),
    "millis": _each(
        lambda mark, text: b"%d" % (round(int(text) / 5000)) if mark == ":" and int(text) > 0 else text
    ),
    # The ID of a stream's entry is made of the clock.
    "ids": _each(lambda _mark, text: re.sub(rb"\d{13}-\d+", b"<id>", text)),
    # How long ago something happened.
    "idle": _each(lambda mark, text: b"<n>" if mark == ":" and int(text) < 1000 else text),
    "times": _each(lambda mark, text: b"<ms>" if mark == ":" and re.fullmatch(rb"\d{13}", text) else text),
    # Numbers that each server gives out.
    "numbers": _each(lambda mark, text: b"<n>" if mark == ":" else re.sub(rb"\d+", b"<n>", text)),
    # The kind of each value only.
    "kinds": _each(lambda _mark, _text: b""),
    # Whether there is a reply of that kind.
    "presence": lambda reply: Reply(reply.mark, None),
    # How many replies are in it.
    "count": lambda reply: Reply(
        reply.mark, b"%d" % len(reply.content) if isinstance(reply.content, tuple) else b""
    ),
    # A line of `name=value` words.
    "fields": _fields,
}


class Stage:
    """One server with the clients of a scenario."""

    def __init__(self, port: int, protocol: int) -> None:
        self._port = port
        self._protocol = protocol
        self._clients: dict[str, TreeWire] = {}
        self._control = TreeWire(port)
        self._waiting: set[str] = set()

    def _client(self, name: str) -> TreeWire:
        if name not in self._clients:
            self._clients[name] = wire = TreeWire(self._port)
            wire.ask("CLIENT", "SETNAME", name)
            if self._protocol == 3:
                wire.ask("HELLO", 3)
        return self._clients[name]

    def play(self, step: Step) -> dict[str, list[Reply | str]]:
        """Do one step; whatever each client received, by client."""
        wire = self._client(step.client)
        received: dict[str, list[Reply | str]] = {}
        if step.how == "!":
            wire.close()
            self._waiting.discard(step.client)
            del self._clients[step.client]
            self._settled()
        elif step.how == "<":
            received[step.client] = [self._reply(wire)]
            self._waiting.discard(step.client)
        else:
            command = [self._fill(word) for word in step.words]
            wire.send(command)
            if step.how == ":":
                received[step.client] = [self._reply(wire)]
            elif step.how == ">":
                self._waiting.add(step.client)
                self._settled()
        # A later question's answer comes after everything that the step caused.
        self._control.ask("PING")
        for name, client in self._clients.items():
            more: list[Reply | str] = list(client.at_hand())
            if client.over and name not in received:
                more.append("hung up")
            if more:
                received.setdefault(name, []).extend(more)
                self._waiting.discard(name)
        for name in [name for name, client in self._clients.items() if client.over]:
            self._clients.pop(name).close()
        return received

    def _fill(self, word: bytes) -> bytes:
        """`<id:B>` is B's client ID, `<addr:B>` its address."""
        match = re.fullmatch(rb"<(id|addr):([A-Z])>", word)
        if match is None:
            return word
        other = self._client(match[2].decode())
        if match[1] == b"addr":
            return b"127.0.0.1:%d" % other.socket.getsockname()[1]
        listed = self._control.ask("CLIENT", "LIST").content
        assert isinstance(listed, bytes)
        port = other.socket.getsockname()[1]
        found = re.search(rb"id=(\d+) addr=127.0.0.1:%d " % port, listed)
        assert found is not None
        return found[1]

    def _reply(self, wire: TreeWire) -> Reply | str:
        try:
            return wire.reply()
        except EOFError:
            return "hung up"
        except TimeoutError:
            return f"no reply in {PATIENCE:.0f} s"

    def _settled(self) -> None:
        """Until the server has as many waiting clients as the scenario says."""
        for _ in range(5000):
            found = self._control.ask("INFO", "clients").content
            assert isinstance(found, bytes)
            blocked = int(re.search(rb"blocked_clients:(\d+)", found)[1])  # type: ignore[index]
            if blocked == len(self._waiting) or any(
                client.over or client.readable()
                for name, client in self._clients.items()
                if name in self._waiting
            ):
                return
        raise AssertionError(f"{blocked} clients wait, not {len(self._waiting)}")

    def close(self) -> None:
        for wire in (*self._clients.values(), self._control):
            wire.close()


def tolerate(received: dict[str, list[Reply | str]], marks: tuple[str, ...]) -> dict[str, list[Reply | str]]:
    """What was received, without what a line's marks say may differ."""
    changed = {}
    for client, replies in received.items():
        left = sorted(replies, key=repr) if "shuffled" in marks else replies
        for mark in marks:
            left = [TOLERANCES[mark](one) if isinstance(one, Reply) else one for one in left]
        changed[client] = left
    return changed


def show(received: dict[str, list[Reply | str]]) -> str:
    return "; ".join(f"{name} <- {' '.join(map(str, replies))}" for name, replies in sorted(received.items()))
