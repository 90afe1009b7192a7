"""The memory's engine: fakeredis' data types and commands, run by a dispatcher of our own.

This is the only file that touches fakeredis' private modules, and it checks their shape when it is imported.
fakeredis keeps the data and carries out the commands; what is replaced is all that surrounds a command
(look-up, arguments, clock, locks, waiting, replies), since fakeredis' own is made for a client in the same
thread. Commands that it lacks, or answers otherwise than a real server, stand in `commands`.

One thread at a time may use a `Memory` and its sessions; the front's loop is that thread.
"""

# ruff: noqa: SLF001 (fakeredis keeps there what a server has to know)
from __future__ import annotations

import contextlib
import copy
import functools
import heapq
import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.servers import commands
from pytest_jobqueue.wire.resp import NULL_ARRAY, Error, Push, ReplyEncoder, Simple

if TYPE_CHECKING:
    from pytest_jobqueue.servers.lua.engine import ScriptEngine

TRIED_FAKEREDIS = "2.40.0"

try:
    from fakeredis import _msgs as msgs
    from fakeredis._commands import SUPPORTED_COMMANDS, Key, Signature
    from fakeredis._core import CommandItem, Database, FakeServer
    from fakeredis._core._database import Item
    from fakeredis._helpers import NoResponse, SimpleError, SimpleString, compile_pattern
    from fakeredis._socket import FakeSocket
    from fakeredis.commands_mixins.scripting_mixin import _convert_redis_arg
    from fakeredis.model import XStream, get_command_info, is_write_command
    from fakeredis.model._stream import StreamEntryKey
except ImportError as error:  # pragma: no cover (seen only with a fakeredis that was not tried)
    from importlib.metadata import version as _version

    raise UsageError(
        f"fakeredis {_version('fakeredis')} is laid out differently from {TRIED_FAKEREDIS}, which "
        f"pytest-jobqueue was tried with ({error}). Install a version that was: "
        f'pip install "fakeredis[lua]=={TRIED_FAKEREDIS}", or run with --redis=server.'
    ) from error

Deliver = Callable[[bytes], None]


class _NoLock:
    """Stands in for fakeredis' server lock: there is one thread."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class _Database(Database):
    """fakeredis' database, which tells the memory of a changed key instead of waking every waiting thread."""

    def __init__(self, memory: Memory, number: int) -> None:
        super().__init__(None)
        self.number = number
        self.waiting: dict[bytes, list[Session]] = {}
        self._memory = memory

    def notify_watch(self, key: bytes) -> None:
        watching = self._watches.get(key)
        if watching:
            for session in watching:
                session.notify_watch()
        if key in self.waiting:
            self._memory.changed.append((self, key))
        self._memory.dirty += 1

    def wake_all(self) -> None:
        self._memory.changed.extend((self, key) for key in self.waiting)

    def swap(self, other: _Database) -> None:  # type: ignore[override]
        super().swap(other)
        for database in (self, other):
            for key in [*database._watches, *database.waiting]:
                if key in self._dict or key in other._dict:
                    database.notify_watch(key)

    def due(self, key: bytes) -> bool:
        """Whether the key is still kept although its time is up."""
        item = self._dict.get(key)
        return item is not None and self.expired(item)

    def get(self, key: bytes, default: Any = None) -> Any:
        item = self._dict.get(key)
        if item is None:
            return default
        if item.expireat is not None and item.expireat <= self.time:
            self._expire(key)
            return default
        return item

    def __getitem__(self, key: bytes) -> Any:
        item = self.get(key)
        if item is None:
            raise KeyError(key)
        return item

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type]

    def setdefault(self, key: bytes, default: Any = None) -> Any:
        item = self.get(key)
        if item is None:
            self._dict[key] = item = default
        return item

    def pop(self, key: bytes, *default: Any) -> Any:
        return self._dict.pop(key, *default)

    def expired(self, item: Any) -> bool:
        return item.expireat is not None and item.expireat <= self.time

    def _expire(self, key: bytes) -> None:
        del self._dict[key]
        memory = self._memory
        memory.expired_keys += 1
        if key in self._watches:
            self.notify_watch(key)
        if memory.notifies:
            memory.notify("x", b"expired", key, self.number)

    def _remove_expired(self) -> None:
        heap = self._expiry_heap
        while heap and heap[0][0] <= self.time:
            _, key = heapq.heappop(heap)
            self.get(key)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Item(CommandItem):
    """fakeredis' view of one key for one command, written back without the detours of a general mapping."""

    is_new = False  # there was no such key before the command
    _expireat: float | None = None
    _modified = _expireat_modified = False

    def __init__(self, key: bytes, database: _Database, value: Any, expireat: float | None = None) -> None:
        self.key = key
        self.db = database
        self._value = value
        if expireat is not None:
            self._expireat = expireat

    def writeback(self, remove_empty_val: bool = True) -> None:
        database: _Database = self.db  # type: ignore[assignment]
        value = self._value
        if not self._modified:  # setting an expiry counts as a modification
            return
        database.notify_watch(self.key)
        if value is None or (remove_empty_val and not value and not isinstance(value, bytes)):
            database._dict.pop(self.key, None)
            return
        item = database._dict.get(self.key)
        if item is None:
            item = database._dict[self.key] = Item(None)
        item.value = value
        item.expireat = self._expireat
        if self._expireat is not None:
            database.schedule_expiry(self.key, self._expireat)


