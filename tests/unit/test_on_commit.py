"""On-commit callbacks where no Django is, or one that is not ready, or too old; the rest needs a project."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from pytest_jobqueue import JobQueue, Settings, UsageError, on_commit

NONE = (
    "run_on_commit() runs Django's on-commit callbacks, and no Django is set up in this process; "
    "pytest-django does that (DJANGO_SETTINGS_MODULE = … in pytest's configuration)"
)


@pytest.fixture
def django(monkeypatch):
    """A Django of this version, set up or not; None for none at all."""
    for name in ("django", "django.conf", "django.db"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def make(version, *, configured):
        conf = types.SimpleNamespace(settings=types.SimpleNamespace(configured=configured))
        package = types.SimpleNamespace(VERSION=version, __version__=".".join(map(str, version)))
        monkeypatch.setitem(sys.modules, "django", package)
        monkeypatch.setitem(sys.modules, "django.conf", conf)
        monkeypatch.setitem(sys.modules, "django.db", types.SimpleNamespace())

    return make


def test_without_django(django, jobqueue):
    with pytest.raises(UsageError) as caught:
        jobqueue.run_on_commit()
    assert str(caught.value) == NONE
    assert (on_commit.run_due(), on_commit.waiting(), on_commit.hint()) == (0, [], "")


def test_a_django_without_settings(django):
    django((5, 2, 0), configured=False)
    with pytest.raises(UsageError, match="no Django is set up"):
        on_commit.run()
    assert on_commit.run_due() == 0


def test_a_django_that_is_too_old(django):
    django((4, 1, 13), configured=True)
    with pytest.raises(UsageError) as caught:
        on_commit.run()
    assert str(caught.value) == (
        "Django 4.1.13 is installed, and run_on_commit() is for 4.2 and newer: pip install 'django>=4.2', or "
        "use django_capture_on_commit_callbacks(execute=True)"
    )
    assert (on_commit.run_due(), on_commit.hint()) == (0, "")


def test_the_worker_asks_in_vain_without_complaint(django, jobqueue_server):
    jobqueue_server.reset()
    settings = Settings(run_on_commit=True)
    with JobQueue({"Add": lambda a, b: a + b}, jobqueue_server, settings) as jobqueue:
        jobqueue.producer.enqueue("Add", 1, 2)
        assert jobqueue.worker.drain().results == [3]


def test_django_is_never_imported():
    program = (
        "import sys, contextlib\n"
        "from pytest_jobqueue import JobQueue, Settings, UsageError, serve\n"
        "with serve('fake') as server, JobQueue({}, server, Settings(run_on_commit=True)) as jobqueue:\n"
        "    jobqueue.worker.drain()\n"
        "    jobqueue.report()\n"
        "    with contextlib.suppress(UsageError):\n"
        "        jobqueue.run_on_commit()\n"
        "sys.exit(any(name.partition('.')[0] == 'django' for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
