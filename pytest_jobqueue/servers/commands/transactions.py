"""EXEC, which a real server refuses when a watched key has expired meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_jobqueue.servers.commands.registry import Table
from pytest_jobqueue.wire.resp import NULL_ARRAY, Error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.servers.engine import Session

COMMANDS = Table()


@COMMANDS.add("exec", no_script=True, immediate=True)
def exec_(session: Session, _args: Sequence[bytes]) -> Any:
    """EXEC."""
    if session.queued < 0:
        raise Error("ERR EXEC without MULTI")
    if session.watched_has_expired() and not session.transaction_is_broken:
        session.leave_transaction()
        return NULL_ARRAY
    return session.run_transaction()
