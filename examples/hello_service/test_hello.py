"""The service from outside: HTTP in, HTTP out, and between them a queue that the test works off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hello_service.greetings import NotCollectedError

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from pytest_jobqueue import JobQueue


def test_a_greeting_is_there_once_the_job_has_run(client: TestClient, jobqueue: JobQueue) -> None:
    accepted = client.post("/enqueue?key=Bob")
    assert accepted.status_code == 202
    assert client.get("/dequeue?key=Bob").status_code == 404

    jobqueue.worker.drain()

    jid = accepted.text.removeprefix("accepted job ")
    assert client.get("/dequeue?key=Bob").text == f"hello from job {jid}"
    assert client.get("/dequeue?key=Bob").status_code == 404


def test_a_request_enqueues_one_job(client: TestClient, jobqueue: JobQueue) -> None:
    client.post("/enqueue?key=Bob")

    (job,) = jobqueue.assert_enqueued("Hello", "Bob", queue="hello", count=1)
    assert job.id
    jobqueue.assert_not_enqueued("Hello", "Alice")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/enqueue"), ("GET", "/dequeue"), ("POST", "/enqueue?key=")]
)
def test_a_request_needs_a_key(client: TestClient, jobqueue: JobQueue, method: str, path: str) -> None:
    assert client.request(method, path).status_code == 400
    jobqueue.assert_idle()


def test_a_job_that_fails_is_raised_in_the_test(client: TestClient, jobqueue: JobQueue) -> None:
    client.post("/enqueue?key=Bob")
    client.post("/enqueue?key=Bob")

    with pytest.raises(NotCollectedError, match="the last greeting for Bob"):
        jobqueue.worker.drain()


def test_a_job_that_fails_waits_to_run_again(client: TestClient, jobqueue: JobQueue) -> None:
    client.post("/enqueue?key=Bob")
    client.post("/enqueue?key=Bob")

    jobqueue.worker.drain(on_error="record")

    jobqueue.assert_retrying("Hello", "Bob", error="was not collected")
    (shown,) = client.get("/workers/retries").json()
    assert shown["total_retry_count"] == 1
    assert shown["retry_jobs"][0]["args"] == ["Bob"]
    assert shown["retry_jobs"][0]["error_message"] == "the last greeting for Bob was not collected"


def test_statistics_count_what_became_of_the_jobs(client: TestClient, jobqueue: JobQueue) -> None:
    for key in ("Bob", "Bob", "Alice"):
        client.post(f"/enqueue?key={key}")
    jobqueue.worker.run_next()
    jobqueue.worker.run_next(on_error="record")

    (stats,) = client.get("/workers/stats").json()
    assert (stats["processed"], stats["failed"], stats["retry_count"]) == (1, 1, 1)
    assert stats["enqueued"] == {"hello": 1}


@pytest.mark.jobqueue(queues=["hello"])
def test_the_service_tells_the_same_as_its_workers(client: TestClient, jobqueue: JobQueue) -> None:
    def told() -> tuple[object, object]:
        stats, retries = client.get("/workers/stats").json(), client.get("/workers/retries").json()
        assert stats == jobqueue.binding.stats()
        assert retries == jobqueue.binding.retries()
        return stats, retries

    assert told() == (
        [
            {
                "manager_name": "",
                "processed": 0,
                "failed": 0,
                "jobs": {"hello": None},
                "enqueued": {"hello": 0},
                "retry_count": 0,
            }
        ],
        [{"total_retry_count": 0, "retry_jobs": None}],
    )
    for key in ("Bob", "Bob", "Alice"):
        client.post(f"/enqueue?key={key}")
    told()
    jobqueue.worker.run_next()
    jobqueue.worker.run_next(on_error="record")
    told()


def test_nothing_failed_yet(client: TestClient) -> None:
    assert client.get("/workers/retries").json() == [{"total_retry_count": 0, "retry_jobs": None}]
