"""Who else is connected to a Redis, and which databases they hold: CLIENT LIST as values.

The names that stand for a lease are written and read here and nowhere else.
"""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass

_PREFIX = "pytest-jobqueue:lease:"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Peer:
    """One connected client.

    Attributes:
        address: Its host and port, as the server sees them.
        name: What it called itself; often nothing.
        database: The database that it has selected.
        blocked: Whether it waits in a blocking command, as workers do that wait for jobs.
        command: Its last command.
    """

    address: str
    name: str
    database: int
    blocked: bool
    command: str

    @property
    def leased(self) -> int | None:
        """The database that this connection is a lease of, or None."""
        number = self.name.removeprefix(_PREFIX).partition(":")[0]
        return int(number) if self.name.startswith(_PREFIX) and number.isdigit() else None

    @property
    def owner(self) -> str:
        """The host, process and run behind a lease, in words."""
        host, pid, run, _ = self.name.removeprefix(_PREFIX).split(":")[1:]
        return f"{host}, pid {pid}" + (f", run {run}" if run else "")

    def __str__(self) -> str:
        return f"{self.address} ({self.name or 'unnamed'}, {self.command})"


def lease_name(database: int, run_id: str, token: str) -> str:
    """What a connection of this process is called while it leases `database`."""
    parts = (socket.gethostname(), str(os.getpid()), run_id, token)
    return f"{_PREFIX}{database}:" + ":".join(_NOT_IN_A_NAME.sub("-", part) for part in parts)


def read_peers(listing: str) -> list[Peer]:
    """The rows of a CLIENT LIST reply."""
    return [_peer(row) for row in listing.splitlines() if row]


def _peer(row: str) -> Peer:
    fields = dict(item.partition("=")[::2] for item in row.split(" "))
    return Peer(
        address=fields.get("addr", "?"),
        name=fields.get("name", ""),
        database=int(fields.get("db", 0)),
        blocked="b" in fields.get("flags", ""),
        command=fields.get("cmd", "?"),
    )
