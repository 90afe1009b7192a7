"""Downstream projects in a folder of their own, run by pytest in a process of its own.

A run is slow (a second), so each checks much. Warnings are errors in them, unclosed resources too.
"""

from __future__ import annotations

import pytest

from pytest_jobqueue.fixtures import RUN

SERVICE = '''
"""A service: it enqueues by the URL that it is given, and these are its handlers."""
from pytest_jobqueue import Handlers

handlers = Handlers()
done = []

@handlers.register("Add")
def add(a, b):
    done.append(a + b)
    return a + b

@handlers.register("Boom")
def boom():
    raise ValueError("boom")
'''
INI = """
[pytest]
addopts = --strict-markers -p no:cacheprovider
filterwarnings = error
pythonpath = .
jobqueue_app = service:handlers
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a service; `project.run(…)` runs its tests."""
    for name in ("PYTEST_JOBQUEUE_REDIS", "PYTEST_JOBQUEUE_IMAGE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(service=SERVICE)
    pytester.makeini(INI)
    return Project(pytester)


class Project:
    """A downstream project."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path

    def tests(self, *sources, **named):
        self.pytester.makepyfile(*sources, **named)

    def conftest(self, source):
        self.pytester.makeconftest(source)

    def ini(self, more):
        self.pytester.makeini(INI + more)

    def run(self, *args, plugins=()):
        """Run pytest; other plugins are there only if asked for, since some take seconds to load."""
        needed = ["jobqueue", *plugins, *(["xdist"] if "-n" in args else [])]
        return self.pytester.runpytest_subprocess(*(f"-p{name}" for name in needed), *args)

    def run_here(self, *args):
        """Run pytest in this process: for a run that ends before it starts anything."""
        return self.pytester.runpytest_inprocess("-pjobqueue", *args)

    def configured(self, *args):
        """The state of a run that is configured and does nothing more."""
        return self.pytester.parseconfigure("-pjobqueue", *args).stash[RUN]
