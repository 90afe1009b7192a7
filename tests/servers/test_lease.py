"""Leasing a database of a Redis that others use too: what is taken, what is refused, what is left alone."""

from __future__ import annotations

import os
import re
import signal
import threading
from urllib.parse import quote

import pytest
import redis
from support.processes import descriptors, foreign_server, program, wait_gone
from support.tools import need

from pytest_jobqueue.errors import ForeignDataError, JobQueueWarning, ServerUnavailableError, UsageError
from pytest_jobqueue.servers.lease import lease_url
from pytest_jobqueue.servers.peers import Peer, read_peers
from pytest_jobqueue.servers.process import _free_port


@pytest.fixture
def url():
    """A foreign Redis, over its Unix socket."""
    need("server")
    with foreign_server() as path:
        yield f"unix://{path}"


@pytest.fixture
def client(url):
    """Somebody else, in database 0."""
    with redis.Redis.from_url(url) as connected:
        yield connected


@pytest.fixture
def lease():
    """`lease_url`, closed at the end."""
    made = []

    def take(url, **options):
        made.append(lease_url(url, **options))
        return made[-1]

    yield take
    for provider in made:
        provider.close()


def lease_connection(client):
    (row,) = [row for row in client.client_list() if row["name"].startswith("pytest-jobqueue:lease:")]
    return row["id"]


def wait_for_command(monitor, name, times=1):
    """Wait until the server has begun a command; it begins no other until that is done or blocked."""
    for event in monitor.listen():
        times -= event["command"].startswith(name)
        if times == 0:
            return


@pytest.fixture
def fill(url):
    """Puts one foreign key into each of the databases given."""

    def fill_all(*numbers):
        for number in numbers:
            with redis.Redis.from_url(url, db=number) as other:
                other.set("theirs", "value")

    return fill_all


def test_without_a_number_the_first_empty_database_after_0_is_leased(url, lease, fill):
    fill(1, 2)
    provider = lease(url)
    assert provider.database == 3
    assert provider.url == f"{url}?db=3"
    assert provider.mode == "url"
    assert provider.log_tail() == ""


def test_it_says_what_it_is(url, client, lease):
    provider = lease(url)
    version = client.info("server")["redis_version"]
    assert provider.version == version
    assert provider.describe() == f"Redis {version} at {url}, leased database 1"


def test_two_leases_at_once_get_two_databases(url, lease):
    assert [lease(url).database for _ in range(3)] == [1, 2, 3]


def test_many_at_the_same_moment_get_one_each(url, lease):
    start, taken = threading.Barrier(8), []

    def take():
        start.wait()
        taken.append(lease(url).database)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 8


def test_database_0_is_the_last_resort(url, lease, fill):
    fill(*range(1, 16))
    assert lease(url).database == 0


def test_a_database_that_another_client_uses_is_passed_over(url, lease):
    with redis.Redis.from_url(url, db=1) as other:
        other.ping()
        assert lease(url).database == 2


def test_one_with_an_idle_visitor_is_taken_when_all_else_is_full(url, lease, fill):
    fill(0, *range(2, 16))
    with redis.Redis.from_url(url, db=1) as other:
        other.ping()
        assert lease(url).database == 1


@pytest.mark.parametrize("number", [0, 3, 15])
def test_a_number_leases_that_database(url, lease, number):
    provider = lease(f"{url}?db={number}")
    assert provider.database == number
    with redis.Redis.from_url(provider.url) as ours:
        assert ours.connection_pool.connection_kwargs["db"] == number


def test_nothing_of_a_lease_is_in_any_database(url, client, lease):
    lease(url)
    lease(f"{url}?db=15")
    assert client.info("keyspace") == {}


def test_a_database_leased_by_another_is_refused_by_its_owner_s_name(url, lease):
    lease(f"{url}?db=3", run_id="run: 7")
    with pytest.raises(ServerUnavailableError) as caught:
        lease_url(f"{url}?db=3")
    host = os.uname().nodename
    assert str(caught.value) == (
        f"{url} database 3 is leased by another process: {host}, pid {os.getpid()}, run run--7. Give a URL "
        "without a database number: each run and each xdist worker gets its own then."
    )


def test_foreign_keys_are_refused_and_untouched(url, client):
    client.mset({f"key{number:02}": number for number in range(9)} | {b"\xff\xfe": 1})
    with pytest.raises(ForeignDataError) as caught:
        lease_url(f"{url}?db=0")
    message = str(caught.value)
    assert message.startswith(f"{url} database 0 holds 10 keys already: ")
    assert all(f"key{number:02}" in message for number in range(9))
    assert r"\xff\xfe" in message
    assert message.endswith(
        ". Nothing was changed. Give another database, or a URL without a database number, so that an empty "
        "one is looked for. If a killed run left these keys behind, empty the database yourself: "
        "redis-cli -n 0 FLUSHDB"
    )
    assert client.dbsize() == 10
    assert len(client.client_list()) == 1