_NEVER = object()


class _Plan:
    """How a fakeredis command's arguments are read, worked out once for each number of them."""

    __slots__ = ("first", "keep_empty", "keys", "name", "no_script", "nothing", "null")

    def __init__(self, signature: Signature, count: int) -> None:
        types: list[Any] = list(signature.fixed)
        types += [signature.repeat[i % len(signature.repeat)] for i in range(count - len(types))]
        self.first: list[
            tuple[int, Any, Any]
        ] = []  # (position, decode or None, reply when the key is missing)
        self.keys: list[tuple[int, Any, Any]] = []  # (position, required type, maker of a default)
        self.name = signature.name
        self.null = NULL_ARRAY if commands.null_is_an_array(self.name, count) else None
        creates = msgs.FLAG_DO_NOT_CREATE not in signature.flags
        for position, kind in enumerate(types):
            if isinstance(kind, Key):
                if kind.missing_return is not Key.UNSPECIFIED:
                    missing = self.null if kind.missing_return is None else kind.missing_return
                    self.first.append((position, None, missing))
                makes = creates and kind.type_ is not None and kind.type_ is not bytes
                self.keys.append((position, kind.type_, kind.type_ if makes else None))
            elif kind is not bytes:
                self.first.append((position, kind.decode, None))
        self.keep_empty = msgs.FLAG_LEAVE_EMPTY_VAL in signature.flags
        self.no_script = _no_script(self.name, msgs.FLAG_NO_SCRIPT in signature.flags)
        self.nothing = commands.NOTHING.get(self.name, _NEVER)  # the reply that says that nothing was changed


def _no_script(name: str, default: bool) -> bool:
    info = get_command_info(name.encode())
    return default if info is None else b"noscript" in info[2]


def _check_arity(name: str, count: int) -> None:
    """Whether a command can have so many arguments, as far as it is known before it runs.

    Raises:
        SimpleError: It cannot.
    """
    info = get_command_info(name.encode())
    words = count + len(name.split())
    if info is not None and (words != info[1] if info[1] > 0 else words < -info[1]):
        raise SimpleError(f"ERR wrong number of arguments for '{name.replace(' ', '|')}' command")


def _check_count(function: Any, signature: Signature, count: int) -> None:
    """Whether a command can have so many arguments.

    Raises:
        SimpleError: It cannot.
    """
    name = signature.name
    _check_arity(name, count)
    wrong = SimpleError(f"ERR wrong number of arguments for '{name.replace(' ', '|')}' command")
    extra = count - len(signature.fixed)
    if extra < 0 or (extra and not signature.repeat):
        raise wrong
    if extra and extra % len(signature.repeat):
        raise wrong
    parameters = inspect.signature(function).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    if not takes_any and count > len(parameters) - 1:
        raise SimpleError(commands.SYNTAX_ERROR)


class _Own:
    """A command of ours, in the shape in which fakeredis keeps its own."""

    __slots__ = ("command", "flags", "name")

    def __init__(self, name: str, command: commands.Command) -> None:
        self.name = name
        self.command = command
        self.flags = {msgs.FLAG_NO_SCRIPT} if command.no_script else set()
        if command.immediate:
            self.flags.add(msgs.FLAG_TRANSACTION)

    def check_count(self, count: int) -> None:
        if not self.command.least <= count <= self.command.most:
            raise SimpleError(f"ERR wrong number of arguments for '{self.name.replace(' ', '|')}' command")


Entry = tuple[Callable[..., Any], "Signature | _Own"]


class _Route:
    """Where the bytes of a command's name lead.

    Attributes:
        entry: The function and its signature; None for a container that is nothing without a sub-command.
        plans: For a command of fakeredis, its plans by number of arguments.
        subcommands: For a container, the routes by sub-command.
    """

    __slots__ = ("entry", "plans", "subcommands")

    def __init__(self, entry: Entry | None) -> None:
        self.entry = entry
        self.plans: dict[int, _Plan] = {}
        self.subcommands: dict[bytes, _Route] = {}


