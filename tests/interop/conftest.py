"""The two sides of a queue: Python's binding and a program of another language, on one Redis.

Each test runs on the memory and on a real server. The Go program is built once per process of the run. What a
test arranges or looks up in Redis goes round the front.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import redis
from support.programs import PATIENCE, Program
from support.tools import need, without

import pytest_jobqueue
from pytest_jobqueue.adapters.sidekiq import SidekiqBinding

HERE = Path(__file__).parent
BUILDING = 300.0  # seconds; the first build on a machine downloads modules


@pytest.fixture(params=["fake", "server"])
def server(request):
    if request.param == "server":
        need("server")
    with pytest_jobqueue.serve(request.param) as server:
        yield server


@pytest.fixture
def truth(server):
    """A client that looks and arranges, past the front's hooks."""
    with redis.Redis.from_url(server.direct_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def make_due(truth):
    """Let time pass for what waits in a sorted set: every score becomes one second ago."""

    def lapse(key):
        waiting = truth.zrange(key, 0, -1)
        assert waiting, f"{key} holds nothing that could become due"
        truth.zadd(key, dict.fromkeys(waiting, time.time() - 1))

    return lapse


@pytest.fixture
def binding(server):
    """Make Python's side; closed at the end."""
    made = []

    def bind(handlers, **options):
        made.append(SidekiqBinding(handlers, server.url, **options))
        return made[-1]

    yield bind
    for one in made:
        one.close()


@pytest.fixture
def start(tmp_path):
    """Start a program; ended at the end, however the test ends."""
    running = []

    def start(*command, **env):
        log = tmp_path / f"stderr-{len(running)}.log"
        running.append(Program([str(word) for word in command], log=log, env={**os.environ, **env}))
        return running[-1]

    yield start
    for program in running:
        program.close()


@pytest.fixture(scope="session")
def goworker(tmp_path_factory):
    """The built Go program."""
    need("go")
    program = tmp_path_factory.mktemp("go") / "goworker"
    folder = HERE / "goworker"
    modules = subprocess.run(
        ["go", "mod", "download"], cwd=folder, capture_output=True, text=True, timeout=BUILDING, check=False
    )
    if modules.returncode:
        without("go", f"its modules cannot be downloaded: {modules.stderr.strip()}")
    built = subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=BUILDING,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return program


class GoSide:
    """go-workers2 on one server: its producer, its manager and its API."""

    def __init__(self, program, start, server):
        self._program = program
        self._start = start
        self._place = ["--redis", f"{server.host}:{server.port}", "--db", str(server.database)]

    def _run(self, command, flags):
        words = []
        for name, value in flags.items():
            flag = f"--{name.replace('_', '-')}"
            words.append(flag if value is True else f"{flag}={value}")
        return self._start(self._program, command, *self._place, *words)

    def enqueue(self, *args, **flags):
        """Enqueue a job from Go; returns its jid."""
        program = self._run("enqueue", {"args": json.dumps(list(args)), **flags})
        program.finish()
        return program.told("enqueued")[-1]["jid"]

    def work(self, **flags):
        """Start a worker; returns the running program once it is ready."""
        program = self._run("work", flags)
        program.wait_for("ready")
        return program

    def ask(self, worker, path):
        """What the API of a worker that was started with `api=True` answers."""
        address = worker.told("ready")[0]["api"]
        with urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE) as answer:
            return json.load(answer)


@pytest.fixture
def go(goworker, start, server):
    return GoSide(goworker, start, server)


class RubySide:
    """Sidekiq on one server: its client, its worker process and its API."""

    def __init__(self, start, server):
        self._start = start
        self._env = {"REDIS_URL": server.url}

    def _client(self, *words):
        program = self._start("ruby", HERE / "rubyworker" / "client.rb", *words, **self._env)
        program.finish()
        return program

    def push(self, name, *args, **fields):
        """`Sidekiq::Client.push` of one job; returns its jid."""
        item = {"class": name, "args": list(args), "queue": "q", **fields}
        return self._client("enqueue", json.dumps(item)).told("enqueued")[0]["jid"]

    def look(self):
        """All that Sidekiq's API shows."""
        return self._client("look").told("looked")[0]

    def act(self, where, jid, deed):
        """Do to an entry of a set what the web page's button does."""
        self._client("act", where, jid, deed)

    def work(self, *options, jobs=0):
        """Start a Sidekiq process, to stop after so many jobs; returns the program once it is ready."""
        command = ("sidekiq", "-r", HERE / "rubyworker" / "worker.rb", "-q", "q", "-c", 1, *options)
        program = self._start(*command, JOBQUEUE_EXIT_AFTER=str(jobs), **self._env)
        program.wait_for("ready")
        return program


@pytest.fixture
def ruby(start, server):
    need("ruby")
    return RubySide(start, server)
