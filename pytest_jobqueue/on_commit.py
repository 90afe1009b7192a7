"""Django's on-commit callbacks, in a test whose transaction never commits.

pytest-django's `db` and Django's `TestCase` roll back what a test wrote, so a callback that the service
leaves for the commit would wait for ever. Here Django's own code runs it, as a commit would. Django is never
imported: whoever has not loaded it has no callbacks.

Not documented by Django, the same in 4.2, 5.2 and 6.1: a connection's `run_on_commit` (what waits:
savepoints, callback, whether robust), `run_and_clear_commit_hooks`, `validate_no_atomic_block`,
`savepoint_ids` and `atomic_blocks`; `Atomic._from_testcase`; `connections.all(initialized_only=True)`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_OLDEST = (4, 2)


def run() -> int:
    """Run the callbacks that wait in the transaction of this test, on every database. Returns how many ran.

    Raises:
        UsageError: Django is not in use, or too old; or the test is inside of an `atomic()` of its own, so
            that not even a real transaction would be committed yet.
        Exception: A callback's own, unless it is robust; those after it are dropped, as after a commit.
    """
    django = sys.modules.get("django")
    if not _in_use():
        raise UsageError(
            "run_on_commit() runs Django's on-commit callbacks, and no Django is set up in this process; "
            "pytest-django does that (DJANGO_SETTINGS_MODULE = … in pytest's configuration)"
        )
    if not _new_enough():
        raise UsageError(
            f"Django {getattr(django, '__version__', '')} is installed, and run_on_commit() is for 4.2 and "
            "newer: pip install 'django>=4.2', or use django_capture_on_commit_callbacks(execute=True)"
        )
    for connection in _connections():
        if connection.run_on_commit and not _would_commit(connection):
            raise UsageError(
                f"run_on_commit() was called inside of an atomic() block on the database "
                f"{connection.alias!r}, and its on-commit callbacks wait for the end of that block: call it "
                "after the block"
            )
    return run_due()


def run_due() -> int:
    """Run the callbacks whose blocks have ended, without complaint where there is nothing. Returns how many.

    Raises:
        Exception: As `run`.
    """
    count = 0
    while ran := sum(_run(connection, _due(connection)) for connection in _connections()):
        count += ran  # a callback may have left another one on a database that was looked at before
    return count


def waiting() -> list[str]:
    """The callbacks that wait for the end of this test's transaction, for a reader."""
    return [
        f"{_shown(callback)} on the database {connection.alias!r}"
        for connection in _connections()
        for _, callback, _ in _due(connection)
    ]


def hint() -> str:
    """What to do where jobs are missing because callbacks wait; "" where none does."""
    count = len(waiting())
    if not count:
        return ""
    callbacks = "on-commit callback waits" if count == 1 else "on-commit callbacks wait"
    return f"{count} {callbacks} in the transaction of this test; call jobqueue.run_on_commit()"


def _in_use() -> bool:
    conf = sys.modules.get("django.conf")
    return "django.db" in sys.modules and conf is not None and bool(conf.settings.configured)


def _new_enough() -> bool:
    return tuple(sys.modules["django"].VERSION[:2]) >= _OLDEST


def _connections() -> Sequence[Any]:
    """The connections that this thread has made, in the order of Django's settings."""
    if not _in_use() or not _new_enough():
        return ()
    found: list[Any] = sys.modules["django.db"].connections.all(initialized_only=True)
    return found


def _would_commit(connection: Any) -> bool:
    """Whether only the test's own transaction is in the way: its block is the innermost one."""
    blocks = connection.atomic_blocks
    return bool(blocks) and bool(blocks[-1]._from_testcase)  # noqa: SLF001 (see above)


def _due(connection: Any) -> list[Any]:
    """What was left since the test's transaction began; not what its class left before (`setUpTestData`)."""
    if not _would_commit(connection):
        return []
    level = set(connection.savepoint_ids)
    return [entry for entry in connection.run_on_commit if level <= entry[0]]


def _run(connection: Any, due: Sequence[Any]) -> int:
    """Run these one by one, and after each what it left: without a transaction that would run within it."""
    if not due:
        return 0
    others = [entry for entry in connection.run_on_commit if not any(entry is one for one in due)]
    ran = 0
    try:
        for entry in due:
            connection.run_on_commit = [entry]
            _let_through(connection)
            connection.run_and_clear_commit_hooks()
            ran += 1 + _run(connection, _due(connection))
    finally:
        connection.run_on_commit = [*others, *connection.run_on_commit]
    return ran


def _let_through(connection: Any) -> None:
    """Django makes sure that no block is open, once and before the callback; here the test's own is."""

    def validate() -> None:
        del connection.validate_no_atomic_block

    connection.validate_no_atomic_block = validate


def _shown(callback: Any) -> str:
    name = getattr(callback, "__qualname__", None)
    return f"{callback.__module__}.{name}" if name else repr(callback)