def _plan_for(function: Any, signature: Signature, count: int) -> _Plan:
    """How to read this many arguments; an error when there cannot be as many."""
    plan = _PLANS.get((signature, count))
    if plan is None:
        _check_count(function, signature, count)
        plan = _PLANS[signature, count] = _Plan(signature, count)
    return plan


_PLANS: dict[tuple[Signature, int], _Plan] = {}


class _Fakes(dict[str, tuple[Any, Signature, dict[int, _Plan]]]):
    """fakeredis' own commands by name, those of ours not in between, with their plans."""

    def __missing__(self, name: str) -> tuple[Any, Signature, dict[int, _Plan]]:
        signature = SUPPORTED_COMMANDS[name]
        plans: dict[int, _Plan] = {}
        self[name] = found = (getattr(FakeSocket, signature.func_name), signature, plans)
        return found


_FAKES = _Fakes()
_TYPE_NAMES: dict[type, bytes] = {}


@functools.cache
def _command_table(server_type: str, version: tuple[int, ...]) -> dict[str, Entry]:
    table: dict[str, Entry] = {}
    for name, signature in SUPPORTED_COMMANDS.items():
        function = getattr(FakeSocket, signature.func_name, None)
        if function is not None and server_type in signature.server_types:
            table[name] = (function, signature)
    for name, command in commands.COMMANDS.items():
        table[name] = (command.run, _Own(name, command))
    return {name: entry for name, entry in table.items() if commands.since(name) <= version}


def _plain(value: Any) -> Any:
    """A fakeredis reply in the types of `wire.resp`."""
    kind = type(value)
    if kind is bytes or kind is int or value is None:
        return value
    if kind is SimpleString:
        return Simple(value.value)
    if kind is SimpleError:
        return Error(value.value)
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]
    if kind is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    if kind is str:
        return value.encode()
    return value


_EXTRA = {SimpleString: lambda value: Simple(value.value), SimpleError: lambda value: Error(value.value)}
_ENCODERS = {2: ReplyEncoder(2, _EXTRA), 3: ReplyEncoder(3, _EXTRA)}


_MANY_OPTIONS = 64


@functools.cache
def _node_limits(entries: bytes, size: bytes) -> tuple[int, int]:
    return int(entries), int(size)


class Waiter:
    """A blocking command that waits: what to try again, and for how long.

    Attributes:
        keys: The keys whose change may let it go on.
        timeout: Seconds until it gives up; None for never.
        attempt: Called with the key that has changed; gives the reply, or None for "not yet".
        too_late: The reply when the time is up.
    """

    __slots__ = ("attempt", "keys", "timeout", "too_late")

    def __init__(
        self,
        keys: Sequence[bytes],
        timeout: float | None,
        attempt: Callable[[bytes | None], Any],
        too_late: Any,
    ) -> None:
        self.keys = tuple(dict.fromkeys(keys))
        self.timeout = timeout
        self.attempt = attempt
        self.too_late = too_late


class Memory:
    """The data of one imitated Redis, and the sessions that use it.

    Args:
        version: The Redis version to imitate: reported to clients, and obeyed where fakeredis knows how.
        password: What AUTH must bring, or None.
    """

    def __init__(self, version: str = "7.4.0", password: str | None = None) -> None:
        self.version = version
        self.password = password
        self.run_id = f"{id(self):040x}"
        self.started = time.time()
        self.sessions: dict[int, Session] = {}
        self.total_connections = 0
        self._last_id = 0
        self._fill()

    def _fill(self) -> None:
        self.changed: list[tuple[_Database, bytes]] = []
        self.dirty = 0
        self.expired_keys = 0
        self.config = commands.default_config(self.password)
        self.store = FakeServer(version=tuple(int(part) for part in self.version.split(".")))
        self.store.lock = _NoLock()  # type: ignore[assignment]
        self.store.dbs = _Databases(self)
        self.store.config = self.config
        self._scripts: ScriptEngine | None = None
        self.functions: Any = None  # fakeredis' engine for functions, once it was given our libraries
        self.total_commands = 0
        self.restricted = False  # ACL rules were set: only then is each command checked
        self.guarded = self.password is not None  # a command may be refused for who sends it
        self.notifies = False  # notify-keyspace-events is set
        self.channels = commands.Channels()
        self.add_options: dict[tuple[bytes, ...], Any] = {}  # of XADD, as they were read before
        self.release = release = self.store.version
        self.databases = 16
        self.table = _command_table(self.store.server_type, release)
        self.routes = _routes(self.store.server_type, release)

    def reset(self) -> None:
        """Be as new: no keys, scripts, functions, settings or subscriptions. Sessions stay, in database 0."""
        self._fill()
        for session in self.sessions.values():
            session.rebind(self)

    @property
    def untouched(self) -> bool:
        """Whether it is as it was after the last reset: nothing was asked."""
        return not self.total_commands

    def scripts(self) -> ScriptEngine:
        """The scripts of this memory; Lua is loaded when they are first asked for."""
        if self._scripts is None:
            from pytest_jobqueue.servers.lua.engine import ScriptEngine

            self._scripts = ScriptEngine(
                lambda _argv: None,
                self.version,
                is_write=is_write_command,
                is_command=lambda name: name in self.routes,
            )
        return self._scripts

    def open(self, owner: commands.Owner) -> Session:
        """A session for a client that has just connected."""
        self._last_id += 1
        self.total_connections += 1
        session = Session(self, owner, self._last_id)
        self.sessions[self._last_id] = session
        return session

    def serve_waiting(self) -> None:
        """Hand changed keys to the clients that wait for them, first come, first served."""
        while self.changed:
            database, key = self.changed.pop(0)
            for session in list(database.waiting.get(key, ())):
                session.try_again(key)

    def sweep(self) -> None:
        """Let go of what has expired, and tell of it."""
        for database in self.store.dbs.values():
            database._remove_expired()

    def notify(self, kind: str, event: bytes, key: bytes, database: int) -> None:
        """Publish what happened to a key, as far as notify-keyspace-events asks for it."""
        for channel, message in commands.event_messages(self.config, kind, event, key, database):
            self.channels.publish(channel, message)


