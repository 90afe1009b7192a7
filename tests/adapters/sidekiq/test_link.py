"""The held connection: batches, errors among replies, loss, threads."""

from __future__ import annotations

import threading

import pytest
import redis

from pytest_jobqueue.adapters.sidekiq import SidekiqBinding
from pytest_jobqueue.adapters.sidekiq.link import Link
from pytest_jobqueue.job import Call


@pytest.fixture
def link(url):
    link = Link(url)
    yield link
    link.close()


def test_a_batch_is_answered_in_order(link):
    assert link.send(("SET", "a", "1"), ("INCR", "a"), ("LRANGE", "b", 0, -1), ("GET", "c")) == [
        b"OK",
        2,
        [],
        None,
    ]


def test_the_first_refusal_is_raised_after_all_replies_were_read(link):
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        link.send(("SET", "a", "1"), ("LPUSH", "a", "x"), ("NONSENSE",), ("SET", "b", "2"))
    assert link.call("GET", "b") == b"2"


def test_a_lost_connection_is_an_error_and_the_next_batch_connects_anew(link, look):
    link.call("SET", "a", "1")
    for client in look.client_list():
        if client["id"] != str(look.client_id()):
            look.client_kill_filter(_id=client["id"])
    with pytest.raises(redis.ConnectionError):
        link.call("GET", "a")
    assert link.call("GET", "a") == b"1"


def test_an_interruption_in_the_middle_of_an_answer_leaves_no_half_behind(link, monkeypatch):
    link.call("SET", "a", "1")
    connection = link._connection

    def interrupted(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(connection, "read_response", interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.call("GET", "a")
    assert link.call("GET", "b") is None


def test_threads_take_turns(link):
    def work():
        for _ in range(50):
            link.send(("INCR", "n"), ("ECHO", threading.current_thread().name))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert link.call("GET", "n") == b"200"


def test_no_server_is_a_connection_error():
    with pytest.raises(redis.ConnectionError):
        Link("redis://127.0.0.1:1").call("PING")


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_client_that_is_passed_in_lends_its_settings(url, protocol):
    with redis.Redis.from_url(url, protocol=protocol, decode_responses=True) as client:
        binding = SidekiqBinding({"Add": lambda *args: sum(args), "Boom": lambda: 1 / 0}, client)
        binding.enqueue(Call("Add", (1, 2)))
        assert binding.run_next().result == 3
        binding.enqueue(Call("Boom", options={"retry": True}))
        binding.run_next()
        assert [job.name for job in binding.retrying()] == ["Boom"]
        assert binding.next_due() is not None
        assert (binding.running(), binding.queues()) == ([], ["default"])
        binding.beat()
        binding.close()
        assert client.get("stat:processed") == "1"
