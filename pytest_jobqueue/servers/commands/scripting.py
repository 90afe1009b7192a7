"""Scripts: EVAL, EVALSHA, their read-only forms, and SCRIPT; carried out by `servers.lua`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import ANY, Table, integer
from pytest_jobqueue.wire.resp import Error, Simple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()
OK = Simple(b"OK")


def _fcall(name: str) -> None:
    @COMMANDS.add(name, 2, ANY, no_script=True)
    def fcall(session: Session, args: Sequence[bytes]) -> Any:
        return session.in_its_database(session.fake, name, args)


def _help(name: str) -> None:
    @COMMANDS.add(name)
    def tell(session: Session, _args: Sequence[bytes]) -> Any:
        return [Simple(line) for line in session.fake(name, ())]


_help("script help")
_help("function help")
_help("pubsub help")


@COMMANDS.add("function list", 0, ANY, no_script=True)
def function_list(session: Session, args: Sequence[bytes]) -> Any:
    """FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]; flags are statuses."""
    libraries = session.fake("function list", args)
    for library in libraries:
        for function in library[b"functions"]:
            function[b"flags"] = frozenset(map(Simple, function[b"flags"]))
    return libraries


_fcall("fcall")
_fcall("fcall_ro")


def _split(args: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The keys and the arguments of a call, from its count of keys on."""
    count = integer(args[0])
    if count < 0:
        raise Error("ERR Number of keys can't be negative")
    if count > len(args) - 1:
        raise Error("ERR Number of keys can't be greater than number of args")
    return args[1 : 1 + count], args[1 + count :]


@COMMANDS.add("eval", 2, ANY, no_script=True)
def eval_(session: Session, args: Sequence[bytes]) -> Any:
    """EVAL script numkeys [key …] [arg …]."""
    return session.in_its_database(session.scripts().eval, args[0], *_split(args[1:]))


@COMMANDS.add("eval_ro", 2, ANY, no_script=True)
def eval_ro(session: Session, args: Sequence[bytes]) -> Any:
    """EVAL_RO: as EVAL, for a script that does not write."""
    return session.in_its_database(session.scripts().eval, args[0], *_split(args[1:]), read_only=True)


@COMMANDS.add("evalsha", 2, ANY, no_script=True)
def evalsha(session: Session, args: Sequence[bytes]) -> Any:
    """EVALSHA sha1 numkeys [key …] [arg …]."""
    return session.in_its_database(session.scripts().evalsha, args[0], *_split(args[1:]))


@COMMANDS.add("evalsha_ro", 2, ANY, no_script=True)
def evalsha_ro(session: Session, args: Sequence[bytes]) -> Any:
    """EVALSHA_RO: as EVALSHA, for a script that does not write."""
    return session.in_its_database(session.scripts().evalsha, args[0], *_split(args[1:]), read_only=True)


@COMMANDS.add("script load", 1, no_script=True)
def script_load(session: Session, args: Sequence[bytes]) -> Any:
    """SCRIPT LOAD script."""
    return session.scripts().load(args[0])


@COMMANDS.add("script exists", 1, ANY, no_script=True)
def script_exists(session: Session, args: Sequence[bytes]) -> Any:
    """SCRIPT EXISTS sha1 …."""
    engine = session.scripts()
    return [int(engine.exists(sha)) for sha in args]


@COMMANDS.add("script flush", 0, 1, no_script=True)
def script_flush(session: Session, args: Sequence[bytes]) -> Any:
    """SCRIPT FLUSH [ASYNC|SYNC]."""
    if args and args[0].lower() not in (b"sync", b"async"):
        raise Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    session.scripts().flush()
    return OK


@COMMANDS.add("script kill", no_script=True)
def script_kill(_session: Session, _args: Sequence[bytes]) -> Any:
    """SCRIPT KILL: a script runs to its end before the next command is read, so none runs now."""
    raise Error("NOTBUSY No scripts in execution right now.")


@COMMANDS.add("script debug", 1, no_script=True)
def script_debug(_session: Session, args: Sequence[bytes]) -> Any:
    """SCRIPT DEBUG NO; there is no debugger."""
    if args[0].lower() == b"no":
        return OK
    if args[0].lower() not in (b"yes", b"sync"):
        raise Error("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    raise Error("ERR the Lua debugger is not part of the in-memory Redis; run with --redis=server")
