"""How long until `jobqueue dev` is up, and until a job starts that somebody enqueues over HTTP?

The command is a real process each time. What `python -c pass` takes is taken off its start; beside it stands
the Go way to the same, a compiled program with miniredis in it. The service of the second question is on
Starlette and uvicorn, the worker is a process of its own, and before each request nothing is going on.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from benchmarks import needs
from benchmarks.remote import ROOT
from benchmarks.rows import BrokenError, Effort, NotMeasuredError, Row
from benchmarks.turns import Series, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

_UP = "Ctrl-C stops it."
_PATIENCE = 60.0  # seconds
_BUSY = 3.0  # seconds in which a queue is read anew several times
_IDLE = 0.2  # seconds before each request
_SERVICE = """
import json, os, time
import redis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from pytest_jobqueue import Handlers

handlers = Handlers()
client = redis.Redis.from_url(os.environ["REDIS_URL"]) if "REDIS_URL" in os.environ else None

@handlers.register("Mark")
def mark(sent):
    client.rpush("marks", time.time() - sent)

def enqueue(request):
    job = {"class": "Mark", "args": [float(request.query_params["sent"])], "queue": "marks", "jid": "1"}
    with client.pipeline() as pipe:
        pipe.sadd("queues", "marks")
        pipe.lpush("queue:marks", json.dumps(job))
        pipe.execute()
    return PlainTextResponse("accepted", status_code=202)

