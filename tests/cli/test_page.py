"""The page without a browser: what it shows, what it does, and whom it refuses."""

from __future__ import annotations

import asyncio
import html
import re
import socket
import time
from importlib.util import find_spec

import pytest
from support.stubs import StubBinding

from pytest_jobqueue.adapters import Caps
from pytest_jobqueue.cli.ledger import Finished, Ledger, Standing
from pytest_jobqueue.cli.page.door import Door
from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.job import Job

if not all(map(find_spec, ("starlette", "uvicorn"))):
    pytest.skip("the page needs Starlette and uvicorn", allow_module_level=True)

from starlette.testclient import TestClient

from pytest_jobqueue.cli.page.app import Page
from pytest_jobqueue.cli.page.guard import HEADERS
from pytest_jobqueue.cli.page.views import PER_PAGE, Place

PORT = 7777
HERE = f"http://127.0.0.1:{PORT}"
TOKEN = "right"
NASTY = """<script>alert("1")</script>'&{0}"""


class Binding(StubBinding):
    """With what a binding may have besides."""

    def requeue(self, job):
        self._take(job)
        self.ready.append(job)

    def discard(self, job):
        self._take(job)

    def _take(self, job):
        for place in (self.ready, self.later, self.again, self.blocked, self.dead):
            if job in place:
                place.remove(job)
                return
        raise UsageError(f"{job} is no longer there")


class Desk:
    """A desk without a thread, a parent or a Redis."""

    def __init__(self, binding):
        self.binding = binding
        self.ledger = Ledger(lambda *_: None)
        self.is_paused = self.is_changing = False
        self.asked = []
        self.standing = Standing.of(binding)
        self.version = 1

    async def do(self, function, *arguments):
        return function(*arguments)

    async def look(self):
        self.standing = Standing.of(self.binding)

    def control(self, what):
        self.asked.append(what)

    async def changed(self, since):
        while self.version <= since:
            await asyncio.sleep(0)
        return self.version


def page_of(binding=None, *, app="jobs:handlers", workers=1, desk=None, closing=None):
    desk = desk or Desk(binding or Binding())
    can = frozenset(name for name in ("requeue", "discard") if hasattr(desk.binding, name))
    place = Place("redis://127.0.0.1:7776/0", app, workers, desk.binding.caps, can, TOKEN)
    return Page(desk, place, PORT, closing or asyncio.Event())


@pytest.fixture
def binding():
    return Binding()


@pytest.fixture
def desk(binding):
    return Desk(binding)


@pytest.fixture
def client(desk):
    with TestClient(page_of(desk=desk).app, base_url=HERE, follow_redirects=False) as client:
        yield client


@pytest.fixture
def see(client, desk, binding):
    """The page of a state, as it would be after a look at the queues."""

    def see(query="state=pending"):
        desk.standing = Standing.of(binding)
        answer = client.get(f"/?{query}")
        assert answer.status_code == 200
        return answer.text

    return see


@pytest.fixture
def post(client):
    return lambda address, **fields: client.post(address, data={"token": TOKEN, **fields})


def jobs_in(text):
    return [html.unescape(key) for key in re.findall(r'data-job="([^"]*)"', text)]


def buttons_in(text):
    return re.findall(r'<button name="action" value="(\w+)"', text)


# Looking


def test_each_state_is_counted_and_shown(see, binding):
    for number, place in enumerate(
        (binding.ready, binding.later, binding.again, binding.taken, binding.blocked, binding.dead)
    ):
        place += [Job(f"{number}-{one}", "Some") for one in range(number + 1)]
    for number, state in enumerate(("pending", "scheduled", "retrying", "running", "waiting", "failed")):
        text = see(f"state={state}")
        assert f"{state.capitalize()} <b>{number + 1}</b>" in text
        assert jobs_in(text) == [f"{number}-{one}" for one in range(number + 1)]


@pytest.mark.parametrize(
    "state", ["pending", "scheduled", "retrying", "running", "waiting", "failed", "finished"]
)
def test_an_empty_state_says_so(see, state):
    assert 'class="empty"' in see(f"state={state}")


def test_what_is_no_view_is_the_first_one(see, binding):
    binding.put("Some")
    assert jobs_in(see("state=nonsense&page=-3&queue=")) == ["j1"]


