"""The hash that a worker process refreshes to say that it lives, field by field as each dialect writes it.

Values in, fields out: who beats, when and where to is the adapter's business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_jobqueue.wire.dialects import Dialect


@dataclass(frozen=True, slots=True)
class Process:
    """One worker process.

    Attributes:
        hostname: The machine's name.
        pid: The process's number.
        nonce: Hexadecimal text that tells two processes of one number apart.
        started_at: Seconds since the epoch.
        tag: The namespace, or in Sidekiq the application's name.
        queues: What it listens to.
        process_id: go-workers2's `ProcessID`, after which its lists of jobs in progress are called.
        tid: The name of its one worker thread.
    """

    hostname: str
    pid: int
    nonce: str
    started_at: float
    tag: str
    queues: Sequence[str]
    process_id: str
    tid: str

    @property
    def identity(self) -> str:
        """The member of `processes` and the name of the hash: `host:pid:nonce`."""
        return f"{self.hostname}:{self.pid}:{self.nonce}"


def heartbeat_fields(
    process: Process, dialect: Dialect, *, beat: float, busy: int, rtt_us: int, rss: int
) -> dict[str, Any]:
    """The fields of one heartbeat.

    Args:
        process: Who beats.
        dialect: Whose fields.
        beat: The time, in seconds since the epoch; go-workers2 takes it from Redis and writes whole seconds.
        busy: How many jobs are being run.
        rtt_us: How long a PING took, in microseconds.
        rss: Resident memory in KiB; go-workers2 always writes 0.
    """
    if dialect.is_go:
        return _go_fields(process, int(beat), busy, rtt_us)
    fields: dict[str, Any] = {"info": _compact(_sidekiq_info(process, dialect))}
    if dialect.milliseconds:
        fields["concurrency"] = 1
    return fields | {"busy": busy, "beat": beat, "rtt_us": rtt_us, "quiet": "false", "rss": rss}


def _go_fields(process: Process, beat: int, busy: int, rtt_us: int) -> dict[str, Any]:
    info = {
        "hostname": process.hostname,
        "started_at": int(process.started_at),
        "Pid": process.pid,
        "tag": process.tag or "default",
        "concurrency": len(process.queues),
        "queues": list(process.queues),
        "labels": [],
        "identity": process.identity,
    }
    return {
        "beat": beat,
        "quiet": "0",
        "busy": busy,
        "rtt_us": rtt_us,
        "rss": 0,
        "info": _compact(info),
        "manager_priority": 0,
        "active_manager": "1",
        "worker_heartbeats": _compact([_go_worker(process, queue) for queue in process.queues]),
    }


def _go_worker(process: Process, queue: str) -> dict[str, str]:
    # go-workers2 tags text with ",string", so its values arrive quoted twice; the number once.
    return {
        "pid": str(process.pid),
        "tid": json.dumps(process.tid),
        "queue": json.dumps(queue),
        "in_progress_queue": json.dumps(f"{queue}:{process.process_id}:inprogress"),
    }


def _sidekiq_info(process: Process, dialect: Dialect) -> dict[str, Any]:
    weights = dict.fromkeys(process.queues, 0)
    modern = dialect.name != "sidekiq6"
    info: dict[str, Any] = {
        "hostname": process.hostname,
        "started_at": process.started_at,
        "pid": process.pid,
        "tag": process.tag,
        "concurrency": 1,
        "queues": list(process.queues),
        "weights": [weights] if modern else weights,
        "labels": [],
        "identity": process.identity,
    }
    if modern:
        info |= {"version": dialect.version, "embedded": False}
    if dialect.milliseconds:
        info["capsules"] = {"default": {"concurrency": 1, "mode": "strict", "weights": weights}}
    return info


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
