"""When a failed job runs again, what is written, and when it is given up: tables per dialect."""

# ruff: noqa: E501 - payloads and messages are searched for, and read, in one piece

from __future__ import annotations

import random
from traceback import extract_tb

import pytest

from pytest_jobqueue.wire.dialects import DIALECTS, GO_WORKERS2, SIDEKIQ6, SIDEKIQ7, SIDEKIQ8
from pytest_jobqueue.wire.retries import Failure, after_failure, read_backtrace, retry_delay
from pytest_jobqueue.wire.sidekiq import decode

NOW = 1795489362.25  # 2026-11-24 03:02:42 UTC


class Least(random.Random):
    def randrange(self, stop):
        return 0


class Most(random.Random):
    def randrange(self, stop):
        return stop - 1


@pytest.mark.parametrize(
    ("dialect", "c", "least", "most"),
    [
        (GO_WORKERS2, 0, 15, 44),
        (GO_WORKERS2, 1, 16, 74),
        (GO_WORKERS2, 24, 331_791, 331_791 + 725),
        (SIDEKIQ6, 0, 15, 24),
        (SIDEKIQ6, 1, 16, 34),
        (SIDEKIQ7, 0, 15, 24),
        (SIDEKIQ7, 1, 16, 34),
        (SIDEKIQ7, 24, 331_791, 331_791 + 225),
        (SIDEKIQ8, 0, 15, 24),
        (SIDEKIQ8, 1, 16, 35),
        (SIDEKIQ8, 24, 331_791, 331_791 + 249),
    ],
)
def test_the_schedule(dialect, c, least, most):
    assert (retry_delay(dialect, c, Least()), retry_delay(dialect, c, Most())) == (least, most)


def test_the_second_retry_of_sidekiq_7_waits_even_steps_and_of_sidekiq_8_any():
    chance = random.Random(1)
    assert {retry_delay(SIDEKIQ7, 1, chance) - 16 for _ in range(500)} == set(range(0, 20, 2))
    assert {retry_delay(SIDEKIQ8, 1, chance) - 16 for _ in range(500)} == set(range(20))
    assert {retry_delay(GO_WORKERS2, 1, chance) - 16 for _ in range(900)} == set(range(0, 60, 2))


def verdict(raw, dialect, error=None, queue="q1", now=NOW):
    failure = Failure(decode(raw), error or RuntimeError("boom"), queue, now)
    return after_failure(failure, dialect, Least())


FAILED_ONCE = {
    "go-workers2: sorted keys, a namespace, text for a time": (
        GO_WORKERS2,
        "prod:q1",
        b'{"jid":"j1","queue":"q1","class":"Add","args":[1],"retry":true}',
        (
            b'{"args":[1],"class":"Add","error_message":"boom","failed_at":"2026-11-24 03:02:42 UTC","jid":"j1",'
            b'"queue":"prod:q1","retry":true,"retry_count":0}'
        ),
        NOW + 15,
    ),
    "go-workers2, again": (
        GO_WORKERS2,
        "q1",
        (
            b'{"args":[1],"class":"Add","error_message":"x","failed_at":"then","jid":"j1","queue":"q1",'
            b'"retry":true,"retry_count":0}'
        ),
        (
            b'{"args":[1],"class":"Add","error_message":"boom","failed_at":"then","jid":"j1","queue":"q1",'
            b'"retried_at":"2026-11-24 03:02:42 UTC","retry":true,"retry_count":1}'
        ),
        NOW + 16,
    ),
    "sidekiq7: order kept, fields appended": (
        SIDEKIQ7,
        "q1",
        b'{"retry":2,"queue":"q1","args":[4],"class":"Boom","jid":"417b","created_at":1.5,"enqueued_at":1.5}',
        (
            b'{"retry":2,"queue":"q1","args":[4],"class":"Boom","jid":"417b","created_at":1.5,"enqueued_at":1.5,'
            b'"error_message":"boom","error_class":"RuntimeError","failed_at":1795489362.25,"retry_count":0}'
        ),
        NOW + 15,
    ),
    "sidekiq6, again, on a queue for retries": (
        SIDEKIQ6,
        "q1",
        (
            b'{"retry":true,"queue":"q1","retry_queue":"low","args":[],"class":"Boom","jid":"1",'
            b'"error_message":"x","error_class":"E","failed_at":1.5,"retry_count":0}'
        ),
        (
            b'{"retry":true,"queue":"low","retry_queue":"low","args":[],"class":"Boom","jid":"1",'
            b'"error_message":"boom","error_class":"RuntimeError","failed_at":1.5,"retry_count":1,'
            b'"retried_at":1795489362.25}'
        ),
        NOW + 16,
    ),
    "sidekiq8: milliseconds": (
        SIDEKIQ8,
        "q1",
        b'{"retry":true,"queue":"q1","args":[],"class":"Boom","jid":"1"}',
        (
            b'{"retry":true,"queue":"q1","args":[],"class":"Boom","jid":"1","error_message":"boom",'
            b'"error_class":"RuntimeError","failed_at":1795489362250,"retry_count":0}'
        ),
        NOW + 15,
    ),
    "sidekiq7: a missing retry is the class's default": (
        SIDEKIQ7,
        "q1",
        b'{"queue":"q1","args":[],"class":"Boom","jid":"1"}',
        (
            b'{"queue":"q1","args":[],"class":"Boom","jid":"1","retry":true,"error_message":"boom",'
            b'"error_class":"RuntimeError","failed_at":1795489362.25,"retry_count":0}'
        ),
        NOW + 15,
    ),
}