def test_a_failed_job_shows_its_error_and_the_traceback_that_a_worker_told(see, desk, binding):
    job = Job("j1", "Some", attempts=2, error="ValueError: no")
    binding.dead.append(job)
    assert "ValueError: no" in see("state=failed")
    desk.ledger.finished.appendleft(Finished(job, "failed", time.time(), 0.25, "ValueError: no", "line 7"))
    for state in ("failed", "finished"):
        assert re.search(r"<pre [^>]*>line 7</pre>", see(f"state={state}"))
    assert "250 ms" in see("state=finished")


@pytest.mark.parametrize(
    ("stored", "shown", "is_told"),
    [
        (None, "ValueError: told", True),
        ("told", "ValueError: told", True),  # go-workers2 keeps the message only
        ("Traceback (most recent call last):\n  File …\nValueError: told\n", "ValueError: told", True),
        ("Traceback (most recent call last):\n  File …\nKeyError: since\n", "KeyError: since", False),
        ("some more words\nand more", "some more words", False),
    ],
)
def test_a_later_error_than_was_told_is_the_one(see, desk, binding, stored, shown, is_told):
    job = Job("j1", "Some", error=stored)
    binding.dead.append(job)
    desk.ledger.finished.appendleft(Finished(job, "failed", 1.0, 1.0, "ValueError: told", "line 7"))
    text = see("state=failed")
    assert f'<p class="error">{shown}</p>' in text
    assert ("line 7" in text) == is_told


def test_a_job_in_a_workers_hands_is_shown_once(see, desk, binding):
    binding.taken += [Job("j1", "Some"), Job("j2", "Some")]
    desk.ledger.in_hand["run"] = (Job("j1", "Some"), time.time())
    text = see("state=running")
    assert jobs_in(text) == ["j1", "j2"]
    assert text.count("Runs since") == 1


def test_queues_with_their_depth_and_the_jobs_of_one(see, binding):
    for queue in ("mail", "mail", NASTY):
        binding.put("Some", queue=queue)
    text = see()
    assert '<span class="name">mail</span> <b>2</b>' in text
    assert '<span class="name">All queues</span> <b>3</b>' in text
    links = re.findall(r'<a href="(/\?state=pending&amp;queue=[^"]*)"', text)
    assert jobs_in(see(html.unescape(links[1])[2:])) == ["j3"]


def test_many_jobs_are_shown_page_by_page(see, binding):
    for _ in range(2 * PER_PAGE + 20):
        binding.put("Some")
    everything = [job.id for job in binding.ready]
    found = [jobs_in(see(f"state=pending&page={page}")) for page in (1, 2, 3)]
    assert [len(one) for one in found] == [PER_PAGE, PER_PAGE, 20]
    assert [key for one in found for key in one] == everything
    assert jobs_in(see("state=pending&page=99999")) == found[2]
    assert "101 to 120 of 120" in see("state=pending&page=3")


def test_everything_is_escaped(see, desk, binding):
    job = Job(
        NASTY,
        NASTY,
        (NASTY,),
        {NASTY: NASTY},
        NASTY,
        due_at=time.time() + 9,
        attempts=1,
        error=NASTY,
    )
    for place in (binding.ready, binding.later, binding.again, binding.taken, binding.blocked, binding.dead):
        place.append(job)
    desk.ledger.finished.appendleft(Finished(job, "failed", 1.0, 1.0, NASTY, NASTY))
    for state in ("pending", "scheduled", "retrying", "running", "waiting", "failed", "finished"):
        text = see(f"state={state}")
        assert "<script>alert" not in text
        assert jobs_in(text)[0].startswith(NASTY)
        assert re.findall("<script[^>]*>", text) == ['<script src="/page.js" defer>']
        assert " on" not in re.sub(r'"[^"]*"|>[^<]*<', "", text)


def test_long_and_strange_values_do_not_spoil_the_page(see, binding):
    class Strange:
        def __repr__(self):
            raise RuntimeError("no")

    binding.put("Some", "x" * 1_000_000, Strange(), "\ud800")
    text = see()
    assert len(text) < 50_000
    assert "characters are left out" in text
    assert "it cannot be shown: RuntimeError: no" in text