class _Databases(defaultdict):  # type: ignore[type-arg]
    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    def __missing__(self, number: int) -> _Database:
        self[number] = database = _Database(self._memory, number)
        return database


@functools.cache
def _routes(server_type: str, version: tuple[int, ...]) -> dict[bytes, _Route]:
    routes: dict[bytes, _Route] = {}
    for name, entry in _command_table(server_type, version).items():
        head, _, tail = name.partition(" ")
        route = routes.setdefault(head.encode(), _Route(None))
        if tail:
            route.subcommands[tail.encode()] = _Route(entry)
        else:
            route.entry = entry
    # Clients write a command's name all small or all large; anything else is looked up the longer way.
    routes.update({name.upper(): route for name, route in routes.items()})
    return routes


class Session(FakeSocket):
    """One client of a memory.

    Attributes:
        id: The client's number, as CLIENT ID tells it.
        owner: The connection: takes bytes and hangs up.
        waiter: Set while a blocking command waits; no further command may be executed meanwhile.
    """

    _db: _Database

    def __init__(self, memory: Memory, owner: commands.Owner, number: int) -> None:
        super().__init__(memory.store, 0, client_class=object)
        self.responses = None
        self.id = number
        self.memory = memory
        self.owner = owner
        self.name = b""
        self.library = {b"lib-name": b"", b"lib-ver": b""}
        self.created = time.time()
        self.last_command = "NULL"
        self.last_used = self.created
        self.authenticated = False
        self.subscribed = commands.Subscriptions()
        self.waiter: Waiter | None = None
        self.closing = False
        self._out: list[bytes] | None = None
        self._encoder = _ENCODERS[2]

    # What a connection calls.

    def execute(self, argv: list[bytes], out: list[bytes]) -> None:
        """Run one command and append its reply to `out`, unless it waits (see `waiter`) or has no reply."""
        memory = self.memory
        memory.total_commands += 1
        self.last_used = now = time.time()
        for database in memory.store.dbs.values():
            database.time = now
        if memory.notifies:
            memory.sweep()
        self._out = out
        result = self._answer(argv)
        self._out = None
        if self.waiter is not None:
            self._wait()
        elif not (self._reply_off or self._reply_skip or self._reply_skip_next):
            if type(result) is not NoResponse:
                self._encoder.write(result, out)
        else:
            self._write_unless_told_not_to(result, out)
        if memory.changed:
            memory.serve_waiting()

    def _write_unless_told_not_to(self, result: Any, out: list[bytes]) -> None:
        suppressed = self._reply_off or self._reply_skip
        self._reply_skip, self._reply_skip_next = self._reply_skip_next, False
        if not suppressed and type(result) is not NoResponse:
            self._encoder.write(result, out)

    def time_out(self) -> None:
        """The waiting command's time is up: answer that there was nothing."""
        if self.waiter is not None:
            self._finish_waiting(self.waiter.too_late)

    def try_again(self, key: bytes) -> None:
        """A key that the waiting command looks at has changed."""
        waiter = self.waiter
        if waiter is None:
            return
        result = self._safely(waiter.attempt, key)
        if result is not None:
            self._finish_waiting(result)

    def close(self) -> None:
        """Forget the client: subscriptions, watches, what it waited for."""
        self._stop_waiting()
        self.memory.sessions.pop(self.id, None)
        self._transaction = None
        self._clear_watches()
        self.unsubscribe_all()
        if self in self._server.sockets:
            self._server.sockets.remove(self)

    def rebind(self, memory: Memory) -> None:
        """Use the memory's new data; nothing of this client's state outlives the old."""
        if self.waiter is not None:
            self._finish_waiting(Error("UNBLOCKED the in-memory Redis was emptied"))
        self._watches.clear()
        self._forget_transaction()
        self._watch_notified = False
        self.subscribed = commands.Subscriptions()
        self._pubsub = 0
        self._server = memory.store
        self._server.sockets.append(self)
        self.select_database(0)

    # What commands call.

    def select_database(self, number: int) -> None:
        """Use the keys of that database from now on."""
        self._db = self._server.dbs[number]  # type: ignore[assignment]
        self._db_num = number

    def use_protocol(self, version: int) -> None:
        """Write replies in RESP2 or RESP3 from now on."""
        self._client_info["resp"] = version
        self._encoder = _ENCODERS[version]

    @property
    def database(self) -> int:
        """The number of the database in use."""
        return self._db_num

    @property
    def protocol(self) -> int:
        """2 or 3, as HELLO chose."""
        return self._client_info["resp"]  # type: ignore[no-any-return]

    def unsubscribe_all(self) -> None:
        """Listen to nothing any more."""
        self.memory.channels.forget(self)
        self.subscribed = commands.Subscriptions()
        self._pubsub = 0

    def listens(self, count: int) -> None:
        """To how many channels it listens, of all kinds: with RESP2 that restricts what it may send."""
        self._pubsub = count

    @property
    def queued(self) -> int:
        """How many commands are queued since MULTI, or -1 outside a transaction."""
        return len(self._transaction) if self._transaction is not None else -1

    def sizes(self) -> dict[int, tuple[int, int]]:
        """For each database that holds keys, how many there are and how many of them expire."""
        found = {}
        for number, database in sorted(self._server.dbs.items()):
            if len(database):
                found[number] = (len(database), sum(i.expireat is not None for i in database._dict.values()))
        return found

    def value(self, key: bytes) -> Any:
        """What is stored at `key`, as fakeredis keeps it; None when there is nothing."""
        item = self._db.get(key)
        return None if item is None else item.value

    def type_name(self, key: bytes) -> bytes:
        """What TYPE says of `key`."""
        item = self._db.get(key)
        if item is None:
            return b"none"
        kind = type(item.value)
        name = _TYPE_NAMES.get(kind)
        if name is None:
            name = _TYPE_NAMES[kind] = self._key_value_type(item).value
        return name

    def call(self, argv: Sequence[bytes], *, from_script: bool = False) -> Any:
        """Run a command inside another one; the reply in the types of `wire.resp`, an error as an `Error`."""
        try:
            route, args = self._find(argv)
            function, signature = route.entry  # type: ignore[misc]
            plan = route.plans.get(len(args))
            if plan is not None and not (from_script and plan.no_script):
                return _plain(self._run_plan(function, plan, args))
            if isinstance(signature, _Own):
                signature.check_count(len(args))
            else:
                route.plans[len(args)] = _plan_for(function, signature, len(args))
            return _plain(self._run_command(function, signature, args, from_script))
        except SimpleError as error:
            return Error(error.value)

    def done(self, *argv: bytes) -> Any:
        """The reply to a command that is run inside another one.

        Raises:
            Error: The reply is an error.
        """
        reply = self.call(argv)
        if type(reply) is Error:
            raise reply
        return reply

    def fake(self, name: str, args: Sequence[bytes]) -> Any:
        """What fakeredis' own command of that name does.

        Raises:
            Error: It answers with an error.
        """
        function, signature, plans = _FAKES[name]
        plan = plans.get(len(args))
        if plan is None:
            try:
                plan = plans[len(args)] = _plan_for(function, signature, len(args))
            except SimpleError as error:
                raise Error(error.value) from None
        result = self._run_plan(function, plan, args)
        if type(result) is SimpleError:
            raise Error(result.value)
        return result

    @property
    def in_script(self) -> bool:
        """Whether a script calls."""
        return self._script_resp is not None

    def wait_for(
        self,
        keys: Sequence[bytes],
        timeout: float | None,
        attempt: Callable[[bytes | None], Any],
        *,
        nothing: Any = NULL_ARRAY,
        too_late: Any = NULL_ARRAY,
    ) -> Any:
        """Answer what `attempt` returns, or wait for a key to change until it returns something.

        Args:
            keys: The keys whose change may make a difference.
            timeout: Seconds until it gives up; None or 0 for never.
            attempt: Called with None at once, and later with the key that has changed; None for "not yet".
            nothing: The reply where it may not wait, in a transaction or a script.
            too_late: The reply when the time is up.
        """
        result = attempt(None)
        if result is not None:
            return result
        if self._in_transaction or self._script_resp is not None:
            return nothing
        self.waiter = Waiter(keys, timeout or None, attempt, too_late)
        return NoResponse()

    def matcher(self, pattern: bytes) -> Callable[[bytes], Any]:
        """A function that tells whether a text matches a glob pattern."""
        return compile_pattern(pattern).match

    def stream_id(self, milliseconds: int, sequence: int) -> Any:
        """The ID of an entry, as a stream keeps it."""
        return StreamEntryKey(milliseconds, sequence)

    def new_stream(self) -> Any:
        """A stream without entries."""
        return XStream()

    def store(self, key: bytes, value: Any) -> None:
        """Keep a value of fakeredis' under a key that had none, or had this one and it has changed."""
        found = self._db.get(key)
        item = _Item(key, self._db, None, None if found is None else found.expireat)
        item.update(value)
        item.writeback(remove_empty_val=False)

    def detach(self, source: bytes, key: bytes, database: int) -> None:
        """Give a key that was copied a value of its own, and the expiry of its source."""
        item, original = self._server.dbs[database].get(key), self._db.get(source)
        if item is not None and original is not None:
            item.value = copy.deepcopy(item.value)
            item.expireat = original.expireat
            self._server.dbs[database].schedule_expiry(key, item.expireat)

    def notify(self, kind: str, event: bytes, key: bytes) -> None:
        """Publish what happened to a key of the session's database, if anybody asked for it."""
        if self.memory.notifies:
            self.memory.notify(kind, event, key, self._db_num)

    @contextlib.contextmanager
    def unheard(self) -> Iterator[None]:
        """Within it nothing that happens to a key is published."""
        memory = self.memory
        notifies, memory.notifies = memory.notifies, False
        try:
            yield
        finally:
            memory.notifies = notifies

    def in_its_database(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a script; the database that it selects is its own affair."""
        number = self._db_num
        try:
            return function(*args, **options)
        finally:
            self.select_database(number)

    def now_in_ms(self) -> int:
        """The time by which this command's expiries are reckoned."""
        return int(self._db.time * 1000)

    def remaining_ms(self, key: bytes) -> int:
        """How long a key has to live; -1 for ever, -2 when there is none."""
        item = self._db.get(key)
        if item is None:
            return -2
        if item.expireat is None:
            return -1
        # Milliseconds kept in seconds are a hair too small at times.
        return max(int(item.expireat * 1000 + 0.001) - self.now_in_ms(), 0)

    def watched_has_expired(self) -> bool:
        """Whether the time of a watched key was up since it was watched."""
        return any(database.due(key) for key, database in self._watches)

    @property
    def transaction_is_broken(self) -> bool:
        """Whether a command could not be queued."""
        return self._transaction_failed

    def run_transaction(self) -> Any:
        """What fakeredis' EXEC does."""
        result = FakeSocket.exec_(self)
        return NULL_ARRAY if result is None else result

    @property
    def reply_protocol(self) -> int:
        """The protocol that a reply is made for: the script's, or else the client's."""
        return self._script_resp or self.protocol

    def leave_transaction(self) -> None:
        """Forget what was queued and watched."""
        self._forget_transaction()
        self._clear_watches()

    def scripts(self) -> ScriptEngine:
        """The memory's scripts, whose commands run in this session."""
        engine = self.memory.scripts()

        def call(argv: list[bytes]) -> Any:
            self._script_resp = engine.resp
            try:
                return self.call(argv, from_script=True)
            finally:
                self._script_resp = None

        engine.call = call
        return engine

    def fake_auth(self, user: bytes, password: bytes) -> bool:
        """Whether fakeredis knows a user with that password."""
        acl = self._server.acl
        return user in acl.get_users() and bool(acl.get_user_acl(user).check_password(password))

    def fake_acl_setuser(self, args: Sequence[bytes]) -> Any:
        """Let fakeredis keep the rules of a user."""
        return self.fake("acl setuser", args)

    def unblock(self, *, error: bool) -> bool:
        """CLIENT UNBLOCK: end the waiting; False when this client does not wait."""
        if self.waiter is None:
            return False
        if error:
            self._finish_waiting(Error(msgs.UNBLOCKED_MSG))
        else:
            self.time_out()
        return True

    def reset_connection(self) -> None:
        """RESET: as if it had just connected."""
        self.leave_transaction()
        self.unsubscribe_all()
        self.select_database(0)
        self._reply_off = self._reply_skip = self._reply_skip_next = False
        self.use_protocol(2)
        self.name = b""
        self.authenticated = False

    # What fakeredis calls.

    def push(self, message: Sequence[Any]) -> None:
        """Send what nobody asked for at this moment, such as a published message."""
        data = self._encoder.encode(Push(message))
        if self._out is not None:
            self._out.append(data)
        else:
            self.owner.deliver(data)

    def put_response(self, msg: Any) -> None:
        """A message of fakeredis' own."""
        self.push(msg)

    def kill(self) -> None:
        """CLIENT KILL: hang up."""
        self.closing = True
        self.owner.hang_up()

    def _blocking(self, timeout: float | None, func: Callable[[bool], Any], shape: Any = None) -> Any:
        """What a blocking command of fakeredis calls that has none of ours in its place: it does not wait."""
        del timeout
        result = func(True)
        return result if shape is None else shape(result)

    def add_subkey_event(self, event: bytes, key: bytes, subkeys: Sequence[bytes]) -> None:
        """Nothing: fakeredis keeps these for the end of a command, which is ours and would not take them."""

    def _stream_node_limits(self) -> tuple[int, int]:
        config = self.memory.config
        return _node_limits(config[b"stream-node-max-entries"], config[b"stream-node-max-bytes"])

    def _parse_add_trim_args(self, args: tuple[bytes, ...], xadd: bool) -> Any:
        # Services give the same options each time, such as `MAXLEN ~ 10000 *`. When the fourth word ends them
        # and there are two more, they are read the same way whatever these two are.
        if not xadd or len(args) < 6 or args[3] != b"*":
            return super()._parse_add_trim_args(args, xadd)
        key = *args[:4], self.memory.config[b"stream-node-max-entries"]
        known = self.memory.add_options
        found = known.get(key)
        if found is None:
            found = super()._parse_add_trim_args(args, xadd)
            if found.id_index <= 3 and len(known) < _MANY_OPTIONS:
                known[key] = found
        return found

    def _functions(self) -> Any:
        engine = super()._functions()
        if engine is not self.memory.functions:
            from pytest_jobqueue.servers.lua.runtime import install, keep_frames

            install(engine.runtime, engine._lua.end_load, b"run_globals")
            keep_frames(engine.runtime, engine._lua.compile)
            self.memory.functions = engine
        return engine

    def _function_redis_call(self, lua_runtime: Any, read_only: bool, *words: Any) -> Any:
        """`redis.call` of a function, which fakeredis asks for: the same way that a script's takes."""
        from pytest_jobqueue.servers.lua.engine import _in_script
        from pytest_jobqueue.servers.lua.replies import to_lua

        if not words:
            raise SimpleError(msgs.LUA_CALL_NO_ARGS_MSG)
        argv = [_convert_redis_arg(word) for word in words]
        if read_only and is_write_command(argv[0].lower()):
            raise SimpleError(msgs.SCRIPT_READ_ONLY_WRITE_MSG)
        reply = self.call(argv, from_script=True)
        if isinstance(reply, Error):
            raise SimpleError(_in_script(argv, reply.text))
        return to_lua(reply, self._script_resp or 2, lua_runtime.table_from)

    def _name_to_func(self, cmd_name: str) -> Entry:  # type: ignore[override]
        entry = self.memory.table.get(cmd_name)
        if entry is None:
            raise self._unknown_command(cmd_name.replace("\r", " ").replace("\n", " "))
        return entry

    def _run_command(self, func: Any, sig: Any, args: Any, from_script: bool) -> Any:
        """Run a command that fakeredis asks for by function and signature (from EXEC, from a function)."""
        if isinstance(sig, _Own):
            return self._run_own(func, sig, args, from_script)
        try:
            plan = _plan_for(func, sig, len(args))
        except SimpleError as error:
            return error
        if from_script and plan.no_script:
            return SimpleError(commands.NOT_FROM_SCRIPT)
        return self._run_plan(func, plan, args)

    def _run_own(self, function: Any, signature: _Own, args: Sequence[bytes], from_script: bool) -> Any:
        if from_script and signature.command.no_script:
            return SimpleError(commands.NOT_FROM_SCRIPT)
        try:
            return function(self, args)
        except Error as error:
            return error
        except SimpleError as error:
            return error

    def _run_plan(self, function: Any, plan: _Plan, arguments: Sequence[bytes]) -> Any:  # noqa: C901 (the hot path)
        items: list[_Item] = []
        args: list[Any] = list(arguments)
        database = self._db
        try:
            for position, decode, missing in plan.first:
                if decode is not None:
                    args[position] = decode(args[position])
                elif database.get(args[position]) is None:
                    return missing
            for position, required, default in plan.keys:
                key = args[position]
                found = database.get(key)
                if found is None:
                    item = _Item(key, database, default() if default is not None else None)
                    item.is_new = True
                elif required is not None and type(found.value) is not required:
                    raise SimpleError(msgs.WRONGTYPE_MSG)  # noqa: TRY301 (as above)
                else:
                    item = _Item(key, database, found.value, found.expireat)
                args[position] = item
                items.append(item)
            result = function(self, *args)
        except SimpleError as error:
            result = SimpleError(commands.reworded(error.value, plan.name))
        if result is None:
            result = plan.null
        for item in items:
            if item._modified and result != plan.nothing:
                item.writeback(not plan.keep_empty)
        if items and self.memory.notifies and result != plan.nothing:
            self._notify(plan.name, arguments, items)
        return result

    def _notify(self, name: str, args: Sequence[bytes], items: list[_Item]) -> None:
        gone = {item.key for item in items if item._modified and item.key not in self._db._dict}
        keys = [item.key for item in items if item._modified and not (item.is_new and item.key in gone)]
        if name in commands.EXPIRY_COMMANDS:
            for key in keys:
                if self._db.due(key):  # an expiry in the past deletes at once
                    del self._db._dict[key]
                    gone.add(key)
        for kind, event, key, database in commands.events(name, args, keys, gone, self._db_num):
            self.memory.notify(kind, event, key, database)

    # What stands between the two.

    def _find(self, argv: Sequence[bytes]) -> tuple[_Route, Sequence[bytes]]:
        """The route of a command and its arguments.

        Raises:
            SimpleError: There is no such command.
        """
        routes = self.memory.routes
        route = routes.get(argv[0]) or routes.get(argv[0].lower())
        if route is None:
            raise SimpleError(commands.unknown_command(argv))
        if route.subcommands and len(argv) > 1:
            under = route.subcommands.get(argv[1].lower())
            if under is not None:
                return under, argv[2:]
            if route.entry is None or route.entry[1].name in commands.CONTAINERS:
                raise SimpleError(commands.unknown_subcommand(argv))
        elif route.entry is None:
            raise SimpleError(commands.unknown_subcommand(argv))
        return route, argv[1:]

    def _answer(self, argv: list[bytes]) -> Any:
        """The reply to a command, as a value; an error is one too."""
        try:
            route, args = self._find(argv)
            entry = route.entry
            assert entry is not None
            function, signature = entry
            self.last_command = signature.name
            if self.memory.guarded or self._pubsub or self._transaction is not None:
                queued = self._held_back(argv, entry, args)
                if queued is not None:
                    return queued
            if isinstance(signature, _Own):
                signature.check_count(len(args))
                return self._run_own(function, signature, args, False)
            count = len(args)
            plan = route.plans.get(count)
            if plan is None:
                plan = route.plans[count] = _plan_for(function, signature, count)
        except SimpleError as error:
            if argv[0].lower() == b"exec":
                self.leave_transaction()
                return SimpleError(
                    f"EXECABORT Transaction discarded because of: {error.value.removeprefix('ERR ')}"
                )
            if self._transaction is not None:
                self._transaction_failed = True
            return error
        return self._run_plan(function, plan, args)

    def _held_back(self, argv: list[bytes], entry: Entry, args: Sequence[bytes]) -> Any:
        """Why a command is not run at once: a refusal (raised), or QUEUED; None to run it.

        Raises:
            SimpleError: It may not be run now.
        """
        function, signature = entry
        memory = self.memory
        if isinstance(signature, _Own):
            signature.check_count(len(args))
        else:
            _check_arity(signature.name, len(args))
        try:
            if memory.password is not None and not self.authenticated:
                commands.require_authentication(signature.name)
            if self._pubsub and self.protocol == 2:
                commands.require_allowed_while_subscribed(signature.name)
        except Error as error:
            raise SimpleError(error.text) from None
        if memory.restricted:
            self._server.acl.validate_command(self._client_info.user, self._client_info, argv)
        if self._transaction is not None and msgs.FLAG_TRANSACTION not in signature.flags:
            self._transaction.append((function, signature, args))
            return Simple(b"QUEUED")
        return None

    def _safely(self, function: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return function(argument)
        except Error as error:
            return error
        except SimpleError as error:
            return Error(error.value)

    def _wait(self) -> None:
        waiter = self.waiter
        assert waiter is not None
        for key in waiter.keys:
            self._db.waiting.setdefault(key, []).append(self)
        self._blocked = True
        self.owner.waits(waiter.timeout)

    def _stop_waiting(self) -> None:
        if self.waiter is None:
            return
        for key in self.waiter.keys:
            waiting = self._db.waiting.get(key, [])
            if self in waiting:
                waiting.remove(self)
            if not waiting:
                self._db.waiting.pop(key, None)
        self.waiter = None
        self._blocked = False

    def _finish_waiting(self, reply: Any) -> None:
        self._stop_waiting()
        self.owner.deliver(self._encoder.encode(reply))
        self.owner.resumes()
