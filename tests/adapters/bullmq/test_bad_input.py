"""What cannot work is refused in one sentence that says what to do."""

from __future__ import annotations

import pytest

bullmq = pytest.importorskip("bullmq")

from pytest_jobqueue import JobQueue, Settings
from pytest_jobqueue.errors import UsageError


async def process(job, token):
    return None


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ({"queue": "a", "processor": process, "option": {}}, "has 'option'; did you mean 'options'?"),
        (
            {"queue": "a", "processor": process, "options": {"backend": "postgres"}},
            "is for the backend 'postgres', and a test runs on Redis",
        ),
        ([{"queue": "a", "processor": process}] * 2, "two processors for the queue 'a'"),
        ([{"queue": "a", "processor": process}, "b"], "'b' is no worker; write"),
        (
            [{"queue": "a", "processor": process}, {"queue": "b", "processor": "process"}],
            "of 'b' is 'process'",
        ),
        ({"queue": "a", "processor": process, "producers": [object()]}, "which is no Queue or FlowProducer"),
    ],
)
def test_an_application_that_cannot_be(app, message, jobqueue_server, jobqueue_url):
    with pytest.raises(UsageError) as caught:
        JobQueue(app, jobqueue_server)
    assert message in str(caught.value)


def test_a_queue_in_the_settings_that_has_no_processor(jobqueue_server, jobqueue_url):
    with pytest.raises(UsageError, match="'mial', which has no processor; did you mean 'mail'"):
        JobQueue({"queue": "mail", "processor": process}, jobqueue_server, Settings(queues=("mial",)))


def test_the_settings_choose_and_order_the_queues(jobqueue_server, jobqueue_url):
    app = [{"queue": name, "processor": process} for name in ("a", "b", "c")]
    with JobQueue(app, jobqueue_server, Settings(queues=("c", "a"))) as jobqueue:
        assert jobqueue.binding.queues() == ["c", "a"]


def test_a_queue_that_is_not_there(jobqueue):
    for look in (jobqueue.worker.run_next, jobqueue.binding.pending, jobqueue.worker.abandon_next):
        with pytest.raises(UsageError, match="'frist' has no processor; did you mean 'first'"):
            look("frist")


def test_keyword_arguments(jobqueue):
    with pytest.raises(UsageError, match=r"write enqueue\('add', {'left': 1}\)"):
        jobqueue.producer.enqueue("add", left=1)


def test_an_option_that_is_not_there(jobqueue):
    with pytest.raises(UsageError, match="no option 'attempt'; did you mean 'attempts'"):
        jobqueue.producer.set(attempt=3).enqueue("add", 1, 2)


def test_two_times(jobqueue):
    with pytest.raises(UsageError, match="its time is given twice"):
        jobqueue.producer.set(delay=5).enqueue_in(5, "add", 1, 2)


def test_arguments_that_are_no_json(jobqueue):
    with pytest.raises(TypeError, match="argument 1 of add does not survive JSON: <object object"):
        jobqueue.producer.enqueue("add", object())
    with pytest.raises(TypeError, match="argument 2 of add does not survive JSON: nan"):
        jobqueue.producer.enqueue("add", 1, float("nan"))
    with pytest.raises(TypeError, match="argument 1 of add"):
        jobqueue.producer.enqueue_many("add", [(1, 2), (object(), 2)])
    assert jobqueue.binding.pending() == []


def test_options_that_bullmq_refuses(jobqueue):
    with pytest.raises(ValueError, match="cannot be used together"):
        jobqueue.producer.set(failParentOnFailure=True, ignoreDependencyOnFailure=True).enqueue("add", 1)
