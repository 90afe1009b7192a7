"""A small service: it makes thumbnails in the background, retries a slow store, and sweeps at night."""

from __future__ import annotations

import os

from huey import RedisHuey, crontab

huey = RedisHuey("thumbnails", url=os.environ.get("REDIS_URL", "redis://redis:6379"))

STORE: dict[str, str] = {}


class StoreDownError(Exception):
    """The store does not answer."""


def save(name: str, picture: str) -> None:
    """Put a picture into the store."""
    STORE[name] = picture


@huey.task(retries=2, retry_delay=60)
def shrink(picture: str, width: int) -> str:
    """Make one thumbnail."""
    name = f"{picture}@{width}"
    save(name, f"{width} pixels of {picture}")
    return name


@huey.task()
def publish(name: str) -> str:
    """Make a thumbnail public; runs after `shrink`."""
    STORE[f"public/{name}"] = STORE[name]
    return f"https://pictures.example/{name}"


@huey.periodic_task(crontab(minute="30", hour="3"))
def sweep() -> None:
    """Forget what is not public."""
    for name in [name for name in STORE if not name.startswith("public/")]:
        del STORE[name]


def upload(picture: str) -> None:
    """What the web part of the service calls."""
    huey.enqueue(shrink.s(picture, 200).then(publish))
