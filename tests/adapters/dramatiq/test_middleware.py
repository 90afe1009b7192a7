"""What runs around a message: hooks in Dramatiq's order, results, the boot of process and worker."""

from __future__ import annotations

import pytest

dramatiq = pytest.importorskip("dramatiq")
errors = pytest.importorskip("dramatiq.errors")


class Notes(dramatiq.Middleware):
    def __init__(self):
        self.seen = []


for _name in (
    "before_enqueue",
    "after_enqueue",
    "before_process_message",
    "after_process_message",
    "before_ack",
    "after_ack",
    "before_nack",
    "after_nack",
    "before_delay_message",
    "after_process_boot",
    "before_worker_boot",
    "after_worker_boot",
    "after_worker_thread_boot",
    "after_consumer_thread_boot",
    "before_worker_shutdown",
    "after_worker_shutdown",
    "before_worker_thread_shutdown",
    "before_consumer_thread_shutdown",
):
    setattr(Notes, _name, lambda self, *_, __name=_name, **__: self.seen.append(__name))


@pytest.fixture
def notes(broker):
    notes = Notes()
    broker.add_middleware(notes)
    return notes


@pytest.fixture
def add(actor):
    @actor()
    def add(left, right):
        return left + right

    return add


def test_hooks_around_a_message(add, notes, jobqueue):
    add.send(1, 2)
    jobqueue.worker.drain()
    del notes.seen[:]
    add.send(1, 2)
    jobqueue.worker.drain()
    assert notes.seen == [
        "before_enqueue",
        "after_enqueue",
        "before_process_message",
        "after_process_message",
        "before_ack",
        "after_ack",
    ]


def test_hooks_around_a_delay_and_a_dead_letter(actor, notes, jobqueue, travel):
    @actor(max_retries=0)
    def fail():
        raise ValueError

    fail.send_with_options(delay=1000)
    travel(2)
    jobqueue.worker.drain(on_error="record")
    seen = [name for name in notes.seen if "boot" not in name]
    assert seen == [
        "before_enqueue",
        "after_enqueue",
        "before_delay_message",
        "before_enqueue",
        "after_enqueue",
        "before_ack",
        "after_ack",
        "before_process_message",
        "after_process_message",
        "before_nack",
        "after_nack",
    ]


def test_the_worker_boots_with_the_first_message_and_shuts_down_at_the_end(add, broker, notes, jobqueue_url):
    from pytest_jobqueue.adapters.dramatiq.binding import DramatiqBinding

    for boots in (["after_process_boot"], []):  # a process boots once
        del notes.seen[:]
        binding = DramatiqBinding(broker, jobqueue_url)
        add.send(1, 2)
        binding.pending()
        assert not [name for name in notes.seen if "boot" in name]
        binding.run_next()
        binding.run_next()
        assert [name for name in notes.seen if "boot" in name] == [
            *boots,
            "before_worker_boot",
            "after_worker_boot",
            "after_worker_thread_boot",
            "after_consumer_thread_boot",
        ]
        binding.close()
        assert [name for name in notes.seen if "shutdown" in name] == [
            "before_worker_shutdown",
            "after_worker_shutdown",
        ]


def test_results_are_where_the_service_looks_for_them(actor, add, backend, jobqueue):
    @actor(max_retries=0)
    def fail():
        raise ValueError("out of paper")

    good, bad = add.send(1, 2), fail.send()
    with pytest.raises(Exception, match=r"add\(1, 2\)"):
        good.get_result(backend=backend)
    jobqueue.worker.drain(on_error="record")
    assert good.get_result(backend=backend) == 3
    with pytest.raises(Exception, match="out of paper"):
        bad.get_result(backend=backend)
    assert jobqueue.binding.caps.results


def test_the_current_message(actor, jobqueue):
    from dramatiq.middleware import CurrentMessage

    @actor()
    def who():
        return CurrentMessage.get_current_message().message_id

    sent = who.send()
    assert jobqueue.worker.drain().results == [sent.message_id]


def test_a_middleware_that_breaks_is_logged_as_in_production(add, broker, jobqueue, caplog):
    class Broken(dramatiq.Middleware):
        def after_process_message(self, broker, message, *, result=None, exception=None):
            raise RuntimeError("broken")

    broker.add_middleware(Broken())
    add.send(1, 2)
    assert jobqueue.worker.drain().results == [3]
    assert "Unexpected failure in after_process_message" in caplog.text


def test_an_actor_that_runs_another_sees_itself_running(actor, add, jobqueue):
    @actor()
    def outer():
        add.send(1, 2)
        return [job.id for job in jobqueue.binding.running()], jobqueue.worker.run_next().result

    sent = outer.send()
    assert jobqueue.worker.drain().results == [([sent.message_id], 3)]
    assert jobqueue.binding.running() == []


def test_the_alphabet_is_the_order_of_queues(actor, jobqueue):
    for queue in ("mail", "alarm", "default"):
        actor(queue_name=queue, actor_name=f"{queue}_job")(lambda queue=queue: queue).send()
    assert jobqueue.binding.queues() == ["alarm", "default", "mail"]
    assert [job.queue for job in jobqueue.binding.pending()] == ["alarm", "default", "mail"]
    assert jobqueue.worker.run_next("mail").result == "mail"
    assert jobqueue.worker.drain().results == ["alarm", "default"]


@pytest.mark.jobqueue(queues=("mail", "alarm"))
def test_or_as_the_settings_say_like_the_workers_option(actor, jobqueue):
    for queue in ("mail", "alarm", "default"):
        actor(queue_name=queue, actor_name=f"{queue}_job")(lambda queue=queue: queue).send()
    assert jobqueue.worker.drain().results == ["mail", "alarm"]


def test_a_call_can_name_another_queue_that_is_declared(actor, add, jobqueue):
    actor(queue_name="slow", actor_name="other")(lambda: None)
    job = jobqueue.producer.enqueue("add", 1, 2, queue="slow")
    assert job.queue == "slow"
    assert jobqueue.worker.run_next("slow").result == 3
