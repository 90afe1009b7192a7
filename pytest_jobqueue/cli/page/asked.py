"""What a request asks for: which jobs are looked at, or which job is to be enqueued. Nothing is trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from pytest_jobqueue.cli.seed import LONGEST_DELAY
from pytest_jobqueue.job import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_jobqueue.adapters import Caps

STATES = ("pending", "scheduled", "retrying", "running", "waiting", "failed", "finished")


@dataclass(frozen=True, slots=True)
class View:
    """Which jobs are looked at.

    Attributes:
        state: One of `STATES`.
        queue: Only those of this queue; "" for all.
        page: From 1 on.
    """

    state: str = "pending"
    queue: str = ""
    page: int = 1

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> View:
        """From a query; what is not understood is as if it were not there."""
        state, page = fields.get("state", ""), fields.get("page", "")
        return cls(
            state if state in STATES else "pending",
            fields.get("queue", ""),
            max(int(page), 1) if page.isdecimal() and len(page) < 10 else 1,
        )

    @classmethod
    def of(cls, query: str) -> View:
        """From the text of a query."""
        return cls.read(dict(parse_qsl(query)))

    def at(self, **changes: Any) -> View:
        """Another one, of which something is different."""
        return replace(self, **changes)

    @property
    def query(self) -> str:
        """Its text."""
        fields: dict[str, Any] = {"state": self.state}
        if self.queue:
            fields["queue"] = self.queue
        if self.page > 1:
            fields["page"] = self.page
        return urlencode(fields)

    @property
    def url(self) -> str:
        """Where it is seen."""
        return f"/?{self.query}"


def read_call(form: Mapping[str, str], caps: Caps, now: float) -> Call:
    """The job that is to be enqueued by hand.

    Raises:
        ValueError: A field cannot be read; the message says which, and why.
    """
    name = form.get("name", "").strip()
    if not name:
        raise ValueError("A job needs a name.")
    args = _json("Arguments", form.get("args", ""), list, 'a JSON list, such as [2, "three"]')
    kwargs = {}
    if caps.kwargs:
        kwargs = _json(
            "Keyword arguments", form.get("kwargs", ""), dict, 'a JSON object, such as {"to": "Ann"}'
        )
    delay = _delay(form.get("delay", "")) if caps.delays else 0.0
    queue = form.get("queue", "").strip() or None
    return Call(name, tuple(args), kwargs, queue, now + delay if delay else None)


def _json(what: str, text: str, kind: type, wanted: str) -> Any:
    if not text.strip():
        return kind()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: this is no JSON: {error}. It is {wanted}.") from None
    if not isinstance(found, kind):
        raise ValueError(f"{what}: it is {wanted}.")  # noqa: TRY004 (the reader typed a wrong value)
    return found


def _delay(text: str) -> float:
    if not text.strip():
        return 0.0
    try:
        delay = float(text)
    except ValueError:
        delay = -1.0
    if not (delay >= 0 and math.isfinite(delay)):
        raise ValueError(f"Delay: {text!r} is no number of seconds.")
    if delay > LONGEST_DELAY:
        raise ValueError(f"Delay: {text!r} seconds are more than a hundred years.")
    return delay
