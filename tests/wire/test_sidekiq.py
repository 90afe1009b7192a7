"""The payload, both ways, byte by byte: the same rows feed the writer and the reader."""

# ruff: noqa: E501 - payloads and messages are searched for, and read, in one piece

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.messages import like

from pytest_jobqueue.errors import PoisonJobError, UsageError
from pytest_jobqueue.wire.dialects import (
    DIALECTS,
    GO_WORKERS2,
    SIDEKIQ6,
    SIDEKIQ7,
    SIDEKIQ8,
    Keys,
    dialect_named,
)
from pytest_jobqueue.wire.sidekiq import Draft, check_options, decode, dump, encode, seconds_of, to_job

GO_JID = "4c5931b5788e6d74f3e254c1"
SK_JID = "ad2312ba9c542138ede49024"
NOW = 1795489361.4122617

FIRST_ENQUEUED = {
    "go-workers2, at once": (
        GO_WORKERS2,
        Draft("Add", (1, 2), "q1", GO_JID, NOW, at=1795489361.4122615),
        (
            b'{"queue":"q1","class":"Add","args":[1,2],"jid":"4c5931b5788e6d74f3e254c1",'
            b'"enqueued_at":1795489361.4122617,"at":1795489361.4122615}'
        ),
    ),
    "go-workers2, with options": (
        GO_WORKERS2,
        Draft("Opt", (4,), "q1", "253a", 1795489361.4130952, options={"retry": True, "retry_max": 2}),
        (
            b'{"queue":"q1","class":"Opt","args":[4],"jid":"253a","enqueued_at":1795489361.4130952,'
            b'"retry_max":2,"retry":true}'
        ),
    ),
    "go-workers2, retry_count and a time": (
        GO_WORKERS2,
        Draft("Opt", (), "q1", "1", 5.5, at=9.25, options={"retry": False, "retry_count": 3}),
        b'{"queue":"q1","class":"Opt","args":[],"jid":"1","enqueued_at":5.5,"retry_count":3,"at":9.25}',
    ),
    "go-workers2, no retries asked for in so many words": (
        GO_WORKERS2,
        Draft("Opt", (), "q1", "1", 5.5, options={"retry": True, "retry_max": 0}),
        b'{"queue":"q1","class":"Opt","args":[],"jid":"1","enqueued_at":5.5,"retry_max":0,"retry":true}',
    ),
    "go-workers2, whole seconds": (
        GO_WORKERS2,
        Draft("Add", (), "q1", "1", 1795489361.0),
        b'{"queue":"q1","class":"Add","args":[],"jid":"1","enqueued_at":1795489361,"at":1795489361}',
    ),
    "go-workers2, escapes": (
        GO_WORKERS2,
        Draft("Mail", ("<b>Zoë & Bob</b>\u2028",), "q1", "1", 5.5, at=5.5),
        (
            b'{"queue":"q1","class":"Mail","args":["\\u003cb\\u003eZo\xc3\xab \\u0026 Bob\\u003c/b\\u003e\\u2028"],'
            b'"jid":"1","enqueued_at":5.5,"at":5.5}'
        ),
    ),
    "sidekiq7, at once": (
        SIDEKIQ7,
        Draft("Add", (1, 2), "q1", SK_JID, 1795489453.7172668),
        (
            b'{"retry":true,"queue":"q1","args":[1,2],"class":"Add","jid":"ad2312ba9c542138ede49024",'
            b'"created_at":1795489453.7172668,"enqueued_at":1795489453.7172668}'
        ),
    ),
    "sidekiq7, with options": (
        SIDEKIQ7,
        Draft("Boom", (4,), "q1", "417b", 1.5, options={"retry": 2, "backtrace": 2}),
        (
            b'{"retry":2,"queue":"q1","backtrace":2,"args":[4],"class":"Boom","jid":"417b",'
            b'"created_at":1.5,"enqueued_at":1.5}'
        ),
    ),
    "sidekiq6, scheduled: neither at nor enqueued_at": (
        SIDEKIQ6,
        Draft("Add", (1,), "q1", "1", 1.5, at=9.5, options={"retry": False}),
        b'{"retry":false,"queue":"q1","args":[1],"class":"Add","jid":"1","created_at":1.5}',
    ),
    "sidekiq8, milliseconds": (
        SIDEKIQ8,
        Draft("Add", (1, 2), "q1", "1", 1795489453.7172668),
        (
            b'{"retry":true,"queue":"q1","args":[1,2],"class":"Add","jid":"1",'
            b'"created_at":1795489453717,"enqueued_at":1795489453717}'
        ),
    ),
    "sidekiq8, no escapes": (
        SIDEKIQ8,
        Draft("Mail", ("<b>",), "q1", "1", 1.0),
        (
            b'{"retry":true,"queue":"q1","args":["<b>"],"class":"Mail","jid":"1",'
            b'"created_at":1000,"enqueued_at":1000}'
        ),
    ),
}


