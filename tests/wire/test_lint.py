"""What is said of a payload that crosses from one program to another, rule by rule."""

# ruff: noqa: E501 - payloads and messages are searched for, and read, in one piece

from __future__ import annotations

import pytest
from support.messages import like

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.wire.dialects import DIALECTS
from pytest_jobqueue.wire.lint import lint
from pytest_jobqueue.wire.sidekiq import Draft, decode, encode

SK = {"retry": True, "queue": "q1", "args": [1], "class": "Add", "jid": "1", "created_at": 1.5}
GO = {"queue": "q1", "class": "Add", "args": [1], "jid": "1", "enqueued_at": 1.5, "at": 1.5, "retry": True}

ROWS = {
    "2 integer retry": (
        "sidekiq7",
        "go-workers2",
        SK | {"retry": 5},
        (
            "retry: 5 will be dropped by go-workers2 after one failure, since it reads only true and false; "
            "say retry: true and retry_max: 5"
        ),
    ),
    "5 dead": (
        "sidekiq7",
        "go-workers2",
        SK | {"dead": True},
        "dead will be ignored by go-workers2: *dead set",
    ),
    "retry_queue": (
        "sidekiq7",
        "go-workers2",
        SK | {"retry_queue": "low"},
        "retry_queue will be ignored by go-workers2: it retries on the queue that the job came from",
    ),
    "retry_for to 6": (
        "sidekiq7",
        "sidekiq6",
        SK | {"retry_for": 60},
        "retry_for will be ignored by Sidekiq 6.5.12: it came with Sidekiq 7.1.3",
    ),
    "3 retry_max": (
        "go-workers2",
        "sidekiq7",
        GO | {"retry_max": 2},
        "retry_max: 2 will be ignored by Sidekiq 7.3.10, which retries 25 times for retry: true; *",
    ),
    "11 absent retry": (
        "go-workers2",
        "sidekiq7",
        {key: value for key, value in GO.items() if key != "retry"},
        "retry is absent, which Sidekiq 7.3.10 takes as the class's default, true; *",
    ),
    "10 at": (
        "go-workers2",
        "sidekiq7",
        GO | {"at": 9.5},
        (
            "at is in the payload: when Sidekiq 7.3.10's scheduler pops the job, it puts it back into schedule once "
            "more without at, and only the next pop makes it ready"
        ),
    ),
    "1 retry set, to Sidekiq": (
        "go-workers2",
        "sidekiq7",
        GO | {"retry_count": 0},
        (
            "the job failed before: go-workers2 69d6cdd keeps its retries in goretry, and Sidekiq 7.3.10 reads only "
            "retry, so it neither shows nor runs them"
        ),
    ),
    "1 retry set, to Go": (
        "sidekiq7",
        "go-workers2",
        SK | {"retry_count": 0},
        (
            "the job failed before: Sidekiq 7.3.10 keeps its retries in retry, and go-workers2 69d6cdd reads only "
            "goretry, so it neither shows nor runs them"
        ),
    ),
    "6 text time": (
        "go-workers2",
        "sidekiq8",
        GO | {"failed_at": "2026 UTC"},
        "failed_at is the text '2026 UTC': Sidekiq 8.1.7 divides it by 1000 to show it, *",
    ),
    "6 text time, seven": (
        "go-workers2",
        "sidekiq7",
        GO | {"failed_at": "2026 UTC"},
        "failed_at is the text '2026 UTC': Sidekiq 7.3.10 keeps it as it is where it writes a number",
    ),
    "6 text time with retry_for": (
        "go-workers2",
        "sidekiq7",
        GO | {"retried_at": "2026 UTC", "retry_for": 60},
        "retried_at is the text '2026 UTC': with retry_for the retry code of Sidekiq 7.3.10 raises, *",
    ),
    "7 error_class": (
        "go-workers2",
        "sidekiq6",
        GO | {"error_message": "boom"},
        "error_class is absent: Sidekiq 6.5.12 does not show the job as one that failed",
    ),
    "8 and 9 namespace": (
        "go-workers2",
        "sidekiq7",
        GO | {"queue": "prod:q1"},
        (
            "queue 'prod:q1' carries a namespace: Sidekiq 7.3.10 will push the job to 'queue:prod:q1', where no "
            "go-workers2 listens, and it has no namespaces to read it from"
        ),
    ),
    "14 null args": (
        "go-workers2",
        "sidekiq7",
        GO | {"args": None},
        "args is null: Sidekiq 7.3.10 calls perform without arguments, and its scheduler refuses and loses *",
    ),
    "object args": (
        "go-workers2",
        "sidekiq7",
        GO | {"args": {"a": 1}},
        "args is no array but dict: Sidekiq 7.3.10 cannot spread it over perform, *",
    ),
    "beyond 64 bits": (
        "sidekiq7",
        "go-workers2",
        SK | {"args": [1, 2**64]},
        "args[1]: 18446744073709551616 is beyond 64 bits, and a Go handler cannot read it as int64",
    ),
    "13 whole seconds": (
        "go-workers2",
        "sidekiq8",
        GO | {"enqueued_at": 1795489361},
        "enqueued_at: 1795489361 is a whole number, which Sidekiq 8.1.7 reads as milliseconds: 1970; *",
    ),
    "13 milliseconds": (
        "sidekiq8",
        "sidekiq7",
        SK | {"created_at": 1795489453717},
        "created_at: 1795489453717 is in milliseconds, and Sidekiq 7.3.10 reads seconds",
    ),
}


@pytest.mark.parametrize(("dialect", "other", "fields", "sentence"), ROWS.values(), ids=ROWS)
def test_each_rule_says_what_the_other_side_will_do(dialect, other, fields, sentence):
    found = lint(fields, dialect, other)
    assert any(like(one, sentence) for one in found), found


@pytest.mark.parametrize("name", DIALECTS)
def test_at_home_there_is_nothing_to_say(name):
    for _, _, fields, _ in ROWS.values():
        assert lint(fields, name, name) == []


@pytest.mark.parametrize(
    ("dialect", "other"), [("sidekiq7", "go-workers2"), ("sidekiq6", "sidekiq7"), ("go-workers2", "sidekiq7")]
)
def test_a_plain_job_crosses_in_silence(dialect, other):
    options = {"retry": True}
    raw = encode(Draft("Add", (1,), "q1", "1", 1.5, options=options), DIALECTS[dialect])
    assert lint(decode(raw), dialect, other) == []


def test_an_unknown_dialect_is_refused():
    with pytest.raises(UsageError):
        lint({}, "sidekiq7", "resque")
