"""Commands about the connection itself: HELLO, AUTH, CLIENT, RESET, QUIT."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import ANY, SYNTAX_ERROR, Table, integer, text
from pytest_jobqueue.wire.resp import Error, Simple, Verbatim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")

WITHOUT_PASSWORD = (
    "ERR AUTH <password> called without any password configured for the default user. "  # noqa: S105 (a message)
    "Are you sure your configuration is correct?"
)
WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."  # noqa: S105 (a message)
ALLOWED_BEFORE_AUTH = frozenset({"auth", "hello", "quit", "reset"})


def require_authentication(name: str) -> None:
    """Refuse a command of a client that has not authenticated, on a server with a password."""
    if name not in ALLOWED_BEFORE_AUTH:
        raise Error("NOAUTH Authentication required.")


def authenticate(session: Session, user: bytes, password: bytes) -> None:
    """AUTH's check: the server's own password, else fakeredis' users."""
    memory = session.memory
    if user == b"default":
        right = memory.password in (None, password.decode("utf-8", "surrogateescape"))
    else:
        right = session.fake_auth(user, password)
    if not right:
        raise Error(WRONG_PASSWORD)
    session.authenticated = True


@COMMANDS.add("auth", 1, ANY, no_script=True)
def auth(session: Session, args: Sequence[bytes]) -> Any:
    """AUTH [user] password."""
    if len(args) > 2:
        raise Error(SYNTAX_ERROR)
    if len(args) == 1 and session.memory.password is None:
        raise Error(WITHOUT_PASSWORD)
    authenticate(session, args[0] if len(args) == 2 else b"default", args[-1])
    return OK


