"""Where the service's Redis is. The environment is read when somebody asks, not on import."""

from __future__ import annotations

import os
from functools import cache

from redis import Redis


def redis_url() -> str:
    return os.environ.get("REDIS_URL", "redis://localhost:6379/0")


def redis() -> Redis:
    """The client of this process, made once for each address."""
    return _client(redis_url())


@cache
def _client(url: str) -> Redis:
    return Redis.from_url(url, decode_responses=True)
