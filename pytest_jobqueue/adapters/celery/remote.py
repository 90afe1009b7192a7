"""A worker's ear for the broadcasts of `app.control`: revocations, and nothing else.

Celery keeps a revocation in the memory of the workers that were there to hear it, so the ear is open from the
start. A broadcast that asks for an answer gets none, since whoever asks is this very thread.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from celery.utils.collections import AttributeDict
from celery.worker.control import Panel

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

_HEARD = ("revoke", "revoke_by_stamped_headers")
_CONFIRMED = 5.0  # seconds that the server may take to say that the subscription is there


class Remote:
    """One worker's mailbox.

    Args:
        app: The application.
        connection: The worker's connection; the mailbox has a channel of its own on it.
        hostname: What the worker is called.
    """

    def __init__(self, app: Celery, connection: Connection, hostname: str) -> None:
        self._connection = connection
        self._node = app.control.mailbox.Node(
            hostname,
            handlers={name: Panel.data[name] for name in _HEARD},
            state=AttributeDict(app=app, hostname=hostname, consumer=None, tset=set),
            channel=connection.channel(),
        )
        self._consumer = self._node.listen(callback=self._hear)
        self._drain(_CONFIRMED)

    def listen(self) -> None:
        """Do what was asked since the last time."""
        while self._drain(0):
            pass

    def _drain(self, timeout: float) -> bool:
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            return False
        return True

    def _hear(self, body: dict[str, Any], message: Any) -> None:
        if body.get("method") in _HEARD:
            with contextlib.suppress(KeyError):
                self._node.handle_message({**body, "reply_to": None}, message)
