"""The failure section and the report's lines: what is in them, and that nothing keeps them back."""

from __future__ import annotations

import json
import re

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.journal import Enqueued, Journal, Note, Ran
from pytest_jobqueue.reports import failure_section, json_lines


class StubServer:
    def __init__(self, log=""):
        self.log = log

    def describe(self):
        return "in-memory Redis 7.4.0 behind 127.0.0.1:5000"

    def clients(self):
        return ["a client at 127.0.0.1:5001, blocked in BRPOP queue:mail"]

    def log_tail(self, lines):
        return "\n".join(self.log.splitlines()[-lines:])


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.fixture
def journal():
    job = Job("1", "Add", (2, 3), queue="maths")
    journal = Journal()
    for entry in (
        Enqueued(job),
        Ran(Outcome(job, "ok", 5, seconds=0.25)),
        Ran(Outcome(job, "retrying", exception=raised(ValueError("no")), reason="again in 15 s")),
        Note("recovered 1 abandoned jobs"),
    ):
        journal.append(entry)
    return journal


def test_the_section_says_what_happened_and_how_things_stand(journal):
    binding = StubBinding()
    binding.ready = [Job("r", "Ready")]
    binding.later = [Job("l", "Later", due_at=1.0)]
    binding.again = [Job("a", "Again", error="ValueError: no")]
    binding.taken = [Job("t", "Taken")]
    binding.blocked = [Job("w", "Waiting")]
    binding.dead = [Job("d", "Dead")]
    text = failure_section(journal, binding, StubServer("ready\nsaved\n"))
    assert re.sub(r"at \S+test_reports\.py:\d+", "at HERE", text).splitlines() == [
        "redis: in-memory Redis 7.4.0 behind 127.0.0.1:5000",
        "what happened:",
        "  enqueued Add(2, 3) [1 on maths]",
        "  ran      ok: Add(2, 3) [1 on maths]",
        "  ran      retrying: Add(2, 3) [1 on maths] raised ValueError: no (again in 15 s) at HERE",
        "  recovered 1 abandoned jobs",
        "ready:",
        "  Ready() [r on default]",
        "scheduled:",
        "  Later() [l on default]",
        "retrying:",
        "  Again() [a on default]: ValueError: no",
        "in progress:",
        "  Taken() [t on default]",
        "waiting for others:",
        "  Waiting() [w on default]",
        "dead:",
        "  Dead() [d on default]",
        "connected clients:",
        "  a client at 127.0.0.1:5001, blocked in BRPOP queue:mail",
        "the server's log:",
        "  ready",
        "  saved",
    ]


def test_only_the_last_of_many_lines_are_shown():
    binding = StubBinding()
    for number in range(35):
        binding.put("Add", number)
    lines = failure_section(Journal(), binding, StubServer()).splitlines()
    assert lines[1:4] == ["ready:", "  … 5 before these", "  Add(5) [j6 on default]"]
    assert lines[32] == "  Add(34) [j35 on default]"


def test_what_cannot_be_read_is_said(journal, monkeypatch):
    def fail(*_):
        raise ConnectionError("gone")

    binding, server = StubBinding(), StubServer()
    for owner, names in ((binding, ["pending", "failed"]), (server, ["describe", "clients", "log_tail"])):
        for name in names:
            monkeypatch.setattr(owner, name, fail)
    journal.append(Ran(Outcome(Job("u", "Odd"), "failed", exception=UnprintableError())))
    text = failure_section(journal, binding, server)
    unread = "could not be read: ConnectionError: gone"
    assert text.startswith(f"redis: {unread}\n")
    for title in ("ready", "dead", "connected clients", "the server's log"):
        assert f"\n{title}:\n  {unread}" in text
    assert "failed: Odd() [u on default] raised UnprintableError: <it cannot be printed>" in text


# The report


def test_each_entry_is_a_line(journal):
    enqueued, ran, failed, note = map(json.loads, json_lines("test_x.py::test_y[fake]", journal))
    job = dict(id="1", name="Add", args=[2, 3], kwargs={}, queue="maths", due_at=None, attempts=None)  # noqa: C408
    test = {"test": "test_x.py::test_y[fake]"}
    assert enqueued == {**test, "event": "enqueued", **job}
    assert ran == {
        **test, "event": "ran", **job, "status": "ok", "seconds": 0.25, "error": None, "traceback": None,
    }  # fmt: skip
    assert failed["status"] == "retrying"
    assert failed["error"] == "ValueError: no"
    assert failed["traceback"].startswith("Traceback")
    assert "test_reports.py" in failed["traceback"]
    assert note == {**test, "event": "note", "text": "recovered 1 abandoned jobs"}


def test_arguments_that_json_has_not_are_written_all_the_same():
    circle: list[object] = []
    circle.append(circle)
    journal = Journal()
    for args in (({1, 2},), ({(1, 2): 3},), (circle,), (b"\xff",), ("\udcff\n",), (float("nan"),)):
        journal.append(Enqueued(Job("1", "Odd", args)))
    journal.append(Ran(Outcome(Job("1", "Odd"), "failed", exception=UnprintableError())))
    lines = json_lines("t", journal)
    assert all("\n" not in line and line.isascii() for line in lines)
    found = [json.loads(line) for line in lines]
    assert [line["args"] for line in found[:5]] == [
        ["{1, 2}"], "[{(1, 2): 3}]", "[[[...]]]", ["b'\\xff'"], ["\udcff\n"]
    ]  # fmt: skip
    assert found[-1]["error"] == "UnprintableError: <it cannot be printed>"