@pytest.mark.parametrize(("dialect", "queue", "raw", "body", "score"), FAILED_ONCE.values(), ids=FAILED_ONCE)
def test_a_failure_is_written_byte_by_byte(dialect, queue, raw, body, score):
    found = verdict(raw, dialect, queue=queue)
    assert (found.status, found.into, found.body, found.score) == ("retrying", "retry", body, score)


def executions(raw, dialect, limit=40):
    """How often a job runs that always fails, and what becomes of it."""
    for run in range(1, limit):
        found = verdict(raw, dialect)
        if found.status != "retrying":
            return run, found.into, found.reason
        raw = found.body
    return limit, None, "endless"


GONE = "retries exhausted (retry_max {}), gone: go-workers2 has no dead set"
KEPT = "retries exhausted (retry {}), kept in the dead set"


@pytest.mark.parametrize(
    ("dialect", "fields", "runs", "into", "reason"),
    [
        (GO_WORKERS2, b'"retry":true,"retry_max":0', 1, None, GONE.format(0)),
        (GO_WORKERS2, b'"retry":true,"retry_max":1', 3, None, GONE.format(1)),  # 4: one more than asked
        (GO_WORKERS2, b'"retry":true,"retry_max":2', 4, None, GONE.format(2)),
        (GO_WORKERS2, b'"retry":true', 27, None, GONE.format(25)),
        (GO_WORKERS2, b'"retry":true,"retry_max":-1', 27, None, GONE.format(25)),
        (GO_WORKERS2, b'"retry":false', 1, None, "not retried, gone: retry is not true"),
        (GO_WORKERS2, b'"x":1', 1, None, "not retried, gone: retry is not true"),
        (  # 2: an integer is no boolean
            GO_WORKERS2,
            b'"retry":5',
            1,
            None,
            "not retried, gone: retry is 5, and go-workers2 reads only true and false",
        ),
        (SIDEKIQ7, b'"retry":true', 26, "dead", KEPT.format(25)),
        (SIDEKIQ7, b'"retry":true,"retry_max":1', 26, "dead", KEPT.format(25)),  # 3: ignored
        (SIDEKIQ6, b'"retry":5', 6, "dead", KEPT.format(5)),
        (SIDEKIQ8, b'"retry":1', 2, "dead", KEPT.format(1)),
        (SIDEKIQ7, b'"retry":0', 1, "dead", KEPT.format(0)),
        (SIDEKIQ7, b'"retry":false', 1, None, "not retried, gone: retry is false"),
        (SIDEKIQ7, b'"x":1', 26, "dead", KEPT.format(25)),
        (SIDEKIQ7, b'"retry":0,"dead":false', 1, None, "retries exhausted (retry 0), gone: dead is false"),
    ],
)
def test_how_often_a_job_runs_that_always_fails(dialect, fields, runs, into, reason):
    raw = b'{"class":"Boom","args":[],"queue":"q1",%s}' % fields
    assert executions(raw, dialect) == (runs, into, reason)