def test_ten_foreign_keys_at_most_are_named(url, client):
    client.mset({f"key{number:03}": number for number in range(300)})
    with pytest.raises(ForeignDataError) as caught:
        lease_url(f"{url}?db=0")
    assert "holds 300 keys already" in str(caught.value)
    assert len(re.findall(r"key\d{3}", str(caught.value))) == 10
    assert ", …. Nothing" in str(caught.value)


def test_no_database_to_spare_says_what_is_in_each(url, lease, fill):
    fill(0, *range(4, 16))
    lease(url)
    lease(url)
    lease(url)
    with pytest.raises(ForeignDataError) as caught:
        lease_url(url)
    message = str(caught.value)
    assert message.startswith(f"{url} has no database to spare among its 16: database 1 is leased by ")
    assert "; database 4 holds 1 key; " in message
    assert "; and 6 more. Nothing was changed. Empty one that nobody needs, end the other runs" in message


def test_all_leased_is_no_matter_of_foreign_data(lease):
    need("server")
    with foreign_server("--databases", "1") as path:
        provider = lease(f"unix://{path}")
        assert provider.database == 0
        with pytest.raises(
            ServerUnavailableError, match=r"among its 1: database 0 is leased by .*, pid \d+\. "
        ):
            lease_url(f"unix://{path}")
        provider.close()


def test_a_worker_that_waits_for_jobs_in_the_database_is_named(url, client, fill):
    fill(0, *range(3, 16))
    with redis.Redis.from_url(url, db=2, client_name="devworker") as worker:
        thread = threading.Thread(target=worker.blpop, args=(["queue"],), kwargs={"timeout": 60})
        with client.monitor() as monitor:
            thread.start()
            wait_for_command(monitor, "BLPOP")
        try:
            with pytest.raises(
                ServerUnavailableError, match=r"database 2: a client there waits .*devworker, blpop"
            ):
                lease_url(f"{url}?db=2")
            provider = lease_url(url)
            assert provider.database == 1
            with pytest.raises(
                ForeignDataError,
                match=r": database 1 is leased by .*devworker, blpop\) waits for jobs; database 3 .*6 more\.",
            ):
                lease_url(url)
            provider.close()
        finally:
            client.execute_command("SELECT", 2)
            client.client_unblock(
                next(row["id"] for row in client.client_list() if row["name"] == "devworker")
            )
            thread.join()


def test_reset_empties_our_database_and_no_other(url, lease, fill):
    fill(0, 2)
    provider = lease(url)
    with redis.Redis.from_url(provider.url) as ours:
        ours.set("a", 1)
        provider.reset()
        assert ours.dbsize() == 0
        assert set(ours.info("keyspace")) == {"db0", "db2"}


def test_close_flushes_what_the_tests_put_there_and_gives_the_database_back(url, client):
    opened, threads = descriptors(), threading.active_count()
    provider = lease_url(url)
    with redis.Redis.from_url(provider.url) as ours:
        ours.set("a", 1)
    provider.close()
    provider.close()
    assert client.info("keyspace") == {}
    assert descriptors() == opened + 1  # the client's own
    assert threading.active_count() == threads
    again = lease_url(f"{url}?db={provider.database}")
    again.close()


def test_a_lost_lease_does_not_flush_what_another_has_put_there(url, client, lease):
    lost = lease_url(f"{url}?db=3")
    client.client_kill_filter(_id=lease_connection(client))
    successor = lease(f"{url}?db=3")
    with redis.Redis.from_url(successor.url) as theirs:
        theirs.set("their", "job")
        message = (
            rf"^The lease of database 3 at {url} is lost, because its connection was closed: .*not flushed"
        )
        for _ in range(2):
            with pytest.raises(ServerUnavailableError, match=message):
                lost.reset()
        with pytest.warns(JobQueueWarning, match=r"what the last test put there was not removed"):
            lost.close()
        assert theirs.get("their") == b"job"
    successor.reset()


def test_a_server_that_refuses_to_flush_is_an_error(url, client, lease):
    provider = lease(url)
    client.acl_setuser("default", enabled=True, commands=["-flushdb"])
    with pytest.raises(ServerUnavailableError, match=r"cannot be flushed: .*flushdb"):
        provider.reset()
    client.acl_setuser("default", enabled=True, commands=["+flushdb"])


