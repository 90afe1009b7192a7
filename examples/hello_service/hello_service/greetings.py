"""Greetings that wait in Redis until they are collected, one for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis import Redis


class NotCollectedError(Exception):
    """The last greeting for this key still waits."""


class Greetings:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def leave(self, key: str, text: str) -> None:
        if not self._redis.set(f"greeting:{key}", text, nx=True):
            raise NotCollectedError(f"the last greeting for {key} was not collected")

    def collect(self, key: str) -> str | None:
        return self._redis.getdel(f"greeting:{key}")