@pytest.mark.parametrize("at", [1e17, 1e300, float("inf")])
def test_a_time_that_is_none_does_not_spoil_the_page(see, binding, at):
    binding.later.append(Job("1", "Some", due_at=at))
    binding.ready.append(Job("2", "Some", enqueued_at=at))
    assert f"{at:g}" in see("state=scheduled")
    assert f"{at:g}" in see("state=pending")
    assert "discard" in buttons_in(see("state=scheduled"))


def test_due_times_are_told_in_words(see, binding):
    now = time.time()
    for seconds in (-5, 50.5, 600.5, 86400, 864000):
        binding.later.append(Job(str(seconds), "Some", due_at=now + seconds))
    found = re.findall(r'data-due="[\d.]+">([^<]*)<', see("state=scheduled"))
    assert found == ["due", "in 51 s", "in 11 min", "in 24 h", "in 10 days"]


# Doing


@pytest.mark.parametrize(
    ("state", "place", "action", "ready"),
    [
        ("pending", "ready", "discard", False),
        ("scheduled", "later", "requeue", True),
        ("scheduled", "later", "discard", False),
        ("retrying", "again", "requeue", True),
        ("retrying", "again", "discard", False),
        ("waiting", "blocked", "discard", False),
        ("failed", "dead", "requeue", True),
        ("failed", "dead", "discard", False),
    ],
)
def test_a_job_is_made_ready_or_deleted(see, post, binding, state, place, action, ready):
    jobs = getattr(binding, place)
    jobs += [Job("other", "Some"), Job(NASTY, "Some")]
    text = see(f"state={state}")
    assert buttons_in(text).count(action) == 2
    answer = post("/jobs", action=action, state=state, id=NASTY, view=f"state={state}&page=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/?state={state}&done={action}"
    assert [job.id for job in jobs] == ["other"]
    assert [job.id for job in binding.ready if job.id == NASTY] == ([NASTY] if ready else [])
    assert "The job is " in see(f"state={state}&done={action}")


def test_a_job_that_is_gone_is_told(see, post, binding):
    job = Job("j1", "Some")
    binding.later.append(job)
    see()
    binding.later.clear()
    answer = post("/jobs", action="requeue", state="scheduled", id="j1", view="state=scheduled")
    assert answer.status_code == 409
    assert "is no longer there" in answer.text
    answer = post("/jobs", action="requeue", state="scheduled", id="unknown", view="state=scheduled")
    assert answer.status_code == 409
    assert "The job is no longer scheduled." in answer.text


def test_an_error_of_the_job_library_is_told(see, post, binding):
    binding.put("Some")
    see()
    binding.discard = lambda job: 1 / 0
    answer = post("/jobs", action="discard", state="pending", id="j1")
    assert answer.status_code == 409
    assert "ZeroDivisionError: division by zero" in answer.text


def test_what_a_binding_cannot_do_is_not_offered():
    binding = StubBinding(caps=Caps())
    binding.put("Some")
    binding.later.append(Job("j2", "Some", due_at=1.0))
    with TestClient(page_of(binding).app, base_url=HERE) as client:
        assert buttons_in(client.get("/?state=scheduled").text) == ["pause", "enqueue"]
        text = client.get("/").text
        assert buttons_in(text) == ["pause", "enqueue"]
        assert 'name="kwargs"' not in text
        assert 'name="delay"' not in text
        for address, fields in (("/jobs", {"state": "pending", "id": "j1"}), ("/next", {})):
            answer = client.post(address, data={"token": TOKEN, "action": "discard", **fields})
            assert answer.status_code == 400
    assert len(binding.ready) == 1


def test_the_next_due_job_is_run_now(see, post, binding):
    binding.later += [Job("late", "Some", due_at=30.0), Job("never", "Some")]
    binding.again += [Job("soon", "Some", due_at=20.0), Job("later", "Some", due_at=40.0)]
    assert "next" in buttons_in(see("state=scheduled"))
    assert post("/next", view="state=scheduled").status_code == 303
    assert [job.id for job in binding.ready] == ["soon"]
    binding.later.clear()
    binding.again.clear()
    assert "next" not in buttons_in(see("state=scheduled"))
    assert post("/next").status_code == 409


def test_a_job_is_enqueued_by_hand(post, binding):
    answer = post(
        "/enqueue",
        name=" Add ",
        args='[2, "three", null]',
        kwargs='{"to": "Ann"}',
        queue="mail",
        delay="1.5",
        view="state=scheduled&queue=mail",
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?state=scheduled&queue=mail&done=enqueue"
    (call,) = binding.calls
    assert (call.name, call.args, call.kwargs, call.queue) == (
        "Add",
        (2, "three", None),
        {"to": "Ann"},
        "mail",
    )
    assert 0 < call.at - time.time() <= 1.5
    assert post("/enqueue", name="Add", args="", kwargs=" ", queue="", delay="").status_code == 303
    assert (binding.calls[1].args, binding.calls[1].queue, binding.calls[1].at) == ((), None, None)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": " "}, "A job needs a name."),
        ({"args": "[1,"}, "Arguments: this is no JSON: Expecting value: line 1 column 4 (char 3)."),
        ({"args": "{}"}, "Arguments: it is a JSON list, such as"),
        ({"args": "[" * 100_000}, "Arguments: this is no JSON"),
        ({"kwargs": "[]"}, "Keyword arguments: it is a JSON object, such as"),
        ({"delay": "soon"}, "Delay: 'soon' is no number of seconds."),
        ({"delay": "-1"}, "Delay: '-1' is no number of seconds."),
        ({"delay": "inf"}, "Delay: 'inf' is no number of seconds."),
        ({"delay": "nan"}, "Delay: 'nan' is no number of seconds."),
        ({"delay": "1e300"}, "Delay: '1e300' seconds are more than a hundred years."),
    ],
)
def test_a_job_that_cannot_be_enqueued_is_told_beside_the_form(post, binding, fields, said):
    answer = post("/enqueue", **{"name": "Add", **fields})
    assert answer.status_code == 422
    told = re.search(r'id="enqueue-error" role="alert">([^<]*)<', answer.text)
    assert said in html.unescape(told[1])
    assert binding.calls == []
    (field, typed), *_ = fields.items()
    assert f'name="{field}" value="{html.escape(typed)}"' in answer.text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UsageError("no such option"), "no such option"),
        (TypeError("argument 1 is no JSON"), "TypeError: argument 1 is no JSON"),
        (OSError("gone"), "OSError: gone"),
    ],
)
def test_what_the_job_library_refuses_is_told_beside_the_form(post, binding, error, said):
    def refuse(call):
        raise error

    binding.enqueue = refuse
    answer = post("/enqueue", name="Add")
    assert answer.status_code == 422
    assert f'role="alert">{said}</p>' in answer.text