def test_a_killed_run_gives_its_database_back_at_once(url):
    source = f"""
from pytest_jobqueue.servers.lease import lease_url
provider = lease_url({url!r} + "?db=3")
print(provider.database, flush=True)
input()
"""
    with program(source) as (run, _):
        run.send_signal(signal.SIGKILL)
        wait_gone(run.pid)
        lease_url(f"{url}?db=3").close()


def test_a_forked_child_may_not_use_the_lease(url):
    source = f"""
import os
from pytest_jobqueue.servers.lease import lease_url
provider = lease_url({url!r})
if os.fork() == 0:
    provider.close()
    try:
        provider.reset()
    except Exception as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
provider.reset()
provider.close()
"""
    with program(source) as (run, words):
        assert " ".join(words).endswith(f"the lease belongs to process {run.pid}, which forked this one")
        assert run.wait() == 0


def test_a_server_that_hangs_up_on_the_idle_is_pinged(lease):
    need("server")
    with foreign_server("--timeout", "1") as path, redis.Redis.from_url(f"unix://{path}") as client:
        provider = lease(f"unix://{path}")
        assert "pytest-jobqueue-lease" in {thread.name for thread in threading.enumerate()}
        with client.monitor() as monitor:
            wait_for_command(monitor, "PING", times=4)
        provider.reset()
        provider.close()
        assert "pytest-jobqueue-lease" not in {thread.name for thread in threading.enumerate()}


def test_where_configuration_is_secret_16_databases_and_a_ping_are_assumed(url, client, lease):
    client.acl_setuser("default", enabled=True, commands=["-config"])
    provider = lease(url)
    assert provider.database == 1
    assert "pytest-jobqueue-lease" in {thread.name for thread in threading.enumerate()}
    provider.close()


def test_a_database_that_does_not_exist_is_refused(url):
    with pytest.raises(UsageError, match=r"has no database 16: DB index is out of range"):
        lease_url(f"{url}?db=16")


def test_an_option_that_does_not_exist_is_refused(url):
    with pytest.raises(UsageError, match=r"has an option that redis-py does not take: .*colour"):
        lease_url(f"{url}?colour=red")


def test_nobody_there_is_an_error_that_names_the_address():
    port = _free_port()
    with pytest.raises(
        ServerUnavailableError, match=rf"^redis://127\.0\.0\.1:{port} cannot be used: .*refused"
    ):
        lease_url(f"redis://user:secret@127.0.0.1:{port}/3")


def test_a_password_is_used_and_never_shown():
    need("server")
    port, password = _free_port(), "p@ss/word"
    with foreign_server("--port", str(port), "--requirepass", password):
        provider = lease_url(f"redis://:{quote(password, safe='')}@127.0.0.1:{port}")
        assert password not in provider.describe()
        with redis.Redis.from_url(provider.url) as ours:
            assert ours.ping()
        provider.reset()
        provider.close()
        with pytest.raises(ServerUnavailableError, match=r"cannot be used: .*(WRONGPASS|invalid)") as caught:
            lease_url(f"redis://:wrong@127.0.0.1:{port}")
        assert "wrong@" not in str(caught.value)


def test_tls(certificate):
    need("server")
    cert, key = certificate
    port = str(_free_port())
    options = ["--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key]
    with foreign_server(*options, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"):
        provider = lease_url(f"rediss://localhost:{port}?ssl_ca_certs={cert}")
        assert provider.url == f"rediss://localhost:{port}/1?ssl_ca_certs={quote(cert, safe='')}"
        with redis.Redis.from_url(provider.url) as ours:
            ours.set("a", 1)
            provider.reset()
            assert ours.dbsize() == 0
        provider.close()
        with pytest.raises(
            ServerUnavailableError, match=r"^rediss://localhost:\d+ cannot be used: .*certificate"
        ):
            lease_url(f"rediss://localhost:{port}")


def test_rows_of_the_client_list_are_read():
    rows = (
        "id=3 addr=127.0.0.1:51 laddr=127.0.0.1:6379 fd=8 name= age=0 flags=N db=2 cmd=client|list user=x\n"
        "id=4 addr=/run/s:0 name=pytest-jobqueue:lease:12:host:7:run:abc flags=b db=12 cmd=blpop resp=2\n"
        "id=5 addr=1:1 name=pytest-jobqueue:lease:x flags=U db=0 cmd=NULL\n"
    )
    one, two, three = read_peers(rows)
    assert one == Peer("127.0.0.1:51", "", 2, blocked=False, command="client|list")
    assert (two.leased, two.owner, two.blocked) == (12, "host, pid 7, run run", True)
    assert (one.leased, three.leased) == (None, None)
    assert str(one) == "127.0.0.1:51 (unnamed, client|list)"
