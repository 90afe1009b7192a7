"""A worker's ear for the broadcasts of `app.control`: revocations, and nothing else.

Celery keeps a revocation in the memory of the workers that were there to hear it, so the ear is open from the
start. A broadcast that asks for an answer gets none, since whoever asks is this very thread.
"""

from __future__ import annotations

import contextlib
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

    A broadcast comes over a connection of its own, so that what was sent after it could overtake it. After a
    broadcast of this process it is waited for: the answer to a ping comes behind it.

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
        self._control = app.control
        self._broadcast = app.control.broadcast
        self._spoken = False
        self._control.broadcast = self._speak

    def listen(self) -> None:
        """Do what was broadcast until now; a connection that broke is made anew, with nothing on it."""
        try:
            if self._spoken:
                self._wait()
            elif self._pubsub.connection.can_read(timeout=0):
                self._hear_on()
        except self._connection.connection_errors:
            self._node.channel.close()
            self._open()
        self._spoken = False

    def close(self) -> None:
        """Stop minding what this process broadcasts."""
        del self._control.broadcast

    @property
    def _pubsub(self) -> Any:
        return self._node.channel.subclient

    def _speak(self, *args: Any, **kwargs: Any) -> Any:
        self._spoken = True
        return self._broadcast(*args, **kwargs)

    def _open(self) -> None:
        self._node.channel = self._connection.channel()
        self._node.listen(callback=self._hear)
        self._connection.drain_events(timeout=_PATIENCE)

    def _wait(self) -> None:
        pubsub, ends = self._pubsub, time.monotonic() + _PATIENCE
        pubsub.ping(pubsub.HEALTH_CHECK_MESSAGE)
        pubsub.health_check_response_counter = 1
        while pubsub.health_check_response_counter > 0:
            self._connection.drain_events(timeout=max(ends - time.monotonic(), 0))

    def _hear_on(self) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                self._connection.drain_events(timeout=0)

    def _hear(self, body: dict[str, Any], message: Any) -> None:
        if body.get("method") in _HEARD:
            self._node.handle_message({**body, "reply_to": None}, message)
