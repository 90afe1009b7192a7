"""On-commit callbacks in a Django project: run as after a commit, and told where they wait."""

from __future__ import annotations

import pytest

pytest.importorskip("pytest_django")

SETTINGS = """
SECRET_KEY = "x"
USE_TZ = True
DATABASES = {
    name: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    for name in ("default", "other")
}
"""
CONFTEST = """
import pytest
from django.db import transaction
from pytest_jobqueue import Handlers

@pytest.fixture
def log():
    return []

@pytest.fixture
def jobqueue_app(log):
    return Handlers({"Log": log.append})

@pytest.fixture
def later(jobqueue):
    def later(text, **options):
        transaction.on_commit(lambda: jobqueue.producer.enqueue("Log", text), **options)
    return later
"""
TESTS = """
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.test import TestCase
from pytest_jobqueue import DrainTimeoutError, UsageError

def test_callbacks_run_when_the_test_says_so(jobqueue, db, later, log):
    with transaction.atomic():
        later("a")
        jobqueue.assert_idle()
    later("b")
    jobqueue.assert_idle()
    assert jobqueue.run_on_commit() == 2
    jobqueue.worker.drain()
    assert log == ["a", "b"]
    assert jobqueue.run_on_commit() == 0
    assert connection.run_on_commit == [] and "validate_no_atomic_block" not in vars(connection)

def changes(log):
    # What a service can leave for its commit.
    def first():
        log.append("first")
        transaction.on_commit(lambda: log.append("left by the first"))
        with transaction.atomic():
            transaction.on_commit(lambda: log.append("left by the first, in a block"))
            log.append("in a block")
    def boom():
        raise ValueError("boom")
    with transaction.atomic():
        transaction.on_commit(first)
        with transaction.atomic():
            transaction.on_commit(lambda: log.append("inner"))
        with pytest.raises(KeyError), transaction.atomic():
            transaction.on_commit(lambda: log.append("never"))
            raise KeyError
        transaction.on_commit(boom, robust=True)
        transaction.on_commit(lambda: log.append("last"))

REST = ["inner", "last"]
LEFT = ["left by the first", "left by the first, in a block"]

@pytest.mark.django_db(transaction=True)
def test_what_a_commit_does(jobqueue, log):
    changes(log)
    assert log == ["first", LEFT[0], "in a block", LEFT[1], *REST]
    assert jobqueue.run_on_commit() == 0

def test_the_same_without_one(jobqueue, db, log, caplog):
    changes(log)
    assert log == []
    assert jobqueue.run_on_commit() == 6
    assert log == ["first", "in a block", *LEFT, *REST]  # what one leaves comes after it, not within it
    assert "boom" in caplog.text

def failing(log):
    def boom():
        raise ValueError("boom")
    with transaction.atomic():
        for callback in (lambda: log.append("before"), boom, lambda: log.append("after")):
            transaction.on_commit(callback)

@pytest.mark.django_db(transaction=True)
def test_what_a_commit_does_about_an_error(log):
    with pytest.raises(ValueError, match="boom"):
        failing(log)
    assert log == ["before"]
    assert connection.run_on_commit == []

def test_the_same_about_an_error_without_one(jobqueue, db, log):
    failing(log)
    with pytest.raises(ValueError, match="boom"):
        jobqueue.run_on_commit()
    assert log == ["before"]
    assert jobqueue.run_on_commit() == 0

@pytest.mark.django_db(databases=["default", "other"])
def test_every_database(jobqueue, later, log):
    def again():
        later("c")
        transaction.on_commit(lambda: later("d"), using="other")
    with transaction.atomic(), transaction.atomic(using="other"):
        later("a", using="other")
        later("b")
        transaction.on_commit(again, using="other")
    assert jobqueue.run_on_commit() == 6
    jobqueue.worker.drain()
    assert sorted(log) == ["a", "b", "c", "d"]

def test_a_block_that_is_open(jobqueue, db, later, log):
    with transaction.atomic():
        assert jobqueue.run_on_commit() == 0
        later("a")
        with pytest.raises(UsageError, match=r"inside of an atomic\\(\\) block on the database 'default'"):
            jobqueue.run_on_commit()
    assert jobqueue.run_on_commit() == 1

@pytest.mark.django_db(transaction=True)
def test_a_real_block_that_is_open(jobqueue, later):
    with transaction.atomic():
        later("a")
        with pytest.raises(UsageError, match="call it after the block"):
            jobqueue.run_on_commit()
        jobqueue.assert_idle()
    jobqueue.assert_enqueued("Log", "a")
    assert jobqueue.run_on_commit() == 0

def test_a_callback_cannot_end_the_transaction_of_the_test(jobqueue, db):
    transaction.on_commit(transaction.commit)
    with pytest.raises(transaction.TransactionManagementError):
        jobqueue.run_on_commit()

def test_no_database(jobqueue):
    assert jobqueue.run_on_commit() == 0

class TestOfDjango(TestCase):
    left = []

    @pytest.fixture(autouse=True)
    def _given(self, jobqueue):
        self.jobqueue = jobqueue

    @classmethod
    def setUpTestData(cls):
        transaction.on_commit(lambda: cls.left.append("by the class"))

    def check(self):
        transaction.on_commit(lambda: self.left.append("by the test"))
        assert self.jobqueue.run_on_commit() == 1
        assert self.left.pop() == "by the test" and not self.left
        assert len(connection.run_on_commit) == 1  # the class's own, as it was

    def test_one(self):
        self.check()

    def test_two(self):
        self.check()

automatic = pytest.mark.jobqueue(run_on_commit=True)

@automatic
def test_by_the_worker_itself(jobqueue, db, later, log, jobqueue_app):
    jobqueue_app.register("More")(lambda: later("c"))
    with transaction.atomic():
        later("a")
        assert jobqueue.worker.run_next() is None  # not before the block has ended
    assert jobqueue.worker.run_next().job.args == ("a",)
    later("b")
    assert jobqueue.worker.abandon_next().args == ("b",)
    jobqueue.producer.enqueue("More")
    assert jobqueue.worker.run_next().job.name == "More"
    jobqueue.assert_enqueued("Log", "c")  # with the job's own transaction
    jobqueue.producer.enqueue("More")
    assert len(jobqueue.worker.drain()) == 3

@automatic
def test_by_the_worker_itself_an_error(jobqueue, db, log):
    failing(log)
    with pytest.raises(ValueError, match="boom"):
        jobqueue.worker.drain(on_error="record")

@automatic
@pytest.mark.django_db(transaction=True)
def test_by_the_worker_itself_nothing(jobqueue, later, log):
    later("a")
    assert len(jobqueue.worker.drain()) == 1

@automatic
def test_what_the_other_fixture_ran_does_not_run_again(
    jobqueue, db, later, log, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        later("a")
    jobqueue.worker.drain()
    assert log == ["a"]

def test_where_jobs_are_missing_it_is_said(jobqueue, db, later):
    later("a")
    with pytest.raises(AssertionError) as caught:
        jobqueue.assert_enqueued("Log", "a")
    assert str(caught.value).endswith(
        "do:    1 on-commit callback waits in the transaction of this test; call jobqueue.run_on_commit()"
    )
    later("b")
    with pytest.raises(AssertionError, match="2 on-commit callbacks wait in the transaction of this test;"):
        jobqueue.assert_performed("Log", "a")
    with pytest.raises(DrainTimeoutError, match="No job is on the server. 2 on-commit callbacks wait"):
        jobqueue.worker.run_until(lambda: False)
    jobqueue.run_on_commit()
    jobqueue.assert_enqueued("Log", "a")
"""
FAILING = """
import functools
from django.db import transaction

def test_it(jobqueue, db, later):
    later("a")
    transaction.on_commit(functools.partial(print, 7))
    assert jobqueue.worker.drain().results == [1]

def test_outside(jobqueue):
    assert jobqueue.worker.drain().results == [1]
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(project_settings=SETTINGS)
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nDJANGO_SETTINGS_MODULE = project_settings\npythonpath = .\n")

    def run(test):
        pytester.makepyfile(test)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--redis=fake", timeout=120)

    return run


def test_a_django_project(project):
    result = project(TESTS)
    assert set(result.parseoutcomes()) == {"passed"}, result.stdout.str()


def test_a_failed_test_says_what_waits(project):
    result = project(FAILING)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "on-commit callbacks that wait (see jobqueue.run_on_commit):",
            "  conftest.later.<locals>.later.<locals>.<lambda> on the database 'default'",
            "  functools.partial(<built-in function print>, 7) on the database 'default'",
            "connected clients:",
        ],
        consecutive=True,
    )
    assert result.stdout.str().count("on-commit callbacks that wait") == 1
