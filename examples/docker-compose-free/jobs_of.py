"""What both services share: how a job is written for go-workers2's format, and where Redis is."""

from __future__ import annotations

import json
import os
import secrets
import time
from functools import cache
from typing import Any

from redis import Redis


@cache
def redis() -> Redis:
    return Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"), decode_responses=True)


def enqueue(name: str, *args: Any) -> None:
    job = {
        "class": name,
        "args": args,
        "queue": "default",
        "jid": secrets.token_hex(12),
        "enqueued_at": time.time(),
        "retry": True,
    }
    with redis().pipeline() as pipe:
        pipe.sadd("queues", "default")
        pipe.lpush("queue:default", json.dumps(job))
        pipe.execute()
