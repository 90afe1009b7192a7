"""A small service: it welcomes whoever signs up, retries a slow mail server, and sends a digest at night."""

from __future__ import annotations

import os
from typing import Any

from arq import Retry, create_pool, cron
from arq.connections import ArqRedis, RedisSettings

OUTBOX: list[str] = []
_POOL: list[ArqRedis] = []


class MailServerDownError(Exception):
    """The mail server does not answer."""


def deliver(mail: str) -> None:
    """Hand a mail to the server."""
    OUTBOX.append(mail)


async def on_startup(ctx: dict[str, Any]) -> None:
    ctx["from"] = "hello@service.example"


async def welcome(ctx: dict[str, Any], name: str) -> str:
    """Send a mail, up to five times, a minute later each time."""
    mail = f"{ctx['from']}: welcome, {name}"
    try:
        deliver(mail)
    except MailServerDownError as error:
        raise Retry(defer=60 * ctx["job_try"]) from error
    return mail


async def digest(ctx: dict[str, Any]) -> None:
    """Tell the owner how many there were."""
    deliver(f"{ctx['from']}: {len(OUTBOX)} mails today")


class WorkerSettings:
    """What `arq signup.WorkerSettings` runs."""

    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://redis:6379"))
    functions = (welcome,)
    cron_jobs = (cron(digest, hour=3, minute=30),)
    on_startup = on_startup


async def sign_up(name: str) -> None:
    """What the web part of the service calls; its pool lives as long as the process."""
    if not _POOL:
        _POOL.append(await create_pool(WorkerSettings.redis_settings))
    await _POOL[0].enqueue_job("welcome", name, _job_id=f"welcome:{name}")
