"""A connection outlives its test: spared by the front while kept, never shared, gone with its server."""

from __future__ import annotations

import os
import select

import pytest
import redis
from support.tools import need

from pytest_jobqueue import JobQueue, kept, serve


@pytest.fixture(params=["fake", "server"])
def server(request):
    if request.param == "server":
        need("server")
    with serve(request.param) as running:
        yield running


@pytest.fixture
def connect(server):
    """Makes connections of redis-py to the server; those that are not kept are closed afterwards."""
    made = []

    def connect():
        made.append(redis.ConnectionPool.from_url(server.url).make_connection())
        made[-1].connect()
        return made[-1]

    yield connect
    for connection in made:
        connection.disconnect()


def ask(connection, *command):
    connection.send_command(*command)
    return connection.read_response()


def client_id(server):
    with JobQueue({}, server) as jobqueue:
        return jobqueue.binding._link.call("CLIENT", "ID")


def test_the_next_harness_has_the_connection_of_the_last(server):
    first = client_id(server)
    assert not server.reset()
    assert client_id(server) == first


def test_what_is_kept_is_no_client_of_the_service(server, connect):
    kept.keep(server.url, connect())
    assert server.clients() == []
    stranger = connect()
    assert len(server.clients()) == 1
    ask(stranger, "PING")
    assert len(server.reset()) == 1
    assert kept.take(server.url) is not None


def test_what_is_in_use_at_a_reset_is_cut_off(server):
    with JobQueue({}, server) as jobqueue:
        jobqueue.binding.pending()
        assert len(server.reset()) == 1
        with pytest.raises(redis.ConnectionError):
            jobqueue.binding.pending()


def test_a_connection_that_died_meanwhile_is_replaced(server, connect):
    with JobQueue({}, server) as jobqueue:
        first = jobqueue.binding._link.call("CLIENT", "ID")
        connection = jobqueue.binding._link._connection
    assert ask(connect(), "CLIENT", "KILL", "ID", first) == 1
    assert select.select([connection._sock], [], [], 10)[0]  # the killer may hear of it first
    assert client_id(server) != first


def test_an_answer_that_nobody_asked_for_is_not_read(server, connect):
    connection = connect()
    connection.send_command("PING")
    assert connection.can_read(5)
    kept.keep(server.url, connection)
    assert kept.take(server.url) is None


def test_one_is_kept_for_a_url(server, connect):
    first, second = connect(), connect()
    kept.keep(server.url, first)
    kept.keep(server.url, second)
    assert first._sock is None
    assert kept.take(server.url) is second
    assert kept.take(server.url) is None


def test_a_closed_server_keeps_none(connect, server):
    connection = connect()
    kept.keep(server.url, connection)
    server.close()
    assert connection._sock is None
    assert kept.take(server.url) is None


def test_without_a_socket_there_is_nothing_to_keep(server, connect):
    connection = connect()
    connection.disconnect()
    kept.keep(server.url, connection)
    assert kept.take(server.url) is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_none_of_its_parent_s(server, connect):
    connection = connect()
    kept.keep(server.url, connection)
    child = os.fork()
    if not child:
        os._exit(0 if kept.take(server.url) is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert kept.take(server.url) is connection
    assert ask(connection, "PING") == b"PONG"
