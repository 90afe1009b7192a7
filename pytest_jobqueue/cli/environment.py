"""How a service finds the Redis: environment variables, under the names that it wants."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, NamedTuple

from pytest_jobqueue.errors import UsageError

if TYPE_CHECKING:
    from pytest_jobqueue.servers import Server

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELDS = ("url", "host", "port", "db")


class Name(NamedTuple):
    """A variable, and its text with `{url}`, `{host}`, `{port}` and `{db}` in it."""

    name: str
    text: str


USUAL = (
    Name("REDIS_URL", "{url}"),
    Name("REDIS_HOST", "{host}"),
    Name("REDIS_PORT", "{port}"),
    Name("REDIS_DB", "{db}"),
)


def read_names(text: str) -> tuple[Name, ...]:
    """Read `NAME[=TEXT],…`.

    Raises:
        UsageError: One is no name, or has a field in its text that there is not.
    """
    return tuple(_name(word.strip()) for word in text.split(",") if word.strip())


def _name(word: str) -> Name:
    name, equals, text = word.partition("=")
    if not _NAME.fullmatch(name):
        raise UsageError(f"--env-names: {name!r} is no name of an environment variable")
    text = text if equals else "{url}"
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
    except ValueError as error:
        raise UsageError(f"--env-names: {word!r} cannot be read: {error}") from None
    for field in fields:
        if field not in _FIELDS:
            known = ", ".join(f"{{{one}}}" for one in _FIELDS)
            raise UsageError(f"--env-names: there is no {{{field}}} in {word!r}; there are {known}")
    try:
        text.format(url="", host="", port=1, db=0)
    except (ValueError, LookupError) as error:
        raise UsageError(f"--env-names: {word!r} cannot be read: {error}") from None
    return Name(name, text)


def variables(names: tuple[Name, ...], server: Server) -> dict[str, str]:
    """The variables for a service of this Redis; later names win."""
    known = {"url": server.url, "host": server.host, "port": server.port, "db": server.database}
    return {one.name: one.text.format_map(known) for one in (*USUAL, *names)}
