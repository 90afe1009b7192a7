"""An adapter of somebody else's: announced by its distribution, held to the contract by a subclass."""

from __future__ import annotations

import pytest

TINY = '''
"""A job library: a list of Redis, and functions by their names."""
import json
import uuid

import redis


class Tiny:
    def __init__(self, url, key="tiny"):
        self.client = redis.Redis.from_url(url)
        self.key = key
        self.functions = {}

    def job(self, function):
        self.functions[function.__name__] = function
        return function

    def push(self, name, *args, **kwargs):
        job_id = uuid.uuid4().hex
        self.client.rpush(self.key, json.dumps([job_id, name, args, kwargs]))
        return job_id

    def pop(self):
        raw = self.client.lpop(self.key)
        return None if raw is None else json.loads(raw)
'''
ADAPTER = """
import json

import redis

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job, Outcome
from pytest_jobqueue.registry import Adapter

CAPS = Caps(kwargs=True)
TINY = Adapter("tiny", ("tiny.Tiny",), "tiny_adapter:bind")


def bind(app, url, settings):
    return TinyBinding(app, url)


def job_of(found):
    job_id, name, args, kwargs = found
    return Job(job_id, name, tuple(args), kwargs, "default")


class TinyBinding:
    caps = CAPS

    def __init__(self, app, url):
        self.app, self.before = app, app.client
        app.client = redis.Redis.from_url(url)

    def enqueue(self, call):
        if call.name not in self.app.functions:
            raise UsageError(f"there is no job {call.name!r}")
        try:
            job_id = self.app.push(call.name, *call.args, **call.kwargs)
        except TypeError as error:
            raise TypeError(f"{call.name} cannot be called with {call.args!r}: {error}") from error
        return Job(job_id, call.name, tuple(call.args), call.kwargs, "default")

    def enqueue_many(self, calls):
        return [self.enqueue(call) for call in calls]

    def queues(self):
        return ["default"]

    def pending(self, queue=None):
        return [job_of(json.loads(raw)) for raw in self.app.client.lrange(self.app.key, 0, -1)]

    def scheduled(self):
        return []

    retrying = running = waiting = failed = scheduled

    def run_next(self, queue=None, *, more=False):
        found = self.app.pop()
        if found is None:
            return None
        job = job_of(found)
        try:
            result = self.app.functions[job.name](*job.args, **job.kwargs)
        except BaseException as error:
            return Outcome(job, "failed", exception=error)
        return Outcome(job, "ok", result)

    def tick(self):
        return 0

    recover = tick

    def next_due(self):
        return None

    def abandon_next(self, queue=None):
        found = self.app.pop()
        return found and job_of(found)

    def close(self):
        self.app.client.close()
        self.app.client = self.before
"""
CONTRACT = """
import pytest
from tiny import Tiny

from pytest_jobqueue.contracts import jobs
from pytest_jobqueue.contracts.adapter import AdapterContract, Names


class TestTiny(AdapterContract):
    names = Names("add", "keywords", "boom", "flaky", "hooked")

    @pytest.fixture
    def jobqueue_app(self):
        tiny = Tiny("redis://redis.invalid")
        for name in ("add", "keywords", "boom", "flaky", "hooked"):
            tiny.job(getattr(jobs, name))
        return tiny
"""


@pytest.fixture
def distribution(project):
    """A distribution of an adapter, installed as pip leaves it: beside its code lies what it announces."""
    info = project.path / "tiny_adapter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pytest_jobqueue.adapters]\ntiny = tiny_adapter:TINY\n")
    project.tests(tiny=TINY, tiny_adapter=ADAPTER, test_tiny=CONTRACT)
    return project


def test_a_sound_adapter_keeps_the_contract(distribution):
    result = distribution.run("-rs")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed", "skipped"}
    assert outcomes["passed"] >= 15
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED * this library has no delays (Caps.delays)",
            "SKIPPED * this adapter's binding has no discard()",
        ]
    )


@pytest.mark.parametrize(
    ("sound", "fault", "seen"),
    [
        ('Outcome(job, "ok", result)', 'Outcome(job, "ok")', "test_one_job_is_run_and_gone"),
        (
            'Outcome(job, "failed", exception=error)',
            'Outcome(job, "failed")',
            "test_the_jobs_own_exception_is_raised_with_its_traceback",
        ),
        ("self.client.lpop", "self.client.rpop", "test_several_jobs_are_pending_in_the_order_in_which_*"),
    ],
    ids=["a lost result", "a failure without its exception", "another order"],
)
def test_one_fault_of_the_adapter_breaks_it(distribution, sound, fault, seen):
    assert sound in TINY + ADAPTER
    for name in ("tiny", "tiny_adapter"):
        path = distribution.path / f"{name}.py"
        path.write_text(path.read_text().replace(sound, fault))
    result = distribution.run("-rf")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random([f"FAILED test_tiny.py::TestTiny::{seen}*"])
