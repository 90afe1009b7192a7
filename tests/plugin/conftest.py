"""Downstream projects in a folder of their own, run by pytest in a process of its own.

A run is slow (a second), so each checks much. Warnings are errors in them, unclosed resources too.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from contextlib import ExitStack

import pytest
from support.processes import foreign_server
from support.tools import need, required

from pytest_jobqueue.fixtures import RUN

IMAGE = os.environ.get("PYTEST_JOBQUEUE_IMAGE", "pytest-jobqueue-redis:local")  # `project` unsets it

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


class Image:
    """An image under a name that nobody else uses, so that its containers can be counted."""

    def __init__(self, name, since):
        self.name = name
        self._since = since

    def events(self):
        """What became of its containers until now, in order."""
        words = f"events --since {self._since} --until {engine_time()} --filter type=container"
        return docker(*words.split(), "--filter", f"image={self.name}", "--format", "{{.Action}}").split()


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def engine_time():
    """Now, by the engine's clock."""
    return docker("info", "--format", "{{.SystemTime}}").strip()


@pytest.fixture
def image(monkeypatch):
    """The image for containers, under a name of this test's own."""
    need("docker")
    pytest.importorskip("testcontainers")
    name = f"pytest-jobqueue-test:{uuid.uuid4().hex[:12]}"
    since = engine_time()
    if subprocess.run(["docker", "tag", IMAGE, name], capture_output=True, check=False).returncode:
        (pytest.fail if required("docker") else pytest.skip)(f"image {IMAGE} is not here")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")  # so that it is us who remove
    yield Image(name, since)
    docker("rmi", "--no-prune", name)


@pytest.fixture
def on(request):
    """`on("server")`: the arguments for a run on one kind of Redis, or on several with commas between."""

    def address(mode):
        if mode in ("server", "url"):
            need("server")
        return f"unix://{stack.enter_context(foreign_server())}" if mode == "url" else mode

    def arguments(modes):
        found = [f"--redis={','.join(map(address, modes.split(',')))}"]
        if "container" in modes:
            found.append(f"--jobqueue-image={request.getfixturevalue('image').name}")
        return found

    with ExitStack() as stack:
        yield arguments
