"""`jobqueue dev` as a whole: what it starts, what it says, and that nothing is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import redis
from support.dev import PATIENCE, wait_for
from support.processes import wait_gone
from support.tools import need

from pytest_jobqueue import cli, serve
from pytest_jobqueue.cli.arguments import parse
from pytest_jobqueue.cli.dev import Session
from pytest_jobqueue.cli.record import record

APP = ("--app", "jobs:handlers")
SLEEP = ("--", sys.executable, "-c", "import time; time.sleep(60)")


def push(url, name, *args, queue="default", **fields):
    job = {"class": name, "args": args, "queue": queue, "jid": f"{name}-1", "retry": True, **fields}
    with redis.Redis.from_url(url) as client:
        client.sadd("queues", queue)
        client.lpush(f"queue:{queue}", json.dumps(job))


def script(source):
    return ("--", sys.executable, "-c", source)


# Starting


def test_a_redis_alone(dev):
    run = dev()
    address = run.up()["redis"]
    with redis.Redis.from_url(address["url"]) as client:
        assert client.ping()
    assert f"export REDIS_URL={address['url']}" in run.text
    assert "do not use any of this in production" in run.text
    assert run.end(signal.SIGINT) == 0
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(address["url"]) as client:
        client.ping()


def test_a_real_redis(dev):
    need("server")
    run = dev("--redis", "server")
    facts = run.up()
    assert facts["redis"]["mode"] == "server"
    assert "fakeredis" not in run.text
    assert run.end(signal.SIGTERM) == 0


def test_a_service_finds_the_redis_under_the_names_that_it_wants(dev):
    names = "BROKER,CELERY_RESULT_BACKEND={url}?x=1,PLACE={host}:{port}/{db}"
    run = dev(
        "--env-names",
        names,
        *script(
            "import os\n"
            "for name in ('REDIS_URL', 'REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'BROKER', "
            "'CELERY_RESULT_BACKEND', 'PLACE'): print(name, '=', os.environ[name])"
        ),
    )
    url = run.line("REDIS_URL = ").split()[-1]
    port = run.line("REDIS_PORT = ").split()[-1]
    assert url == f"redis://127.0.0.1:{port}/0"
    run.line("service", f"BROKER = {url}")
    run.line(f"CELERY_RESULT_BACKEND = {url}?x=1")
    run.line(f"PLACE = 127.0.0.1:{port}/0")
    assert run.end() == 0


def test_the_usual_port_or_the_next_free_one_which_is_said(dev):
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # taken by another, which does as well
            stack.enter_context(socket.create_server(("127.0.0.1", 6379)))
        run = dev(port=None)
        port = run.up()["redis"]["port"]
        assert port > 6379
        run.line("redis", f"port 6379 is taken, so it is {port}")


def test_several_that_are_started_at_the_same_time_have_a_port_each(dev):
    names = ["one", "two", "three"]
    runs = [dev("--json", f"{name}.json", "--no-page", port=None) for name in names]
    ports = {run.up()["redis"]["port"] for run in runs}
    assert len(ports) == len(runs)


def test_the_page_is_at_the_next_port(dev):
    with socket.socket() as found, socket.socket() as next_one:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        try:
            next_one.bind(("127.0.0.1", port + 1))
        except (OSError, OverflowError):
            pytest.skip(f"port {port + 1} is taken")
    facts = dev(port=port).up()
    assert facts["redis"]["port"] == port
    assert facts["page"]["url"] == f"http://127.0.0.1:{port + 1}/"


def test_the_script_is_this_command():
    (script,) = entry_points(group="console_scripts", name="jobqueue")
    assert script.load() is cli.main


def test_pytest_is_never_imported(dev, service):
    (service / "pytest.py").write_text("raise RuntimeError('imported')\n")
    run = dev(*APP, *script("print('is there')"))
    run.line("service", "is there")
    assert run.end() == 0
    assert "imported" not in run.text


def test_a_redis_that_runs_is_leased_and_left_empty(dev):
    need("server")
    with serve("server") as server, redis.Redis.from_url(server.direct_url) as client:
        client.set("foreign", "key")
        run = dev("--redis", server.direct_url.rpartition("/")[0], *APP)
        facts = run.up()
        assert facts["redis"]["mode"] == "url"
        assert "is leased" in run.text
        push(facts["redis"]["url"], "Note", "Bob")
        run.line("Note('Bob')", "is done")
        assert run.end(signal.SIGTERM) == 0
        assert client.info("keyspace") == {"db0": {"keys": 1, "expires": 0, "avg_ttl": 0}}


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_the_service_s(dev, code):
    assert dev(*APP, *script(f"raise SystemExit({code})")).end() == code


def test_a_service_that_is_killed_has_its_signal_as_exit_code(dev):
    assert dev(*script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")).end() == 128 + 9


# Jobs


def test_each_step_of_a_job_is_a_line(dev):
    run = dev(*APP)
    url = run.up()["redis"]["url"]
    push(url, "Note", "Bob")
    assert run.line("Note('Bob')", "is enqueued").startswith("redis ")
    assert run.line("Note('Bob')", "starts").startswith("worker ")
    run.line("worker", "noted Bob")
    run.line("Note('Bob')", "is done in")
    steps = [line for line in run.lines if "Note('Bob')" in line]
    assert [line.rpartition("] ")[2].split()[:2] for line in steps] == [
        ["is", "enqueued"],
        ["starts"],
        ["is", "done"],
    ]


def test_a_job_on_a_queue_that_nobody_had_heard_of_starts_soon(dev):
    run = dev(*APP)
    url = run.up()["redis"]["url"]
    push(url, "Note", "first")
    run.line("Note('first')", "is done in")
    asked = time.time()
    push(url, "Note", "elsewhere", queue="never heard of")
    run.line("Note('elsewhere')", "is done in")
    assert time.time() - asked < 0.9  # the next look by the clock


def test_a_failure_is_said_once_and_that_it_will_run_again(dev):
    run = dev(*APP)
    push(run.up()["redis"]["url"], "Fail", "no reason")
    run.line("Fail('no reason')", "will run again", "RuntimeError: no reason")
    push(run.up()["redis"]["url"], "Note", "after it")
    run.line("Note('after it')", "is done in")
    assert sum("RuntimeError" in line for line in run.lines) == 1


def test_several_workers_work_side_by_side(dev, service):
    run = dev(*APP, "--workers", "2", "--grace", "0")
    facts = run.up()
    assert len(facts["workers"]) == 2
    for _ in range(2):
        push(facts["redis"]["url"], "Hang", 30, jid=os.urandom(8).hex())
    run.line("Hang(30)", "starts")
    deadline = time.monotonic() + 20
    while sum("starts" in line for line in run.lines) < 2:
        assert time.monotonic() < deadline, run.text
        time.sleep(0.01)


def test_jobs_to_begin_with(dev, service):
    (service / "seed.jsonl").write_text(
        '# two\n{"name": "Note", "args": ["now"]}\n\n{"name": "Note", "args": ["later"], "in": 3600}\n'
    )
    run = dev(*APP, "--seed", "seed.jsonl")
    run.line("Note('now')", "is done in")
    run.line("Note('later')", "is enqueued, due in 3")


def test_a_slow_network(dev):
    with redis.Redis.from_url(dev("--latency", "100").up()["redis"]["url"]) as client:
        client.ping()
        started = time.perf_counter()
        client.ping()
        assert time.perf_counter() - started >= 0.1


# Ending


def pids(run):
    facts = run.up()
    children = [*facts["workers"], *([facts["service"]] if facts["service"] else [])]
    return [child["pid"] for child in children]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_service_worker_and_redis_in_this_order(dev, number):
    run = dev(*APP, *SLEEP)
    children = pids(run)
    assert len(children) == 2
    assert run.end(number) == 128 + signal.SIGTERM  # the service's own
    for pid in children:
        wait_gone(pid)


LEAVING = """

