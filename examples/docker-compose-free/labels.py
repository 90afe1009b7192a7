"""The service that prints labels: `uvicorn labels:app`, and a worker for `labels:handlers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs_of import enqueue, redis
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pytest_jobqueue import Handlers

if TYPE_CHECKING:
    from starlette.requests import Request

handlers = Handlers()


@handlers.register("PrintLabel")
def print_label(order: str, address: str) -> None:
    redis().hset("labels", order, f"{order} for {address}")


async def ask(request: Request) -> Response:
    body = await request.json()
    enqueue("PrintLabel", body["order"], body["address"])
    return PlainTextResponse("accepted", status_code=202)


def show(request: Request) -> Response:
    label = redis().hget("labels", request.path_params["order"])
    return JSONResponse({"label": label}, status_code=404 if label is None else 200)


app = Starlette(
    routes=[Route("/labels", ask, methods=["POST"]), Route("/labels/{order}", show, methods=["GET"])]
)