def test_the_workers_are_paused_stepped_and_resumed(see, post, desk):
    assert "pause" in buttons_in(see())
    for what in ("pause", "step", "resume"):
        assert post("/workers", action=what).status_code == 303
    assert desk.asked == ["pause", "step", "resume"]
    desk.is_changing = True
    assert "a job that runs may finish first" in see()
    desk.is_paused, desk.is_changing = True, False
    assert buttons_in(see())[:2] == ["resume", "step"]
    assert post("/workers", action="kill").status_code == 400


def test_without_an_application_there_is_no_worker(binding):
    with TestClient(page_of(binding, app="").app, base_url=HERE) as client:
        text = client.get("/").text
        assert "--app" in text
        assert buttons_in(text) == ["enqueue"]
        assert client.post("/workers", data={"token": TOKEN, "action": "pause"}).status_code == 400


def test_without_worker_processes_there_are_steps(binding):
    desk = Desk(binding)
    desk.is_paused = True
    with TestClient(page_of(desk=desk, workers=0).app, base_url=HERE) as client:
        assert buttons_in(client.get("/").text) == ["step", "enqueue"]


# News


async def events(page, number):
    stream = page._stream()
    found = [await anext(stream) for _ in range(number)]
    return stream, found


@pytest.mark.asyncio
async def test_news_come_at_once_and_whenever_there_are_some(desk):
    closing = asyncio.Event()
    stream, found = await events(page_of(desk=desk, closing=closing), 2)
    assert found == ["retry: 500\n\n", "data: 1\n\n"]
    following = asyncio.ensure_future(anext(stream))
    desk.version = 5
    assert await following == "data: 5\n\n"
    closing.set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.asyncio
async def test_a_stream_that_nobody_reads_leaves_nothing_behind(desk):
    before = asyncio.all_tasks()
    stream, _ = await events(page_of(desk=desk), 2)
    await stream.aclose()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