def test_a_reason_counts_the_retries_that_there_really_are():
    raw = b'{"class":"Boom","args":[],%s}'
    assert verdict(raw % b'"retry":true,"retry_max":2', GO_WORKERS2).reason == "retry 1 of 3, in 15 s"
    assert verdict(raw % b'"retry":3', SIDEKIQ7).reason == "retry 1 of 3, in 15 s"
    assert verdict(raw % b'"retry_for":60', SIDEKIQ7).reason == "retry 1 within 60 s, in 15 s"


@pytest.mark.parametrize(
    ("dialect", "failed_at", "status", "reason"),
    [
        (SIDEKIQ7, b"1795489302.5", "retrying", "retry 2 within 60 s, in 16 s"),
        (SIDEKIQ7, b"1795489301.5", "failed", "retries exhausted (retry_for 60 s), kept in the dead set"),
        (SIDEKIQ8, b"1795489302500", "retrying", "retry 2 within 60 s, in 16 s"),
        (SIDEKIQ8, b"1795489301500", "failed", "retries exhausted (retry_for 60 s), kept in the dead set"),
        (SIDEKIQ6, b"1", "retrying", "retry 2 of 25, in 16 s"),
    ],
)
def test_retry_for_counts_seconds_since_the_first_failure(dialect, failed_at, status, reason):
    raw = b'{"class":"Boom","args":[],"retry":true,"retry_for":60,"retry_count":0,"failed_at":%s}' % failed_at
    found = verdict(raw, dialect)
    assert (found.status, found.reason) == (status, reason)


def test_6_a_time_as_text_makes_the_retry_code_of_sidekiq_raise():
    raw = b'{"class":"A","args":[],"retry":true,"retry_for":60,"retry_count":0,"failed_at":"2026 UTC"}'
    found = verdict(raw, SIDEKIQ8)
    assert (found.status, found.into) == ("failed", None)
    assert found.reason == (
        "lost: with retry_for Sidekiq 8.1.7 reckons with failed_at, which is '2026 UTC', "
        "and its retry code raises"
    )


def test_6_without_retry_for_the_text_is_kept():
    raw = b'{"class":"A","args":[],"retry":true,"retry_count":0,"failed_at":"2026 UTC"}'
    assert decode(verdict(raw, SIDEKIQ7).body).fields["failed_at"] == "2026 UTC"


class NoTextError(Exception):
    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad"), "bad"),
        (ValueError(), "ValueError"),
        (ValueError("\ud800"), "?"),
        (NoTextError(), "NoTextError (its message cannot be shown)"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_whatever_is_raised_has_a_message(dialect, error, message):
    raw = b'{"class":"Boom","args":[],"retry":true}'
    assert decode(verdict(raw, dialect, error).body).fields["error_message"] == message


def test_a_long_message_is_cut_by_sidekiq_only():
    raw, error = b'{"class":"Boom","args":[],"retry":true}', ValueError("x" * 20_000)
    assert len(decode(verdict(raw, SIDEKIQ7, error).body).fields["error_message"]) == 10_000
    assert len(decode(verdict(raw, GO_WORKERS2, error).body).fields["error_message"]) == 20_000


def test_7_error_class_is_sidekiqs_only():
    raw = b'{"class":"Boom","args":[],"retry":true}'
    assert "error_class" not in decode(verdict(raw, GO_WORKERS2).body).fields
    assert (
        decode(verdict(raw, SIDEKIQ7, NoTextError()).body)
        .fields["error_class"]
        .endswith("test_retries.NoTextError")
    )


def raised():
    try:
        raise_it()
    except ValueError as error:
        return error


def raise_it():
    raise ValueError("boom")


@pytest.mark.parametrize(("wanted", "kept"), [(b"true", 2), (b"1", 1), (b"9", 2)])
def test_a_backtrace_is_kept_innermost_first_as_base64_of_zlib_of_json(wanted, kept):
    error = raised()
    raw = b'{"class":"Boom","args":[],"retry":true,"backtrace":%s}' % wanted
    lines = read_backtrace(decode(verdict(raw, SIDEKIQ7, error).body).fields["error_backtrace"])
    frame = extract_tb(error.__traceback__)[-1]
    assert len(lines) == kept
    assert lines[0] == f"{frame.filename}:{frame.lineno}:in `raise_it'"


def test_no_backtrace_unless_asked_for():
    raw = b'{"class":"Boom","args":[],"retry":true,"backtrace":false}'
    assert "error_backtrace" not in decode(verdict(raw, SIDEKIQ7, raised()).body).fields
