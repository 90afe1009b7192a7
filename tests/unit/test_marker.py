"""The marker's arguments: what they narrow, which of several wins, and what is refused."""

from __future__ import annotations

import pytest

from pytest_jobqueue.errors import UsageError
from pytest_jobqueue.marker import MARKER_HELP, NOT_GIVEN, jobqueue, merge
from pytest_jobqueue.settings import Settings

mark = pytest.mark.jobqueue
URL = "redis://u:secret@h:1/2"


def merged(*marks):
    return merge([one.mark for one in marks])


def test_without_a_marker_everything_is_allowed():
    nothing = merged()
    assert nothing.redis is None
    assert nothing.app is NOT_GIVEN
    assert all(map(nothing.allows, ["fake", "server", "container", URL]))
    settings = Settings(dialect="sidekiq7")
    assert nothing.settings(settings) == settings


@pytest.mark.parametrize(
    ("redis", "allowed"),
    [
        ("fake", {"fake"}),
        ("real", {"server", "container", URL}),
        ("server", {"server"}),
        ("container", {"container"}),
        ("url", {URL}),
        (["fake", "url"], {"fake", URL}),
        (("real", "fake"), {"fake", "server", "container", URL}),
    ],
)
def test_a_test_can_be_narrowed_to_kinds_of_redis(redis, allowed):
    narrowing = merged(mark(redis=redis))
    assert {mode for mode in ("fake", "server", "container", URL) if narrowing.allows(mode)} == allowed


def test_a_skip_says_what_is_needed_and_no_password():
    assert merged(mark(redis=["server", "fake"])).reason(URL, "container") == (
        "needs redis=server, fake; this run has --redis=url,container"
    )


def test_an_application_and_settings_can_differ():
    app = {}
    narrowing = merged(
        mark(app=app, dialect="sidekiq7", namespace="n", process_id="2", queues=["b", "a"], on_error="record")
    )
    assert narrowing.app is app
    assert narrowing.settings(Settings(seed=4)) == Settings(
        dialect="sidekiq7", namespace="n", process_id="2", queues=("b", "a"), on_error="record", seed=4
    )
    assert merged(mark(app=None)).app is None


def test_the_closest_marker_wins_argument_by_argument():
    narrowing = merged(mark(redis="fake"), mark(redis="server", dialect="sidekiq6"), mark(dialect="sidekiq7"))
    assert narrowing.redis == ("fake",)
    assert narrowing.changes == {"dialect": "sidekiq6"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"redis": "reel"},
            (
                "the marker jobqueue(redis='reel') names no kind of Redis; it can be 'fake', 'real', "
                "'server', 'container' or 'url'"
            ),
        ),
        ({"redis": []}, "the marker jobqueue(redis=[]) allows no Redis at all; leave redis out for any"),
        ({"redis": 5}, f"the marker jobqueue: 'int' object is not iterable; {MARKER_HELP}"),
        (
            {"queues": "mail"},
            "the marker jobqueue: queues is 'mail'; it is a sequence of names, such as ('mail',)",
        ),
        (
            {"queues": []},
            "the marker jobqueue: queues is empty, so no job would ever run; leave it out for all queues",
        ),
        ({"on_error": "log"}, "the marker jobqueue: on_error is 'log'; it can be 'raise' or 'record'"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(UsageError) as caught:
        merged(mark(**arguments))
    assert str(caught.value) == message


def test_an_argument_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(
        UsageError, match=r"^the marker jobqueue: jobqueue\(\) got an unexpected keyword"
    ) as caught:
        merged(mark(redsi="fake"))
    assert str(caught.value).endswith(f"; {MARKER_HELP}")


def test_arguments_have_names():
    with pytest.raises(UsageError) as caught:
        merged(mark(redis="fake"), mark("real", 1))
    assert (
        str(caught.value) == f"the marker jobqueue takes its arguments by name, not 'real', 1; {MARKER_HELP}"
    )


def test_the_help_names_every_argument():
    names = jobqueue.__kwdefaults__
    assert all(f"{name}=" in MARKER_HELP for name in names)
    assert MARKER_HELP.count("=None") == len(names) - 1  # and app=…
