"""Whom the page answers: a browser on this machine, asked by the page itself.

Listening on 127.0.0.1 keeps other machines out, not other pages in the same browser. A name that was made to
lead here is seen by the `Host`, a form or script of another page by the `Origin`; what gets through still
needs the token, which only the page itself can read.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost", "[::1]")

# Nothing from elsewhere, nothing inline, in no frame, kept nowhere. A form's `Origin` would be "null" under a
# stricter Referrer-Policy.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Stands before an application.

    Args:
        app: The application.
        port: Where it is reached.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in _NAMES}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._address = f"http://127.0.0.1:{port}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have the application answer."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else ""
        answer = PlainTextResponse(refusal, 403) if refusal else self._app
        await answer(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> str:
        if headers.get("host", "").lower() not in self._hosts:
            return f"This page is only answered at {self._address}\n"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            return f"Another page ({origin}) may not use this one.\n"
        return ""


def is_same(token: str, given: str) -> bool:
    """Whether a token is the right one, in a time that says nothing of it."""
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))
