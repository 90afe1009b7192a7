"""The memory's engine: fakeredis' data types and commands, run by a dispatcher of our own.

This is the only file that touches fakeredis' private modules, and it checks their shape when it is imported.
fakeredis keeps the data and carries out the commands; what is replaced is all that surrounds a command
(look-up, arguments, clock, locks, waiting, replies), since fakeredis' own is made for a client in the same
thread. Commands that it lacks, or answers otherwise than a real server, stand in `commands`.

One thread at a time may use a `Memory` and its sessions; the front's loop is that thread.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
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
    from fakeredis._helpers import NoResponse, SimpleError, SimpleString
    from fakeredis._socket import FakeSocket
    from fakeredis.commands_mixins import StreamsCommandsMixin
    from fakeredis.model import is_write_command
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
        self._memory.expired_keys += 1

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class _Item(CommandItem):
    """fakeredis' view of one key for one command, written back without the detours of a general mapping."""

    def writeback(self, remove_empty_val: bool = True) -> None:
        database: _Database = self.db
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


class _Plan:
    """How a fakeredis command's arguments are read, worked out once for each number of them."""

    __slots__ = ("first", "keep_empty", "keys", "name", "no_script")

    def __init__(self, signature: Signature, count: int) -> None:
        types: list[Any] = list(signature.fixed)
        types += [signature.repeat[i % len(signature.repeat)] for i in range(count - len(types))]
        self.first: list[tuple[int, Any, Any]] = []  # (position, decode or None, reply when the key is missing)
        self.keys: list[tuple[int, Any, Any]] = []  # (position, required type, maker of a default)
        creates = msgs.FLAG_DO_NOT_CREATE not in signature.flags
        for position, kind in enumerate(types):
            if isinstance(kind, Key):
                if kind.missing_return is not Key.UNSPECIFIED:
                    self.first.append((position, None, kind.missing_return))
                makes = creates and kind.type_ is not None and kind.type_ is not bytes
                self.keys.append((position, kind.type_, kind.type_ if makes else None))
            elif kind is not bytes:
                self.first.append((position, kind.decode, None))
        self.keep_empty = msgs.FLAG_LEAVE_EMPTY_VAL in signature.flags
        self.no_script = msgs.FLAG_NO_SCRIPT in signature.flags
        self.name = signature.name


class _Own:
    """A command of ours, in the shape in which fakeredis keeps its own."""

    __slots__ = ("command", "flags", "name")

    def __init__(self, name: str, command: commands.Command) -> None:
        self.name = name
        self.command = command
        self.flags = {msgs.FLAG_NO_SCRIPT} if command.no_script else set()
        if command.immediate:
            self.flags.add(msgs.FLAG_TRANSACTION)

    def check_arity(self, args: Sequence[bytes], _version: tuple[int, ...]) -> None:
        if not self.command.least <= len(args) <= self.command.most:
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


def _plan_for(signature: Signature, args: Sequence[bytes], version: tuple[int, ...]) -> _Plan:
    """How to read this many arguments; an error when there cannot be as many."""
    plan = _PLANS.get((signature, len(args)))
    if plan is None:
        signature.check_arity(args, version)
        plan = _PLANS[signature, len(args)] = _Plan(signature, len(args))
    return plan


_PLANS: dict[tuple[Signature, int], _Plan] = {}


@functools.cache
def _command_table(server_type: str) -> dict[str, Entry]:
    table: dict[str, Entry] = {}
    for name, signature in SUPPORTED_COMMANDS.items():
        function = getattr(FakeSocket, signature.func_name, None)
        if function is not None and server_type in signature.server_types:
            table[name] = (function, signature)
    for name, command in commands.COMMANDS.items():
        table[name] = (command.run, _Own(name, command))
    return table


def _plain(value: Any) -> Any:
    """A fakeredis reply in the types of `wire.resp`."""
    kind = type(value)
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


class Waiter:
    """A blocking command that waits: what to try again, and for how long.

    Attributes:
        timeout: Seconds until it gives up; None for never.
    """

    __slots__ = ("attempt", "keys", "shape", "timeout")

    def __init__(
        self, attempt: Callable[[bool], Any], shape: Callable[[Any], Any] | None, timeout: float | None
    ) -> None:
        self.attempt = attempt
        self.shape = shape
        self.timeout = timeout
        self.keys: tuple[bytes, ...] = ()

    def reply(self, result: Any) -> Any:
        """The reply for `result`, None being "gave up"."""
        shaped = result if self.shape is None else self.shape(result)
        return NULL_ARRAY if shaped is None and result is None else shaped


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
        self.store.lock = _NoLock()
        self.store.dbs = _Databases(self)
        self.store.config = self.config
        self._scripts: ScriptEngine | None = None
        self.total_commands = 0
        self.restricted = False  # ACL rules were set: only then is each command checked
        self.guarded = self.password is not None  # a command may be refused for who sends it
        self.notifies = False  # notify-keyspace-events is set
        self.table = _command_table(self.store.server_type)
        self.routes = _routes(self.store.server_type)

    def reset(self) -> None:
        """Be as new: no keys, scripts, functions, settings or subscriptions. Sessions stay, in database 0."""
        self._fill()
        for session in self.sessions.values():
            session.rebind(self)

    @property
    def untouched(self) -> bool:
        """Whether it is as it was after the last reset: nobody is connected, nothing was asked."""
        return not self.sessions and not self.total_commands

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
                session.try_again()
                if key not in database:
                    break


