"""The page of `jobqueue dev` for a test that needs no browser: it reads, waits for news, and posts forms."""

from __future__ import annotations

import html
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30.0  # seconds


class PageClient:
    """Asks the page at an address.

    Args:
        url: The address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def see(self, state: str) -> str:
        """The page of a state."""
        return self._ask(f"/?state={state}")

    def jobs(self, state: str) -> list[str]:
        """The ids of the jobs of a state."""
        return re.findall(r"<dt>Id</dt><dd><code>([^<]+)", self.see(state))

    def until(self, state: str, holds: Callable[[str], object]) -> str:
        """Wait until something holds for the text of the page of a state; returns the text."""
        text, until = "", time.monotonic() + PATIENCE
        with urlopen(f"{self._url}/events", timeout=PATIENCE) as news:
            for _ in news:  # of a look, or at least that there was none for a while
                if holds(text := html.unescape(self.see(state))):
                    return text
                if time.monotonic() > until:
                    break
        pytest.fail(f"the page of {state} jobs stayed at:\n{re.sub(r'<[^>]*>', ' ', text)}")

    def post(self, address: str, **fields: str) -> str:
        """Send a form, with the token; returns the page that comes of it."""
        token = re.search(r'name="token" value="([^"]+)"', self._ask("/"))
        assert token is not None
        return self._ask(address, {"token": html.unescape(token[1]), **fields})

    def _ask(self, address: str, form: dict[str, str] | None = None) -> str:
        body = None if form is None else urlencode(form).encode()
        with urlopen(f"{self._url}{address}", body, timeout=PATIENCE) as answer:
            return str(answer.read().decode())
