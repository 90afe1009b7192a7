"""The client of the job queue. It writes and reads what go-workers2 does.

It knows the format, not the jobs: a job is a class name, its arguments and a queue. The format is the
contract with the workers, in whatever language they are.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis


class Queue:
    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name

    def enqueue(self, job_class: str, *args: Any) -> str:
        """Put a job on the queue; returns its id."""
        jid = secrets.token_hex(12)
        job = {
            "queue": self._name,
            "class": job_class,
            "args": args,
            "jid": jid,
            "enqueued_at": time.time(),
            "retry": True,
        }
        with self._redis.pipeline() as pipe:
            pipe.sadd("queues", self._name)
            pipe.lpush(f"queue:{self._name}", json.dumps(job))
            pipe.execute()
        return jid

    def stats(self) -> list[dict[str, Any]]:
        """What go-workers2 answers to `GET /stats`; this process has no job in its hands."""
        with self._redis.pipeline() as pipe:
            pipe.get("stat:processed")
            pipe.get("stat:failed")
            pipe.zcard("goretry")
            pipe.llen(f"queue:{self._name}")
            processed, failed, retries, enqueued = pipe.execute()
        return [
            {
                "manager_name": "",
                "processed": int(processed or 0),
                "failed": int(failed or 0),
                "jobs": {self._name: None},
                "enqueued": {self._name: enqueued},
                "retry_count": retries,
            }
        ]

    def retries(self) -> list[dict[str, Any]]:
        """What go-workers2 answers to `GET /retries`."""
        jobs = [json.loads(job) for job in self._redis.zrange("goretry", 0, -1)]
        return [{"total_retry_count": len(jobs), "retry_jobs": jobs or None}]
