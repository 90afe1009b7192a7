"""django-rq: queues from `RQ_QUEUES`, whose connections are made anew for each call."""

from __future__ import annotations

import pytest

pytest.importorskip("django")
pytest.importorskip("rq")
find = pytest.importorskip("importlib.util").find_spec
if find("django_rq") is None:
    pytest.skip("django-rq is not installed", allow_module_level=True)

SETTINGS = """
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["django_rq"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
RQ_QUEUES = {
    "default": {"HOST": "redis.invalid", "PORT": 6379, "DB": 2, "DEFAULT_TIMEOUT": 77},
    "high": {"URL": "redis://redis.invalid:6379/0", "DEFAULT_RESULT_TTL": 88},
}
RQ_EXCEPTION_HANDLERS = ["service.handle"]
"""
SERVICE = """
import django_rq
import django_rq.settings  # until 4.0, what it reads first is what it keeps

handled = []

def handle(job, kind, error, traceback):
    handled.append(str(error))

def add(left, right):
    return left + right

def boom():
    raise ValueError("boom")

def place(left, right, queue="default"):
    return django_rq.get_queue(queue).enqueue(add, left, right)
"""
TESTS = """
import pytest, django_rq, service
from django.conf import settings
from pytest_jobqueue import JobQueue, UsageError, serve

def test_queues(jobqueue):
    service.place(1, 2)
    django_rq.enqueue(service.add, 3, 4)
    service.place(5, 6, "high")
    assert jobqueue.binding.queues() == ("default", "high")
    assert [job.raw.timeout for job in jobqueue.binding.pending()] == [77, 77, 180]
    assert jobqueue.worker.drain().results == [3, 7, 11]
    assert jobqueue.producer.enqueue("service.add", 1, 2, queue="high").raw.result_ttl == 88

def test_handlers(jobqueue):
    jobqueue.producer.enqueue("service.boom")
    jobqueue.worker.drain(on_error="record")
    assert service.handled == ["boom"]

newer = pytest.mark.skipif("QUEUES" in vars(django_rq.settings), reason="django-rq before 4.0")

@newer
def test_on_commit(jobqueue, db):
    from django.db import transaction
    with transaction.atomic():
        assert service.place(1, 2) is None
        assert jobqueue.binding.pending() == []  # not before the transaction commits
        jobqueue.producer.enqueue("service.add", 3, 4)  # the producer's job is there at once
    assert jobqueue.worker.drain().results == [7]

@newer
def test_on_commit_callbacks_that_the_test_lets_run(jobqueue, db):
    service.place(1, 2)
    assert jobqueue.worker.drain().results == []
    assert jobqueue.run_on_commit() == 1
    assert jobqueue.worker.drain().results == [3]

@pytest.mark.jobqueue(run_on_commit=True)
def test_on_commit_callbacks_that_the_worker_lets_run(jobqueue, db):
    service.place(1, 2)
    assert jobqueue.worker.drain().results == [3]

def test_on_commit_callbacks(jobqueue, db, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        service.place(1, 2)
    assert jobqueue.worker.drain().results == [3]

def test_one_queue_object():
    queue = django_rq.get_queue("high")
    with serve("fake") as server, JobQueue(queue, server) as jobqueue:
        service.place(1, 2, "high")
        queue.enqueue(service.add, 3, 4)
        assert jobqueue.worker.drain().results == [3, 7]

def test_settings_are_as_before():
    before = {name: dict(config) for name, config in settings.RQ_QUEUES.items()}
    with serve("fake") as server, JobQueue(django_rq, server):
        assert settings.RQ_QUEUES["default"] == {"DEFAULT_TIMEOUT": 77, "URL": server.url}
    assert settings.RQ_QUEUES == before
    assert before["default"]["HOST"] == "redis.invalid"

def test_queues_that_run_at_once(settings):
    settings.RQ_QUEUES = {"default": {"HOST": "redis.invalid", "PORT": 1, "ASYNC": False}}
    with serve("fake") as server, JobQueue("django_rq", server) as jobqueue:
        service.place(1, 2)
        assert jobqueue.worker.drain().results == [3]
    assert settings.RQ_QUEUES == {"default": {"HOST": "redis.invalid", "PORT": 1, "ASYNC": False}}

@newer
def test_no_queues(settings):
    del settings.RQ_QUEUES
    with serve("fake") as server, pytest.raises(UsageError, match="settings have no RQ_QUEUES"):
        JobQueue("django_rq", server)
"""


@pytest.mark.parametrize("app", ["jobqueue_app = django_rq", "jobqueue_app = django_rq:queues", ""])
def test_a_django_project(pytester, app):
    """By the ini file, where the module or its `queues` stands for all of it, or by a fixture."""
    pytest.importorskip("pytest_django")
    pytester.makepyfile(project_settings=SETTINGS, service=SERVICE, test_it=TESTS)
    if not app:
        pytester.makeconftest("import pytest\n@pytest.fixture\ndef jobqueue_app():\n    return 'django_rq'\n")
    pytester.makeini(
        f"[pytest]\nDJANGO_SETTINGS_MODULE = project_settings\npythonpath = .\n{app}\n"
        "filterwarnings =\n    error\n"
        "    ignore:The configuration option .asyncio_default_fixture_loop_scope. is unset\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q", timeout=120)
    found = result.parseoutcomes()
    assert found in ({"passed": 10}, {"passed": 7, "skipped": 3}), result.stdout.str()
