"""A worker's ear for the broadcasts of `app.control`: revocations, and nothing else.

Celery keeps a revocation in the memory of the workers that were there to hear it, so the ear is open from the
start. A broadcast that asks for an answer gets none, since whoever asks is this very thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.utils.collections import AttributeDict
from celery.worker.control import Panel

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

_HEARD = ("revoke", "revoke_by_stamped_headers")
_PATIENCE = 5.0  # seconds that the server may take to answer


class Remote:
    """One worker's mailbox.

    A broadcast goes over a connection of its own, so that it could be overtaken. What `listen` waits for is
    the answer to a ping that follows it: everything that was broadcast before `ask` is heard then.

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
        )
        self._open()

    def ask(self) -> None:
        """Send the ping, and do not wait."""
        if self._node.channel is None:
            self._open()
        pubsub = self._node.channel.subclient
        if not pubsub.health_check_response_counter:
            pubsub.ping(pubsub.HEALTH_CHECK_MESSAGE)
            pubsub.health_check_response_counter = 1

    def listen(self) -> None:
        """Do what was broadcast before the last `ask`.

        Raises:
            redis.exceptions.ConnectionError: The connection is broken; the next time there is a new one.
        """
        pubsub = self._node.channel.subclient
        ends = time.monotonic() + _PATIENCE
        try:
            while pubsub.health_check_response_counter > 0:
                self._connection.drain_events(timeout=max(ends - time.monotonic(), 0))
        except self._connection.connection_errors:
            self._node.channel.close()
            self._node.channel = None
            raise

    def _open(self) -> None:
        self._node.channel = self._connection.channel()
        self._node.listen(callback=self._hear)
        self._connection.drain_events(timeout=_PATIENCE)

    def _hear(self, body: dict[str, Any], message: Any) -> None:
        if body.get("method") in _HEARD:
            self._node.handle_message({**body, "reply_to": None}, message)
