"""`jobqueue dev` and its page on each library's own worker, by the same words and the same buttons."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from support.page import PageClient
from support.services import FOLDER, HERE, arguments, load

if not all(map(find_spec, ("starlette", "uvicorn"))):
    pytest.skip("the page needs Starlette and uvicorn", allow_module_level=True)


@pytest.fixture(params=HERE)
def name(request):
    return request.param


@pytest.fixture
def app(name, monkeypatch, service):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    monkeypatch.setenv("NOTES", str(service / "notes"))
    return load(name)


@pytest.fixture
def run(dev, name, app):
    run = dev("--app", f"on_{name}:app")
    run.up()
    return run


@pytest.fixture
def page_of():
    return lambda run: PageClient(run.up()["page"]["url"])


@pytest.fixture
def page(run, page_of):
    return page_of(run)


@pytest.fixture
def enqueue_add(page, app, name):
    """Enqueue by the form; arguments in the way that the library has them."""

    def enqueue(**fields):
        args, kwargs = (json.dumps(part) for part in arguments(name, 2, 3))
        text = page.post("/enqueue", name=app.ADD, args=args, kwargs=kwargs, **fields)
        assert "The job is enqueued." in text

    return enqueue


def test_a_job_by_hand_is_run_and_each_step_of_it_is_one_line(run, page, enqueue_add):
    enqueue_add()
    done = run.line("worker", "is done in")
    page.until("finished", lambda text: "data-job" in text)
    (job,) = page.jobs("finished")
    assert job in done
    steps = [line for line in run.lines if job in line and line.split()[0] in ("redis", "worker")]
    for step in ("is enqueued", "starts", "is done in"):
        assert len([line for line in steps if f"] {step}" in line]) == 1, run.text


def test_a_failed_job_shows_why(run, page, app):
    page.post("/enqueue", name=app.BOOM)
    run.line("worker   |", f"{app.BOOM}(", "] failed after")
    text = page.until("finished", lambda text: "the job's own error" in text)
    assert "noted.py" in text
    told = [line for line in run.lines if line.startswith("worker   |") and f"{app.BOOM}(" in line]
    assert len([line for line in told if "] starts" in line]) == 1, run.text
    assert len([line for line in told if "] failed after" in line]) == 1, run.text


def test_without_workers_there_are_steps(dev, page_of, app, name):
    run = dev("--app", f"on_{name}:app", "--workers", "0")
    page = page_of(run)
    args, kwargs = (json.dumps(part) for part in arguments(name, 2, 3))
    for _ in range(2):
        page.post("/enqueue", name=app.ADD, args=args, kwargs=kwargs)
    page.post("/workers", action="step")
    run.line("worker", "is done in")
    page.until("pending", lambda text: text.count("data-job") == 1)


def test_a_job_that_waits_for_its_time_runs_now_or_never(run, page, name, enqueue_add):
    if 'name="delay"' not in page.see("scheduled"):
        pytest.skip("this library has no delays")
    holds_them_itself = name == "dramatiq"  # its worker takes jobs that are not due into its memory
    if holds_them_itself:
        page.post("/workers", action="pause")
        run.line("worker   | paused")
    for _ in range(2):
        enqueue_add(delay="3600")
    page.until("scheduled", lambda text: text.count("data-job") == 2)
    first, second = page.jobs("scheduled")
    assert "The job is deleted." in page.post("/jobs", action="discard", state="scheduled", id=first)
    assert page.jobs("scheduled") == [second]
    assert "The job is ready now." in page.post("/next")
    if holds_them_itself:
        page.post("/workers", action="resume")
    assert second in run.line("worker", "is done in")
    page.until("scheduled", lambda text: "data-job" not in text)


def test_the_worker_is_paused_and_stepped(run, page, enqueue_add, service):
    pid = run.up()["workers"][0]["pid"]
    page.post("/workers", action="pause")
    run.line("worker   | paused")
    assert json.loads((service / "addresses.json").read_text())["workers"] == []
    for _ in range(3):
        enqueue_add()
    page.until("pending", lambda text: text.count("data-job") == 3)
    page.post("/workers", action="step")
    run.line("worker", "is done in")
    page.until("pending", lambda text: text.count("data-job") == 2)
    page.post("/workers", action="resume")
    run.line("worker   | goes on")
    page.until("finished", lambda text: text.count("data-job") == 3)
    (worker,) = json.loads((service / "addresses.json").read_text())["workers"]
    assert worker["pid"] != pid
