"""A service that connects to another Redis during a test: the test is told at once, or the service is led."""

from __future__ import annotations

SHOP = """
    import asyncio
    import threading

    import redis
    import redis.asyncio
    import redis.asyncio.retry
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)  # redis-py would wait for seconds between its attempts
    cache = redis.Redis("127.0.0.1", 1, 3, retry=once)
    aonce = redis.asyncio.retry.Retry(NoBackoff(), 0)
    acache = redis.asyncio.Redis(host="127.0.0.1", port=1, db=3, retry=aonce)
    local = redis.Redis(unix_socket_path="/run/shop.invalid.sock")

    def remember(name):
        try:
            cache.set("name", name)
        except Exception:
            pass  # a cache may be down

    async def remember_async(name):
        await acache.set("name", name)

    def carelessly():
        try:
            cache.ping()
        except BaseException:
            pass

    def elsewhere():
        thread = threading.Thread(target=carelessly)
        thread.start()
        thread.join()
"""


def test_each_stray_connection_fails_its_test_with_the_sentence(project):
    project.tests(
        shop=SHOP,
        test_shop="""
        import asyncio
        import pytest
        import redis
        import shop

        OWNERS = redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection

        def methods():
            names = "connect", "connect_check_health"
            return [vars(owner)[name] for owner in OWNERS for name in names if name in vars(owner)]

        BEFORE = methods()

        @pytest.fixture
        def jobqueue_app():
            return {"Remember": shop.remember}

        @pytest.fixture
        def warm(jobqueue_url):
            shop.remember("ann")

        def test_in_the_test(jobqueue_url):
            shop.remember("ann")

        def test_in_a_coroutine(jobqueue_redis):
            asyncio.run(shop.remember_async("ann"))

        def test_through_a_socket(jobqueue):
            shop.local.ping()

        def test_in_a_job(jobqueue):
            jobqueue.producer.enqueue("Remember", "ann")
            jobqueue.worker.drain(on_error="record")

        def test_in_a_fixture(warm):
            pass

        def test_swallowed(jobqueue):
            shop.carelessly()

        def test_in_a_thread(jobqueue):
            shop.elsewhere()

        @pytest.mark.jobqueue(allow="localhost:1")
        def test_allowed(jobqueue):
            shop.remember("ann")

        def test_without_us():
            shop.remember("ann")
            assert methods() == BEFORE
        """,
    )
    result = project.run("-rfE")
    result.assert_outcomes(passed=4, failed=4, errors=3)
    for line in (
        "*StrayConnectionError: remember (shop.py:18) connects to redis://localhost:1/3, which is *",
        "*StrayConnectionError: remember_async (shop.py:23) connects to redis://localhost:1/3, *",
        "*StrayConnectionError: test_through_a_socket (test_shop.py:*) connects to unix:///run/shop*",
        "jobqueue: carelessly (shop.py:27) connects *(Somebody caught this, so the test went on.)",
        "ERROR test_shop.py::test_in_a_fixture*",
        "ERROR test_shop.py::test_swallowed*",
        "ERROR test_shop.py::test_in_a_thread*",
        "FAILED test_shop.py::test_in_the_test*",
        "FAILED test_shop.py::test_in_a_coroutine*",
        "FAILED test_shop.py::test_through_a_socket*",
        "FAILED test_shop.py::test_in_a_job*",
    ):
        result.stdout.fnmatch_lines([line])


def test_addresses_that_the_project_lists_are_led_or_let_through(project):
    project.ini(
        """
jobqueue_redirect =
    localhost:1
    unix:///run/shop.invalid.sock
jobqueue_allow = localhost:2
"""
    )
    project.tests(
        shop=SHOP,
        test_shop="""
        import asyncio
        import pytest
        import redis
        import shop

        @pytest.fixture
        def jobqueue_app():
            return {"Remember": shop.remember}

        @pytest.mark.parametrize("round", [1, 2])
        def test_led(jobqueue, round):
            with redis.Redis(port=jobqueue.server.port, db=3) as there:
                assert there.get("name") is None
                jobqueue.producer.enqueue("Remember", "ann")
                jobqueue.worker.drain()
                assert there.get("name") == b"ann"
                asyncio.run(twice())
                assert there.get("name") == b"bob"
            shop.local.set("name", "cid")
            assert jobqueue.redis.get("name") == b"cid"

        async def twice():
            await shop.remember_async("eve")
            await shop.remember_async("bob")
            await shop.acache.connection_pool.disconnect()

        def test_let_through(jobqueue):
            with pytest.raises(redis.ConnectionError), redis.Redis(port=2, retry=shop.once) as client:
                client.ping()

        def test_afterwards_it_leads_where_it_led():
            with pytest.raises(redis.ConnectionError):
                shop.cache.ping()
        """,
    )
    project.run().assert_outcomes(passed=4)
    project.run("-p", "no:randomly", "--redis=server", "--jobqueue-redirect=*").assert_outcomes(
        passed=3, failed=1
    )


def test_what_is_no_address_ends_the_run_before_it_begins(project):
    for key in ("jobqueue_redirect", "jobqueue_allow"):
        project.ini(f"{key} = cache:one\n")
        result = project.run_here()
        assert result.ret == 4
        result.stderr.fnmatch_lines(
            [f"ERROR: jobqueue: {key}: 'cache:one' is no address of a Redis; *(This is the value of {key}*"]
        )
    project.ini("")
    project.tests(
        """
        import pytest

        @pytest.mark.jobqueue(allow="http://cache")
        def test_it(jobqueue): pass
        """
    )
    result = project.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["jobqueue: the marker jobqueue(allow=…): 'http://cache' is no address *"])