# Whom it refuses


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        f"127.0.0.1:{PORT + 1}",
        f"localhost.evil.example:{PORT}",
        f"127.0.0.1:{PORT}.evil.example",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "/events", "/page.js", "/nowhere"])
def test_a_foreign_host_is_refused(client, host, path):
    answer = client.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert HERE in answer.text


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LocalHost"])
def test_each_name_of_this_machine_is_answered(client, name):
    host = f"{name}:{PORT}"
    for headers in ({"host": host}, {"host": host, "origin": f"http://{host}"}):
        assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        f"https://127.0.0.1:{PORT}",
        "http://127.0.0.1",
        f"http://127.0.0.1:{PORT}0",
    ],
)
def test_a_foreign_origin_is_refused(client, binding, origin):
    headers = {"origin": origin}
    fields = {"token": TOKEN, "name": "Add"}
    assert client.post("/enqueue", data=fields, headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 403
    assert binding.calls == []


@pytest.mark.parametrize("address", ["/jobs", "/next", "/enqueue", "/workers"])
@pytest.mark.parametrize("token", [None, "", "wrong", "ri\u0308ght", TOKEN + " "])
def test_nothing_changes_without_the_token(see, client, desk, binding, address, token):
    binding.later.append(Job("j1", "Some", due_at=1.0))
    see()
    fields = {"action": "pause", "name": "Add", "state": "scheduled", "id": "j1"}
    if token is not None:
        fields["token"] = token
    for action in ("pause", "discard"):
        assert client.post(address, data={**fields, "action": action}).status_code == 403
        assert client.post(f"{address}?token={TOKEN}", data={**fields, "action": action}).status_code == 403
    assert (len(binding.later), binding.calls, desk.asked) == (1, [], [])


@pytest.mark.parametrize("address", ["/jobs", "/next", "/enqueue", "/workers"])
def test_nothing_changes_by_a_link(client, address):
    assert client.get(f"{address}?token={TOKEN}&name=Add&action=pause").status_code == 405


def test_the_token_is_in_no_address(see, post):
    assert TOKEN not in "".join(re.findall(r'(?:href|action|src)="([^"]*)"', see()))
    assert TOKEN not in post("/enqueue", name="Add").headers["location"]


@pytest.mark.parametrize(
    "view", ["//evil.example/", "https://evil.example", "state=%0d%0aSet-Cookie:%20a=b", "\r\n"]
)
def test_a_post_leads_nowhere_else(post, view):
    assert post("/enqueue", name="Add", view=view).headers["location"] == "/?state=pending&done=enqueue"


@pytest.mark.parametrize("action", ["close", "enqueue_many", "__class__", ""])
def test_only_what_is_offered_can_be_done(post, binding, action):
    assert post("/jobs", action=action, state="pending", id="j1").status_code == 400
    assert binding.closed == 0


@pytest.mark.parametrize("state", ["finished", "queues", "__class__", ""])
def test_only_jobs_on_the_server_can_be_acted_on(post, state):
    assert post("/jobs", action="discard", state=state, id="j1").status_code == 400


def test_a_form_that_is_too_long_is_refused(post, binding):
    assert post("/enqueue", name="Add", args="x" * 1_100_000).status_code == 413
    assert binding.calls == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/page.css", 200),
        ("GET", "/page.js", 200),
        ("GET", "/icon.svg", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/enqueue", 403),
        ("GET", "/enqueue", 405),
    ],
)
def test_each_answer_is_guarded(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_page_asks_no_other_host(see):
    assert re.findall(r"https?://[^\s\"'<]+", see()) == []


# Where it is


@pytest.mark.asyncio
async def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        door = Door(port)
    assert door.url != f"http://127.0.0.1:{port}/"
    assert door._socket.getsockname()[0] == "127.0.0.1"
    assert door.excuse == f"port {port} is taken, so the page is at {door.url}"
    await door.close()


@pytest.mark.asyncio
async def test_the_port_after_the_last_one_is_any():
    door = Door(65536)
    assert door.url.startswith("http://127.0.0.1:")
    await door.close()


@pytest.mark.asyncio
async def test_without_its_libraries_there_is_no_page(monkeypatch):
    monkeypatch.setattr("pytest_jobqueue.cli.page.door.find_spec", lambda name: None)
    door = Door(0)
    assert (door.url, door.excuse) == ("", 'no page: pip install "pytest-jobqueue[dev]"')
    await door.close()
