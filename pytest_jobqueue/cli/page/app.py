"""The page's addresses. A look is GET and asks no Redis; whatever changes something is POST with the token.

A POST that went well leads back to where the reader was, so that a reload never does anything twice; one that
did not shows the page with the reason.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pytest_jobqueue.cli.page.asked import STATES, View, read_call
from pytest_jobqueue.cli.page.guard import Guard, is_same
from pytest_jobqueue.cli.page.views import STATIC, Now, Place, Typed, soonest, whole
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import error_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from pytest_jobqueue.cli.desk import Desk
    from pytest_jobqueue.job import Job

_LONGEST = 1024 * 1024  # bytes of a form
_OFTEN = 0.25  # seconds between two events of one stream
_ALIVE = 15.0  # seconds after which a stream without events says so, which shows whether its reader is gone
_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

# What is said after a POST, by the word in the address that it leads to.
_DONE = {
    "requeue": "The job is ready now.",
    "discard": "The job is deleted.",
    "enqueue": "The job is enqueued.",
    "step": "The next job is run.",
    "pause": "The workers pause.",
    "resume": "The workers go on.",
}


class Page:
    """The application, as `app`.

    Args:
        desk: What it shows.
        place: What does not change.
        port: Where it is served.
        closing: When it is set, streams end.

    Attributes:
        app: For a server, or a test client.
    """

    def __init__(self, desk: Desk, place: Place, port: int, closing: asyncio.Event) -> None:
        self._desk = desk
        self._place = place
        self._closing = closing
        routes = [
            Route("/", self._look),
            Route("/events", self._events),
            Route("/jobs", self._act, methods=["POST"]),
            Route("/next", self._run_next_due, methods=["POST"]),
            Route("/enqueue", self._enqueue, methods=["POST"]),
            Route("/workers", self._control, methods=["POST"]),
        ]
        routes += [Route(f"/{name}", _file(name, kind)) for name, kind in _FILES.items()]
        self.app = Guard(Starlette(routes=routes), port)

    # Looking

    async def _look(self, request: Request) -> Response:
        view = View.read(request.query_params)
        return self._show(view, _DONE.get(request.query_params.get("done", ""), ""))

    def _show(self, view: View, notice: str = "", typed: Typed | None = None, status: int = 200) -> Response:
        desk = self._desk
        now = Now(desk.standing, desk.ledger, desk.is_paused, desk.is_changing, time.time())
        text = whole(self._place, now, view, notice, typed)
        return HTMLResponse(text.encode("utf-8", "backslashreplace"), status)

    async def _events(self, _: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        """One event at once, and one whenever something is new, but not too often."""
        yield "retry: 500\n\n"
        version = -1
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        news: asyncio.Future[Any] | None = None
        try:
            while not self._closing.is_set():
                news = news or asyncio.ensure_future(self._desk.changed(version))
                await asyncio.wait({closing, news}, timeout=_ALIVE, return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    version, news = news.result(), None
                    yield f"data: {version}\n\n"
                    await asyncio.wait({closing}, timeout=_OFTEN)
                else:
                    yield ": nothing new\n\n"
        finally:
            for waiting in (closing, news):
                if waiting is not None:
                    waiting.cancel()

    # Doing

    async def _act(self, request: Request) -> Response:
        form = await self._form(request)
        action, state = form.get("action", ""), form.get("state", "")
        if action not in self._place.can or state not in STATES or state == "finished":
            raise HTTPException(400, "there is no such action")
        found = (job for job in getattr(self._desk.standing, state) if job.id == form.get("id"))
        return await self._with_job(form, action, next(found, None), state)

    async def _run_next_due(self, request: Request) -> Response:
        form = await self._form(request)
        if "requeue" not in self._place.can:
            raise HTTPException(400, "there is no such action")
        return await self._with_job(form, "requeue", soonest(self._desk.standing), "scheduled or retrying")

    async def _with_job(self, form: dict[str, str], action: str, job: Job | None, state: str) -> Response:
        view = View.of(form.get("view", ""))
        if job is None:
            return self._show(view, f"The job is no longer {state}.", status=409)
        wrong = await self._try(getattr(self._desk.binding, action), job)
        return self._show(view, wrong, status=409) if wrong else _back(view, action)

    async def _enqueue(self, request: Request) -> Response:
        form = await self._form(request)
        view = View.of(form.get("view", ""))
        try:
            call = read_call(form, self._place.caps, time.time())
            wrong = await self._try(self._desk.binding.enqueue, call)
        except ValueError as error:
            wrong = str(error)
        return self._show(view, typed=Typed(form, wrong), status=422) if wrong else _back(view, "enqueue")

    async def _try(self, function: Callable[..., Any], argument: Any) -> str:
        """Do something with the binding and look at what it has changed; returns what went wrong, or ""."""
        try:
            await self._desk.do(function, argument)
        except UsageError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 (any job library's own; the reader sees it)
            return error_text(error)
        await self._desk.look()
        return ""

    async def _control(self, request: Request) -> Response:
        form = await self._form(request)
        what = form.get("action", "")
        if what not in ("pause", "resume", "step") or not self._place.app:
            raise HTTPException(400, "there is no such action")
        self._desk.control(what)
        return _back(View.of(form.get("view", "")), what)

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form that has the token.

        Raises:
            HTTPException: It has not, or is too long.
        """
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LONGEST:
                raise HTTPException(413, "the form is too long")
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        if not is_same(self._place.token, form.pop("token", "")):
            raise HTTPException(403, "the token is missing or old: reload the page")
        return form


def _back(view: View, done: str) -> Response:
    return RedirectResponse(f"{view.url}&done={done}", 303)


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    content = (STATIC / name).read_bytes()
    return lambda _: Response(content, media_type=kind)