app = Starlette(routes=[Route("/enqueue", enqueue, methods=["POST"])])
"""


@contextmanager
def command(folder: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running `jobqueue dev`; its output is to be read."""
    words = [sys.executable, "-m", "pytest_jobqueue", "dev", "--port", "0", *arguments]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """The first line that has these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise BrokenError(f"jobqueue dev ended and never said {words!r}")


def _start(*arguments: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with command(folder, *arguments) as process:
            read_until(process, _UP)
            return time.perf_counter() - started


def _nothing() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - started


def _go(program: Path) -> float:
    started = time.perf_counter()
    with subprocess.Popen(
        [program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - started
        process.communicate()
    return seconds


def _starts(effort: Effort) -> list[Row]:
    sides = {
        "nothing": _nothing,
        "redis alone": lambda: _start("--no-page"),
        "with the page": _start,
    }
    go = ""
    with tempfile.TemporaryDirectory() as folder:
        try:
            program = needs.go_program(Path(__file__).parent / "miniredis", Path(folder))
            sides["go"] = lambda: _go(program)
        except NotMeasuredError as error:
            go = str(error)
        found = {name: Series(times) for name, times in in_turn(effort.rounds, sides).items()}
    nothing = found["nothing"].best
    go = go or f"a Go program with miniredis {found['go'].best * 1e3:.0f} ms"
    rows = []
    for name in ("redis alone", "with the page"):
        best, middle = (getattr(found[name], which) - nothing for which in ("best", "median"))
        text = f"python -c pass {nothing * 1e3:.0f} ms, taken off; {go}"
        rows.append(Row(f"jobqueue dev until its banner, {name}", best, "s", middle, 0.6, compared=text))
    return rows


def _wakes(effort: Effort) -> Row:
    for name in ("starlette", "uvicorn"):
        needs.module(name)
    requests = effort.of(50, least=5)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "service.py").write_text(_SERVICE)
        addresses = Path(folder) / "addresses"
        serve = ["--", sys.executable, "-m", "uvicorn", "--port", "0", "service:app"]
        options = ["--app", "service:handlers", "--json", str(addresses), "--no-page"]
        with command(folder, *options, *serve) as process:
            url = read_until(process, "Uvicorn running on").split("running on ")[1].split()[0]
            read_until(process, _UP)
            with redis.Redis.from_url(json.loads(addresses.read_text())["redis"]["url"]) as client:
                marks = [_mark(url, client) for _ in range(requests + 1)][1:]
    text = f"from the request on, the HTTP in it; the slowest of {requests} {max(marks) * 1e3:.0f} ms"
    best, middle = min(marks) * 1e3, statistics.median(marks) * 1e3
    return Row("an HTTP request until its job starts, idle", middle, "ms", best, 20, compared=text)


def _mark(url: str, client: redis.Redis) -> float:
    time.sleep(_IDLE)
    request = urllib.request.Request(f"{url}/enqueue?sent={time.time()}", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
    mark = client.blpop(["marks"], timeout=10)
    if mark is None:
        raise BrokenError("a job that was enqueued over HTTP did not run")
    return float(mark[1])


def _views(effort: Effort) -> list[Row]:
    """What a page with many pending jobs takes: at rest, and while the queue is being read anew."""
    for name in ("starlette", "uvicorn"):
        needs.module(name)
    jobs, looks = effort.of(10_000, least=100), effort.of(40, least=4)
    with tempfile.TemporaryDirectory() as folder, command(folder, "--json", "facts") as process:
        read_until(process, _UP)
        assert process.stdout is not None
        reading = threading.Thread(target=process.stdout.read)  # it says each job that is enqueued
        reading.start()
        facts = json.loads((Path(folder) / "facts").read_text())
        url = facts["page"]["url"]
        with redis.Redis.from_url(facts["redis"]["url"]) as client:
            _fill(client, jobs)
            _wait_for(url, f"Pending <b>{jobs:,}</b>")
            rest = [_view(url, f"?state=pending&page={page}") for page in (1, jobs // 50) * (looks // 2)]
            busy, until = [], time.monotonic() + _BUSY
            while time.monotonic() < until:
                client.lpush("queue:default", _PENDING)
                busy.append(_view(url, "?state=pending"))
            _wait_for(url, f"Pending <b>{jobs + len(busy):,}</b>")
        process.send_signal(signal.SIGINT)
        reading.join()
    rows = []
    for what, found in (("at rest", rest), ("a job enqueued before each", busy)):
        text = f"slowest of {len(found)}: {max(found):.0f} ms"
        rows.append(
            Row(
                f"a page of {jobs:,} pending jobs, {what}",
                min(found),
                "ms",
                statistics.median(found),
                200,
                compared=text,
            )
        )
    return rows


_PENDING = json.dumps(
    {"class": "Mail", "args": ["somebody@example.org", {"n": 1}], "queue": "default", "jid": "9"}
)


def _fill(client: redis.Redis, jobs: int) -> None:
    payload = json.loads(_PENDING)
    client.sadd("queues", "default")
    client.lpush("queue:default", *(json.dumps({**payload, "jid": f"{one:024x}"}) for one in range(jobs)))


def _get(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def _view(url: str, query: str) -> float:
    """Milliseconds of one."""
    started = time.perf_counter()
    text = _get(url + query)
    took = (time.perf_counter() - started) * 1e3
    if text.count("data-job=") != 50:
        raise BrokenError("a page of pending jobs has not 50 of them")
    return took


def _wait_for(url: str, words: str) -> None:
    """Until the page has them; its stream of events says when to look again."""
    until = time.monotonic() + _PATIENCE
    with urllib.request.urlopen(f"{url}events", timeout=_PATIENCE) as events:
        for line in events:
            if line.startswith(b"data:") and words in _get(url):
                return
            if time.monotonic() > until:
                break
    raise BrokenError(f"the page never had {words!r}")


def measure(effort: Effort) -> list[Row]:
    rows = _starts(effort)
    try:
        rows += _views(effort)
    except NotMeasuredError as error:
        rows.append(Row("a page of 10,000 pending jobs", None, compared=str(error)))
    try:
        rows.append(_wakes(effort))
    except NotMeasuredError as error:
        rows.append(Row("an HTTP request until its job starts, idle", None, compared=str(error)))
    return rows
