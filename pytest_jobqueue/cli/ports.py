"""Loopback ports that are free: the one that is wanted, or the next."""

from __future__ import annotations

import contextlib
import socket

HIGHEST = 65535
_LOOKED_AT = 100


def first_free(wanted: int) -> socket.socket | None:
    """A socket that listens on the first free port of 127.0.0.1 from `wanted` on; None if none is near."""
    for port in range(wanted, min(wanted + _LOOKED_AT, HIGHEST + 1)):
        found = on(port)
        if found is not None:
            return found
    return None


def on(port: int) -> socket.socket | None:
    """A socket that listens on this port, or on any for 0; None if it is taken."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        found.bind(("127.0.0.1", port))
        found.listen()
        return found
    found.close()
    return None
