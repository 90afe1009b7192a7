"""The web process: `uvicorn --factory hello_service.app:create_app`.

It puts jobs on the queue and hands out what they left; it runs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hello_service import settings
from hello_service.greetings import Greetings
from hello_service.queue import Queue

if TYPE_CHECKING:
    from starlette.requests import Request


def create_app() -> Starlette:
    app = Starlette(
        routes=[
            Route("/enqueue", enqueue, methods=["POST"]),
            Route("/dequeue", dequeue),
            Route("/workers/stats", stats),
            Route("/workers/retries", retries),
        ]
    )
    app.state.queue = Queue(settings.redis(), "hello")
    app.state.greetings = Greetings(settings.redis())
    return app


def enqueue(request: Request) -> Response:
    jid = request.app.state.queue.enqueue("Hello", _key(request))
    return PlainTextResponse(f"accepted job {jid}", status_code=202)


def dequeue(request: Request) -> Response:
    greeting = request.app.state.greetings.collect(_key(request))
    if greeting is None:
        raise HTTPException(404)
    return PlainTextResponse(greeting)


def stats(request: Request) -> Response:
    return JSONResponse(request.app.state.queue.stats())


def retries(request: Request) -> Response:
    return JSONResponse(request.app.state.queue.retries())


def _key(request: Request) -> str:
    key = request.query_params.get("key")
    if not key:
        raise HTTPException(400, "key is missing")
    return key
