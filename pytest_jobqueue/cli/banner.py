"""What is printed once all is up: where everything is, what to paste, and what it must not be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def banner(rows: Mapping[str, str], *, url: str, relaxed: str) -> str:
    """The text, its last line without a line end.

    Args:
        rows: What is where, in order.
        url: The URL of the Redis.
        relaxed: What is not as in production.
    """
    width = max(map(len, rows))
    table = "\n".join(f"  {name:>{width}}: {text}" for name, text in rows.items())
    return (
        f"\n==> jobqueue dev\n\n{table}\n\n"
        f"    export REDIS_URL={url}\n\n"
        f"{relaxed}\nDevelopment only: do not use any of this in production. Ctrl-C stops it.\n"
    )


def relaxed(mode: str) -> str:
    """What is not as in production, by the kind of Redis."""
    if mode == "fake":
        return "Everything is in memory and is gone at the end: no persistence, no password, no TLS."
    if mode in ("server", "container"):
        return "Nothing is kept: the Redis goes at the end, with no persistence, no password and no TLS."
    return "The database was empty and is leased; it is emptied again at the end."
