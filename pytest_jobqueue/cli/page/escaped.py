"""The only way to HTML: a template's fields are escaped, unless a value is HTML already."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Html(str):
    """Text that is HTML; made by `html` and `joined` only."""

    __slots__ = ()


def escaped(value: Any) -> Html:
    """A value as HTML, for the text of an element or a quoted attribute."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def html(template: str, /, *values: Any, **named: Any) -> Html:
    """Fill in a template of our own, as `str.format` does."""
    return Html(
        template.format(*map(escaped, values), **{name: escaped(value) for name, value in named.items()})
    )


def joined(parts: Iterable[Any]) -> Html:
    """One after another."""
    return Html("".join(map(escaped, parts)))


NOTHING = Html("")