@pytest.mark.parametrize(("dialect", "draft", "raw"), FIRST_ENQUEUED.values(), ids=FIRST_ENQUEUED)
def test_a_new_job_is_written_byte_by_byte(dialect, draft, raw):
    assert encode(draft, dialect) == raw


@pytest.mark.parametrize(("dialect", "draft", "raw"), FIRST_ENQUEUED.values(), ids=FIRST_ENQUEUED)
def test_and_read_back(dialect, draft, raw):
    payload = decode(raw)
    assert (payload.raw, payload.jid, payload.name, payload.queue) == (
        raw,
        draft.jid,
        draft.name,
        draft.queue,
    )
    assert payload.args == draft.args
    job = to_job(payload, dialect, draft.queue)
    assert (job.id, job.name, job.args, job.queue) == (draft.jid, draft.name, draft.args, draft.queue)
    assert job.raw == raw


@pytest.mark.parametrize(("dialect", "draft", "raw"), FIRST_ENQUEUED.values(), ids=FIRST_ENQUEUED)
def test_cut_short_it_is_poison_and_with_bytes_after_it_too(dialect, draft, raw):
    for wrong in (*(raw[:length] for length in range(len(raw))), raw + b"x", raw + raw):
        with pytest.raises(PoisonJobError):
            decode(wrong)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not a job: b'' is not JSON (Expecting value: line 1 column 1 (char 0))"),
        (b"{oops", "not a job: b'{oops' is not JSON (*)"),
        (b"\xff\xfe", "not a job: b'\\xff\\xfe' is not JSON ('utf-8' codec *)"),
        (b"[1]", "not a job: b'[1]' is JSON, but not an object with a class and args"),
        (b'{"args":[NaN]}', "not a job: b'{\"args\":[NaN]}' is not JSON (NaN is not JSON)"),
        (b"x" * 500, f"not a job: b'{'x' * 120}'… (500 bytes) is not JSON (*)"),
        (b"[" * 100_000, "not a job: *… (100000 bytes) is not JSON (*)"),
    ],
)
def test_poison_says_what_was_there(raw, message):
    with pytest.raises(PoisonJobError) as caught:
        decode(raw)
    assert like(str(caught.value), message)


@pytest.mark.parametrize(
    ("args", "arrive"),
    [
        (b"[1,[2],null]", (1, [2], None)),
        (b"null", ()),
        (b'{"a":1}', ({"a": 1},)),
        (b'"one"', ("one",)),
        (b"[]", ()),
    ],
)
def test_arguments_of_any_json_as_a_handler_gets_them(args, arrive):
    assert decode(b'{"class":"Add","args":%s}' % args).args == arrive


def test_a_payload_without_anything_is_a_job_without_a_name():
    payload = decode(b"{}")
    assert (payload.jid, payload.name, payload.queue, payload.args, payload.retry_count) == (
        "",
        "",
        "",
        (),
        None,
    )


@pytest.mark.parametrize(
    ("dialect", "value", "seconds"),
    [
        (GO_WORKERS2, 1795489361, 1795489361.0),
        (SIDEKIQ7, 1795489361.25, 1795489361.25),
        (SIDEKIQ8, 1795489453717, 1795489453.717),
        (SIDEKIQ8, 1795489453.717, 1795489453.717),
        (SIDEKIQ8, 1795489361, 1795489.361),  # 13: a whole number counts as milliseconds
        (SIDEKIQ7, "2026-11-24 03:02:42 UTC", None),
        (SIDEKIQ7, True, None),
        (SIDEKIQ7, None, None),
    ],
)
def test_13_times_are_read_in_the_dialects_own_units(dialect, value, seconds):
    assert seconds_of(value, dialect) == seconds


def test_go_sorts_the_keys_of_what_it_read_at_every_depth_and_ruby_none():
    fields = {"b": {"z": 1, "a": 2}, "a": 1}
    assert dump(fields, GO_WORKERS2, rewritten=True) == b'{"a":1,"b":{"a":2,"z":1}}'
    assert dump(fields, SIDEKIQ7, rewritten=True) == b'{"b":{"z":1,"a":2},"a":1}'


