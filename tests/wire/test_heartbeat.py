"""The heartbeat's fields, dialect by dialect."""

# ruff: noqa: E501 - payloads and messages are searched for, and read, in one piece

from __future__ import annotations

import json

import pytest

from pytest_jobqueue.wire.dialects import GO_WORKERS2, SIDEKIQ6, SIDEKIQ7, SIDEKIQ8
from pytest_jobqueue.wire.heartbeat import Process, heartbeat_fields

PROCESS = Process("host", 7, "ab12", 100.5, "prod", ("q1",), "p1", "x1y")


def fields(dialect):
    return heartbeat_fields(PROCESS, dialect, beat=200.25, busy=1, rtt_us=50, rss=1024)


def test_identity():
    assert PROCESS.identity == "host:7:ab12"


def test_16_go_workers2_writes_whole_seconds_digits_for_booleans_and_text_quoted_twice():
    found = fields(GO_WORKERS2)
    assert list(found) == [
        "beat", "quiet", "busy", "rtt_us", "rss", "info", "manager_priority", "active_manager", "worker_heartbeats",
    ]  # fmt: skip
    assert (found["beat"], found["quiet"], found["rss"], found["active_manager"]) == (200, "0", 0, "1")
    assert found["info"] == (
        '{"hostname":"host","started_at":100,"Pid":7,"tag":"prod","concurrency":1,"queues":["q1"],"labels":[],'
        '"identity":"host:7:ab12"}'
    )
    assert found["worker_heartbeats"] == (
        r'[{"pid":"7","tid":"\"x1y\"","queue":"\"q1\"","in_progress_queue":"\"q1:p1:inprogress\""}]'
    )


@pytest.mark.parametrize(
    ("dialect", "names", "more"),
    [
        (SIDEKIQ6, ["info", "busy", "beat", "rtt_us", "quiet", "rss"], set()),
        (SIDEKIQ7, ["info", "busy", "beat", "rtt_us", "quiet", "rss"], {"version", "embedded"}),
        (
            SIDEKIQ8,
            ["info", "concurrency", "busy", "beat", "rtt_us", "quiet", "rss"],
            {"version", "embedded", "capsules"},
        ),
    ],
)
def test_sidekiq_writes_floats_and_words(dialect, names, more):
    found = fields(dialect)
    assert list(found) == names
    assert (found["beat"], found["quiet"], found["rss"]) == (200.25, "false", 1024)
    info = json.loads(found["info"])
    assert (info["pid"], info["started_at"], info["queues"]) == (7, 100.5, ["q1"])
    assert set(info) & {"version", "embedded", "capsules"} == more
