"""The service that takes orders: `uvicorn orders:app`, and a worker for `orders:handlers`.

Its job asks the other service for a label, which it finds at LABELS_URL.
"""

from __future__ import annotations

import json
import os
import urllib.request
from typing import TYPE_CHECKING

from jobs_of import enqueue
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pytest_jobqueue import Handlers

if TYPE_CHECKING:
    from starlette.requests import Request

handlers = Handlers()


@handlers.register("Ship")
def ship(order: str, address: str) -> None:
    request = urllib.request.Request(  # noqa: S310 (the address is the deployment's own)
        f"{os.environ['LABELS_URL']}/labels",
        json.dumps({"order": order, "address": address}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 (likewise)
        pass


async def take(request: Request) -> Response:
    body = await request.json()
    enqueue("Ship", body["order"], body["address"])
    return PlainTextResponse("accepted", status_code=202)


app = Starlette(routes=[Route("/orders", take, methods=["POST"])])