@pytest.mark.parametrize(
    ("dialect", "options", "message"),
    [
        (
            GO_WORKERS2,
            {"retry": 5},
            "retry=5: go-workers2 reads only true and false, *retry=True, retry_max=N",
        ),
        (GO_WORKERS2, {"retry_max": -1}, "retry_max=-1: it must be a number from 0 (*"),
        (
            GO_WORKERS2,
            {"retri": True},
            "go-workers2 69d6cdd has no option 'retri'; did you mean 'retry'? (*)",
        ),
        (GO_WORKERS2, {"dead": False}, "go-workers2 69d6cdd has no option 'dead'*(it has retry, *)"),
        (SIDEKIQ7, {"retry_max": 5}, "Sidekiq 7.3.10 ignores retry_max; give *retry={number}"),
        (SIDEKIQ7, {"retry": "yes"}, "retry='yes': it must be True, False or a number of retries"),
        (SIDEKIQ7, {"retry": -1}, "retry=-1: it must be True, False or a number of retries"),
        (SIDEKIQ7, {"dead": 1}, "dead=1: it must be True or False"),
        (SIDEKIQ7, {"tags": "a"}, "tags='a': it must be a list of strings"),
        (SIDEKIQ7, {"jid": ""}, "jid='': it must be text"),
        (SIDEKIQ6, {"retry_for": 60}, "Sidekiq 6.5.12 has no option 'retry_for'*"),
        (SIDEKIQ8, {"retry_for": 0}, "retry_for=0: it must be a number of seconds"),
        (SIDEKIQ8, {"retry_for": 60, "retry": 5}, "retry and retry_for exclude each other in Sidekiq 8.1; *"),
    ],
)
def test_options_are_refused_with_a_remedy(dialect, options, message):
    with pytest.raises(UsageError) as caught:
        check_options(options, dialect)
    assert like(str(caught.value), message)


@pytest.mark.parametrize(
    ("dialect", "options"),
    [
        (GO_WORKERS2, {"retry": True, "retry_max": 0, "retry_count": 1, "jid": "x"}),
        (GO_WORKERS2, {"retry": None}),
        (SIDEKIQ6, {"retry": 0, "backtrace": True, "dead": False, "tags": ["a"], "retry_queue": "low"}),
        (SIDEKIQ7, {"retry": False, "retry_for": 60.0, "unique_for": 10, "bid": "b", "wrapped": "W"}),
        (SIDEKIQ8, {"retry_for": 3600, "profile": "p"}),
    ],
)
def test_options_that_mean_something_are_accepted(dialect, options):
    check_options(options, dialect)


def test_keys():
    plain, prod = Keys(GO_WORKERS2), Keys(GO_WORKERS2, "prod")
    assert plain.queue("q1") == "queue:q1"
    assert prod.queue("q1") == "prod:queue:q1"
    assert prod.in_progress("q:1", "p1") == "prod:queue:q:1:p1:inprogress"
    assert prod.queue_in_progress("prod:queue:q:1:p1:inprogress") == "q:1"
    assert (prod.queues, prod.schedule, prod.retry) == ("prod:queues", "prod:schedule", "prod:goretry")
    assert (Keys(SIDEKIQ7).retry, Keys(SIDEKIQ6, "a").dead) == ("retry", "a:dead")
    assert prod.stat("failed", "2026-11-24") == "prod:stat:failed:2026-11-24"
    assert prod.heartbeat("h:1:ab") == "prod:h:1:ab"
    assert [prod.bare_queue(name) for name in ("prod:q1", "q1")] == ["q1", "q1"]


@pytest.mark.parametrize("dialect", [SIDEKIQ7, SIDEKIQ8])
def test_9_a_namespace_is_refused_from_sidekiq_7_on(dialect):
    with pytest.raises(UsageError) as caught:
        Keys(dialect, "prod")
    assert str(caught.value) == (
        f"{dialect.source} has no namespaces, and 'prod' was asked for; leave it out and give each application "
        "a database of its own, or choose the dialect go-workers2 or sidekiq6"
    )


def test_a_dialect_by_name():
    assert [dialect_named(name).name for name in DIALECTS] == list(DIALECTS)
    assert dialect_named(SIDEKIQ7) is SIDEKIQ7
    with pytest.raises(UsageError) as caught:
        dialect_named("sidekik7")
    assert str(caught.value) == (
        "there is no dialect 'sidekik7'; there are go-workers2, sidekiq6, sidekiq7, sidekiq8; "
        "did you mean 'sidekiq7'?"
    )


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(args=st.lists(JSON, max_size=4), dialect=st.sampled_from(list(DIALECTS.values())))
def test_whatever_json_carries_comes_back(args, dialect):
    raw = encode(Draft("Add", tuple(args), "q1", "1", NOW, NOW if dialect.is_go else None), dialect)
    assert list(decode(raw).args) == args
    assert dump(decode(raw).fields, dialect) == raw
    assert json.loads(raw)["class"] == "Add"


@given(st.binary())
def test_any_bytes_are_a_payload_or_poison(raw):
    try:
        payload = decode(raw)
    except PoisonJobError:
        return
    assert payload.raw == raw


def test_a_lone_surrogate_is_replaced_and_can_be_written_again():
    payload = decode(b'{"class":"Add","args":["\\ud800!",{"\\udc00":1},"\\ud83d\\ude00"],"jid":"1"}')
    assert payload.args == ("\ufffd!", {"\ufffd": 1}, "\U0001f600")
    assert "\ufffd!" in dump(payload.fields, DIALECTS["go-workers2"]).decode()


def test_a_number_beyond_a_double_is_poison():
    with pytest.raises(PoisonJobError, match="the number 1e400 is too large"):
        decode(b'{"class":"Add","args":[1e400]}')
