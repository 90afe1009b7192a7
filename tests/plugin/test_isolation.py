"""One test's Redis is not another's: nothing is left, and whoever still waits is cut off and named."""

from __future__ import annotations

import pytest
from support.tools import need

LEFTOVERS = """
    import socket
    import threading

    import pytest
    import redis

    ended = threading.Event()

    @pytest.fixture(autouse=True)
    def nothing_is_there(jobqueue_redis):
        assert jobqueue_redis.dbsize() == 0
        assert jobqueue_redis.script_exists("e0e1f9fabfc9d4800c877a703b823ac0578ff8db") == [False]
        assert jobqueue_redis.pubsub_channels() == []
        assert jobqueue_redis.function_list() == []

    def leave(jobqueue, url):
        jobqueue.producer.enqueue("Add", 1, 2)
        client = redis.Redis.from_url(url)
        client.set("key", "value", ex=100)
        client.script_load("return 1")
        client.function_load("#!lua name=lib\\nredis.register_function('f', function() return 1 end)")
        listening = client.pubsub()
        listening.subscribe("news")
        assert listening.get_message(timeout=5)["type"] == "subscribe"
        leave.kept = client, listening

    def test_one(jobqueue, jobqueue_url):
        leave(jobqueue, jobqueue_url)

    def test_two(jobqueue, jobqueue_url):
        leave(jobqueue, jobqueue_url)

    def test_three_waits(jobqueue_url, jobqueue_redis):
        def wait():
            with redis.Redis.from_url(jobqueue_url, client_name="mailer", socket_timeout=60) as client:
                try:
                    client.blpop(["queue:mail", "queue:post"])
                except redis.ConnectionError:
                    ended.set()

        threading.Thread(target=wait, daemon=True).start()
        while not any("b" in client["flags"] for client in jobqueue_redis.client_list()):
            pass

    def test_four_is_not_disturbed(jobqueue, jobqueue_redis):
        jobqueue_redis.rpush("queue:mail", "for nobody")
        assert jobqueue_redis.lrange("queue:mail", 0, -1) == [b"for nobody"]

    @pytest.fixture(scope="session", autouse=True)
    def cut_off():
        yield
        assert ended.wait(20)
"""


@pytest.mark.parametrize("mode", ["fake", "server"])
def test_nothing_is_left_and_who_waits_is_cut_off_and_named(project, mode):
    if mode == "server":
        need("server")
    project.tests(LEFTOVERS)
    result = project.run(f"--redis={mode}", "-W", "default::pytest_jobqueue.JobQueueWarning")
    named = mode == "fake"  # bytes to a real server are passed on unread, so nobody here knows who waits
    result.assert_outcomes(passed=4, warnings=int(named))
    if named:
        result.stdout.fnmatch_lines(
            [
                "*::test_three_waits",
                (
                    "*JobQueueWarning: the test ended while clients still waited for jobs; they were cut "
                    "off: mailer at 127.0.0.1:*, blocked in BLPOP queue:mail queue:post. A worker that the "
                    "test started is still running: stop it in the test."
                ),
            ]
        )
