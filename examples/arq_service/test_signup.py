"""The service's jobs, from the call of its own code to what they leave behind."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("arq")

import signup
import time_machine

if TYPE_CHECKING:
    from pytest_jobqueue import JobQueue


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_who_signs_up_is_welcomed_once(jobqueue: JobQueue) -> None:
    await signup.sign_up("ann")
    await signup.sign_up("ann")
    jobqueue.assert_enqueued("welcome", "ann", count=1)

    assert (await jobqueue.worker.adrain()).results == ["hello@service.example: welcome, ann"]


def test_the_same_in_a_test_that_is_no_coroutine(jobqueue: JobQueue) -> None:
    jobqueue.run(signup.sign_up("bob"))
    jobqueue.worker.drain()
    assert signup.OUTBOX == ["hello@service.example: welcome, bob"]


@pytest.mark.anyio
async def test_a_mail_server_that_is_down_is_tried_again(
    jobqueue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: str) -> None:
        raise signup.MailServerDownError

    with time_machine.travel(dt.datetime.now(dt.timezone.utc), tick=False) as clock:
        with monkeypatch.context() as patch:
            patch.setattr(signup, "deliver", down)
            await signup.sign_up("ann")
            await jobqueue.worker.adrain(on_error="record")
        jobqueue.assert_retrying("welcome", "ann", error="MailServerDownError")

        clock.shift(60)
        assert len((await jobqueue.worker.adrain()).ok) == 1


@pytest.mark.anyio
async def test_a_bug_fails_the_test_where_it_is(jobqueue: JobQueue) -> None:
    await jobqueue.producer.aenqueue("welcome", nickname="ann")
    with pytest.raises(TypeError, match="nickname"):
        await jobqueue.worker.adrain()


@pytest.mark.anyio
async def test_the_digest_is_sent_in_the_night(jobqueue: JobQueue) -> None:
    half_past_three = jobqueue.binding.next_due()
    with time_machine.travel(half_past_three):
        await jobqueue.worker.adrain()
    assert signup.OUTBOX == ["hello@service.example: 0 mails today"]
