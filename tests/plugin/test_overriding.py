"""A project's own fixtures in place of ours, in each scope that makes sense."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("scope", "mode"),
    [
        *((scope, "fake") for scope in ("function", "class", "module", "package", "session")),
        ("function", "server"),
        ("module", "container"),
        ("session", "url"),
    ],
)
def test_the_application_can_be_overridden_in_any_scope(project, on, scope, mode):
    project.conftest(
        f"""
        import pytest

        made = []

        @pytest.fixture(scope="{scope}")
        def jobqueue_app():
            made.append("{scope}")
            return {{"Mul": lambda a, b: a * b}}

        @pytest.fixture(scope="session", autouse=True)
        def count():
            yield
            assert len(made) == {3 if scope == "function" else 2 if scope in ("module", "class") else 1}
        """
    )
    project.tests(
        test_first="""
        class TestIt:
            def test_one(self, jobqueue):
                jobqueue.producer.enqueue("Mul", 2, 3)
                assert jobqueue.worker.drain().results == [6]

            def test_two(self, jobqueue):
                assert jobqueue.worker.drain() == []
        """,
        test_second="def test_three(jobqueue): pass",
    )
    run = project.run if mode == "container" else project.run_here  # docker's library bears one import only
    run(*on(mode)).assert_outcomes(passed=3)


@pytest.mark.parametrize("mode", ["fake", "server"])
def test_every_fixture_can_be_overridden_on_top_of_ours(project, on, mode):
    project.conftest(
        """
        import pytest
        import pytest_jobqueue
        import service

        @pytest.fixture(scope="session")
        def jobqueue_settings():
            return pytest_jobqueue.Settings(dialect="sidekiq7", redis_version="6.2.1", default_queue="q")

        @pytest.fixture(scope="session")
        def jobqueue_server(jobqueue_server):
            jobqueue_server.label = "theirs"
            return jobqueue_server

        @pytest.fixture(scope="session")
        def service_config(jobqueue_server):  # a service that is set up once
            return {"url": jobqueue_server.url}

        @pytest.fixture
        def jobqueue_url(jobqueue_url):
            return jobqueue_url + "?protocol=3"

        @pytest.fixture
        def jobqueue_app(jobqueue_app):
            assert jobqueue_app is service.handlers
            return {"Sub": lambda a, b: a - b}

        @pytest.fixture
        def jobqueue(jobqueue):
            jobqueue.producer.enqueue("Sub", 9, 1)
            return jobqueue

        @pytest.fixture
        def jobqueue_producer(jobqueue_producer):
            return jobqueue_producer.set(queue="slow")

        @pytest.fixture
        def jobqueue_worker(jobqueue_worker):
            return lambda: jobqueue_worker.drain().results

        @pytest.fixture
        def jobqueue_redis(jobqueue_redis):
            jobqueue_redis.set("seed", 1)
            return jobqueue_redis
        """
    )
    project.tests(
        """
        import pytest

        def test_all(jobqueue, jobqueue_server, jobqueue_url, jobqueue_producer, jobqueue_worker,
                     jobqueue_redis, service_config):
            assert jobqueue_server.label == "theirs"
            assert jobqueue_redis.info()["redis_version"] == jobqueue_server.version
            assert (jobqueue_server.version == "6.2.1") == (jobqueue_server.mode == "fake")
            assert jobqueue_url == service_config["url"] + "?protocol=3"
            job = jobqueue_producer.enqueue("Sub", 3, 2)
            assert job.queue == "slow"
            assert jobqueue.assert_enqueued("Sub", 9, 1)[0].queue == "q"
            assert jobqueue_worker() == [8, 1]
            assert jobqueue_redis.get("seed") == b"1"
            assert jobqueue.settings.dialect == "sidekiq7"

        @pytest.mark.jobqueue(dialect="go-workers2", app={"Sub": lambda a, b: "marked"}, on_error="record")
        def test_the_marker_goes_on_top(jobqueue, jobqueue_worker):
            assert jobqueue_worker() == ["marked"]
            assert jobqueue.settings.dialect == "go-workers2"
            assert jobqueue.settings.redis_version == "6.2.1"
            jobqueue.producer.enqueue("Nobody")
            assert len(jobqueue.worker.drain().failed) == 1
        """,
        test_two="""
        import pytest
        import pytest_jobqueue

        @pytest.fixture(scope="session")
        def jobqueue_server():
            with pytest_jobqueue.serve("fake", version="5.0.0") as server:
                yield server

        @pytest.fixture(scope="session")
        def jobqueue_settings():
            return pytest_jobqueue.Settings(dialect="sidekiq6")

        def test_own_server(jobqueue_server, jobqueue):
            assert jobqueue.server is jobqueue_server
            assert jobqueue.redis.info()["redis_version"] == "5.0.0"
            assert jobqueue.settings.dialect == "sidekiq6"
        """,
    )
    project.run(*on(mode)).assert_outcomes(passed=3)


def test_without_an_application_jobs_can_be_enqueued_and_looked_at(project):
    project.tests(
        """
        import pytest
        from pytest_jobqueue.errors import UnknownJobError

        def test_it(jobqueue):
            jobqueue.producer.enqueue("Add", 1, 2)
            jobqueue.assert_enqueued("Add", 1, 2)
            with pytest.raises(UnknownJobError, match="there is no handler for class 'Add'"):
                jobqueue.worker.drain()
        """
    )
    project.run("--override-ini=jobqueue_app=").assert_outcomes(passed=1)