@COMMANDS.add("hello", 0, ANY, no_script=True)
def hello(session: Session, args: Sequence[bytes]) -> Any:
    """HELLO [protover [AUTH user password] [SETNAME name]]."""
    version = session.protocol
    if args:
        version = integer(args[0], "ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise Error("NOPROTO unsupported protocol version")
    name, rest = None, list(args[1:])
    while rest:
        word = rest.pop(0)
        option = word.lower()
        if option == b"auth" and len(rest) >= 2:
            authenticate(session, rest.pop(0), rest.pop(0))
        elif option == b"setname" and rest:
            name = _valid_name(rest.pop(0))
        else:
            raise Error(f"ERR Syntax error in HELLO option '{text(word)}'")
    if session.memory.password is not None and not session.authenticated:
        proto = "" if session.memory.release < (7, 2) else "<proto> "
        raise Error(
            f"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO {proto}"
            "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
            "version at the same time"
        )
    if name is not None:
        session.name = name
    session.use_protocol(version)
    return {
        "server": "redis",
        "version": session.memory.version,
        "proto": version,
        "id": session.id,
        "mode": "standalone",
        "role": "master",
        "modules": [],
    }


@COMMANDS.add("quit", 0, ANY, no_script=True, immediate=True)
def quit_(session: Session, _args: Sequence[bytes]) -> Any:
    """QUIT: OK, then the connection is closed."""
    session.closing = True
    session.owner.hang_up()
    return OK


@COMMANDS.add("reset", no_script=True, immediate=True)
def reset(session: Session, _args: Sequence[bytes]) -> Any:
    """RESET: the connection is as new."""
    session.reset_connection()
    return Simple(b"RESET")


@COMMANDS.add("client id", no_script=True)
def client_id(session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT ID."""
    return session.id


@COMMANDS.add("client setname", 1, no_script=True)
def client_setname(session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT SETNAME name."""
    session.name = _valid_name(args[0])
    return OK


def _valid_name(name: bytes) -> bytes:
    if any(not 0x21 <= char <= 0x7E for char in name):
        raise Error("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


@COMMANDS.add("client getname", no_script=True)
def client_getname(session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT GETNAME."""
    return session.name or None


@COMMANDS.add("client setinfo", 2, no_script=True)
def client_setinfo(session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT SETINFO LIB-NAME|LIB-VER value."""
    attribute = args[0].lower()
    if attribute not in session.library:
        raise Error(f"ERR Unrecognized option '{text(args[0])}'")
    if any(not 0x21 <= char <= 0x7E for char in args[1]):
        raise Error(f"ERR {text(attribute)} cannot contain spaces, newlines or special characters.")
    session.library[attribute] = args[1]
    return OK


def describe(session: Session) -> bytes:
    """One client as CLIENT INFO and CLIENT LIST print it."""
    now = time.time()
    channels, patterns, shards = session.subscribed.counts
    flags = (
        b"P"
        if channels or patterns or shards
        else b"b"
        if session.waiter
        else b"x"
        if session.queued >= 0
        else b"N"
    )
    fields: dict[str, Any] = {
        "id": session.id,
        "addr": session.owner.peer,
        "laddr": session.owner.local,
        "fd": session.owner.descriptor,
        "name": text(session.name),
        "age": int(now - session.created),
        "idle": int(now - session.last_used),
        "flags": text(flags),
        "db": session.database,
        "sub": channels,
        "psub": patterns,
        "ssub": shards,
        "multi": session.queued,
        "watch": len(session._watches),  # noqa: SLF001 (fakeredis keeps it there)
        "qbuf": 0,
        "qbuf-free": 20474,
        "argv-mem": 10,
        "multi-mem": 0,
        "rbs": 1024,
        "rbp": 0,
        "obl": 0,
        "oll": 0,
        "omem": 0,
        "tot-mem": 22272,
        "events": "r",
        "cmd": session.last_command.replace(" ", "|"),
        "user": "default",
        "redir": -1,
        "resp": session.protocol,
        "lib-name": text(session.library[b"lib-name"]),
        "lib-ver": text(session.library[b"lib-ver"]),
    }
    release = session.memory.release
    return " ".join(
        f"{name}={value}" for name, value in fields.items() if _FIELDS_SINCE.get(name, (0,)) <= release
    ).encode()


_FIELDS_SINCE = {"lib-name": (7, 2), "lib-ver": (7, 2), "watch": (7, 4)}


@COMMANDS.add("client info", no_script=True)
def client_info(session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT INFO."""
    return Verbatim(describe(session) + b"\n")


def _kind(session: Session) -> bytes:
    return b"pubsub" if any(session.subscribed.counts) else b"normal"


@COMMANDS.add("client list", 0, ANY, no_script=True)
def client_list(session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT LIST [TYPE type | ID id …]."""
    found = [session.memory.sessions[number] for number in sorted(session.memory.sessions)]
    if args:
        option, rest = args[0].lower(), args[1:]
        if option == b"type" and len(rest) == 1:
            if rest[0].lower() not in _KINDS:
                raise Error(f"ERR Unknown client type '{text(rest[0])}'")
            found = [other for other in found if _kind(other) == rest[0].lower()]
        elif option == b"id" and rest:
            wanted = {integer(number, "ERR Invalid client ID") for number in rest}
            found = [other for other in found if other.id in wanted]
        else:
            raise Error(SYNTAX_ERROR)
    return Verbatim(b"".join(describe(other) + b"\n" for other in found))


_KINDS = frozenset({b"normal", b"master", b"replica", b"slave", b"pubsub"})


@COMMANDS.add("client kill", 1, ANY, no_script=True)
def client_kill(session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT KILL addr | [ID id] [ADDR addr] [LADDR addr] [TYPE type] [USER user] [SKIPME yes|no]."""
    sessions = list(session.memory.sessions.values())
    if len(args) == 1:
        victims = [other for other in sessions if other.owner.peer.encode() == args[0]]
        if not victims:
            raise Error("ERR No such client")
    else:
        if len(args) % 2:
            raise Error(SYNTAX_ERROR)
        tests, skip_me = [], True
        for name, value in zip(args[::2], args[1::2], strict=True):
            if name.lower() == b"skipme":
                if value.lower() not in (b"yes", b"no"):
                    raise Error(SYNTAX_ERROR)
                skip_me = value.lower() == b"yes"
            else:
                tests.append(_kill_test(name.lower(), value))
        victims = [
            other
            for other in sessions
            if all(test(other) for test in tests) and not (skip_me and other is session)
        ]
    for victim in victims:
        victim.kill()
    return OK if len(args) == 1 else len(victims)


def _kill_test(name: bytes, value: bytes) -> Any:
    if name == b"id":
        number = integer(value, "ERR client-id should be greater than 0")
        if number <= 0:
            raise Error("ERR client-id should be greater than 0")
        return lambda other: other.id == number
    if name == b"addr":
        return lambda other: other.owner.peer.encode() == value
    if name == b"laddr":
        return lambda other: other.owner.local.encode() == value
    if name == b"type":
        if value.lower() not in _KINDS:
            raise Error(f"ERR Unknown client type '{text(value)}'")
        return lambda other: _kind(other) == value.lower()
    if name == b"user":
        if value != b"default":
            raise Error(f"ERR No such user '{text(value)}'")
        return lambda _other: True
    raise Error(SYNTAX_ERROR)


@COMMANDS.add("client unblock", 1, 2, no_script=True)
def client_unblock(session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT UNBLOCK id [TIMEOUT|ERROR]."""
    reason = args[1].lower() if len(args) == 2 else b"timeout"
    if reason not in (b"timeout", b"error"):
        raise Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    other = session.memory.sessions.get(integer(args[0]))
    return int(other is not None and other.unblock(error=reason == b"error"))


@COMMANDS.add("client tracking", 1, ANY, no_script=True)
def client_tracking(_session: Session, args: Sequence[bytes]) -> Any:
    """CLIENT TRACKING OFF; ON is refused, since no invalidation would ever be sent."""
    if args[0].lower() == b"off":
        return OK
    if args[0].lower() != b"on":
        raise Error(SYNTAX_ERROR)
    raise Error("ERR client side caching is not part of the in-memory Redis; run with --redis=server")


@COMMANDS.add("client getredir")
def client_getredir(_session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT GETREDIR: nobody tracks."""
    return -1


@COMMANDS.add("client trackinginfo")
def client_trackinginfo(_session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT TRACKINGINFO."""
    return {"flags": frozenset({b"off"}), "redirect": -1, "prefixes": []}


@COMMANDS.add("client caching", 1)
def client_caching(_session: Session, _args: Sequence[bytes]) -> Any:
    """CLIENT CACHING YES|NO."""
    raise Error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
        "enabled"
    )


def _not_a_cluster(name: str) -> None:
    @COMMANDS.add(name, 0)
    def refuse(_session: Session, _args: Sequence[bytes]) -> Any:
        raise Error("ERR This instance has cluster support disabled")


_not_a_cluster("readonly")
_not_a_cluster("readwrite")
_not_a_cluster("asking")
_not_a_cluster("cluster info")
_not_a_cluster("cluster nodes")
_not_a_cluster("cluster slots")
_not_a_cluster("cluster shards")
_not_a_cluster("cluster myid")


@COMMANDS.add("acl setuser", 1, ANY, no_script=True)
def acl_setuser(session: Session, args: Sequence[bytes]) -> Any:
    """ACL SETUSER user [rule …]: from now on each command is checked against the rules."""
    reply = session.fake_acl_setuser(args)
    session.memory.restricted = session.memory.guarded = True
    return reply