class _Databases(defaultdict):  # type: ignore[type-arg]
    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    def __missing__(self, number: int) -> _Database:
        self[number] = database = _Database(self._memory, number)
        return database


@functools.cache
def _routes(server_type: str) -> dict[bytes, _Route]:
    routes: dict[bytes, _Route] = {}
    for name, entry in _command_table(server_type).items():
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
        self._out = out
        result = self._answer(argv)
        self._out = None
        if self.waiter is not None:
            self._wait(argv)
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
            self._finish_waiting(self._safely(self.waiter.reply, None))

    def try_again(self) -> None:
        """A key that the waiting command looks at has changed."""
        waiter = self.waiter
        if waiter is None:
            return
        result = self._safely(waiter.attempt, False)
        if result is not None:
            self._finish_waiting(result if isinstance(result, SimpleError) else waiter.reply(result))

    def close(self) -> None:
        """Forget the client: subscriptions, watches, what it waited for."""
        self._stop_waiting()
        self.memory.sessions.pop(self.id, None)
        self._transaction = None
        self._cleanup(self._server)
        for channels in (self._server.subscribers, self._server.psubscribers, self._server.ssubscribers):
            for channel in [channel for channel, who in channels.items() if not who]:
                del channels[channel]
        if self in self._server.sockets:
            self._server.sockets.remove(self)

    def rebind(self, memory: Memory) -> None:
        """Use the memory's new data; nothing of this client's state outlives the old."""
        self._stop_waiting()
        self._watches.clear()
        self._forget_transaction()
        self._pubsub = 0
        self._server = memory.store
        self._server.sockets.append(self)
        self.select_database(0)

    # What commands call.

    def select_database(self, number: int) -> None:
        self._db = self._server.dbs[number]
        self._db_num = number

    def use_protocol(self, version: int) -> None:
        self._client_info["resp"] = version
        self._encoder = _ENCODERS[version]

    @property
    def database(self) -> int:
        return self._db_num

    @property
    def protocol(self) -> int:
        return self._client_info["resp"]  # type: ignore[no-any-return]

    @property
    def subscriptions(self) -> tuple[int, int, int]:
        """How many channels, patterns and shard channels this client listens to."""
        server = self._server
        kinds = (server.subscribers, server.psubscribers, server.ssubscribers)
        return tuple(sum(self in who for who in kind.values()) for kind in kinds)  # type: ignore[return-value]

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
        return b"none" if item is None else self._key_value_type(item).value

    def call(self, argv: Sequence[bytes], *, from_script: bool = False) -> Any:
        """Run a command inside another one; the reply in the types of `wire.resp`, an error as an `Error`."""
        try:
            route, args = self._find(argv)
            function, signature = route.entry  # type: ignore[misc]
            signature.check_arity(args, self.version)
            return _plain(self._run_command(function, signature, args, from_script))
        except SimpleError as error:
            return Error(error.value)

    def wait_for(
        self, timeout: float | None, attempt: Callable[[bool], Any], shape: Callable[[Any], Any] | None = None
    ) -> Any:
        """Answer what `attempt` returns, or wait for a key to change until it returns something."""
        return self._blocking(timeout, attempt, shape)

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

    def fake_auth(self, user: bytes, password: bytes) -> Any:
        """What fakeredis says of a user and a password: an `Error` when they are not known."""
        try:
            return _plain(FakeSocket.auth(self, user, password))
        except SimpleError as error:
            return Error(error.value)

    def fake_acl_setuser(self, args: Sequence[bytes]) -> Any:
        """Let fakeredis keep the rules of a user."""
        try:
            return _plain(FakeSocket.acl_setuser(self, *args))
        except SimpleError as error:
            return Error(error.value)

    def unblock(self, *, error: bool) -> bool:
        """CLIENT UNBLOCK: end the waiting; False when this client does not wait."""
        if self.waiter is None:
            return False
        if error:
            self._finish_waiting(SimpleError(msgs.UNBLOCKED_MSG))
        else:
            self.time_out()
        return True

    def reset_connection(self) -> None:
        """RESET: as if it had just connected."""
        super().reset()
        self.use_protocol(2)
        self.name = b""
        self.authenticated = False

    # What fakeredis calls.

    def put_response(self, msg: Any) -> None:
        data = self._encoder.encode(Push(msg))
        if self._out is not None:
            self._out.append(data)
        else:
            self.owner.deliver(data)

    def kill(self) -> None:
        self.closing = True
        self.owner.hang_up()

    def _blocking(
        self, timeout: float | None, func: Callable[[bool], Any], shape: Callable[[Any], Any] | None = None
    ) -> Any:
        result = func(True)
        waiter = Waiter(func, shape, timeout or None)
        if result is not None or self._in_transaction or self._script_resp is not None:
            return waiter.reply(result) if result is None else (result if shape is None else shape(result))
        self.waiter = waiter
        return NoResponse()

    def _name_to_func(self, cmd_name: str) -> Entry:
        entry = self.memory.table.get(cmd_name)
        if entry is None:
            raise self._unknown_command(cmd_name.replace("\r", " ").replace("\n", " "))
        return entry

    def _run_command(self, func: Any, sig: Any, args: Any, from_script: bool) -> Any:
        """Run a command that fakeredis asks for by function and signature (from EXEC, from a function)."""
        if type(sig) is _Own:
            return self._run_own(func, sig, args, from_script)
        try:
            plan = _plan_for(sig, args, self.version)
        except SimpleError as error:
            return error
        if from_script and plan.no_script:
            return SimpleError(msgs.COMMAND_IN_SCRIPT_MSG)
        return self._run_plan(func, plan, args)

    def _run_own(self, function: Any, signature: _Own, args: Sequence[bytes], from_script: bool) -> Any:
        if from_script and signature.command.no_script:
            return SimpleError(msgs.COMMAND_IN_SCRIPT_MSG)
        try:
            return function(self, args)
        except Error as error:
            return error
        except SimpleError as error:
            return error

    def _run_plan(self, function: Any, plan: _Plan, arguments: Sequence[bytes]) -> Any:
        items: list[CommandItem] = []
        try:
            args: list[Any] = list(arguments)
            database = self._db
            for position, decode, missing in plan.first:
                if decode is not None:
                    args[position] = decode(args[position])
                elif args[position] not in database:
                    return missing
            for position, required, default in plan.keys:
                key = args[position]
                found = database.get(key)
                if found is None:
                    item = _Item(key, database, None, default() if default is not None else None)
                elif required is not None and type(found.value) is not required:
                    raise SimpleError(msgs.WRONGTYPE_MSG)
                else:
                    item = _Item(key, database, found)
                args[position] = item
                items.append(item)
            result = function(self, *args)
        except SimpleError as error:
            result = error
        for item in items:
            if item._modified:
                item.writeback(not plan.keep_empty)
        if items and self.memory.notifies:
            self._keyspace_notifications(items, plan.name.encode())
        return result

    def _xreadgroup(self, *args: Any) -> Any:
        # With first_pass false it always returns what it read; an empty answer must read as "nothing yet".
        *rest, first_pass = args
        found = StreamsCommandsMixin._xreadgroup(self, *rest, False)
        return found or (None if first_pass is not None else found)

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
            if type(signature) is _Own:
                signature.check_arity(args, self.version)
                return self._run_own(function, signature, args, False)
            count = len(args)
            plan = route.plans.get(count)
            if plan is None:
                plan = route.plans[count] = _plan_for(signature, args, self.version)
        except SimpleError as error:
            if self._transaction is not None:
                self._transaction_failed = True
            return error
        result = self._run_plan(function, plan, args)
        return NULL_ARRAY if result is None and plan.name == "exec" else result

    def _held_back(self, argv: list[bytes], entry: Entry, args: Sequence[bytes]) -> Any:
        """Why a command is not run at once: a refusal (raised), or QUEUED; None to run it.

        Raises:
            SimpleError: It may not be run now.
        """
        function, signature = entry
        memory = self.memory
        try:
            if memory.password is not None and not self.authenticated:
                commands.require_authentication(signature.name)
            if self._pubsub and self.protocol == 2:
                commands.require_allowed_while_subscribed(signature.name)
        except Error as error:
            raise SimpleError(error.text) from None
        if memory.restricted:
            self._server.acl.validate_command(self._client_info.user, self._client_info, argv)
        signature.check_arity(args, self.version)
        if self._transaction is not None and msgs.FLAG_TRANSACTION not in signature.flags:
            self._transaction.append((function, signature, args))
            return Simple(b"QUEUED")
        return None

    def _safely(self, function: Callable[[Any], Any], argument: Any) -> Any:
        try:
            return function(argument)
        except SimpleError as error:
            return error

    def _wait(self, argv: list[bytes]) -> None:
        waiter = self.waiter
        assert waiter is not None
        waiter.keys = commands.keys_waited_for(argv)
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


