"""The commands that fakeredis lacks, or answers otherwise than a real server: one table.

A command is here because a client or a job library asks for it and the engine gets it wrong; when fakeredis
gets it right, it goes. All here is functions in tables, small enough to be read on their own; what a table
needs to know of fakeredis' own commands is in `facts` and `events`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_jobqueue.servers.commands import (
    blocking,
    connection,
    pubsub,
    scripting,
    server,
    settings,
    streams,
    transactions,
    values,
)
from pytest_jobqueue.servers.commands.connection import require_authentication as require_authentication
from pytest_jobqueue.servers.commands.events import EXPIRY_COMMANDS as EXPIRY_COMMANDS
from pytest_jobqueue.servers.commands.events import event_messages as event_messages
from pytest_jobqueue.servers.commands.events import events as events
from pytest_jobqueue.servers.commands.facts import NOT_FROM_SCRIPT as NOT_FROM_SCRIPT
from pytest_jobqueue.servers.commands.facts import NOTHING as NOTHING
from pytest_jobqueue.servers.commands.facts import null_is_an_array as null_is_an_array
from pytest_jobqueue.servers.commands.facts import reworded as reworded
from pytest_jobqueue.servers.commands.facts import since as since
from pytest_jobqueue.servers.commands.pubsub import Channels as Channels
from pytest_jobqueue.servers.commands.pubsub import Subscriptions as Subscriptions
from pytest_jobqueue.servers.commands.registry import SYNTAX_ERROR as SYNTAX_ERROR
from pytest_jobqueue.servers.commands.registry import Command as Command
from pytest_jobqueue.servers.commands.registry import Owner as Owner
from pytest_jobqueue.servers.commands.registry import text
from pytest_jobqueue.servers.commands.settings import default_config as default_config
from pytest_jobqueue.wire.resp import Error

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, Command] = {
    name: command
    for family in (connection, server, settings, blocking, scripting, transactions, pubsub, streams, values)
    for name, command in family.COMMANDS.items()
}

CONTAINERS = frozenset(
    {
        *("acl", "client", "cluster", "command", "config", "debug", "function", "latency", "memory"),
        *("module", "object", "pubsub", "script", "slowlog", "xgroup", "xinfo"),
    }
)

_WHILE_SUBSCRIBED = frozenset(
    {
        *("subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"),
        *("ping", "reset", "quit"),
    }
)


def unknown_command(argv: Sequence[bytes]) -> str:
    """What Redis says of a command that it does not know; arguments are cut at 128 characters."""
    shown = ""
    for word in argv[1:]:
        if len(shown) >= 128:
            break
        shown += f"'{text(word)[: 128 - len(shown)]}' "
    return f"ERR unknown command '{text(argv[0])[:128]}', with args beginning with: {shown}"


def unknown_subcommand(argv: Sequence[bytes]) -> str:
    """What Redis says of a sub-command that it does not know, or of a container without one."""
    name = text(argv[0])
    if len(argv) == 1:
        return f"ERR wrong number of arguments for '{name.lower()}' command"
    return f"ERR unknown subcommand '{text(argv[1])[:128]}'. Try {name.upper()} HELP."


def require_allowed_while_subscribed(name: str) -> None:
    """Refuse what a RESP2 client may not send while it is subscribed."""
    if name not in _WHILE_SUBSCRIBED:
        raise Error(
            f"ERR Can't execute '{name.replace(' ', '|')}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
            "QUIT / RESET are allowed in this context"
        )
