"""What becomes of a job that failed: again later, dead, or gone.

Rule 1: the decision and the new payload are the dialect's, its defects included (go-workers2 runs a job once
more than asked). Rule 2: chance comes from the caller.
"""

from __future__ import annotations

import base64
import json
import time
import traceback
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_jobqueue.wire.sidekiq import dump, seconds_of, timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from pytest_jobqueue.wire.dialects import Dialect
    from pytest_jobqueue.wire.sidekiq import Payload

DEFAULT_RETRIES = 25
DEAD_SECONDS = 180 * 24 * 60 * 60
"""How long Sidekiq keeps a dead job."""
DEAD_JOBS = 10_000
"""The rank at which Sidekiq cuts its dead set; 9,999 stay."""
_LONGEST_MESSAGE = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a failed job.

    Attributes:
        status: `retrying` or `failed`.
        reason: The same as a sentence.
        into: The sorted set that it goes to, `retry` or `dead`; None when it is gone.
        body: The payload to put there.
        score: Its score, in seconds since the epoch.
    """

    status: Literal["retrying", "failed"]
    reason: str
    into: Literal["retry", "dead"] | None = None
    body: bytes = b""
    score: float = 0.0


def retry_delay(dialect: Dialect, c: int, random: Random) -> int:
    """Seconds until the next attempt; `c` is `retry_count` after this failure, 0 on the first.

    `c**4 + 15` and a jitter: go-workers2 `Intn(30) * (c + 1)`, Sidekiq 6.2.2 to 7.3 `rand(10) * (c + 1)`,
    Sidekiq 8 `rand(10 * (c + 1))`.
    """
    if dialect.jitter == "any second":
        jitter = random.randrange(10 * (c + 1))
    else:
        jitter = random.randrange(30 if dialect.jitter == "thirty steps" else 10) * (c + 1)
    return int(c**4 + 15 + jitter)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt.

    Attributes:
        payload: The job as it was taken.
        error: What its handler raised.
        queue: What goes into the payload: the bare name, in go-workers2 with the namespace before it.
        now: The time, in seconds since the epoch.
    """

    payload: Payload
    error: BaseException
    queue: str
    now: float


def after_failure(failure: Failure, dialect: Dialect, random: Random) -> Verdict:
    """Decide as the dialect does; the jitter comes from `random`."""
    return (_go_verdict if dialect.is_go else _sidekiq_verdict)(failure, dialect, random)


def _go_verdict(failure: Failure, dialect: Dialect, random: Random) -> Verdict:
    payload = failure.payload
    retry = payload.fields.get("retry")
    if retry is not True:
        return Verdict("failed", f"not retried, gone: {_why_no_go_retry(retry)}")
    limit = payload.fields.get("retry_max")
    limit = limit if type(limit) is int and limit >= 0 else DEFAULT_RETRIES
    if (payload.retry_count or 0) >= limit:
        return Verdict("failed", f"retries exhausted (retry_max {limit}), gone: go-workers2 has no dead set")
    failed = dict(payload.fields) | {"queue": failure.queue, "error_message": _message(failure.error)}
    _count_up(failed, payload, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(failure.now)))
    # go-workers2 compares before it counts up: for retry_max N >= 1 there are N + 1 retries.
    return _again(failed, dialect, f" of {limit + 1}", failure.now, random)


def _why_no_go_retry(retry: Any) -> str:
    if retry is None or retry is False:
        return "retry is not true"
    return f"retry is {retry!r}, and go-workers2 reads only true and false"


def _sidekiq_verdict(failure: Failure, dialect: Dialect, random: Random) -> Verdict:
    retry = failure.payload.fields.get("retry", True)
    if retry is False:
        return Verdict("failed", "not retried, gone: retry is false")
    failed = _sidekiq_failed(failure, dialect)
    if failed.get("retry_for") and "retry_for" in dialect.options:
        return _sidekiq_retry_for(failed, dialect, failure.now, random)
    limit = retry if type(retry) is int else DEFAULT_RETRIES
    if failed["retry_count"] >= limit:
        return _dead(failed, dialect, f"retries exhausted (retry {limit})", failure.now)
    return _again(failed, dialect, f" of {limit}", failure.now, random)


def _sidekiq_failed(failure: Failure, dialect: Dialect) -> dict[str, Any]:
    payload, error = failure.payload, failure.error
    failed = dict(payload.fields)
    if failed.get("retry") is None:
        failed["retry"] = True
    failed["queue"] = failed.get("retry_queue") or failure.queue
    failed["error_message"] = _message(error)[:_LONGEST_MESSAGE]
    failed["error_class"] = _class_name(error)
    _count_up(failed, payload, timestamp(failure.now, dialect))
    if failed.get("backtrace"):
        failed["error_backtrace"] = _backtrace(error, failed["backtrace"])
    return failed


def _sidekiq_retry_for(failed: Mapping[str, Any], dialect: Dialect, now: float, random: Random) -> Verdict:
    since, limit = failed.get("failed_at"), failed["retry_for"]
    seconds = seconds_of(since, dialect)
    if seconds is None:
        return Verdict(
            "failed",
            f"lost: with retry_for {dialect.source} reckons with failed_at, which is {since!r}, "
            "and its retry code raises",
        )
    if seconds + limit < now:
        return _dead(failed, dialect, f"retries exhausted (retry_for {limit} s)", now)
    return _again(failed, dialect, f" within {limit} s", now, random)


def _again(failed: Mapping[str, Any], dialect: Dialect, bound: str, now: float, random: Random) -> Verdict:
    count = failed["retry_count"]
    delay = retry_delay(dialect, count, random)
    reason = f"retry {count + 1}{bound}, in {delay} s"
    return Verdict("retrying", reason, "retry", dump(failed, dialect, rewritten=True), now + delay)


def _dead(failed: Mapping[str, Any], dialect: Dialect, exhausted: str, now: float) -> Verdict:
    if failed.get("dead") is False:
        return Verdict("failed", f"{exhausted}, gone: dead is false")
    return Verdict("failed", f"{exhausted}, kept in the dead set", "dead", dump(failed, dialect), now)


def _count_up(failed: dict[str, Any], payload: Payload, now: Any) -> None:
    count = payload.retry_count
    failed["failed_at" if count is None else "retried_at"] = now
    failed["retry_count"] = 0 if count is None else count + 1


def _message(error: BaseException) -> str:
    try:
        text = str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - an exception whose text fails must still be recorded
        text = f"{type(error).__name__} (its message cannot be shown)"
    return text.encode("utf-8", "replace").decode()


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _backtrace(error: BaseException, lines: Any) -> str:
    frames = [
        f"{frame.filename}:{frame.lineno}:in `{frame.name}'"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
    ]
    kept = frames if lines is True else frames[: lines if type(lines) is int else 0]
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return base64.b64encode(zlib.compress(text)).decode()


def read_backtrace(text: str) -> list[str]:
    """The lines of an `error_backtrace` field, innermost first: base64 of zlib of a JSON array."""
    lines: list[str] = json.loads(zlib.decompress(base64.b64decode(text)))
    return lines
