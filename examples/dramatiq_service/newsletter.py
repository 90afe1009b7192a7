"""A small service: it mails an issue to its readers, tries a busy mailbox again, and says when all is out."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend

URL = os.environ.get("REDIS_URL", "redis://redis:6379")

broker = RedisBroker(url=URL)
broker.add_middleware(GroupCallbacks(RedisBackend(url=URL)))
broker.add_middleware(AsyncIO())

READERS: list[str] = []
MAILED: list[tuple[str, str]] = []
LOG: list[str] = []


class MailboxBusyError(Exception):
    """The mailbox takes no more for now."""


def hand_over(reader: str, text: str) -> None:
    """What talks to the mail server."""
    MAILED.append((reader, text))


@dramatiq.actor(broker=broker, queue_name="mail", max_retries=3, max_age=86_400_000)
def mail(reader: str, issue: int) -> None:
    """Mail one copy; one that is a day late is not wanted any more."""
    hand_over(reader, f"issue {issue}")


@dramatiq.actor(broker=broker)
async def log(line: str) -> None:
    """Note what was done."""
    LOG.append(line)


@dramatiq.actor(broker=broker)
def publish(issue: int) -> None:
    """Mail an issue to everybody, and note it when all copies are out."""
    group = dramatiq.group([mail.message(reader, issue) for reader in READERS], broker=broker)
    group.add_completion_callback(log.message(f"issue {issue} is out"))
    group.run()


def announce(issue: int, hours: int) -> None:
    """What the web part of the service calls: publish an issue in some hours."""
    publish.send_with_options(args=(issue,), delay=hours * 3_600_000)