import atexit
atexit.register(print, "leaves", flush=True)
"""
LEAVES_LATE = """
import os, signal, sys, time, redis
from pathlib import Path

def end(*_):
    time.sleep(0.3)  # whoever is stopped at the same time is gone by then
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        print("leaves", client.ping(), flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, end)
print("is there", flush=True)
signal.pause()
"""


def test_they_are_stopped_in_the_order_in_which_they_need_each_other(dev, service):
    with (service / "jobs.py").open("a") as jobs:
        jobs.write(LEAVING)
    run = dev(*APP, *script(LEAVES_LATE))
    run.line("service", "is there")
    run.up()
    assert run.end(signal.SIGTERM) == 0
    order = ["service  | leaves True", "worker   | leaves", "jobqueue | leaves"]
    order += ["redis    | gone, with all that was in it"]
    assert [line for line in run.lines if "| leaves" in line or "| gone" in line] == order


def test_what_is_in_a_session_of_its_own_does_not_hold_up_the_end(dev):
    source = "import subprocess, time; subprocess.Popen(['sleep', '30'], start_new_session=True)"
    run = dev(*script(f"{source}; print('is there', flush=True); time.sleep(60)"))
    run.line("service", "is there")
    run.up()
    started = time.monotonic()
    run.end(signal.SIGTERM)
    assert time.monotonic() - started < 10


DESK = b"pytest_jobqueue.cli.desk"


def test_when_the_desk_dies_the_others_go_too(dev, service):
    run = dev(*APP, *SLEEP)
    children = pids(run)
    desk = next(
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if read(path / "cmdline").split(b"\0")[:3] == [sys.executable.encode(), b"-m", DESK]
        and str(service) == cwd(path)
    )
    os.kill(desk, signal.SIGKILL)
    assert run.end() == 128 + signal.SIGTERM
    run.line("jobqueue", "the desk ended with exit code 137: stopping the others")
    for pid in children:
        wait_gone(pid)


def read(path):
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


def cwd(process):
    with contextlib.suppress(OSError):
        return str((process / "cwd").readlink())
    return ""


def test_a_killed_command_leaves_no_orphan(dev, service):
    run = dev(
        *APP,
        *script(
            "import os, subprocess, sys\n"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print('child', child.pid, flush=True)\n"
            "child.wait()"
        ),
    )
    grandchild = int(run.line("child ").split()[-1])
    children = pids(run)
    run.end(signal.SIGKILL)
    for pid in [*children, grandchild]:
        wait_gone(pid)


@pytest.mark.parametrize("part", ["workers", "service"])
def test_when_one_part_dies_the_others_go_too(dev, part):
    run = dev(*APP, *SLEEP)
    facts, children = run.up(), pids(run)
    victim = facts["workers"][0] if part == "workers" else facts["service"]
    os.kill(victim["pid"], signal.SIGKILL)
    assert run.end() == (128 + signal.SIGTERM if part == "workers" else 128 + signal.SIGKILL)
    run.line("jobqueue", f"the {part.removesuffix('s')} ended with exit code 137: stopping the others")
    for pid in children:
        wait_gone(pid)


def test_when_a_real_redis_dies_the_others_go_too(dev):
    need("server")
    run = dev("--redis", "server", *APP, *SLEEP)
    children, url = pids(run), run.up()["redis"]["url"]
    with redis.Redis.from_url(url) as client, contextlib.suppress(redis.ConnectionError):
        client.shutdown(nosave=True)
    assert run.end() == 128 + signal.SIGTERM  # the service's own
    run.line("redis", "User requested shutdown")
    run.line("jobqueue", "the redis is gone: stopping the others")
    for pid in children:
        wait_gone(pid)


def test_a_real_redis_that_ends_its_connections_is_still_there(dev, service):
    need("server")
    run = dev("--redis", "server", *APP)
    url = run.up()["redis"]["url"]
    with redis.Redis.from_url(url) as client:
        for kind in ("normal", "pubsub"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    push(url, "Note", "Bob")
    run.line("worker", "Note('Bob')", "is done")
    assert run.end(signal.SIGTERM) == 0
    assert "gone: stopping" not in run.text


def test_a_running_job_may_finish(dev):
    run = dev(*APP)
    push(run.up()["redis"]["url"], "Hang", 1)
    run.line("worker", "hangs")
    assert run.end(signal.SIGTERM) == 0
    assert "woke up" in run.text
    assert "Hang(1) [Hang-1 on default] is done in" in run.text
    assert "unfinished" not in run.text


def test_a_job_that_does_not_finish_in_time_is_named(dev, service):
    run = dev(*APP, "--grace", "0.2")
    push(run.up()["redis"]["url"], "Hang", 60)
    run.line("worker", "hangs")
    assert run.end(signal.SIGTERM) == 0
    assert "unfinished: Hang(60) [Hang-1 on default]" in run.text
    wait_gone(int((service / "hangs").read_text()))


def test_who_asks_twice_does_not_wait(dev):
    run = dev(*APP, "--grace", "1000")
    push(run.up()["redis"]["url"], "Hang", 1000)
    run.line("worker", "hangs")
    run.send(signal.SIGINT)
    run.line("a running job has 1000 s; once more to stop at once")
    assert run.end(signal.SIGINT) == 0
    assert "unfinished: Hang(1000)" in run.text


def test_the_file_of_addresses_is_there_only_while_all_is_up(dev, service):
    run = dev()
    run.up()
    facts = run.up()
    assert list(facts) == ["pid", "redis", "page", "workers", "service", "environment"]
    assert list(facts["redis"]) == ["url", "host", "port", "mode", "version"]
    assert facts["pid"] == run.pid
    assert facts["environment"]["REDIS_URL"] == facts["redis"]["url"]
    run.end(signal.SIGINT)
    assert not (service / "addresses.json").exists()


def test_a_file_of_another_is_left_alone(dev, service):
    (service / "precious").write_text("another's")
    assert dev("--json", "precious", "--app", "jobs:nope").end() == 2
    assert (service / "precious").read_text() == "another's"
    first = dev("--json", "both")
    first.up()
    second = dev("--json", "both")
    second.line("export REDIS_URL")
    first.end(signal.SIGINT)
    assert (service / "both").exists()
    second.end(signal.SIGINT)
    assert not (service / "both").exists()


# Starting anew


def change(service, old, new):
    jobs = service / "jobs.py"
    jobs.write_text(jobs.read_text().replace(old, new))


def test_a_change_starts_worker_and_service_anew_and_leaves_the_redis(dev, service):
    pytest.importorskip("watchfiles")
    (service / "seed.jsonl").write_text('{"name": "Note", "args": ["seed"]}')
    run = dev(*APP, "--reload", "--seed", "seed.jsonl", *SLEEP)
    before = run.up()
    url = before["redis"]["url"]
    run.line("Note('seed')", "is done in")
    push(url, "Later", "Bob")
    run.line("Later('Bob')", "will run again: UnknownJobError")

    change(service, '@handlers.register("Note")', '@handlers.register("Later")')
    run.line("jobqueue", "jobs.py changed: starting anew")

    after = run.anew("service", before["service"])
    for what in ("redis", "page"):
        assert after[what] == before[what]
    wait_gone(before["service"]["pid"])
    wait_gone(before["workers"][0]["pid"])
    push(url, "Later", "Ann")
    run.line("Later('Ann')", "is done in")
    assert (service / "noted").read_text() == "seed\nAnn\n"  # what there was to begin with came once
    with redis.Redis.from_url(url) as client:
        assert client.zcard("goretry") == 1  # Bob's
    assert run.end(signal.SIGTERM) == 128 + signal.SIGTERM


def test_a_change_that_does_not_import_waits_for_the_next_one(dev, service):
    pytest.importorskip("watchfiles")
    run = dev(*APP, "--reload")
    url = run.up()["redis"]["url"]
    change(service, "handlers = Handlers()", "handlers = Handler()")
    run.line("NameError: name 'Handler' is not defined")
    run.line("(waiting for the next change)")
    change(service, "handlers = Handler()", "handlers = Handlers()")
    push(url, "Note", "Bob")
    run.line("Note('Bob')", "is done in")
    assert run.end(signal.SIGTERM) == 0


def test_a_watch_that_ends_with_an_error_is_told(capsys):
    async def watch():
        raise OSError("the limit of watches is reached")
        yield

    with record(None) as kept:
        session = Session(parse(["dev", "--reload"]), kept)
        asyncio.run(session._look_for_changes(watch()))
    told = "--reload: files are no longer looked at: OSError: the limit of watches is reached"
    assert told in capsys.readouterr().err


# Output


def test_the_banner_comes_after_what_a_service_says_at_its_start(dev):
    said = "time.sleep(0.3); print(text, flush=True)"
    source = f"import time\nfor text in ('boots', 'migrates', 'listens'):\n  {said}\ntime.sleep(60)"
    run = dev(*script(source))
    run.up()
    said = [line for line in run.lines if line.startswith("service  |") or "==> jobqueue dev" in line]
    assert said == [*(f"service  | {text}" for text in ("boots", "migrates", "listens")), "==> jobqueue dev"]


def test_the_banner_is_a_table_with_a_line_to_paste(dev):
    run = dev("--no-page", *APP, *script("import time\ntime.sleep(60)"))
    facts = run.up()
    url, pid = facts["redis"]["url"], facts["workers"][0]["pid"]
    first = run.lines.index("==> jobqueue dev")
    assert [line.replace(sys.executable, "python") for line in run.lines[first + 2 : first + 10]] == [
        f"    redis: {url}  (in-memory Redis 7.4.0 behind 127.0.0.1:{facts['redis']['port']})",
        f"   worker: jobs:handlers  (pid {pid})",
        f"  service: python -c 'import time\\ntime.sleep(60)'  (pid {facts['service']['pid']})",
        f"     json: {run.file}",
        "",
        f"    export REDIS_URL={url}",
        "",
        "Everything is in memory and is gone at the end: no persistence, no password, no TLS.",
    ]


def test_quiet_is_no_silence_about_what_went_wrong(dev):
    run = dev("--quiet", *APP, "--grace", "0.2", *SLEEP)
    facts = run.up(banner=False)
    push(facts["redis"]["url"], "Hang", 60)
    wait_for(run.folder / "hangs")
    os.kill(facts["workers"][0]["pid"], signal.SIGKILL)
    run.end()
    assert run.lines == [
        "jobqueue | the worker ended with exit code 137: stopping the others",
        "worker   | unfinished: Hang(60) [Hang-1 on default]",
    ]


def test_quiet(dev):
    run = dev("--quiet", *APP, *script("print('ready')"))
    assert run.end() == 0
    assert run.lines == ["service  | ready"]


def test_it_is_coloured_only_where_somebody_wants_that(dev):
    assert "\033[" not in dev(*script("print('hello')")).line("hello")
    assert "\033[36mservice" in dev(*script("print('hello')"), env={"FORCE_COLOR": "1"}).line("hello")


def test_a_terminal_has_colours_and_a_pipe_has_none(service):
    command = [
        sys.executable,
        "-m",
        "pytest_jobqueue",
        "dev",
        "--port",
        "0",
        "--no-page",
        *script("print(1)"),
    ]
    env = {name: text for name, text in os.environ.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
    ours, theirs = pty.openpty()
    subprocess.run(command, cwd=service, env=env, stdout=theirs, check=True, timeout=PATIENCE)
    assert b"\033[36mservice  |\033[0m 1" in os.read(ours, 100_000)
    os.close(ours)
    os.close(theirs)
    piped = subprocess.run(command, cwd=service, env=env, capture_output=True, check=True, timeout=PATIENCE)
    assert b"service  | 1" in piped.stdout
    assert b"\033" not in piped.stdout


def test_a_line_that_is_no_text_is_shown(dev):
    source = r"import sys; sys.stdout.buffer.write(b'caf\xe9\n' + b'x' * 200_000)"
    run = dev("--quiet", *script(source))
    assert run.end() == 0
    assert run.lines[0] == "service  | caf\N{REPLACEMENT CHARACTER}"
    assert sum(line.count("x") for line in run.lines[1:]) == 200_000


# Bad input


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--app", "jobs:handler"), "--app is 'jobs:handler', but jobs has no 'handler'; did you mean"),
        (("--app", "nothing:here"), "--app is 'nothing:here', but nothing cannot be imported"),
        (("--", "no-such-command-here"), "there is no command 'no-such-command-here' here"),
        (("--",), "after -- there must be a command"),
        (("--workers", "2"), "--workers needs --app"),
        (("--redis", "rediss"), "rediss"),
        (("--env-names", "1A"), "'1A' is no name of an environment variable"),
        (("--env-names", "A={nothing}"), "there is no {nothing} in 'A={nothing}'"),
        (("--env-names", "A={url:d}"), "'A={url:d}' cannot be read: Unknown format code 'd'"),
        (("--json", "."), "--json: . is a folder"),
        (("--json", "nowhere/file"), "nowhere/file cannot be written: the folder nowhere is not there"),
        (
            ("--app", "leaves:handlers"),
            "leaves cannot be imported: SystemExit: no settings (leaves.py:3)",
        ),
        (("--port", "70000"), "'70000' is no port"),
        (("--latency", "-1"), "'-1' is no number of milliseconds"),
        (("--seed", "none.jsonl"), "there is no file none.jsonl"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_started(dev, service, arguments, sentence):
    (service / "leaves.py").write_text("import sys\n\nsys.exit('no settings')\n")
    command = () if "--" in arguments else script("open('started', 'w')")
    run = dev(*arguments, *command)
    assert run.end() == 2
    assert sentence in run.text
    assert "asyncio" not in run.text
    assert not (service / "started").exists()


def test_a_taken_port_is_named(dev):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        run = dev("--port", port, *SLEEP)
        assert run.end() == 2
    assert f"cannot listen on 127.0.0.1:{port}" in run.text


def test_an_app_that_raises_shows_its_own_frames_and_no_others(dev, service):
    (service / "broken.py").write_text(
        "import json\n\ndef read():\n    return json.loads('{')\n\nhandlers = read()\n"
    )
    run = dev("--app", "broken:handlers", *SLEEP)
    assert run.end() == 2
    frames = [line.strip() for line in run.lines if line.strip().startswith("File ")]
    assert [frame.rpartition(" in ")[2] for frame in frames] == ["<module>", "read"]
    assert "JSONDecodeError" in run.text
    assert "hasattr" not in run.text


def test_an_app_that_cannot_be_joined_says_why(dev, service):
    (service / "odd.py").write_text(
        "from pytest_jobqueue import Handlers\n\n"
        "class Odd(Handlers):\n"
        "    @property\n"
        "    def middleware(self):\n"
        "        raise RuntimeError('no settings')\n\n"
        "handlers = Odd()\n"
    )
    run = dev("--app", "odd:handlers", *SLEEP)
    assert run.end() == 2
    assert "--app odd:handlers: it cannot be joined to redis://" in run.text
    assert "RuntimeError: no settings" in run.text
    assert [line for line in run.lines if " in middleware" in line]
    assert "asyncio" not in run.text


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "line 2"),
        ('{"args": []}', "line 2: a job needs a name, as text"),
        ('{"name": "Note", "args": "Bob"}', "line 2: args is a list"),
        ('{"name": "Note", "arg": []}', "line 2: a job has no 'arg'"),
        ('{"name": "Note", "in": 1, "at": 2}', "line 2: a job is due `in` some seconds or `at` a time"),
        ('{"name": "Note", "in": 1e400}', "line 2: in is inf seconds, which is no time within a hundred"),
        ('{"name": "Note", "at": 1.8e18}', "line 2: at is 1.8e+18 seconds"),
    ],
)
def test_a_bad_line_among_the_jobs_to_begin_with(dev, service, line, reason):
    (service / "seed.jsonl").write_text('{"name": "Note", "args": ["good"]}\n' + line + "\n")
    run = dev(*APP, "--seed", "seed.jsonl")
    assert run.end() == 2
    assert reason in run.text
    assert "nothing was enqueued" in run.text
    assert not (service / "noted").exists()


def test_a_line_that_the_library_refuses_is_named_and_good_lines_are_not_enqueued_twice(dev, service):
    seed = service / "seed.jsonl"
    seed.write_text('# first\n{"name": "Note", "args": ["good"]}\n{"name": "Note", "kwargs": {"x": 1}}\n')
    run = dev(*APP, "--seed", "seed.jsonl")
    assert run.end() == 2
    assert "--seed: seed.jsonl, line 3: Note cannot be enqueued: " in run.text
    assert "nothing is kept of the lines before it" in run.text
    assert "Traceback" not in run.text
    seed.write_text(seed.read_text().replace('"kwargs": {"x": 1}', '"args": ["mended"]'))
    again = dev(*APP, "--seed", "seed.jsonl")
    again.line("Note('mended')", "is done")
    assert again.end(signal.SIGTERM) == 0
    assert (service / "noted").read_text() == "good\nmended\n"
